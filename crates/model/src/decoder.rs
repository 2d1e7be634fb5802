//! The one forward loop.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::batch::{Batch, Slot};
use crate::blocks::attention::Attention;
use crate::blocks::experts::indices;
use crate::blocks::latent_attention::LatentAttention;
use crate::blocks::linear::Linear;
use crate::blocks::mixer::Mixer;
use crate::blocks::mlp::Mlp;
use crate::blocks::moe::{Moe, MoeOutputs};
use crate::blocks::norm::Norm;
use crate::blocks::recurrent::RecurrentState;
use crate::blocks::router::Routing;
use crate::blocks::state::{KeyValueCache, LayerState};
use crate::cache::Cache;
use crate::device::{Device, DeviceKind};
use crate::error::ModelError;
use crate::gathered::Gathering;
use crate::layer_pass::LayerPass;
use crate::layerwise::LayerFiles;
use crate::matrix::{Matrix, add_in_place};
use crate::observe::MoeObserver;
use crate::pass::Pass;
use crate::spec::{BlockSpec, DecoderSpec, LayerSpec, NormPlacement, StepSpec};
use crate::weights::WeightSource;

/// A decoder put together from a [`DecoderSpec`] and weights.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// What it is made of.
    pub spec: DecoderSpec,
    device: Device,
    embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    norm: Norm,
    output: Linear,
    /// Where its weights lie, if they are read from files while it computes.
    pub(crate) files: Option<Arc<LayerFiles>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    residual_scale: f64,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    norm: Norm,
    placement: NormPlacement,
    block: Block,
    /// No step behind it, of any layer, mixes tokens: what is not asked for behind the last layer can be left out from here on.
    is_last_to_mix: bool,
}

/// What a step does.
#[derive(Debug, Clone)]
enum Block {
    Attention(Box<Attention>),
    LatentAttention(Box<LatentAttention>),
    Mixer(Box<Mixer>),
    Dense(Box<Mlp>),
    Moe(Box<Moe>),
}

