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
use super::outset::outset;
use super::plan::CellIndex;
use super::progress::Progress;
use super::progress::event::{Event, How};
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
    progress: &'a mut Progress,
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
    /// What is to be done of each model, in the plan's order.
    places: Vec<Vec<Place>>,
}

/// A cell that is to be done.
#[derive(Clone, Copy)]
struct Place {
    /// Where it stands.
    at: CellIndex,
    /// Whether it is wanted for its own sake, and not only because pruned cells are compared with it.
    wanted: bool,
}

/// What became of a cell.
enum Step {
    /// It has a record, by this and at this cost.
    Done(How, Cost),
    /// It has none, and will have none in this run.
    Failed(String),
    /// Another worker is at it, or at what it needs; said why.
    Elsewhere(String),
    /// A signal came.
    Interrupted,
}

impl<'a> Worker<'a> {
    /// Reads what earlier runs left of the wanted cells (indices into the plan).
    ///
    /// # Errors
    /// If the results directory cannot be read, or claims cannot be written to it.
    pub fn new(
        opened: &'a Opened<'a>,
        setting: Setting<'a>,
        scorers: Scorers,
        progress: &'a mut Progress,
        wanted: &BTreeSet<usize>,
    ) -> anyhow::Result<Self> {
        let (records, messages) = setting.store.read_all()?;
        let places: Vec<_> = (0..opened.subjects.len())
            .map(|subject| places(opened, subject, wanted))
            .collect();
        let cells: Vec<CellIndex> = places.iter().flatten().map(|place| place.at).collect();
        let (started, left) = outset(opened, setting.store, &records, &cells)?;
        progress.start(started, left);
        for message in messages {
            progress.warn(message);
        }
        let mut answered: BTreeMap<String, Vec<RecordKey>> = BTreeMap::new();
        for stored in records {
            if let Some(key) = RecordKey::parse(&stored.record.key).filter(|_| stored.answers.is_some()) {
                let evaluation = evaluation_key(&stored.record.inputs);
                answered.entry(evaluation).or_default().push(key);
            }
        }
        setting
            .store
            .forget_partials(|evaluation| answered.contains_key(evaluation));
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
            places,
        })
    }

    /// Sees to it that every wanted cell has a record. Returns how it ended, and the keys of these cells.
    ///
    /// # Errors
    /// If a model cannot be loaded or calibrated, or the results cannot be written; cells that fail are counted instead.
    pub fn run(mut self) -> anyhow::Result<(Ending, BTreeSet<String>)> {
        let mut all: Vec<Vec<Pruned>> = Vec::new();
        let mut left = Vec::new();
        for (subject, places) in std::mem::take(&mut self.places).into_iter().enumerate() {
            all.push(if places.is_empty() {
                Vec::new()
            } else {
                self.prepare(subject, places.iter().all(|place| place.at.mask == 0))?
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
        self.progress.notice_signals();
        Ok((self.ending, self.keys))
    }

    /// The masks of a model, or of them `only_unpruned`, which needs no calibration; none if a signal came.
    fn prepare(&mut self, index: usize, only_unpruned: bool) -> anyhow::Result<Vec<Pruned>> {
        let (opened, setting) = (self.opened, self.setting);
        let subject = &opened.subjects[index];
        if let Some(served) = &subject.served {
            self.progress.tell(Event::ModelServed {
                model: subject.name.clone(),
                family: subject.family.to_owned(),
                served: served.description(),
            });
        }
        for warning in &subject.warnings {
            self.progress.warn(warning);
        }
        if only_unpruned || subject.served.is_some() {
            return Ok(vec![Pruned::as_it_is(subject)]);
        }
        let (hot, progress) = (&mut self.hot, &mut *self.progress);
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
        let masks: Vec<Pruned> = masks.into_iter().flatten().collect();
        // Whoever evaluates an equal mask first publishes under the key of one of these.
        for (mask, pruned) in masks.iter().enumerate() {
            for task in 0..opened.tasks.len() {
                let inputs = opened.question(index, task, pruned).inputs(&setting);
                let evaluation = evaluation_key(&inputs);
                let at = CellIndex {
                    subject: index,
                    mask,
                    task,
                };
                self.progress.named(at, &evaluation);
                let records = self.answered.entry(evaluation).or_default();
                records.push(RecordKey::from_inputs(&inputs));
            }
        }
        Ok(masks)
    }

    /// One step for each of these cells; returns those that another worker is at.
    fn round(&mut self, masks: &[Vec<Pruned>], places: Vec<Place>) -> anyhow::Result<Vec<Place>> {
        let opened = self.opened;
        let mut elsewhere = Vec::new();
        for place in places {
            if interrupted() {
                break;
            }
            let CellIndex { subject, mask, task } = place.at;
            let question = opened.question(subject, task, &masks[subject][mask]);
            let what = question.cell().to_string();
            let inputs = question.inputs(&self.setting);
            let key = RecordKey::from_inputs(&inputs);
            let items = question.task.data.items.len();
            self.progress.turn_to(place.at, &key, &what, items);
            match self.step(question, &key, &inputs, &what, place.wanted)? {
                Step::Done(how, cost) => self.progress.done(how, &cost),
                Step::Failed(message) => {
                    self.progress.failed(&message);
                    if place.wanted {
                        self.ending.failed.push(format!("{what}: {message}"));
                    }
                }
                Step::Elsewhere(reason) => {
                    self.progress.put_off(&what, Some(&key), &reason);
                    elsewhere.push(place);
                }
                Step::Interrupted => break,
            }
        }
        Ok(elsewhere)
    }

    /// The steps of the module's documentation for one cell.
    fn step(
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

/// The wanted cells of a model in the plan's order, and the unpruned cells that they are compared with.
fn places(opened: &Opened<'_>, subject: usize, wanted: &BTreeSet<usize>) -> Vec<Place> {
    let wanted = || wanted.iter().map(|&cell| &opened.plan[cell]);
    let mut places = BTreeMap::new();
    for cell in wanted().filter(|cell| opened.unpruned(cell.subject) == subject) {
        places.insert((0, cell.task), false);
    }
    let own = wanted().filter(|cell| cell.subject == subject);
    places.extend(own.map(|cell| ((cell.mask, cell.task), true)));
    let place = |((mask, task), wanted)| Place {
        at: CellIndex { subject, mask, task },
        wanted,
    };
    places.into_iter().map(place).collect()
}
