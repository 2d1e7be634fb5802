//! The forward pass.
//!
//! Embeddings (scaled where the config says so) and learned positions are added and normed; every block is followed by a layer norm of
//! its sum with what came in. The decoder sees the target moved right by one, with the start token before it.

use burn::tensor::Tensor;
use secateur_model::blocks::norm::Norm;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::matrix::Matrix;
use secateur_model::weights::{CheckpointWeights, WeightSource};
use secateur_model::{Device, ModelError};

use super::batches::Request;
use super::blocks::{Attention, FeedForward, Memory, layer_norm};
use super::expected::{BIAS, POSITION_OFFSET};
use super::spec::{BartSpec, SideSpec};
use super::tensors::{host, indices, rows, tensor};

/// Added to the score of what must not be seen.
const UNSEEN: f32 = -1e30;
/// Rows of logits on the host at a time.
const ROWS_PER_PROJECTION: usize = 256;

#[derive(Debug)]
pub(super) struct Bart {
    pub(super) spec: BartSpec,
    device: Device,
    /// `[vocabulary, hidden]`, of both sides and of the output.
    embedding: Matrix,
    /// `[vocabulary]`.
    bias: Option<Tensor<1>>,
    encoder: Side,
    decoder: Side,
}

#[derive(Debug)]
struct Side {
    /// `[positions + 2, hidden]`.
    positions: Matrix,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    own: Attention,
    /// Of the decoder: attention to the encoder's output.
    cross: Option<Attention>,
    feed_forward: FeedForward,
}

/// What the encoder made of the sources of a batch.
struct Encoded {
    /// `[sources * length, hidden]`.
    states: Tensor<2>,
    /// `[sources, 1, 1, length]`.
    mask: Tensor<4>,
    sources: usize,
}

impl Bart {
    pub(super) fn new(
        spec: BartSpec,
        embedding: &str,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let weights = CheckpointWeights { checkpoint, device };
        let bias = match checkpoint.tensor(BIAS) {
            Some(_) => Some(weights.vector(BIAS, spec.vocabulary)?),
            None => None,
        };
        Ok(Self {
            embedding: weights.matrix(embedding, [spec.vocabulary, spec.hidden])?,
            bias,
            encoder: Side::new(&weights, "encoder", &spec.encoder, &spec)?,
            decoder: Side::new(&weights, "decoder", &spec.decoder, &spec)?,
            device: device.clone(),
            spec,
        })
    }