/// Who looks on during a forward pass.
#[derive(Default)]
pub enum Watch<'a> {
    /// Nobody.
    #[default]
    Nobody,
    /// An observer of every `MoE` layer.
    Observer(&'a mut dyn MoeObserver),
    /// Keeps every layer's routing: the load-balancing loss of training needs its gradient.
    Routing(&'a mut Vec<Routing>),
    /// What an observer on an adapter asks for, to be read once behind the last layer.
    Gathering(&'a mut Gathering),
}

impl Watch<'_> {
    /// Where there are answers to gather: on an adapter, for an observer who says what it will ask.
    fn gathering(&self, device: &Device) -> Option<Gathering> {
        match self {
            Watch::Observer(observer) if device.kind() == DeviceKind::Wgpu => observer.asks().map(Gathering::new),
            _ => None,
        }
    }
}

impl Decoder {
    /// Puts a decoder together.
    ///
    /// # Errors
    /// If a weight is missing.
    pub fn new(spec: DecoderSpec, weights: &dyn WeightSource, device: &Device) -> Result<Self, ModelError> {
        let mut layers = spec
            .layers
            .iter()
            .map(|layer| Layer::new(layer, spec.hidden, weights))
            .collect::<Result<Vec<_>, _>>()?;
        let mut steps = layers.iter_mut().flat_map(|layer| &mut layer.steps).rev();
        if let Some(last) = steps.find(|step| step.block.mixes_tokens()) {
            last.is_last_to_mix = true;
        }
        let shape = [spec.vocabulary, spec.hidden];
        let embedding = weights.matrix(&spec.names.embedding, shape)?;
        let output = if spec.tied_embeddings {
            let bias = spec.output_bias.then(|| format!("{}.bias", spec.names.output));
            Linear {
                weight: embedding.clone(),
                bias: bias.map(|name| weights.vector(&name, spec.vocabulary)).transpose()?,
            }
        } else {
            Linear::new(weights, &spec.names.output, shape, spec.output_bias)?
        };
        Ok(Self {
            device: device.clone(),
            embedding,
            layers,
            norm: Norm::new(weights, &spec.names.final_norm, spec.hidden, spec.final_norm)?,
            output,
            files: None,
            spec,
        })
    }

    /// Runs a batch and returns the final-normed residual stream, `[batch * length, hidden]`.
    ///
    /// With a cache the batch continues the sequences in it.
    ///
    /// # Errors
    /// If a token is out of range, a weight or a value is not finite, the observer refuses, or the device fails.
    pub fn forward(
        &self,
        batch: &Batch,
        cache: Option<&mut Cache>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        self.forward_to(batch, None, cache, watch)
    }

    /// The same of some cells, ascending, `[wanted, hidden]`, while nobody looks on: the last layer's experts do not see the others.
    pub(crate) fn forward_wanted(
        &self,
        batch: &Batch,
        wanted: Vec<usize>,
        cache: &mut Cache,
    ) -> Result<Tensor<2>, ModelError> {
        self.forward_to(batch, Some(wanted), Some(cache), &mut Watch::Nobody)
    }

    fn forward_to(
        &self,
        batch: &Batch,
        wanted: Option<Vec<usize>>,
        mut cache: Option<&mut Cache>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let mut x = self.embed(&batch.ids)?;
        let mut pass = Pass::new(batch, batch.slots(cache.as_deref_mut()), &self.device);
        pass.wanted = wanted;
        if let Some(cache) = cache.as_deref_mut()
            && cache.layers.is_empty()
        {
            cache.layers = self.layers.iter().map(Layer::fresh_states).collect();
        }
        let mut gathering = watch.gathering(&self.device);
        for (index, layer) in self.layers.iter().enumerate() {
            self.check(index)?;
            let states = cache.as_deref_mut().map(|cache| cache.layers[index].as_mut_slice());
            x = match &mut gathering {
                Some(answers) => layer.forward(index, x, &mut pass, states, &mut Watch::Gathering(answers))?,
                None => layer.forward(index, x, &mut pass, states, watch)?,
            };
        }
        if let (Some(answers), Watch::Observer(observer)) = (gathering, watch) {
            answers.show(batch, *observer)?;
        }
        Ok(self.finish(x))
    }

    /// One layer of a pass without a cache, `[batch * length, hidden]` → the same.
    pub(crate) fn layer(
        &self,
        index: usize,
        batch: &Batch,
        x: Tensor<2>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        self.check(index)?;
        self.layers[index].forward(index, x, &mut self.pass(batch), None, watch)
    }

    /// What the layers of a pass without a cache share.
    pub(crate) fn pass<'a>(&'a self, batch: &'a Batch) -> Pass<'a> {
        self.pass_behind(batch, &[])
    }

    /// The same where every row goes on from what is in some slots.
    pub(crate) fn pass_behind<'a>(&'a self, batch: &'a Batch, behind: &[Option<Slot>]) -> Pass<'a> {
        let mut slots = batch.slots(None);
        for row in &mut slots {
            row.splice(0..0, behind.iter().copied());
        }
        Pass::new(batch, slots, &self.device)
    }

    /// One layer of such a pass, which nobody watches; `states` is what its steps remember of the tokens before.
    pub(crate) fn run(
        &self,
        index: usize,
        x: Tensor<2>,
        pass: &mut Pass<'_>,
        states: Option<&mut [LayerState]>,
    ) -> Result<Tensor<2>, ModelError> {
        self.check(index)?;
        self.layers[index].forward(index, x, pass, states, &mut Watch::Nobody)
    }

    /// Checks a layer's weights to be finite, if that was left for when they are first read.
    pub(crate) fn check(&self, layer: usize) -> Result<(), ModelError> {
        self.files.as_ref().map_or(Ok(()), |files| files.check(layer))
    }

    /// The norm behind the last layer.
    pub(crate) fn finish(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm.apply(x)
    }

    /// Logits of rows of the final residual stream: `[rows, hidden]` → `[rows, vocabulary]`.
    #[must_use]
    pub fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        let logits = self.output.apply(rows);
        if is_one(self.spec.logits_divisor) {
            logits
        } else {
            logits.div_scalar(self.spec.logits_divisor)
        }
    }

    /// Most tokens of a pass, padding included, whose activations the device can bind.
    pub(crate) fn most_tokens(&self) -> usize {
        self.device.most_tokens(self.spec.widest_activation())
    }

    fn check_length(&self, tokens: usize) -> Result<(), ModelError> {
        let most = self.most_tokens();
        if tokens <= most {
            return Ok(());
        }
        let device = self.device.kind().name().to_owned();
        let width = self.spec.widest_activation();
        Err(ModelError::Device {
            reason: format!(
                "found {tokens} tokens at once, expected {most} at most: {width} values of each must fit one buffer that the adapter can bind; take shorter texts, or --device cpu"
            ),
            device,
        })
    }

    /// The device it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The residual stream before the first layer.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        self.check_length(ids.len())?;
        let rows = self.spec.vocabulary;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
            return Err(ModelError::Tokens(format!(
                "token id {id} is out of range: the embedding has {rows} rows"
            )));
        }
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        let x = self.embedding.select(&rows, &self.device);
        Ok(if is_one(self.spec.embedding_scale) {
            x
        } else {
            x.mul_scalar(self.spec.embedding_scale)
        })
    }
}

impl Layer {
    fn new(layer: &LayerSpec, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let step = |step: &StepSpec| Step::new(step, &layer.prefix, hidden, weights);
        Ok(Self {
            residual_scale: layer.residual_scale,
            steps: layer.steps.iter().map(step).collect::<Result<_, _>>()?,
        })
    }

    /// What its steps remember before the first token.
    pub(crate) fn fresh_states(&self) -> Vec<LayerState> {
        self.steps.iter().map(|step| step.block.fresh_state()).collect()
    }

