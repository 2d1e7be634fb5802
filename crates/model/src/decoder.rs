//! The one forward loop.

use burn::tensor::Tensor;

use crate::batch::{Batch, Slot, attention_mask};
use crate::blocks::attention::{Attention, KeyValueCache};
use crate::blocks::experts::{Experts, indices};
use crate::blocks::linear::{GatedMlp, Linear};
use crate::blocks::norm::RmsNorm;
use crate::blocks::rope::Angles;
use crate::blocks::router::{Router, Routing};
use crate::device::Device;
use crate::error::ModelError;
use crate::matrix::{Matrix, from_f32};
use crate::observe::{MoeObservation, MoeObserver};
use crate::spec::{DecoderSpec, FeedForwardSpec, LayerSpec, QueryKeyNorm};
use crate::weights::WeightSource;

/// A decoder put together from a [`DecoderSpec`] and weights.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// What it is made of.
    pub spec: DecoderSpec,
    device: Device,
    frequencies: Vec<f32>,
    embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    norm: RmsNorm,
    output: Matrix,
}

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    attention_norm: RmsNorm,
    attention: Attention,
    feed_forward_norm: RmsNorm,
    pub(crate) feed_forward: FeedForward,
}

#[derive(Debug, Clone)]
pub(crate) enum FeedForward {
    Dense(Box<GatedMlp>),
    Moe { router: Box<Router>, experts: Experts },
}

/// Keys and values of all layers, and which of the cached positions are real.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    layers: Vec<KeyValueCache>,
    /// Per row and cached slot; `None` for padding.
    pub(crate) slots: Vec<Vec<Option<Slot>>>,
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
}

impl Decoder {
    /// Puts a decoder together.
    ///
    /// # Errors
    /// If a weight is missing.
    pub fn new(spec: DecoderSpec, weights: &dyn WeightSource, device: &Device) -> Result<Self, ModelError> {
        let layers = spec
            .layers
            .iter()
            .map(|layer| Layer::new(layer, &spec, weights))
            .collect::<Result<_, _>>()?;
        let embedding = weights.matrix(&spec.names.embedding, [spec.vocabulary, spec.hidden])?;
        let output = if spec.tied_embeddings {
            embedding.clone()
        } else {
            weights.matrix(&spec.names.output, [spec.vocabulary, spec.hidden])?
        };
        let norm = norm(weights, &spec.names.final_norm, spec.hidden, spec.norm_epsilon)?;
        Ok(Self {
            frequencies: spec.rope.frequencies(),
            device: device.clone(),
            embedding,
            layers,
            norm,
            output,
            spec,
        })
    }

    /// Runs a batch and returns the final-normed residual stream, `[batch * length, hidden]`.
    ///
    /// With a cache the batch continues the sequences in it.
    ///
    /// # Errors
    /// If a token is out of range, a value is not finite, the observer refuses, or the device fails.
    pub fn forward(
        &self,
        batch: &Batch,
        mut cache: Option<&mut Cache>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let mut x = self.embed(&batch.ids)?;
        let angles = Angles::new(
            &self.spec.rope,
            &self.frequencies,
            &batch.positions,
            batch.length,
            &self.device,
        );
        let slots = batch.slots(cache.as_deref_mut());
        if let Some(cache) = cache.as_deref_mut() {
            cache.layers.resize_with(self.layers.len(), KeyValueCache::default);
        }
        let mut masks: Vec<(Option<usize>, Tensor<4>)> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let window = layer.attention.spec.sliding_window;
            let known = masks.iter().position(|(w, _)| *w == window).unwrap_or_else(|| {
                masks.push((window, attention_mask(&slots, batch.length, window, &self.device)));
                masks.len() - 1
            });
            let mask = &masks[known].1;
            let normed = layer.attention_norm.apply(x.clone());
            let cache = cache.as_deref_mut().map(|cache| &mut cache.layers[index]);
            x = x + layer.attention.apply(normed, batch.batch, &angles, mask, cache);
            x = self.feed_forward(index, layer, x, watch)?;
        }
        Ok(self.norm.apply(x))
    }

    fn feed_forward(
        &self,
        index: usize,
        layer: &Layer,
        x: Tensor<2>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<2>, ModelError> {
        let normed = layer.feed_forward_norm.apply(x.clone());
        let (router, experts) = match &layer.feed_forward {
            FeedForward::Dense(mlp) => return Ok(x + mlp.apply(normed)),
            FeedForward::Moe { router, experts } => (router, experts),
        };
        let place = format!("layer {index}");
        let routing = router.route(normed.clone(), &self.device, &place)?;
        let said = experts.apply(normed.clone(), &routing, &self.device);
        match watch {
            Watch::Nobody => {}
            Watch::Observer(observer) => {
                let seen = MoeObservation::new(index, &x, &normed, &routing, &said, experts, &self.device)?;
                observer.observe(&seen)?;
            }
            Watch::Routing(kept) => kept.push(routing),
        }
        Ok(x + said.combined)
    }

    /// Logits of rows of the final residual stream: `[rows, hidden]` → `[rows, vocabulary]`.
    #[must_use]
    pub fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        self.output.apply(rows)
    }

    /// The device it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        let (rows, hidden) = (self.spec.vocabulary, self.spec.hidden);
        if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
            return Err(ModelError::Tokens(format!(
                "token id {id} is out of range: the embedding has {rows} rows"
            )));
        }
        Ok(match &self.embedding {
            Matrix::Dense(weight) => {
                let ids: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
                weight.clone().select(0, indices(&ids, &self.device))
            }
            Matrix::Stored { stored, .. } => {
                let mut values = Vec::with_capacity(ids.len() * hidden);
                for &id in ids {
                    values.extend(stored.row(id as usize, hidden).to_f32());
                }
                from_f32(values, [ids.len(), hidden])
            }
        })
    }
}

