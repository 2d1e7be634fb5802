//! The loop: models, masks, tasks. Weights stay hot, the unpruned model comes first, gentle prunings before harsh ones.
//!
//! Several workers may go through one results directory at the same time, on one machine or many; `sweep FILE` is one that wants
//! all cells, `sweep run` one that wants some. Each cell is evaluated exactly once, by these steps:
//!
//! 1. A cell whose record is there is done. Nothing else makes it done.
//! 2. A pruned cell waits for the unpruned model's record of its task, with which it is compared.
//! 3. The worker claims the evaluation ([`secateur_results::claims`]): the hash of all that decides the answers, so that cells of
//!    an equal mask are one claim. A claimed cell is put off, and the worker goes on with others.
//! 4. With the claim in hand it looks for the record again: whoever held the claim before may have published it.
//! 5. If a cell of an equal mask has answers, they are shared. Else the cell is evaluated, behind the answers that a worker which
//!    died may have left, and its record is published. Then the claim is given back.
//!
//! At the end the worker comes back to what was put off until each such cell has a record, has failed, or is free because its
//! worker is dead.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use secateur_results::claims::{Claiming, Claims};
use secateur_results::error::Error;
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;
use secateur_results::record::{Cost, Record};
use secateur_results::store::{Answers, Found};

use super::calibrate::collect;
use super::cell::{Question, Setting};
use super::hot::Hot;
use super::keys::evaluation_key;
use super::opened::Opened;
use super::progress::Progress;
use super::pruned::{Pruned, masks, ranked, write_ranking};
use super::run::Ending;
use super::scorers::Scorers;
use crate::interrupt::{Pause, interrupted};

/// A worker on a results directory.
pub struct Worker<'a> {
    opened: &'a Opened<'a>,
    setting: Setting<'a>,
    scorers: Scorers,
    claims: Claims,
    hot: Hot<'a>,
    progress: Progress,
    ending: Ending,
    /// Evaluation → records that have its answers, or will have them.
    answered: BTreeMap<String, Vec<RecordKey>>,
    /// Records that were seen.
    present: BTreeSet<RecordKey>,
    /// Failures of earlier runs, which are tried again.
    failed_before: BTreeMap<String, Failure>,
    /// Cells that failed here.
    failed: BTreeSet<RecordKey>,
    /// Keys of the cells that are wanted.
    keys: BTreeSet<String>,
}

/// Where a cell stands: indices of model, mask and task.
#[derive(Clone, Copy)]
struct Place {
    subject: usize,
    mask: usize,
    task: usize,
    /// Whether it is wanted for its own sake, and not only because pruned cells are compared with it.
    wanted: bool,
}

/// What became of a cell.
enum Step {
    /// It has a record.
    Done,
    /// It has none, and will have none in this run.
    Failed(String),
    /// Another worker is at it, or at what it needs.
    Elsewhere,
    /// A signal came.
    Interrupted,
}

impl<'a> Worker<'a> {
    /// Reads what earlier runs left.
    ///
    /// # Errors
    /// If the results directory cannot be read, or claims cannot be written to it.
    pub fn new(
        opened: &'a Opened<'a>,
        setting: Setting<'a>,
        scorers: Scorers,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let (records, messages) = setting.store.read_all()?;
        for message in messages {
            progress.note(&format!("warning: {message}"));
        }
        let mut answered: BTreeMap<String, Vec<RecordKey>> = BTreeMap::new();
        for stored in records {
            if let Some(key) = RecordKey::parse(&stored.record.key).filter(|_| stored.answers.is_some()) {
                let evaluation = evaluation_key(&stored.record.inputs);
                answered.entry(evaluation).or_default().push(key);
            }
        }
        Ok(Self {
            claims: Claims::of(setting.store)?,
            hot: Hot::new(setting.device),
            failed_before: Failure::all(setting.store),
            opened,
            setting,
            scorers,
            progress,
            ending: Ending::default(),
            answered,
            present: BTreeSet::new(),
            failed: BTreeSet::new(),
            keys: BTreeSet::new(),
        })
    }