    fn forward(
        &self,
        index: usize,
        mut x: Tensor<2>,
        pass: &mut Pass<'_>,
        mut states: Option<&mut [LayerState]>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        for (place, step) in self.steps.iter().enumerate() {
            let input = match step.placement {
                NormPlacement::Before => step.norm.apply(x.clone()),
                NormPlacement::After => x.clone(),
            };
            let state = states.as_deref_mut().map(|states| &mut states[place]);
            let said = match &step.block {
                Block::Attention(attention) => attention.apply(input, pass, state),
                Block::LatentAttention(attention) => attention.apply(input, pass, state),
                Block::Mixer(mixer) => {
                    let state = state.and_then(LayerState::recurrent);
                    mixer.apply(input, &pass.timeline(), state, pass.device)?
                }
                Block::Dense(mlp) => mlp.apply_in_parts(input, pass.device),
                Block::Moe(moe) => {
                    let listens = matches!(watch, Watch::Observer(_) | Watch::Gathering(_));
                    let outputs = moe.apply(input.clone(), pass.device, &format!("layer {index}"), listens)?;
                    self.watched(index, moe, [&x, &input], outputs, pass, watch)?
                }
            };
            let said = match step.placement {
                NormPlacement::Before => said,
                NormPlacement::After => step.norm.apply(said),
            };
            x = match add_in_place(&x, &said, self.residual_scale) {
                Some(sum) => sum,
                None if is_one(self.residual_scale) => x + said,
                None => x + said.mul_scalar(self.residual_scale),
            };
            if let (true, Some(wanted)) = (step.is_last_to_mix, &pass.wanted) {
                if wanted.is_empty() {
                    return Ok(x);
                }
                x = x.select(0, indices(wanted, pass.device));
            }
        }
        Ok(x)
    }

    /// Shows what the experts did to whoever looks on.
    fn watched(
        &self,
        index: usize,
        moe: &Moe,
        [residual, input]: [&Tensor<2>; 2],
        outputs: MoeOutputs,
        pass: &Pass<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let layer = LayerPass {
            layer: index,
            residual,
            input,
            outputs: &outputs,
            moe,
            device: pass.device,
            residual_scale: self.residual_scale,
        };
        match watch {
            Watch::Nobody => {}
            Watch::Observer(observer) => layer.show(pass.batch, *observer)?,
            Watch::Gathering(answers) => answers.add(&layer, pass.batch)?,
            Watch::Routing(kept) => kept.push(outputs.routing),
        }
        Ok(outputs.all)
    }

    /// The layer's experts, if it has any.
    pub(crate) fn moe(&self) -> Option<&Moe> {
        self.steps.iter().find_map(|step| match &step.block {
            Block::Moe(moe) => Some(moe.as_ref()),
            _ => None,
        })
    }

    /// The same, to switch its mask.
    pub(crate) fn moe_mut(&mut self) -> Option<&mut Moe> {
        self.steps.iter_mut().find_map(|step| match &mut step.block {
            Block::Moe(moe) => Some(moe.as_mut()),
            _ => None,
        })
    }
}

impl Step {
    fn new(step: &StepSpec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let block = match &step.block {
            BlockSpec::Attention(spec) => Block::Attention(Box::new(Attention::new(spec, layer, hidden, weights)?)),
            BlockSpec::LatentAttention(spec) => {
                Block::LatentAttention(Box::new(LatentAttention::new(spec, layer, hidden, weights)?))
            }
            BlockSpec::Mixer(spec) => Block::Mixer(Box::new(Mixer::new(spec, layer, hidden, weights)?)),
            BlockSpec::Dense(spec) => {
                let (prefix, widths) = (format!("{layer}{}", spec.prefix), [hidden, spec.intermediate]);
                let mlp = Mlp::new(weights, &prefix, &spec.names, widths, spec.activation, spec.bias)?;
                Block::Dense(Box::new(mlp))
            }
            BlockSpec::Moe(spec) => Block::Moe(Box::new(Moe::new(spec, layer, hidden, weights)?)),
        };
        Ok(Self {
            norm: Norm::new(weights, &format!("{layer}{}", step.norm), hidden, step.norm_spec)?,
            placement: step.placement,
            block,
            is_last_to_mix: false,
        })
    }
}

impl Block {
    fn mixes_tokens(&self) -> bool {
        match self {
            Self::Attention(_) | Self::LatentAttention(_) | Self::Mixer(_) => true,
            Self::Dense(_) | Self::Moe(_) => false,
        }
    }

    fn fresh_state(&self) -> LayerState {
        match self {
            Self::Attention(_) | Self::LatentAttention(_) => LayerState::KeyValue(KeyValueCache::default()),
            Self::Mixer(_) => LayerState::Recurrent(RecurrentState::default()),
            Self::Dense(_) | Self::Moe(_) => LayerState::Stateless,
        }
    }
}

fn is_one(factor: f64) -> bool {
    (factor - 1.0).abs() == 0.0
}
