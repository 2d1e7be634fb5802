//! What of a sweep is done, is running, has failed and is missing; read, never guessed: a cell is done when the record of its key
//! is there.
//!
//! A key holds the hash of the mask, which calibration decides. Where the statistics are not there yet, a pruned cell has no key and
//! is missing. So has a cell of a served model whose server has never been asked.

use std::collections::BTreeMap;

use secateur_results::claims::{self, Holder};
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;
use secateur_results::record::Cell;
use secateur_results::store::Store;

use super::calibrate;
use super::cell::{Question, Setting};
use super::keys::evaluation_key;
use super::opened::Opened;
use super::plan::PlannedCell;
use super::pruned::{Pruned, masks, ranked};
use crate::talk;

/// How far a cell is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has a record.
    Done,
    /// Somebody is at it.
    Running(Holder),
    /// It has failed in the last run that tried it.
    Failed(String),
    /// None of these.
    Missing,
}

/// A cell of the plan as it stands.
pub struct Standing {
    /// The key of its record, where the mask is known.
    pub key: Option<RecordKey>,
    /// How far it is.
    pub state: State,
}

/// What workers are at.
pub struct Coverage {
    /// One for each cell of the plan.
    pub cells: Vec<Standing>,
    /// Who is at what else: calibration, the report.
    pub others: Vec<Holder>,
}

impl Coverage {
    /// Looks at a results directory; nothing is written.
    ///
    /// # Errors
    /// If statistics or claims cannot be read.
    pub fn of(opened: &Opened<'_>, store: &Store) -> anyhow::Result<Self> {
        let (failures, mut held) = (Failure::all(store), claims::held_of(store)?);
        let keys = keys(opened, store, &mut |warning| talk::warning(warning))?;
        let mut cells: Vec<Standing> = keys
            .iter()
            .map(|keys| standing(keys.as_ref(), store, &failures))
            .collect();
        for (place, (cell, keys)) in cells.iter_mut().zip(&keys).enumerate() {
            let Some((_, evaluation)) = keys else { continue };
            // Of cells with an equal mask, the one that is named.
            if let Some(holder) = held.get(evaluation)
                && cell.state != State::Done
                && holder.what == named(opened, &opened.plan[place]).to_string()
                && let Some(holder) = held.remove(evaluation)
            {
                cell.state = State::Running(holder);
            }
        }
        Ok(Self {
            cells,
            others: held.into_values().collect(),
        })
    }

    /// The coverage of a sweep that has not been started.
    #[must_use]
    pub fn none(opened: &Opened<'_>) -> Self {
        let missing = |_: &PlannedCell| Standing {
            key: None,
            state: State::Missing,
        };
        Self {
            cells: opened.plan.iter().map(missing).collect(),
            others: Vec::new(),
        }
    }

    /// Cells that have no record, as indices into the plan.
    #[must_use]
    pub fn not_done(&self) -> Vec<usize> {
        let cells = self.cells.iter().enumerate();
        cells
            .filter(|(_, cell)| cell.state != State::Done)
            .map(|(place, _)| place)
            .collect()
    }
}

/// A cell in words; what only its mask tells is left empty.
#[must_use]
pub fn named(opened: &Opened<'_>, cell: &PlannedCell) -> Cell {
    let known = Pruned::as_it_is(&opened.subjects[cell.subject]);
    let pruned = match cell.ranking {
        Some(index) => Pruned {
            name: Some((&opened.rankings[index]).into()),
            fraction: cell.fraction,
            kept: Vec::new(),
            ..known
        },
        None => known,
    };
    opened.question(cell.subject, cell.task, &pruned).cell()
}

/// Record and evaluation key of each cell of the plan whose mask is known; `warn` is told of damaged statistics.
///
/// # Errors
/// If corpora or statistics cannot be read.
pub fn keys(
    opened: &Opened<'_>,
    store: &Store,
    warn: &mut dyn FnMut(String),
) -> anyhow::Result<Vec<Option<(RecordKey, String)>>> {
    let setting = opened.setting(store);
    let mut keys = Vec::with_capacity(opened.plan.len());
    for (place, subject) in opened.subjects.iter().enumerate() {
        if subject.served.is_some() {
            let pruned = Pruned::as_it_is(subject);
            keys.extend((0..opened.tasks.len()).map(|task| {
                let question = opened.question(place, task, &pruned);
                question.no_key().is_none().then(|| keys_of(&question, &setting))
            }));
            continue;
        }
        let collected = calibrate::saved(opened.sweep, store, subject, &opened.rankings, warn)?;
        let ranked = ranked(subject, &opened.rankings, &collected)?;
        for pruned in masks(opened.sweep, subject, &opened.rankings, &ranked)? {
            keys.extend((0..opened.tasks.len()).map(|task| {
                let question = opened.question(place, task, pruned.as_ref()?);
                Some(keys_of(&question, &setting))
            }));
        }
    }
    Ok(keys)
}

fn keys_of(question: &Question<'_>, setting: &Setting<'_>) -> (RecordKey, String) {
    let inputs = question.inputs(setting);
    (RecordKey::from_inputs(&inputs), evaluation_key(&inputs))
}

fn standing(keys: Option<&(RecordKey, String)>, store: &Store, failures: &BTreeMap<String, Failure>) -> Standing {
    let key = keys.map(|(key, _)| key.clone());
    let state = match &key {
        Some(key) if store.has_sound(key) => State::Done,
        Some(key) => match failures.get(key.as_str()) {
            Some(failure) => State::Failed(failure.message.clone()),
            None => State::Missing,
        },
        None => State::Missing,
    };
    Standing { key, state }
}
