//! How far a pruned model is from the unpruned one on given text, with nothing generated.
//!
//! What is compared is the distribution of the next token, at every token of an item's text: of a text as a whole, in the
//! windows in which its perplexity is measured; of a question's first reference after the prompt; of a choice's first right
//! continuation after its context. The prompt is read and not compared. See [`secateur_metrics::divergence`] for the metrics.

use std::collections::BTreeSet;

use secateur_datasets::item::Item;

use crate::answer::{DivergenceAnswer, Flag, Output};
use crate::engine::{Divergence, Engine, EngineError, ScoreRequest};
use crate::error::EvaluationError;
use crate::requests::{self, DivergenceRequests, PromptOptions, RequestError};
use crate::run::Raw;

/// A pruned model and the unpruned one, on the items of a task.
pub(crate) struct Comparison<'a> {
    engine: &'a mut dyn Engine,
    task: &'a str,
    prompt: &'a PromptOptions,
    /// Tokens run through both models so far.
    pub(crate) tokens: u64,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(engine: &'a mut dyn Engine, task: &'a str, prompt: &'a PromptOptions) -> Self {
        Self {
            engine,
            task,
            prompt,
            tokens: 0,
        }
    }

    /// The model.
    pub(crate) fn engine(&mut self) -> &mut dyn Engine {
        self.engine
    }

    /// One for each item, in order. `progress` is told the share that is done, from 0 to 1.
    pub(crate) fn ask(&mut self, items: &[Item], progress: &mut dyn FnMut(f64)) -> Result<Vec<Raw>, EvaluationError> {
        let (asked, requests) = self.all_requests(items)?;
        let mut finished = 0;
        let mut count = |n: usize| {
            finished += n;
            progress((finished as f64 / requests.len().max(1) as f64).min(1.0));
        };
        let found = self.engine.divergence(&requests, &mut count);
        let found = found.map_err(|source| self.engine_error("comparing with the unpruned model".into(), source))?;
        self.check(&found, &requests)?;
        self.count(&requests);
        let mut found = found.into_iter();
        Ok(asked.into_iter().map(|one| raw(one, &mut found)).collect())
    }

    /// Counts what an earlier process ran through both models for these items.
    pub(crate) fn recall(&mut self, items: &[Item]) -> Result<(), EvaluationError> {
        let (_, requests) = self.all_requests(items)?;
        self.count(&requests);
        Ok(())
    }

    fn all_requests(&self, items: &[Item]) -> Result<(Vec<DivergenceRequests>, Vec<ScoreRequest>), EvaluationError> {
        let asked: Vec<DivergenceRequests> = items.iter().map(|item| self.requests(item)).collect::<Result<_, _>>()?;
        let possible = asked.iter().filter_map(|one| one.requests.as_ref().ok());
        let requests = possible.flatten().cloned().collect();
        Ok((asked, requests))
    }

    fn count(&mut self, requests: &[ScoreRequest]) {
        let length = |request: &ScoreRequest| request.context.len() + request.continuation.len() - 1;
        self.tokens += requests.iter().map(|request| 2 * length(request) as u64).sum::<u64>();
    }

    fn requests(&self, item: &Item) -> Result<DivergenceRequests, EvaluationError> {
        requests::divergence(self.engine, &item.body, self.prompt).map_err(|error| match error {
            RequestError::NoChatTemplate => EvaluationError::NoChatTemplate {
                task: self.task.to_owned(),
            },
            RequestError::Engine(source) => self.engine_error(format!("tokenising item `{}`", item.id), source),
        })
    }

    fn check(&self, found: &[Divergence], requests: &[ScoreRequest]) -> Result<(), EvaluationError> {
        let unsound = |found: String, expected: String| EvaluationError::Unsound {
            task: self.task.to_owned(),
            found,
            expected,
        };
        if found.len() != requests.len() {
            let expected = requests.len().to_string();
            return Err(unsound(format!("{} results", found.len()), expected));
        }
        for (found, request) in found.iter().zip(requests) {
            let expected = request.continuation.len();
            if found.tokens != expected {
                return Err(unsound(format!("{} positions", found.tokens), expected.to_string()));
            }
            // A hair below 0 is rounding.
            if !(found.kl_sum.is_finite() && found.kl_sum > -1e-9) {
                return Err(unsound(
                    format!("a divergence of {}", found.kl_sum),
                    "a finite one, at least 0".into(),
                ));
            }
        }
        Ok(())
    }

    fn engine_error(&self, stage: String, source: EngineError) -> EvaluationError {
        EvaluationError::Engine {
            task: self.task.to_owned(),
            stage,
            source,
        }
    }
}

/// An item with the sums over its requests, which are the next of `found`.
fn raw(asked: DivergenceRequests, found: &mut impl Iterator<Item = Divergence>) -> Raw {
    let mut flags = BTreeSet::new();
    if asked.dropped > 0 {
        flags.insert(Flag::PromptTruncated);
    }
    let (divergence, unscorable) = match asked.requests {
        Ok(requests) => (found.take(requests.len()).reduce(|one, two| sum(&one, &two)), None),
        Err(reason) => (None, Some(reason)),
    };
    if divergence.is_none() {
        flags.insert(Flag::Unscorable);
    }
    Raw {
        prompt: asked.prompt,
        output: Output::Divergence(DivergenceAnswer {
            text: asked.text,
            divergence,
            unscorable,
        }),
        flags,
    }
}

fn sum(one: &Divergence, two: &Divergence) -> Divergence {
    Divergence {
        tokens: one.tokens + two.tokens,
        kl_sum: one.kl_sum + two.kl_sum,
        largest_kl: one.largest_kl.max(two.largest_kl),
        top1_agreeing: one.top1_agreeing + two.top1_agreeing,
        log_probability: one.log_probability + two.log_probability,
        unpruned_log_probability: one.unpruned_log_probability + two.unpruned_log_probability,
    }
}