    /// Sees to it that every wanted cell (indices into the plan) has a record. Returns how it ended, and the keys of these cells.
    ///
    /// # Errors
    /// If a model cannot be loaded or calibrated, or the results cannot be written; cells that fail are counted instead.
    pub fn run(mut self, wanted: &BTreeSet<usize>) -> anyhow::Result<(Ending, BTreeSet<String>)> {
        let mut all: Vec<Vec<Pruned<'a>>> = Vec::new();
        let mut left = Vec::new();
        for subject in 0..self.opened.subjects.len() {
            let places = self.places(subject, wanted);
            all.push(if places.is_empty() {
                Vec::new()
            } else {
                self.prepare(subject, places.iter().all(|place| place.mask == 0))?
            });
            left.extend(self.round(&all, places)?);
        }
        let mut pause = Pause::default();
        while !left.is_empty() && !interrupted() {
            pause.wait();
            let before = left.len();
            left = self.round(&all, left)?;
            if left.len() < before {
                pause = Pause::default();
            }
        }
        self.ending.interrupted = interrupted();
        self.progress.close();
        Ok((self.ending, self.keys))
    }

    /// The wanted cells of a model in the plan's order, and the unpruned cells that they are compared with.
    fn places(&self, subject: usize, wanted: &BTreeSet<usize>) -> Vec<Place> {
        let own = wanted.iter().map(|&cell| &self.opened.plan[cell]);
        let own: Vec<_> = own.filter(|cell| cell.subject == subject).collect();
        let mut places = BTreeMap::new();
        for cell in &own {
            places.entry((0, cell.task)).or_insert(false);
        }
        places.extend(own.iter().map(|cell| ((cell.mask, cell.task), true)));
        let place = |((mask, task), wanted)| Place {
            subject,
            mask,
            task,
            wanted,
        };
        places.into_iter().map(place).collect()
    }

