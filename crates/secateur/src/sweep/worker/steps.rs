//! The steps for one cell, as the module above says them.

use std::collections::BTreeMap;

use secateur_results::claims::Claiming;
use secateur_results::error::Error;
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;
use secateur_results::record::{Cost, Record};
use secateur_results::store::{Answers, Found};

use super::Worker;
use crate::interrupt::interrupted;
use crate::sweep::cell::Question;
use crate::sweep::keys::evaluation_key;
use crate::sweep::progress::event::How;
use crate::sweep::pruned::Pruned;

/// What became of a cell.
pub(super) enum Step {
    /// It has a record, by this and at this cost.
    Done(How, Cost),
    /// It has none, and will have none in this run.
    Failed(String),
    /// Another worker is at it, or at what it needs; said why.
    Elsewhere(String),
    /// A signal came.
    Interrupted,
}

impl Worker<'_> {
    /// Sees to one cell.
    pub(super) fn step(
        &mut self,
        question: Question<'_>,
        key: &RecordKey,
        inputs: &BTreeMap<String, String>,
        what: &str,
        wanted: bool,
    ) -> anyhow::Result<Step> {
        if let Some(reason) = question.no_key() {
            return Ok(Step::Failed(reason));
        }
        if wanted {
            self.keys.insert(key.as_str().to_owned());
        }
        if let Some(step) = self.settled(key, wanted)? {
            return Ok(step);
        }
        if question.pruned.name.is_some() {
            let whole = Pruned::nothing(question.unpruned);
            let unpruned = RecordKey::from_inputs(&question.of_unpruned(&whole).inputs(&self.setting));
            match self.settled(&unpruned, false)? {
                Some(Step::Done(..)) => {}
                Some(_) => {
                    return Ok(Step::Failed(
                        "not evaluated: the unpruned model's cell failed".to_owned(),
                    ));
                }
                None => {
                    return Ok(Step::Elsewhere(
                        "another worker is at the unpruned model's cell".to_owned(),
                    ));
                }
            }
        }
        let evaluation = evaluation_key(inputs);
        let _claim = match self.claims.claim(&evaluation, what)? {
            Claiming::Ours(claim) => claim,
            Claiming::Theirs(holder) => return Ok(Step::Elsewhere(format!("{holder} is at it"))),
        };
        if let Some(step) = self.settled(key, wanted)? {
            return Ok(step);
        }
        let mut done = (How::Shared, Cost::default());
        if !self.share(question, key, &evaluation)? {
            if question.subject.served.is_none() {
                self.hot.engine(question.subject, self.progress)?;
            }
            let engine = self.hot.masked(question.subject, question.pruned, self.progress);
            let result = engine
                .and_then(|engine| question.evaluate(&self.setting, engine, &mut self.scorers, key, self.progress));
            match result {
                Ok(cost) => {
                    self.ending.evaluated += 1;
                    done = (How::Evaluated, cost);
                }
                // Trouble with the disk would meet every cell that follows.
                Err(error) if error.downcast_ref::<Error>().is_some() => return Err(error),
                Err(_) if interrupted() => return Ok(Step::Interrupted),
                Err(error) => return self.fail(key, what, crate::message(&error)),
            }
        }
        self.present.insert(key.clone());
        if self.failed_before.contains_key(key.as_str()) {
            Failure::forget(self.setting.store, key);
        }
        Ok(Step::Done(done.0, done.1))
    }

    /// Whether a cell has a record or has failed since this worker began; `None` if there is something to do.
    fn settled(&mut self, key: &RecordKey, count: bool) -> anyhow::Result<Option<Step>> {
        let found = self.present.contains(key)
            || match self.setting.store.get(key)? {
                Found::Present(_) => self.present.insert(key.clone()),
                Found::Missing => false,
                Found::SetAside { message } => {
                    self.progress.warn(format!("{message}; evaluating again"));
                    false
                }
            };
        if found {
            self.ending.found += usize::from(count);
            return Ok(Some(Step::Done(How::Found, Cost::default())));
        }
        if self.failed.contains(key) {
            return Ok(Some(Step::Failed("failed before in this run".to_owned())));
        }
        let failure = Failure::of(self.setting.store, key);
        let fresh = failure.filter(|failure| self.failed_before.get(key.as_str()) != Some(failure));
        Ok(fresh.map(|failure| Step::Failed(failure.message)))
    }

    fn fail(&mut self, key: &RecordKey, what: &str, message: String) -> anyhow::Result<Step> {
        let failure = Failure {
            cell: what.to_owned(),
            message: message.clone(),
            run: self.claims.run().to_owned(),
        };
        failure.note(self.setting.store, key)?;
        self.failed.insert(key.clone());
        Ok(Step::Failed(message))
    }

    /// Publishes the answers of an equal mask as this cell's too, if there are any.
    fn share(&mut self, question: Question<'_>, key: &RecordKey, evaluation: &str) -> anyhow::Result<bool> {
        let store = self.setting.store;
        let candidates = self.answered.get(evaluation).cloned().unwrap_or_default();
        for source in candidates.into_iter().filter(|source| source != key) {
            if let Found::Present(stored) = store.get(&source)?
                && stored.answers.is_some()
            {
                let record = Record {
                    key: key.as_str().to_owned(),
                    inputs: question.inputs(&self.setting),
                    cell: question.cell(),
                    cost: Cost::default(),
                    ..stored.record
                };
                store.publish(&record, Answers::Of(source))?;
                self.ending.shared += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
