//! BERT, <https://arxiv.org/abs/1810.04805>: `BertModel`, `BertForSequenceClassification`.

use secateur_model::checkpoint::Config;

use super::Family;
use super::common::{Sizes, classifier};
use crate::encoder::elementwise::Activation;
use crate::encoder::embeddings::{Counting, Embeddings, TokenTypes};
use crate::encoder::network::Network;
use crate::encoder::relative::Relative;
use crate::encoder::weights::Weights;
use crate::error::JudgeError;

/// The family.
pub struct Bert;

impl Family for Bert {
    fn model_types(&self) -> &'static [&'static str] {
        &["bert"]
    }

    fn build(&self, config: &Config, weights: &Weights<'_>, _head: Option<&str>) -> Result<Network, JudgeError> {
        let sizes = Sizes::read(config, 1e-12, Activation::Gelu)?;
        let prefix = weights.prefix(&["bert.", ""], "embeddings.word_embeddings.weight");
        let blocks = sizes.bert_layers(weights, prefix)?;
        let pooler = format!("{prefix}pooler.dense");
        let head = classifier(
            config,
            weights,
            sizes.hidden,
            "classifier",
            Some((pooler.as_str(), Activation::Tanh)),
        )?;
        Ok(Network {
            embeddings: embeddings(config, weights, prefix, &sizes, sizes.hidden)?,
            order: (0..blocks.len()).collect(),
            blocks,
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
        &["*embeddings.position_ids", "cls.*", "pooler.*", "bert.pooler.*"]
    }
}

/// Words, positions and types of `width`, then a norm.
pub fn embeddings(
    config: &Config,
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
    width: usize,
) -> Result<Embeddings, JudgeError> {
    let types = config.optional_positive("type_vocab_size")?.unwrap_or(2);
    let table = |name: &str, rows| weights.table(&format!("{prefix}embeddings.{name}"), [rows, width]);
    Ok(Embeddings {
        words: table("word_embeddings", sizes.vocabulary)?,
        positions: Some((table("position_embeddings", sizes.positions)?, Counting::FromZero)),
        types: Some(TokenTypes {
            table: table("token_type_embeddings", types)?,
            all_zero: false,
        }),
        norm_before: Some(weights.layer_norm(&format!("{prefix}embeddings.LayerNorm"), width, sizes.epsilon)?),
        map: None,
        norm_after: None,
    })
}
