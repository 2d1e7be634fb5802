//! RoBERTa, <https://arxiv.org/abs/1907.11692>, and XLM-R, <https://arxiv.org/abs/1911.02116>: `RobertaModel`,
//! `RobertaForSequenceClassification`, and the model of AlignScore.
//!
//! AlignScore (<https://arxiv.org/abs/2305.16739>) is published as a Lightning checkpoint. Converted, it is the `state_dict` of that file
//! as model.safetensors under its own names (`base_model.…`, `tri_layer.…`, `bin_layer.…`, `reg_layer.…`, `mlm_head.…`), with
//! config.json and tokenizer of the RoBERTa it was trained from. Its heads read the pooled first token: `tri` (aligned, neutral,
//! contradict), `bin` (not aligned, aligned) and `reg` (one number).

use secateur_model::checkpoint::Config;

use super::Family;
use super::common::{Sizes, classifier, pad_id};
use crate::encoder::elementwise::Activation;
use crate::encoder::embeddings::Counting;
use crate::encoder::head::Head;
use crate::encoder::network::Network;
use crate::encoder::relative::Relative;
use crate::encoder::weights::Weights;
use crate::error::JudgeError;

/// The family.
pub struct Roberta;

/// AlignScore's heads: name, tensor, classes.
const HEADS: &[(&str, &str, &[&str])] = &[
    ("tri", "tri_layer", &["aligned", "neutral", "contradict"]),
    ("bin", "bin_layer", &["not aligned", "aligned"]),
    ("reg", "reg_layer", &["alignment"]),
];

impl Family for Roberta {
    fn model_types(&self) -> &'static [&'static str] {
        &["roberta", "xlm-roberta"]
    }

    fn build(&self, config: &Config, weights: &Weights<'_>, head: Option<&str>) -> Result<Network, JudgeError> {
        let sizes = Sizes::read(config, 1e-12, Activation::Gelu)?;
        let pad = pad_id(config, 1)?;
        if pad + 1 >= sizes.positions {
            let expected = format!("less than max_position_embeddings, {}", sizes.positions);
            return Err(config.invalid("pad_token_id", expected).into());
        }
        let prefix = weights.prefix(&["roberta.", "base_model.", ""], "embeddings.word_embeddings.weight");
        let mut embeddings = super::bert::embeddings(config, weights, prefix, &sizes, sizes.hidden)?;
        if let Some((_, counting)) = &mut embeddings.positions {
            *counting = Counting::AfterPad { pad };
        }
        if let Some(types) = &mut embeddings.types {
            types.all_zero = true;
        }
        let blocks = sizes.bert_layers(weights, prefix)?;
        let head = if weights.has("tri_layer.weight") {
            Some(align_score(weights, prefix, sizes.hidden, head)?)
        } else {
            let pooler = Some(("classifier.dense", Activation::Tanh));
            classifier(config, weights, sizes.hidden, "classifier.out_proj", pooler)?
        };
        Ok(Network {
            embeddings,
            order: (0..blocks.len()).collect(),
            blocks,
            relative: Relative::None,
            convolution: None,
            final_norm: None,
            head,
            hidden: sizes.hidden,
            longest: Some(sizes.positions - pad - 1),
            usual_length: sizes.positions - pad - 1,
        })
    }

    fn leftovers(&self) -> &'static [&'static str] {
        &[
            "*embeddings.position_ids",
            "lm_head.*",
            "mlm_head.*",
            "pooler.*",
            "roberta.pooler.*",
            "tri_layer.*",
            "bin_layer.*",
            "reg_layer.*",
        ]
    }
}

fn align_score(weights: &Weights<'_>, prefix: &str, hidden: usize, head: Option<&str>) -> Result<Head, JudgeError> {
    let wanted = head.unwrap_or("tri");
    let found = HEADS.iter().find(|(name, ..)| *name == wanted);
    let (_, tensor, labels) = found.ok_or_else(|| JudgeError::Unsuitable {
        judge: "AlignScore".to_owned(),
        found: format!("head `{wanted}`"),
        expected: "tri, bin or reg".to_owned(),
    })?;
    Ok(Head {
        pooler: Some((
            weights.dense(&format!("{prefix}pooler.dense"), [hidden, hidden], true)?,
            Activation::Tanh,
        )),
        classifier: weights.dense(tensor, [labels.len(), hidden], true)?,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    })
}
