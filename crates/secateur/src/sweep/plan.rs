//! The cells of a sweep one by one, before anything is computed: what they are called and how much work each is.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use secateur_datasets::error::nearest_hint;
use secateur_results::key::RecordKey;

use super::costs::Siblings;
use super::definition::Sweep;
use super::estimate;
use super::grid::RankingCell;
use super::pruned::MaskName;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Hexadecimal digits of an id.
const DIGITS: usize = 16;

/// Bytes of text that count as a token. Plans must not need a tokenizer, and a shard must be the same on every machine.
const BYTES_PER_TOKEN: f64 = 4.0;

/// Work of a token that is written, in tokens that are read: reading is done for a whole prompt at once.
const WRITTEN: f64 = 8.0;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCell {
    /// Hash of what names the cell: model, method, profile, fraction, seed, corpora and task. Known before masks are.
    pub id: String,
    /// Index of the model.
    pub subject: usize,
    /// Index of the mask among the model's: 0 for the one that its checkpoint has.
    pub mask: usize,
    /// Index of the ranking; `None` for the checkpoint as it is.
    pub ranking: Option<usize>,
    /// Share of each layer's experts to remove.
    pub fraction: f64,
    /// Index of the task.
    pub task: usize,
    /// Estimated work, in gigabytes of weights times thousand tokens read: comparable within the sweep, never in seconds.
    pub work: f64,
}

/// Where a cell stands in the plan: indices of model, mask and task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellIndex {
    /// Of the model.
    pub subject: usize,
    /// Of the mask among the model's.
    pub mask: usize,
    /// Of the task.
    pub task: usize,
}

impl CellIndex {
    /// What cells share that cost about the same.
    #[must_use]
    pub fn siblings(self) -> Siblings {
        (self.subject, self.task)
    }
}

impl PlannedCell {
    /// Where it stands.
    #[must_use]
    pub fn index(&self) -> CellIndex {
        CellIndex {
            subject: self.subject,
            mask: self.mask,
            task: self.task,
        }
    }
}

/// All cells in the order in which one worker evaluates them: models, masks from gentle to harsh, tasks. A served model has the one
/// mask that it was exported with.
#[must_use]
pub fn plan(sweep: &Sweep, subjects: &[Subject], tasks: &[LoadedTask], rankings: &[RankingCell]) -> Vec<PlannedCell> {
    let work: Vec<f64> = tasks.iter().map(tokens).collect();
    let mut cells = Vec::new();
    for (subject, opened) in subjects.iter().enumerate() {
        let weights = opened.weight_bytes as f64 / 1e9;
        let as_it_is = opened.export().map_or(0.0, |export| export.fraction);
        let ratios = if opened.served.is_some() {
            &[]
        } else {
            sweep.ratios.as_slice()
        };
        let pruned = ratios
            .iter()
            .flat_map(|&fraction| (0..rankings.len()).map(move |ranking| (Some(ranking), fraction)));
        for (mask, (ranking, fraction)) in std::iter::once((None, as_it_is)).chain(pruned).enumerate() {
            for (task, loaded) in tasks.iter().enumerate() {
                cells.push(PlannedCell {
                    id: id(opened, ranking.map(|index| &rankings[index]), fraction, loaded),
                    subject,
                    mask,
                    ranking,
                    fraction,
                    task,
                    work: weights * work[task] / 1e3,
                });
            }
        }
    }
    cells
}

fn id(subject: &Subject, ranking: Option<&RankingCell>, fraction: f64, task: &LoadedTask) -> String {
    let exported = subject.export().map(|export| export.name.clone());
    let name = ranking.map(MaskName::from).or(exported);
    let named = |of: fn(&MaskName) -> String| name.as_ref().map(of).unwrap_or_default();
    let names = [
        ("model", subject.name.clone()),
        ("method", named(|name| name.method.clone())),
        ("profile", named(|name| name.profile.clone())),
        ("fraction_removed", fraction.to_string()),
        ("seed", named(|name| name.seed.to_string())),
        ("calibration", named(|name| name.calibration.clone())),
        ("task", task.spec.name.clone()),
    ];
    let names: BTreeMap<String, String> = names.map(|(name, value)| (name.to_owned(), value)).into();
    RecordKey::from_inputs(&names).as_str()[..DIGITS].to_owned()
}

/// Tokens to be read for a task, those to be written counted as so many more.
fn tokens(task: &LoadedTask) -> f64 {
    let Ok((read, written)) = estimate::amount::<Infallible>(task, &|text: &str| Ok(text.len()));
    read as f64 / BYTES_PER_TOKEN + written as f64 * WRITTEN
}

/// The cells that `ids` name, as indices into the plan.
///
/// # Errors
/// If one is no cell of the sweep.
pub fn find(plan: &[PlannedCell], ids: &[String]) -> anyhow::Result<BTreeSet<usize>> {
    let place = |id: &String| {
        plan.iter().position(|cell| cell.id == *id).ok_or_else(|| {
            let hint = nearest_hint(id, plan.iter().map(|cell| cell.id.as_str()));
            anyhow::anyhow!(
                "--cell {id}: no cell of this sweep has this id{hint}; `secateur sweep plan FILE` lists them"
            )
        })
    };
    ids.iter().map(place).collect()
}