    /// The masks of a model, or of them `only_unpruned`, which needs no calibration; none if a signal came.
    fn prepare(&mut self, subject: usize, only_unpruned: bool) -> anyhow::Result<Vec<Pruned<'a>>> {
        let (opened, setting) = (self.opened, self.setting);
        let subject = &opened.subjects[subject];
        self.progress.note(&format!(
            "{}: {} on {}",
            subject.name,
            subject.family,
            setting.device.description()
        ));
        for warning in &subject.warnings {
            self.progress.note(&format!("warning: {warning}"));
        }
        if only_unpruned {
            return Ok(vec![Pruned::nothing(subject)]);
        }
        let (hot, progress) = (&mut self.hot, &mut self.progress);
        let Some(collected) = collect(&setting, subject, hot, &opened.rankings, &self.claims, progress)? else {
            return Ok(Vec::new());
        };
        let ranked = ranked(subject, &opened.rankings, &collected)?;
        for (cell, ranking) in opened.rankings.iter().zip(&ranked) {
            match ranking {
                Some(ranking) => write_ranking(&setting, subject, cell, ranking)?,
                None => bail!("{}: statistics lack for {}", subject.name, cell.variant.method.name()),
            }
        }
        let masks = masks(setting.sweep, subject, &opened.rankings, &ranked)?;
        let masks: Vec<Pruned<'a>> = masks.into_iter().flatten().collect();
        // Whoever evaluates an equal mask first publishes under the key of one of these.
        for pruned in &masks {
            for task in &opened.tasks {
                let inputs = Question { subject, task, pruned }.inputs(&setting);
                let records = self.answered.entry(evaluation_key(&inputs)).or_default();
                records.push(RecordKey::from_inputs(&inputs));
            }
        }
        Ok(masks)
    }

    /// One step for each of these cells; returns those that another worker is at.
    fn round(&mut self, masks: &[Vec<Pruned<'a>>], places: Vec<Place>) -> anyhow::Result<Vec<Place>> {
        let opened = self.opened;
        let mut elsewhere = Vec::new();
        for place in places {
            if interrupted() {
                break;
            }
            let question = Question {
                subject: &opened.subjects[place.subject],
                task: &opened.tasks[place.task],
                pruned: &masks[place.subject][place.mask],
            };
            let what = question.cell().to_string();
            self.progress.begin(&what);
            match self.step(question, &what, place.wanted)? {
                Step::Failed(message) if place.wanted => {
                    self.progress.note(&format!("error: {what}: {message}"));
                    self.ending.failed.push(format!("{what}: {message}"));
                }
                Step::Done | Step::Failed(_) => {}
                Step::Elsewhere => {
                    elsewhere.push(place);
                    continue;
                }
                Step::Interrupted => break,
            }
            if place.wanted {
                self.progress.finish(&what);
            }
        }
        Ok(elsewhere)
    }

    /// The steps of the module's documentation for one cell.
    fn step(&mut self, question: Question<'_>, what: &str, wanted: bool) -> anyhow::Result<Step> {
        let inputs = question.inputs(&self.setting);
        let key = RecordKey::from_inputs(&inputs);
        if wanted {
            self.keys.insert(key.as_str().to_owned());
        }
        if let Some(step) = self.settled(&key, wanted)? {
            return Ok(step);
        }
        if question.pruned.ranking.is_some() {
            let whole = Pruned::nothing(question.subject);
            let unpruned = RecordKey::from_inputs(&question.unpruned(&whole).inputs(&self.setting));
            match self.settled(&unpruned, false)? {
                Some(Step::Done) => {}
                Some(_) => {
                    return Ok(Step::Failed(
                        "not evaluated: the unpruned model's cell failed".to_owned(),
                    ));
                }
                None => return Ok(Step::Elsewhere),
            }
        }
        let evaluation = evaluation_key(&inputs);
        let Claiming::Ours(_claim) = self.claims.claim(&evaluation, what)? else {
            return Ok(Step::Elsewhere);
        };
        if let Some(step) = self.settled(&key, wanted)? {
            return Ok(step);
        }
        if !self.share(question, &key, &evaluation)? {
            let engine = self.hot.engine(question.subject)?;
            let result = set_mask(engine, question.pruned)
                .and_then(|()| question.evaluate(&self.setting, engine, &mut self.scorers, &key, &mut self.progress));
            match result {
                Ok(()) => self.ending.evaluated += 1,
                // Trouble with the disk would meet every cell that follows.
                Err(error) if error.downcast_ref::<Error>().is_some() => return Err(error),
                Err(_) if interrupted() => return Ok(Step::Interrupted),
                Err(error) => return self.fail(&key, what, crate::message(&error)),
            }
        }
        self.present.insert(key.clone());
        if self.failed_before.contains_key(key.as_str()) {
            Failure::forget(self.setting.store, &key);
        }
        Ok(Step::Done)
    }

    /// Whether a cell has a record or has failed since this worker began; `None` if there is something to do.
    fn settled(&mut self, key: &RecordKey, count: bool) -> anyhow::Result<Option<Step>> {
        let found = self.present.contains(key)
            || match self.setting.store.get(key)? {
                Found::Present(_) => self.present.insert(key.clone()),
                Found::Missing => false,
                Found::SetAside { message } => {
                    self.progress.note(&format!("warning: {message}; evaluating again"));
                    false
                }
            };
        if found {
            self.ending.found += usize::from(count);
            return Ok(Some(Step::Done));
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

fn set_mask(engine: &mut secateur_evaluation::local::LocalEngine, pruned: &Pruned<'_>) -> anyhow::Result<()> {
    Ok(engine.model_mut().set_mask(Some(&pruned.mask))?)
}
