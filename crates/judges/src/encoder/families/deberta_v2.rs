//! DeBERTa-v2 and -v3, <https://arxiv.org/abs/2006.03654> and <https://arxiv.org/abs/2111.09543>: attention over content and
//! distance. `DebertaV2Model`, `DebertaV2ForSequenceClassification`.

use burn::tensor::Tensor;
use secateur_model::checkpoint::Config;

use super::Family;
use super::common::{Sizes, activation_of, classifier};
use crate::encoder::attention::Attention;
use crate::encoder::conv::Convolution;
use crate::encoder::dense::Dense;
use crate::encoder::disentangled::Disentangled;
use crate::encoder::elementwise::Activation;
use crate::encoder::embeddings::{Counting, Embeddings, TokenTypes};
use crate::encoder::network::Network;
use crate::encoder::relative::{Distances, Relative};
use crate::encoder::weights::{Weights, tensor};
use crate::error::JudgeError;

/// The family.
pub struct DebertaV2;

/// What attention does with distances.
#[derive(Debug, Clone)]
struct Options {
    sizes: Sizes,
    /// Width of a head.
    width: usize,
    content_to_position: bool,
    position_to_content: bool,
    /// Distances are projected with the maps of the content.
    shared: bool,
    /// `None`: plain attention.
    distances: Option<Distances>,
}

impl Family for DebertaV2 {
    fn model_types(&self) -> &'static [&'static str] {
        &["deberta-v2"]
    }

    fn build(&self, config: &Config, weights: &Weights<'_>, _head: Option<&str>) -> Result<Network, JudgeError> {
        let options = Options::read(config)?;
        let sizes = options.sizes;
        let prefix = weights.prefix(&["deberta.", ""], "embeddings.word_embeddings.weight");
        let table = match options.distances {
            Some(distances) => Some(distance_table(config, weights, prefix, &sizes, distances)?),
            None => None,
        };
        let blocks = (0..sizes.layers)
            .map(|layer| {
                let name = format!("{prefix}encoder.layer.{layer}");
                let attention = options.attention(weights, &name, table.as_ref())?;
                sizes.block(weights, &name, attention)
            })
            .collect::<Result<Vec<_>, JudgeError>>()?;
        let pooled = activation_of(config, "pooler_hidden_act")?.unwrap_or(Activation::Gelu);
        let embeddings = embeddings(config, weights, prefix, &sizes)?;
        Ok(Network {
            longest: embeddings.positions.is_some().then_some(sizes.positions),
            embeddings,
            order: (0..blocks.len()).collect(),
            blocks,
            relative: options.distances.map_or(Relative::None, Relative::Rows),
            convolution: convolution(config, weights, prefix, &sizes)?,
            final_norm: None,
            head: classifier(
                config,
                weights,
                sizes.hidden,
                "classifier",
                Some(("pooler.dense", pooled)),
            )?,
            hidden: sizes.hidden,
            usual_length: sizes.positions,
        })
    }

    fn leftovers(&self) -> &'static [&'static str] {
        &[
            "*embeddings.position_ids",
            "*embeddings.position_embeddings.weight",
            "lm_predictions.*",
            "mask_predictions.*",
            "cls.*",
            "pooler.*",
        ]
    }
}

impl Options {
    fn read(config: &Config) -> Result<Self, JudgeError> {
        let sizes = Sizes::read(config, 1e-7, Activation::Gelu)?;
        let kinds: Vec<String> = match config.value("pos_att_type") {
            None => Vec::new(),
            Some(serde_json::Value::String(kinds)) => kinds
                .to_lowercase()
                .split('|')
                .map(|kind| kind.trim().to_owned())
                .collect(),
            Some(_) => config.optional_str_list("pos_att_type")?.unwrap_or_default(),
        };
        if let Some(unknown) = kinds.iter().find(|kind| !["c2p", "p2c", ""].contains(&kind.as_str())) {
            let expected = format!("c2p and p2c only, not `{unknown}`");
            return Err(config.invalid("pos_att_type", expected).into());
        }
        let has = |kind: &str| kinds.iter().any(|found| found == kind);
        let whole = |field: &str| -> Result<Option<usize>, JudgeError> {
            // -1 says that there is none.
            let value = config.optional_f64(field)?.filter(|&value| value > 0.0);
            Ok(match value {
                Some(_) => config.optional_positive(field)?,
                None => None,
            })
        };
        let distances = if config.optional_bool("relative_attention")?.unwrap_or(false) {
            let max_distance = whole("max_relative_positions")?.unwrap_or(sizes.positions);
            let buckets = whole("position_buckets")?;
            if buckets.is_some_and(|buckets| buckets < 4 || buckets / 2 >= max_distance) {
                let expected = format!("at least 4, and less than twice the largest distance, {max_distance}");
                return Err(config.invalid("position_buckets", expected).into());
            }
            Some(Distances {
                span: buckets.unwrap_or(max_distance),
                buckets,
                max_distance,
            })
        } else {
            None
        };
        Ok(Self {
            width: config
                .optional_positive("attention_head_size")?
                .unwrap_or(sizes.width()),
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
            shared: config.optional_bool("share_att_key")?.unwrap_or(false),
            distances,
            sizes,
        })
    }

