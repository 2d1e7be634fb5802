//! Every question answered once as ever, and beside it several times by sampling: how sure is the model of what it says?
//!
//! The answer that is scored is the task's own; the samples ([`Samples`]: 8, at temperature 1 from the whole distribution,
//! unless the sweep file says otherwise) each have a seed that follows from the item and the sample's number. How they are
//! compared is told in `crates/evaluation/src/score/sampled.rs`.

use super::Form;
use crate::item::{Body, Item};
use crate::tasks::spec::{GenerationSettings, Samples, Scoring};

/// `@sampled`.
#[derive(Debug)]
pub struct Sampled;

impl Form for Sampled {
    fn name(&self) -> &'static str {
        "sampled"
    }

    fn about(&self) -> &'static str {
        "answered again by sampling: semantic entropy, self-consistency, SelfCheck"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> &'static str {
        "answers in words that can be scored without running them"
    }

    fn works_on(&self) -> String {
        "nq_open, truthfulqa_gen, medqa_letter, kqa, the demo's recall and passages, and cards of kind \"generation\""
            .to_owned()
    }

    fn scoring(&self, base: &Scoring) -> Result<Scoring, String> {
        let refused = match base {
            Scoring::UnitTests { .. } => "it runs what the model writes",
            Scoring::LogLikelihood { .. } | Scoring::TruthfulQaMc2 => "it is a choice by log-likelihood",
            Scoring::Perplexity => "it has texts and no questions",
            _ => {
                return Ok(Scoring::Sampled {
                    base: Box::new(base.clone()),
                });
            }
        };
        Err(refused.to_owned())
    }

    fn generation(&self, base: Option<GenerationSettings>) -> Option<GenerationSettings> {
        base.map(|settings| GenerationSettings {
            samples: Some(Samples::default()),
            ..settings
        })
    }

    fn items(&self, item: Item, _: &[Body]) -> Result<Vec<Item>, String> {
        match item.body {
            Body::Generate(_) => Ok(vec![item]),
            Body::Choice(_) => Err("a choice by log-likelihood".to_owned()),
            Body::Text(_) => Err("a text without a question".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tasks;

    #[test]
    fn the_task_keeps_its_settings_and_gains_samples() {
        let spec = |name| tasks::find(name, &[]).unwrap().spec();
        let (base, sampled) = (spec("nq_open"), spec("nq_open@sampled"));
        let (before, after) = (base.generation.unwrap(), sampled.generation.unwrap());
        assert_eq!(after.samples, Some(Samples::default()));
        assert_eq!(GenerationSettings { samples: None, ..after }, before);
        let text = serde_json::to_string(&before).unwrap();
        assert!(!text.contains("samples"), "{text}");
        assert!(matches!(sampled.scoring, Scoring::Sampled { base: own } if *own == base.scoring));
    }

    #[test]
    fn only_answers_in_words_can_be_sampled() {
        for name in ["piqa", "truthfulqa_mc2", "humaneval"] {
            let message = tasks::find(&format!("{name}@sampled"), &[]).unwrap_err().to_string();
            assert!(message.contains("the form needs answers in words"), "{message}");
        }
    }
}
