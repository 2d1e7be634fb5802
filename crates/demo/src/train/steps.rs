//! The training loop.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use burn::optim::{AdamW, AdamWConfig, Optimizer};
use burn::tensor::{Gradients, Int, Tensor, TensorData, activation};
use secateur_model::checkpoint::Config;
use secateur_model::decoder::{Decoder, Watch};
use secateur_model::families;
use secateur_model::spec::DecoderSpec;
use secateur_model::weights::expected;
use secateur_model::{Device, DeviceKind, Precision};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::data::{Encoder, TrainingBatch};
use super::recipe::{END_OF_TEXT, Recipe, TURN_END};
use super::state::{OnDevice, Parameter, State};
use super::{TrainError, balance, file_error, publish, tokenizer};
use crate::facts::Knowledge;
use crate::text::Corpus;

/// Largest norm of the gradient; above it, all gradients are scaled down.
const GRADIENT_NORM: f64 = 1.0;

/// Steps between two lines of the log, and between two saved states.
const LOG_EVERY: usize = 20;
const SAVE_EVERY: usize = 100;

/// Losses of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// Mean −ln p of the learned tokens, in nats.
    pub cross_entropy: f64,
    /// Load-balancing loss, 1 when experts share tokens evenly.
    pub balance: f64,
}

/// What one batch says.
struct Step {
    losses: Losses,
    gradients: Gradients,
    /// Of the selection biases, by name.
    directions: Vec<(String, Vec<f32>)>,
}

/// Trains a model to the end of its recipe, or goes on where an earlier run stopped, and publishes the checkpoint.
///
/// `work` keeps the state and the log, `output` becomes the checkpoint directory. `line` is called with progress in words.
///
/// # Errors
/// [`TrainError`].
pub fn train(recipe: &Recipe, work: &Path, output: &Path, line: &mut dyn FnMut(&str)) -> Result<(), TrainError> {
    std::fs::create_dir_all(work).map_err(file_error(work))?;
    let corpus = Corpus::new(Knowledge::built_in()?, recipe.mixture.clone(), recipe.seed)?;
    let words = words(&corpus, work, line)?;
    let (config, spec) = describe(recipe, &words, work)?;
    let state_file = work.join("state.safetensors");
    let mut state = begin(recipe, &spec, &state_file, line)?;

    let device = Device::open(DeviceKind::Cpu, Precision::F32)?.autodiff();
    let encoder = Encoder::new(&words)?;
    let mut on_device = state.on_device(device.burn());
    let optimisers = [optimiser(recipe.weight_decay), optimiser(0.0)];
    let started = std::time::Instant::now();
    let mut trained = 0usize;
    while state.step < recipe.steps {
        let (batch, next) = encoder.batch(&corpus, recipe, state.next_document)?;
        let step = losses(recipe, &spec, &on_device, &batch, &device)?;
        if !step.losses.cross_entropy.is_finite() {
            return Err(TrainError::Diverged {
                step: state.step,
                loss: step.losses.cross_entropy,
            });
        }
        let (losses, rate) = (step.losses, recipe.rate(state.step));
        take_step(&mut on_device, step, rate, &optimisers, (recipe.bias_rate, &device));
        state.step += 1;
        state.next_document = next;
        trained += batch.batch.ids.len();
        if state.step.is_multiple_of(LOG_EVERY) || state.step == recipe.steps {
            let speed = trained as f64 / started.elapsed().as_secs_f64();
            line(&format!(
                "step {:5}  loss {:.4}  balance {:.3}  rate {rate:.2e}  {speed:.0} tokens/s",
                state.step, losses.cross_entropy, losses.balance
            ));
            log(work, &state, losses, rate)?;
        }
        if state.step.is_multiple_of(SAVE_EVERY) || state.step == recipe.steps {
            state.take(&on_device);
            state.save(&state_file)?;
        }
    }
    publish::publish(recipe, &config, &state, work, output)
}

/// The tokenizer of an earlier run, or one learned from the corpus.
fn words(corpus: &Corpus, work: &Path, line: &mut dyn FnMut(&str)) -> Result<Tokenizer, TrainError> {
    let file = work.join("tokenizer.json");
    if !file.exists() {
        line("learning the tokenizer");
        tokenizer::train(corpus, &file)?;
    }
    tokenizer::open(&file)
}

/// config.json and what it describes.
fn describe(recipe: &Recipe, words: &Tokenizer, work: &Path) -> Result<(Value, DecoderSpec), TrainError> {
    let (end_of_text, turn_end) = (tokenizer::id(words, END_OF_TEXT)?, tokenizer::id(words, TURN_END)?);
    let config = recipe.full_config(words.get_vocab_size(true), end_of_text, turn_end);
    let reader =
        Config::parse(&work.join("config.json"), &config.to_string()).map_err(secateur_model::ModelError::from)?;
    let spec = families::family(&reader)?.spec(&reader)?;
    Ok((config, spec))
}

