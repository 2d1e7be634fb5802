//! ALBERT, <https://arxiv.org/abs/1909.11942>: narrow embeddings, layers that share their weights. `AlbertModel`,
//! `AlbertForSequenceClassification`.

use secateur_model::checkpoint::Config;

use super::Family;
use super::common::{Sizes, classifier};
use crate::encoder::block::{Block, FeedForward, Norms};
use crate::encoder::elementwise::Activation;
use crate::encoder::network::Network;
use crate::encoder::relative::Relative;
use crate::encoder::weights::Weights;
use crate::error::JudgeError;

/// The family.
pub struct Albert;

impl Family for Albert {
    fn model_types(&self) -> &'static [&'static str] {
        &["albert"]
    }

    fn build(&self, config: &Config, weights: &Weights<'_>, _head: Option<&str>) -> Result<Network, JudgeError> {
        let sizes = Sizes::read(config, 1e-12, Activation::GeluTanh)?;
        let groups = config.optional_positive("num_hidden_groups")?.unwrap_or(1);
        let inner = config.optional_positive("inner_group_num")?.unwrap_or(1);
        if groups > sizes.layers {
            let expected = format!("at most num_hidden_layers, {}", sizes.layers);
            return Err(config.invalid("num_hidden_groups", expected).into());
        }
        let width = config.optional_positive("embedding_size")?.unwrap_or(128);
        let prefix = weights.prefix(&["albert.", ""], "embeddings.word_embeddings.weight");
        let mut embeddings = super::bert::embeddings(config, weights, prefix, &sizes, width)?;
        let map = format!("{prefix}encoder.embedding_hidden_mapping_in");
        embeddings.map = Some(weights.dense(&map, [sizes.hidden, width], true)?);
        let mut blocks = Vec::new();
        for group in 0..groups {
            for layer in 0..inner {
                let name = format!("{prefix}encoder.albert_layer_groups.{group}.albert_layers.{layer}");
                blocks.push(block(weights, &name, &sizes)?);
            }
        }
        // The division is transformers', in floating point.
        let layers_per_group = sizes.layers as f64 / groups as f64;
        #[allow(clippy::cast_sign_loss)] // Of a quotient of sizes.
        let group_of = |layer: usize| ((layer as f64 / layers_per_group) as usize).min(groups - 1);
        let layer = |layer: usize| (0..inner).map(move |at| group_of(layer) * inner + at);
        let pooler = format!("{prefix}pooler");
        let head = classifier(
            config,
            weights,
            sizes.hidden,
            "classifier",
            Some((pooler.as_str(), Activation::Tanh)),
        )?;
        Ok(Network {
            embeddings,
            blocks,
            order: (0..sizes.layers).flat_map(layer).collect(),
            relative: Relative::None,
            convolution: None,
            final_norm: None,
            head,
            hidden: sizes.hidden,
            longest: Some(sizes.positions),
            usual_length: sizes.positions,
        })
    }

    fn leftovers(&self) -> &'static [&'static str] {
        &[
            "*embeddings.position_ids",
            "predictions.*",
            "sop_classifier.*",
            "pooler.*",
            "albert.pooler.*",
        ]
    }
}

fn block(weights: &Weights<'_>, name: &str, sizes: &Sizes) -> Result<Block, JudgeError> {
    let part = |part: &str| format!("{name}.attention.{part}");
    Ok(Block {
        attention: sizes.attention(weights, &[part("query"), part("key"), part("value"), part("dense")])?,
        attention_norm: weights.layer_norm(&part("LayerNorm"), sizes.hidden, sizes.epsilon)?,
        feed_forward: FeedForward {
            gate: None,
            up: weights.dense(&format!("{name}.ffn"), [sizes.inner, sizes.hidden], true)?,
            down: weights.dense(&format!("{name}.ffn_output"), [sizes.hidden, sizes.inner], true)?,
            activation: sizes.activation,
        },
        feed_forward_norm: weights.layer_norm(&format!("{name}.full_layer_layer_norm"), sizes.hidden, sizes.epsilon)?,
        norms: Norms::After,
    })
}