    fn attention(&self, weights: &Weights<'_>, name: &str, table: Option<&Tensor<2>>) -> Result<Attention, JudgeError> {
        let (hidden, all) = (self.sizes.hidden, self.sizes.heads * self.width);
        let part = |part: &str| weights.dense(&format!("{name}.attention.self.{part}"), [all, hidden], true);
        let terms = 1 + usize::from(self.content_to_position) + usize::from(self.position_to_content);
        let scale = 1.0 / ((self.width * terms) as f64).sqrt();
        let (query, key) = (part("query_proj")?, part("key_proj")?);
        let disentangled = match table {
            None => None,
            Some(table) => {
                let projected = |own: &str, shared: &Dense, scale: f64| {
                    let map = if self.shared { shared.clone() } else { part(own)? };
                    Ok::<_, JudgeError>(self.by_head(map.then(table.clone(), scale, None)?))
                };
                Some(Disentangled {
                    keys: self
                        .content_to_position
                        .then(|| projected("pos_key_proj", &key, 1.0))
                        .transpose()?,
                    queries: self
                        .position_to_content
                        .then(|| projected("pos_query_proj", &query, scale))
                        .transpose()?,
                })
            }
        };
        Ok(Attention {
            query,
            key,
            value: part("value_proj")?,
            output: weights.dense(&format!("{name}.attention.output.dense"), [hidden, all], true)?,
            heads: self.sizes.heads,
            scale,
            disentangled,
        })
    }

    /// `[rows, heads · width]` → `[heads, rows, width]`, in that order in memory.
    fn by_head(&self, x: Tensor<2>) -> Tensor<3> {
        let (rows, heads) = (x.dims()[0], self.sizes.heads);
        let turned: Tensor<3> = x.reshape([rows, heads, self.width]).swap_dims(0, 1);
        let flat: Tensor<2> = turned.reshape([heads * rows, self.width]);
        flat.reshape([heads, rows, self.width])
    }
}

/// The table of distances, normed where config.json says so, `[2 · span, hidden]`.
fn distance_table(
    config: &Config,
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
    distances: Distances,
) -> Result<Tensor<2>, JudgeError> {
    let shape = [2 * distances.span, sizes.hidden];
    let values = weights.values(&format!("{prefix}encoder.rel_embeddings.weight"), &shape)?;
    let table = tensor(values, shape, weights.device());
    let norms = config.optional_str("norm_rel_ebd")?.unwrap_or("none").to_lowercase();
    if norms.split('|').any(|norm| norm.trim() == "layer_norm") {
        weights
            .layer_norm(&format!("{prefix}encoder.LayerNorm"), sizes.hidden, sizes.epsilon)?
            .apply(table)
    } else {
        Ok(table)
    }
}

fn embeddings(config: &Config, weights: &Weights<'_>, prefix: &str, sizes: &Sizes) -> Result<Embeddings, JudgeError> {
    let width = config.optional_positive("embedding_size")?.unwrap_or(sizes.hidden);
    let types = config.optional_usize("type_vocab_size")?.unwrap_or(0);
    let name = |name: &str| format!("{prefix}embeddings.{name}");
    let positions = if config.optional_bool("position_biased_input")?.unwrap_or(true) {
        let table = weights.table(&name("position_embeddings"), [sizes.positions, width])?;
        Some((table, Counting::FromZero))
    } else {
        None
    };
    let types = if types == 0 {
        None
    } else {
        Some(TokenTypes {
            table: weights.table(&name("token_type_embeddings"), [types, width])?,
            all_zero: false,
        })
    };
    let map = if width == sizes.hidden {
        None
    } else {
        Some(weights.dense(&name("embed_proj"), [sizes.hidden, width], false)?)
    };
    Ok(Embeddings {
        words: weights.table(&name("word_embeddings"), [sizes.vocabulary, width])?,
        positions,
        types,
        norm_before: None,
        map,
        norm_after: Some(weights.layer_norm(&name("LayerNorm"), sizes.hidden, sizes.epsilon)?),
    })
}

fn convolution(
    config: &Config,
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
) -> Result<Option<Convolution>, JudgeError> {
    let taps = config.optional_usize("conv_kernel_size")?.unwrap_or(0);
    if taps == 0 {
        return Ok(None);
    }
    if taps.is_multiple_of(2) {
        return Err(config.invalid("conv_kernel_size", "an odd number").into());
    }
    if config.optional_usize("conv_groups")?.unwrap_or(1) != 1 {
        return Err(config.invalid("conv_groups", "1").into());
    }
    let hidden = sizes.hidden;
    let name = |part: &str| format!("{prefix}encoder.conv.{part}");
    // On disk `[outputs, inputs, taps]`.
    let values = weights.values(&name("conv.weight"), &[hidden, hidden, taps])?;
    let mut turned = vec![0.0; values.len()];
    for output in 0..hidden {
        for input in 0..hidden {
            for tap in 0..taps {
                turned[(tap * hidden + input) * hidden + output] = values[(output * hidden + input) * taps + tap];
            }
        }
    }
    let bias = weights.values(&name("conv.bias"), &[hidden])?;
    Ok(Some(Convolution {
        weight: tensor(turned, [taps * hidden, hidden], weights.device()),
        bias: tensor(bias, [hidden], weights.device()),
        taps,
        activation: activation_of(config, "conv_act")?.unwrap_or(Activation::Tanh),
        norm: weights.layer_norm(&name("LayerNorm"), hidden, sizes.epsilon)?,
    }))
}
