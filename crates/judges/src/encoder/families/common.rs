//! What BERT and its descendants have in common.

use secateur_model::checkpoint::Config;

use crate::encoder::attention::Attention;
use crate::encoder::block::{Block, FeedForward, Norms};
use crate::encoder::elementwise::Activation;
use crate::encoder::head::Head;
use crate::encoder::weights::Weights;
use crate::error::JudgeError;

/// Sizes that config.json states under the same names in all families but T5.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    pub vocabulary: usize,
    pub positions: usize,
    pub epsilon: f64,
    pub activation: Activation,
}

impl Sizes {
    /// Reads and checks them; `epsilon` and `activation` are what transformers takes where the file says nothing.
    pub fn read(config: &Config, epsilon: f64, activation: Activation) -> Result<Self, JudgeError> {
        let sizes = Self {
            hidden: config.required_positive("hidden_size")?,
            layers: config.required_positive("num_hidden_layers")?,
            heads: config.required_positive("num_attention_heads")?,
            inner: config.required_positive("intermediate_size")?,
            vocabulary: config.required_positive("vocab_size")?,
            positions: config.required_positive("max_position_embeddings")?,
            epsilon: config.optional_f64("layer_norm_eps")?.unwrap_or(epsilon),
            activation: activation_of(config, "hidden_act")?.unwrap_or(activation),
        };
        if !sizes.hidden.is_multiple_of(sizes.heads) {
            let expected = format!("a divisor of hidden_size, {}", sizes.hidden);
            return Err(config.invalid("num_attention_heads", expected).into());
        }
        if sizes.epsilon <= 0.0 {
            return Err(config.invalid("layer_norm_eps", "a positive number").into());
        }
        for refused in ["is_decoder", "add_cross_attention"] {
            if config.optional_bool(refused)? == Some(true) {
                return Err(config.invalid(refused, "false: the model is used as an encoder").into());
            }
        }
        if config
            .optional_str("position_embedding_type")?
            .is_some_and(|kind| kind != "absolute")
        {
            return Err(config.invalid("position_embedding_type", "\"absolute\"").into());
        }
        Ok(sizes)
    }

    /// Width of a head.
    pub fn width(&self) -> usize {
        self.hidden / self.heads
    }

    /// A layer under BERT's names, with attention made elsewhere.
    pub fn block(&self, weights: &Weights<'_>, name: &str, attention: Attention) -> Result<Block, JudgeError> {
        Ok(Block {
            attention,
            attention_norm: weights.layer_norm(
                &format!("{name}.attention.output.LayerNorm"),
                self.hidden,
                self.epsilon,
            )?,
            feed_forward: FeedForward {
                gate: None,
                up: weights.dense(&format!("{name}.intermediate.dense"), [self.inner, self.hidden], true)?,
                down: weights.dense(&format!("{name}.output.dense"), [self.hidden, self.inner], true)?,
                activation: self.activation,
            },
            feed_forward_norm: weights.layer_norm(&format!("{name}.output.LayerNorm"), self.hidden, self.epsilon)?,
            norms: Norms::After,
        })
    }

    /// Attention without distances: `parts` are the names of query, key, value and output.
    pub fn attention(&self, weights: &Weights<'_>, parts: &[String; 4]) -> Result<Attention, JudgeError> {
        let square = |name: &String| weights.dense(name, [self.hidden, self.hidden], true);
        let [query, key, value, output] = parts;
        Ok(Attention {
            query: square(query)?,
            key: square(key)?,
            value: square(value)?,
            output: square(output)?,
            heads: self.heads,
            scale: 1.0 / (self.width() as f64).sqrt(),
            disentangled: None,
        })
    }

    /// BERT's layers, which RoBERTa has as well.
    pub fn bert_layers(&self, weights: &Weights<'_>, prefix: &str) -> Result<Vec<Block>, JudgeError> {
        (0..self.layers)
            .map(|layer| {
                let name = format!("{prefix}encoder.layer.{layer}");
                let part = |part: &str| format!("{name}.attention.self.{part}");
                let output = format!("{name}.attention.output.dense");
                let attention = self.attention(weights, &[part("query"), part("key"), part("value"), output])?;
                self.block(weights, &name, attention)
            })
            .collect()
    }
}

/// The activation that `field` names.
pub fn activation_of(config: &Config, field: &str) -> Result<Option<Activation>, JudgeError> {
    let Some(name) = config.optional_str(field)? else {
        return Ok(None);
    };
    let expected = || config.invalid(field, format!("one of {}", Activation::names()));
    Activation::from_name(name)
        .ok_or_else(expected)
        .map(Some)
        .map_err(Into::into)
}

/// Id of the padding token, `usual` where the file does not say.
pub fn pad_id(config: &Config, usual: usize) -> Result<usize, JudgeError> {
    Ok(config.optional_usize("pad_token_id")?.unwrap_or(usual))
}

/// Names of the classes: `id2label`, else `num_labels` numbered ones, else two.
pub fn labels(config: &Config) -> Result<Vec<String>, JudgeError> {
    let numbered = |count| (0..count).map(|at| format!("LABEL_{at}")).collect();
    let Some(names) = config.value("id2label") else {
        return Ok(numbered(config.optional_positive("num_labels")?.unwrap_or(2)));
    };
    let invalid = || config.invalid("id2label", "an object of names by \"0\", \"1\", …");
    let names = names
        .as_object()
        .filter(|names| !names.is_empty())
        .ok_or_else(invalid)?;
    let name = |at: usize| names.get(&at.to_string())?.as_str().map(str::to_owned);
    let names: Option<Vec<String>> = (0..names.len()).map(name).collect();
    names.ok_or_else(|| invalid().into())
}

/// The head under `classifier`, where there is one; `pooler` makes what it reads.
pub fn classifier(
    config: &Config,
    weights: &Weights<'_>,
    hidden: usize,
    classifier: &str,
    pooler: Option<(&str, Activation)>,
) -> Result<Option<Head>, JudgeError> {
    if !weights.has(&format!("{classifier}.weight")) {
        return Ok(None);
    }
    require_classification(config)?;
    let labels = labels(config)?;
    let pooler = match pooler {
        Some((name, activation)) => Some((weights.dense(name, [hidden, hidden], true)?, activation)),
        None => None,
    };
    Ok(Some(Head {
        pooler,
        classifier: weights.dense(classifier, [labels.len(), hidden], true)?,
        labels,
    }))
}

/// A classifier of tokens or choices has the same tensor names as one of sequences.
fn require_classification(config: &Config) -> Result<(), JudgeError> {
    let architectures = config.optional_str_list("architectures")?.unwrap_or_default();
    let suits = |name: &String| name.ends_with("ForSequenceClassification");
    if architectures.is_empty() || architectures.iter().any(suits) {
        return Ok(());
    }
    let expected = "one that ends in ForSequenceClassification, as there is a classifier";
    Err(config.invalid("architectures", expected).into())
}