/// The state of an earlier run, or initial weights.
fn begin(recipe: &Recipe, spec: &DecoderSpec, file: &Path, line: &mut dyn FnMut(&str)) -> Result<State, TrainError> {
    let tensors = expected(spec);
    let state = if file.exists() {
        State::open(file, &tensors)?
    } else {
        State::initial(&tensors, recipe.seed, recipe.query_key_norm)
    };
    let sizes = tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>());
    line(&format!(
        "{}: {} parameters, step {} of {}",
        recipe.name,
        sizes.sum::<usize>(),
        state.step,
        recipe.steps
    ));
    Ok(state)
}

/// One step of the optimiser, and of the selection biases.
fn take_step(
    parameters: &mut OnDevice,
    step: Step,
    rate: f64,
    [decay, plain]: &[AdamW; 2],
    (bias_rate, device): (f64, &Device),
) {
    let mut gradients = step.gradients;
    let scale = clip(parameters, &gradients);
    for parameter in parameters.matrices.values_mut() {
        update(parameter, &mut gradients, scale, rate, decay);
    }
    for parameter in parameters.vectors.values_mut() {
        update(parameter, &mut gradients, scale, rate, plain);
    }
    balance::move_biases(parameters, step.directions, bias_rate, device);
}

fn optimiser(weight_decay: f32) -> AdamW {
    AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.98)
        .with_epsilon(1e-8)
        .with_weight_decay(weight_decay)
        .build()
}

/// Forward and backward pass of one batch.
fn losses(
    recipe: &Recipe,
    spec: &DecoderSpec,
    parameters: &OnDevice,
    batch: &TrainingBatch,
    device: &Device,
) -> Result<Step, TrainError> {
    let decoder = Decoder::new(spec.clone(), &parameters.weights(), device)?;
    let mut routing = Vec::new();
    let hidden = decoder.forward(&batch.batch, None, &mut Watch::Routing(&mut routing))?;
    let count = batch.cells.len();
    let ints = |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [count]), device.burn());
    let cells = ints(batch.cells.iter().map(|&cell| cell as i64).collect());
    let targets = ints(batch.targets.iter().map(|&token| i64::from(token)).collect());
    let logits = decoder.logits(hidden.select(0, cells));
    let chosen = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    let cross_entropy = chosen.mean().neg();
    let balance = balance::loss(spec, &routing, batch, device);
    let losses = Losses {
        cross_entropy: scalar(cross_entropy.clone()),
        balance: scalar(balance.clone()),
    };
    Ok(Step {
        losses,
        gradients: (cross_entropy + balance.mul_scalar(recipe.balance)).backward(),
        directions: balance::directions(spec, &routing, batch),
    })
}

fn scalar(x: Tensor<1>) -> f64 {
    x.into_data()
        .convert::<f64>()
        .try_into_vec::<f64>()
        .ok()
        .and_then(|values| values.first().copied())
        .unwrap_or(f64::NAN)
}

/// The factor that brings the norm of all gradients together to at most [`GRADIENT_NORM`].
fn clip(parameters: &OnDevice, gradients: &Gradients) -> f64 {
    fn square<const D: usize>(p: &Parameter<D>, gradients: &Gradients) -> f64 {
        p.value
            .grad(gradients)
            .map_or(0.0, |gradient| scalar(gradient.square().sum()))
    }
    let matrices: f64 = parameters.matrices.values().map(|p| square(p, gradients)).sum();
    let vectors: f64 = parameters.vectors.values().map(|p| square(p, gradients)).sum();
    let norm = (matrices + vectors).sqrt();
    if norm > GRADIENT_NORM {
        GRADIENT_NORM / norm
    } else {
        1.0
    }
}

/// One `AdamW` step; a parameter that no token reached has no gradient and stays.
fn update<const D: usize>(
    parameter: &mut Parameter<D>,
    gradients: &mut Gradients,
    scale: f64,
    rate: f64,
    optimiser: &AdamW,
) {
    let Some(gradient) = parameter.value.grad_remove(gradients) else {
        return;
    };
    let (value, moments) = optimiser.step(
        rate,
        parameter.value.clone().inner(),
        gradient.mul_scalar(scale),
        parameter.moments.take(),
    );
    parameter.value = Tensor::from_inner(value).require_grad();
    parameter.moments = moments;
}

fn log(work: &Path, state: &State, losses: Losses, rate: f64) -> Result<(), TrainError> {
    let path = work.join("log.jsonl");
    let record = json!({
        "step": state.step, "documents": state.next_document, "cross_entropy": losses.cross_entropy,
        "balance": losses.balance, "learning_rate": rate,
    });
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(file_error(&path))?;
    writeln!(file, "{record}").map_err(file_error(&path))
}
