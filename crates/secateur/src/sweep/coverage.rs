//! What of a sweep is done, is running, has failed and is missing; read, never guessed: a cell is done when the record of its key
//! is there.
//!
//! A key holds the hash of the mask, which calibration decides. Where the statistics are not there yet, a pruned cell has no key and
//! is missing.

use std::collections::BTreeMap;

use secateur_model::mask::ExpertMask;
use secateur_results::claims::{self, Holder};
use secateur_results::failures::Failure;
use secateur_results::key::RecordKey;
use secateur_results::record::Cell;
use secateur_results::store::Store;

use super::calibrate;
use super::cell::Question;
use super::keys::evaluation_key;
use super::opened::Opened;
use super::plan::PlannedCell;
use super::pruned::{Pruned, masks, ranked};

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
        let keys = keys(opened, store)?;
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
    let pruned = Pruned {
        ranking: cell.ranking.map(|index| &opened.rankings[index]),
        fraction: cell.fraction,
        mask: ExpertMask::default(),
        kept: Vec::new(),
    };
    let question = Question {
        subject: &opened.subjects[cell.subject],
        task: &opened.tasks[cell.task],
        pruned: &pruned,
    };
    question.cell()
}

/// Record and evaluation key of each cell of the plan whose mask is known.
fn keys(opened: &Opened<'_>, store: &Store) -> anyhow::Result<Vec<Option<(RecordKey, String)>>> {
    let setting = opened.setting(store);
    let mut keys = Vec::with_capacity(opened.plan.len());
    for subject in &opened.subjects {
        let collected = calibrate::saved(opened.sweep, store, subject, &opened.rankings)?;
        let ranked = ranked(subject, &opened.rankings, &collected)?;
        for pruned in masks(opened.sweep, subject, &opened.rankings, &ranked)? {
            keys.extend(opened.tasks.iter().map(|task| {
                let pruned = pruned.as_ref()?;
                let inputs = Question { subject, task, pruned }.inputs(&setting);
                Some((RecordKey::from_inputs(&inputs), evaluation_key(&inputs)))
            }));
        }
    }
    Ok(keys)
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
