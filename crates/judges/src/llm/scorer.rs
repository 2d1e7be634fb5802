//! The absolute protocol as a [`TextScorer`] among others: 1 for a text that contradicts its source, 0 for one that does not.

use secateur_metrics::judged::CONTRADICTION_RATE;
use secateur_metrics::value::{Definition, interned};

use super::absolute::{self, PROTOCOL};
use super::record::{Summary, Unjudged};
use super::{Client, Watch};
use crate::error::JudgeError;
use crate::scorer::{Pair, Reading, TextScorer};

/// A judge behind an endpoint that scores texts.
#[derive(Debug)]
pub struct AbsoluteScorer {
    client: Client,
    should_stop: fn() -> bool,
    spent: Summary,
}

impl AbsoluteScorer {
    /// A scorer by this judge. `should_stop` is asked often.
    #[must_use]
    pub fn new(client: Client, should_stop: fn() -> bool) -> Self {
        Self {
            client,
            should_stop,
            spent: Summary::default(),
        }
    }

    /// Counts, tokens and cost of all that was scored so far.
    #[must_use]
    pub fn spent(&self) -> &Summary {
        &self.spent
    }
}

impl TextScorer for AbsoluteScorer {
    /// `judged_contradiction_rate_` and the judge's name, so that several judges can stand in one record.
    fn definition(&self) -> Definition {
        let judge = &self.client.endpoint().name;
        let plain: String = judge
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        Definition {
            name: interned(&format!("{}_{plain}", CONTRADICTION_RATE.name)),
            ..CONTRADICTION_RATE.by(interned(judge))
        }
    }

    fn identity(&self) -> String {
        format!("{} {} {}", PROTOCOL.name, PROTOCOL.version, self.client.identity())
    }

    /// None for an empty text and for a reply without a verdict. A question without an answer is an error: what was answered
    /// is kept, and the next call goes on from there.
    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        let mut watch = Watch {
            should_stop: &self.should_stop,
            progress,
        };
        let run = absolute::judge(&self.client, pairs, &mut watch)?;
        self.spent = self.spent.and(&run.summary);
        let judge = &self.client.endpoint().name;
        run.verdicts
            .into_iter()
            .map(|outcome| match outcome {
                Ok(verdict) => Ok(Some(Reading {
                    score: verdict.value.score(),
                    parts: Vec::new(),
                })),
                Err(Unjudged::Nothing | Unjudged::Unparsable { .. }) => Ok(None),
                Err(reason @ (Unjudged::Failed { .. } | Unjudged::NotAsked { .. })) => Err(JudgeError::Unanswered {
                    judge: judge.clone(),
                    reason: reason.to_string(),
                }),
            })
            .collect()
    }
}
