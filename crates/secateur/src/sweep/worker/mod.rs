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

mod places;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use secateur_results::claims::Claims;
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;

use self::places::{Place, places};
use self::steps::Step;
use super::calibrate::collect;
use super::cell::Setting;
use super::hot::Hot;
use super::keys::evaluation_key;
use super::opened::Opened;
use super::outset::outset;
use super::plan::CellIndex;
use super::progress::Progress;
use super::progress::event::Event;
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
}