    /// ln p of every token of every target.
    pub(super) fn log_probabilities(&self, batch: &[Request<'_>]) -> Result<Vec<Vec<f64>>, ModelError> {
        let hidden = self.decode(batch);
        let length = longest(batch.iter().map(|request| request.target));
        let cells: Vec<(usize, usize)> = batch
            .iter()
            .enumerate()
            .flat_map(|(row, request)| (0..request.target.len()).map(move |at| (row, at)))
            .collect();
        let mut results: Vec<Vec<f64>> = vec![Vec::new(); batch.len()];
        for chunk in cells.chunks(ROWS_PER_PROJECTION) {
            let places: Vec<usize> = chunk.iter().map(|(row, at)| row * length + at).collect();
            let logits = self.project(hidden.clone().select(0, indices(&places, &self.device)))?;
            for (&(row, at), logits) in chunk.iter().zip(logits.chunks_exact(self.spec.vocabulary)) {
                let token = batch[row].target[at] as usize;
                results[row].push(logits[token] - log_sum_exp(logits));
            }
        }
        Ok(results)
    }

    /// Logits of one pair, `[target, vocabulary]`.
    pub(super) fn logits(&self, source: &[u32], target: &[u32]) -> Result<Vec<Vec<f64>>, ModelError> {
        let request = Request {
            source,
            target,
            asked_by: Vec::new(),
        };
        let logits = self.project(self.decode(&[request]))?;
        Ok(logits.chunks_exact(self.spec.vocabulary).map(<[f64]>::to_vec).collect())
    }

    fn project(&self, hidden: Tensor<2>) -> Result<Vec<f64>, ModelError> {
        let logits = self.embedding.apply(hidden);
        let logits = match &self.bias {
            Some(bias) => logits + bias.clone().unsqueeze(),
            None => logits,
        };
        host(logits, "BART's logits")
    }

    /// The decoder's output, `[pairs * longest target, hidden]`.
    fn decode(&self, batch: &[Request<'_>]) -> Tensor<2> {
        let mut sources: Vec<&[u32]> = Vec::new();
        let mut source_of = Vec::with_capacity(batch.len());
        for request in batch {
            if sources.last() != Some(&request.source) {
                sources.push(request.source);
            }
            source_of.push(sources.len() - 1);
        }
        let encoded = self.encode(&sources);
        let source_of = indices(&source_of, &self.device);
        let mask = encoded.mask.clone().select(0, source_of.clone());
        let inputs: Vec<Vec<u32>> = batch
            .iter()
            .map(|request| shifted(self.spec.start, request.target))
            .collect();
        let inputs: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
        let causal = causal_mask(longest(inputs.iter().copied()), &self.device);
        let mut x = self.embed(&self.decoder, &inputs);
        for layer in &self.decoder.layers {
            let own = layer.own.memory(&x, batch.len());
            x = layer.own.apply(x, batch.len(), own, &causal);
            if let Some(cross) = &layer.cross {
                let Memory { key, value } = cross.memory(&encoded.states, encoded.sources);
                let memory = Memory {
                    key: key.select(0, source_of.clone()),
                    value: value.select(0, source_of.clone()),
                };
                x = cross.apply(x, batch.len(), memory, &mask);
            }
            x = layer.feed_forward.apply(x);
        }
        x
    }

    fn encode(&self, sources: &[&[u32]]) -> Encoded {
        let mask = padding_mask(sources, &self.device);
        let mut x = self.embed(&self.encoder, sources);
        for layer in &self.encoder.layers {
            let own = layer.own.memory(&x, sources.len());
            x = layer.feed_forward.apply(layer.own.apply(x, sources.len(), own, &mask));
        }
        Encoded {
            states: x,
            mask,
            sources: sources.len(),
        }
    }

    /// Normed sum of embeddings and positions, `[sequences * longest, hidden]`. Padding is token 0.
    fn embed(&self, side: &Side, sequences: &[&[u32]]) -> Tensor<2> {
        let length = longest(sequences.iter().copied());
        let ids: Vec<usize> = sequences
            .iter()
            .flat_map(|ids| (0..length).map(|at| ids.get(at).map_or(0, |&id| id as usize)))
            .collect();
        let positions: Vec<usize> = (0..sequences.len())
            .flat_map(|_| POSITION_OFFSET..length + POSITION_OFFSET)
            .collect();
        let tokens = rows(&self.embedding, &ids, &self.device).mul_scalar(self.spec.embedding_scale);
        side.norm
            .apply(tokens + rows(&side.positions, &positions, &self.device))
    }
}

impl Side {
    fn new(weights: &dyn WeightSource, name: &str, side: &SideSpec, spec: &BartSpec) -> Result<Self, ModelError> {
        let layer = |number: usize| {
            let layer = format!("model.{name}.layers.{number}");
            let attention = |what: &str| Attention::new(weights, &format!("{layer}.{what}"), spec.hidden, side.heads);
            Ok(Layer {
                own: attention("self_attn")?,
                cross: match name {
                    "decoder" => Some(attention("encoder_attn")?),
                    _ => None,
                },
                feed_forward: FeedForward::new(weights, &layer, spec.hidden, side, spec.activation)?,
            })
        };
        let table = [spec.positions + POSITION_OFFSET, spec.hidden];
        Ok(Self {
            positions: weights.matrix(&format!("model.{name}.embed_positions.weight"), table)?,
            norm: layer_norm(weights, &format!("model.{name}.layernorm_embedding"), spec.hidden)?,
            layers: (0..side.layers).map(layer).collect::<Result<_, ModelError>>()?,
        })
    }
}

fn longest<'a>(sequences: impl Iterator<Item = &'a [u32]>) -> usize {
    sequences.map(<[u32]>::len).max().unwrap_or(0)
}

/// The target without its last token, after the start token.
fn shifted(start: u32, target: &[u32]) -> Vec<u32> {
    let before_last = target.iter().copied().take(target.len().saturating_sub(1));
    std::iter::once(start).chain(before_last).collect()
}

/// Hides what is after a token, `[1, 1, length, length]`; padding comes after every token of its row.
fn causal_mask(length: usize, device: &Device) -> Tensor<4> {
    let mask = (0..length).flat_map(|query| (0..length).map(move |key| if key <= query { 0.0 } else { UNSEEN }));
    tensor(mask.collect(), [1, 1, length, length], device)
}

/// Hides padding, `[sequences, 1, 1, longest]`.
fn padding_mask(sequences: &[&[u32]], device: &Device) -> Tensor<4> {
    let length = longest(sequences.iter().copied());
    let mask = sequences
        .iter()
        .flat_map(|ids| (0..length).map(|at| if at < ids.len() { 0.0 } else { UNSEEN }));
    tensor(mask.collect(), [sequences.len(), 1, 1, length], device)
}

/// ln Σ exp of finite values.
fn log_sum_exp(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
}
