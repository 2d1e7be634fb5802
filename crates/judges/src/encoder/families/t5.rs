//! The encoder of T5, <https://arxiv.org/abs/1910.10683>, and of its version 1.1 with gates: `T5EncoderModel`,
//! `T5ForConditionalGeneration` without its decoder, and `T5ForTokenClassification`, whose first token's logits are taken.

use secateur_model::checkpoint::Config;

use super::Family;
use super::common::labels;
use crate::encoder::attention::Attention;
use crate::encoder::block::{Block, FeedForward, Norms};
use crate::encoder::elementwise::Activation;
use crate::encoder::embeddings::Embeddings;
use crate::encoder::head::Head;
use crate::encoder::network::Network;
use crate::encoder::relative::Relative;
use crate::encoder::weights::Weights;
use crate::error::JudgeError;

/// The family.
pub struct T5;

/// Sizes under T5's names.
struct Sizes {
    hidden: usize,
    heads: usize,
    width: usize,
    inner: usize,
    epsilon: f64,
    activation: Activation,
    gated: bool,
}

impl Family for T5 {
    fn model_types(&self) -> &'static [&'static str] {
        &["t5"]
    }

    fn build(&self, config: &Config, weights: &Weights<'_>, _head: Option<&str>) -> Result<Network, JudgeError> {
        let sizes = Sizes::read(config)?;
        let layers = config.required_positive("num_layers")?;
        let vocabulary = config.required_positive("vocab_size")?;
        let prefix = weights.prefix(&["", "transformer."], "encoder.final_layer_norm.weight");
        let name = |part: &str| format!("{prefix}encoder.{part}");
        let words = weights.prefix(&["shared", "encoder.embed_tokens", "transformer.shared"], ".weight");
        let blocks = (0..layers)
            .map(|layer| sizes.block(weights, &name(&format!("block.{layer}"))))
            .collect::<Result<Vec<_>, _>>()?;
        let buckets = config
            .optional_positive("relative_attention_num_buckets")?
            .unwrap_or(32);
        let max_distance = config
            .optional_positive("relative_attention_max_distance")?
            .unwrap_or(128);
        if buckets < 4 || max_distance <= buckets / 4 {
            let expected = format!("from 4 to less than four times the largest distance, {max_distance}");
            return Err(config.invalid("relative_attention_num_buckets", expected).into());
        }
        let bias = name("block.0.layer.0.SelfAttention.relative_attention_bias.weight");
        Ok(Network {
            embeddings: Embeddings {
                words: weights.table(words, [vocabulary, sizes.hidden])?,
                positions: None,
                types: None,
                norm_before: None,
                map: None,
                norm_after: None,
            },
            order: (0..blocks.len()).collect(),
            blocks,
            relative: Relative::Bias {
                table: weights.values(&bias, &[buckets, sizes.heads])?,
                heads: sizes.heads,
                buckets,
                max_distance,
            },
            convolution: None,
            final_norm: Some(weights.rms_norm(&name("final_layer_norm"), sizes.hidden, sizes.epsilon)?),
            head: head(config, weights, sizes.hidden)?,
            hidden: sizes.hidden,
            longest: None,
            usual_length: config.optional_positive("n_positions")?.unwrap_or(512),
        })
    }

    fn leftovers(&self) -> &'static [&'static str] {
        &[
            "decoder.*",
            "lm_head.weight",
            "encoder.embed_tokens.weight",
            "transformer.encoder.embed_tokens.weight",
        ]
    }
}

fn head(config: &Config, weights: &Weights<'_>, hidden: usize) -> Result<Option<Head>, JudgeError> {
    if !weights.has("classifier.weight") {
        return Ok(None);
    }
    let labels = labels(config)?;
    Ok(Some(Head {
        pooler: None,
        classifier: weights.dense("classifier", [labels.len(), hidden], true)?,
        labels,
    }))
}

impl Sizes {
    fn read(config: &Config) -> Result<Self, JudgeError> {
        let kind = config.optional_str("feed_forward_proj")?.unwrap_or("relu");
        let (gated, name) = match kind.strip_prefix("gated-") {
            // Version 1.1 says gelu and computes its approximation.
            Some("gelu") => (true, "gelu_new"),
            Some(name) => (true, name),
            None => (false, kind),
        };
        let activation = Activation::from_name(name).ok_or_else(|| {
            let names = Activation::names();
            config.invalid("feed_forward_proj", format!("one of {names}, or gated- before it"))
        })?;
        Ok(Self {
            hidden: config.required_positive("d_model")?,
            heads: config.required_positive("num_heads")?,
            width: config.required_positive("d_kv")?,
            inner: config.required_positive("d_ff")?,
            epsilon: config.optional_f64("layer_norm_epsilon")?.unwrap_or(1e-6),
            activation,
            gated,
        })
    }

    fn block(&self, weights: &Weights<'_>, name: &str) -> Result<Block, JudgeError> {
        let (hidden, all) = (self.hidden, self.heads * self.width);
        let attention =
            |part: &str, shape| weights.dense(&format!("{name}.layer.0.SelfAttention.{part}"), shape, false);
        let dense = |part: &str, shape| weights.dense(&format!("{name}.layer.1.DenseReluDense.{part}"), shape, false);
        let norm = |at: usize| weights.rms_norm(&format!("{name}.layer.{at}.layer_norm"), hidden, self.epsilon);
        let (gate, up) = if self.gated {
            (Some("wi_0"), "wi_1")
        } else {
            (None, "wi")
        };
        Ok(Block {
            attention: Attention {
                query: attention("q", [all, hidden])?,
                key: attention("k", [all, hidden])?,
                value: attention("v", [all, hidden])?,
                output: attention("o", [hidden, all])?,
                heads: self.heads,
                scale: 1.0,
                disentangled: None,
            },
            attention_norm: norm(0)?,
            feed_forward: FeedForward {
                gate: gate.map(|gate| dense(gate, [self.inner, hidden])).transpose()?,
                up: dense(up, [self.inner, hidden])?,
                down: dense("wo", [hidden, self.inner])?,
                activation: self.activation,
            },
            feed_forward_norm: norm(1)?,
            norms: Norms::Before,
        })
    }
}