impl Layer {
    fn new(layer: &LayerSpec, spec: &DecoderSpec, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{}{name}", layer.prefix);
        let (hidden, epsilon) = (spec.hidden, spec.norm_epsilon);
        let feed_forward = match &layer.feed_forward {
            FeedForwardSpec::Dense { prefix, intermediate } => {
                let names = ["gate_proj", "up_proj", "down_proj"].map(|name| named(&format!("{prefix}{name}.weight")));
                FeedForward::Dense(Box::new(gated(weights, &names, hidden, *intermediate)?))
            }
            FeedForwardSpec::Moe(moe) => FeedForward::Moe {
                router: Box::new(Router {
                    weight: weights.matrix(&named(&moe.router), [moe.experts, hidden])?,
                    experts: moe.experts,
                    top_k: moe.top_k,
                    renormalise: moe.renormalise,
                    kept: None,
                }),
                experts: Experts {
                    experts: (0..moe.experts)
                        .map(|e| {
                            gated(
                                weights,
                                &moe.expert_names(e).map(|name| named(&name)),
                                hidden,
                                moe.intermediate,
                            )
                        })
                        .collect::<Result<_, _>>()?,
                },
            },
        };
        Ok(Self {
            attention_norm: norm(weights, &named("input_layernorm.weight"), hidden, epsilon)?,
            attention: attention(layer, spec, weights)?,
            feed_forward_norm: norm(weights, &named("post_attention_layernorm.weight"), hidden, epsilon)?,
            feed_forward,
        })
    }
}

fn attention(layer: &LayerSpec, spec: &DecoderSpec, weights: &dyn WeightSource) -> Result<Attention, ModelError> {
    let a = &layer.attention;
    let (queries, keys) = (a.heads * a.head_dim, a.key_value_heads * a.head_dim);
    let linear = |name: &str, outputs: usize, inputs: usize| -> Result<Linear, ModelError> {
        let name = format!("{}self_attn.{name}", layer.prefix);
        let bias = if a.bias {
            Some(weights.vector(&format!("{name}.bias"), outputs)?)
        } else {
            None
        };
        Ok(Linear {
            weight: weights.matrix(&format!("{name}.weight"), [outputs, inputs])?,
            bias,
        })
    };
    let widths = match a.query_key_norm {
        QueryKeyNorm::None => None,
        QueryKeyNorm::PerHead => Some((a.head_dim, a.head_dim)),
        QueryKeyNorm::Flat => Some((queries, keys)),
    };
    let norms = widths
        .map(|(q, k)| -> Result<_, ModelError> {
            let named = |name: &str| format!("{}self_attn.{name}.weight", layer.prefix);
            let q = norm(weights, &named("q_norm"), q, spec.norm_epsilon)?;
            Ok((q, norm(weights, &named("k_norm"), k, spec.norm_epsilon)?))
        })
        .transpose()?;
    Ok(Attention {
        query: linear("q_proj", queries, spec.hidden)?,
        key: linear("k_proj", keys, spec.hidden)?,
        value: linear("v_proj", keys, spec.hidden)?,
        output: linear("o_proj", spec.hidden, queries)?,
        norms,
        spec: a.clone(),
    })
}

fn gated(
    weights: &dyn WeightSource,
    names: &[String; 3],
    hidden: usize,
    intermediate: usize,
) -> Result<GatedMlp, ModelError> {
    Ok(GatedMlp {
        gate: weights.matrix(&names[0], [intermediate, hidden])?,
        up: weights.matrix(&names[1], [intermediate, hidden])?,
        down: weights.matrix(&names[2], [hidden, intermediate])?,
    })
}

fn norm(weights: &dyn WeightSource, name: &str, width: usize, epsilon: f64) -> Result<RmsNorm, ModelError> {
    Ok(RmsNorm {
        weight: weights.vector(name, width)?,
        epsilon,
    })
}

impl Cache {
    /// Keeps only the given rows of the batch, in that order.
    pub fn select(&mut self, rows: &[usize], device: &Device) {
        let rows_on_device = indices(rows, device);
        for layer in &mut self.layers {
            if let Some((keys, values)) = layer.entries.take() {
                layer.entries = Some((
                    keys.select(0, rows_on_device.clone()),
                    values.select(0, rows_on_device.clone()),
                ));
            }
        }
        self.slots = rows.iter().map(|&row| self.slots[row].clone()).collect();
    }
}
