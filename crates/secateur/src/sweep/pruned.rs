//! The masks of a model: the unpruned one, and every fraction of every ranking; of a served model, the one that it has.

use std::collections::BTreeMap;

use secateur_model::mask::ExpertMask;
use secateur_pruning::methods;
use secateur_pruning::plan::Plan;
use secateur_pruning::ranking::{Ranking, rank};
use secateur_pruning::statistics::Statistics;
use secateur_results::ranking_file::{RankedLayer, RankingFile};

use super::calibrate::Collected;
use super::cell::Setting;
use super::definition::Sweep;
use super::grid::RankingCell;
use super::subject::Subject;

/// By what the experts of a mask were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskName {
    /// Method.
    pub method: String,
    /// Which definition of it.
    pub profile: String,
    /// Seed of data and of the random method.
    pub seed: u64,
    /// Corpora joined by `+`; empty for methods that need no data.
    pub calibration: String,
}

impl From<&RankingCell> for MaskName {
    fn from(cell: &RankingCell) -> Self {
        Self {
            method: cell.variant.method.name().to_owned(),
            profile: cell.variant.profile.name().to_owned(),
            seed: cell.seed,
            calibration: cell.calibration_name(),
        }
    }
}

/// A mask to evaluate, and what it is called.
pub struct Pruned {
    /// What it was made by; `None` for the unpruned model.
    pub name: Option<MaskName>,
    /// Share of each layer's experts that was to be removed.
    pub fraction: f64,
    /// Experts that stay.
    pub mask: ExpertMask,
    /// How many stay, per layer with experts.
    pub kept: Vec<usize>,
    /// How many there were.
    pub total: Vec<usize>,
}

impl Pruned {
    /// All experts of `subject`.
    #[must_use]
    pub fn nothing(subject: &Subject) -> Self {
        let all: Vec<usize> = subject.moe_layers.iter().map(|layer| layer.experts).collect();
        Self {
            name: None,
            fraction: 0.0,
            mask: ExpertMask::default(),
            kept: all.clone(),
            total: all,
        }
    }

    /// The experts that `subject`'s checkpoint has: fewer than its source where it is an export that is served.
    #[must_use]
    pub fn as_it_is(subject: &Subject) -> Self {
        let whole = Self::nothing(subject);
        match subject.export() {
            Some(export) => Self {
                name: Some(export.name.clone()),
                fraction: export.fraction,
                mask: export.mask.clone(),
                total: export.total.clone(),
                ..whole
            },
            None => whole,
        }
    }
}

/// Rankings of a model by all that a sweep ranks with; `None` where statistics lack.
///
/// # Errors
/// If statistics do not fit the model.
pub fn ranked(
    subject: &Subject,
    rankings: &[RankingCell],
    collected: &Collected,
) -> anyhow::Result<Vec<Option<Ranking>>> {
    rankings
        .iter()
        .map(|cell| one_ranked(subject, cell, collected))
        .collect()
}

fn one_ranked(subject: &Subject, cell: &RankingCell, collected: &Collected) -> anyhow::Result<Option<Ranking>> {
    let (method, profile) = (cell.variant.method, cell.variant.profile);
    let domains: Vec<&Statistics> = if cell.calibration.is_empty() {
        collected.values().take(1).collect()
    } else {
        let of = |corpus: &String| collected.get(&(corpus.clone(), cell.seed));
        cell.calibration.iter().filter_map(of).collect()
    };
    let lacking = domains.len() < cell.calibration.len();
    if lacking || (domains.is_empty() && !methods::wanted(&[(method, profile)]).is_empty()) {
        return Ok(None);
    }
    Ok(Some(rank(method, profile, cell.seed, &subject.shapes(), &domains)?))
}

/// Masks in the order of the plan: the unpruned model, then, so that a sweep that is stopped has the gentle prunings of every
/// method, fraction by fraction every ranking. `None` where there is no ranking.
///
/// # Errors
/// If a fraction leaves too few experts.
pub fn masks(
    sweep: &Sweep,
    subject: &Subject,
    rankings: &[RankingCell],
    ranked: &[Option<Ranking>],
) -> anyhow::Result<Vec<Option<Pruned>>> {
    let shapes = subject.shapes();
    let whole = Pruned::nothing(subject);
    let total = whole.total.clone();
    let mut masks = vec![Some(whole)];
    for &fraction in &sweep.ratios {
        for (cell, ranking) in rankings.iter().zip(ranked) {
            let Some(ranking) = ranking else {
                masks.push(None);
                continue;
            };
            let plan = Plan::new(ranking, &shapes, fraction, &BTreeMap::default())?;
            masks.push(Some(Pruned {
                name: Some(cell.into()),
                fraction,
                mask: plan.mask(),
                kept: plan.experts_kept(),
                total: total.clone(),
            }));
        }
    }
    Ok(masks)
}

/// Writes a ranking for the report and for `prune`.
///
/// # Errors
/// If it cannot be written.
pub fn write_ranking(
    setting: &Setting<'_>,
    subject: &Subject,
    cell: &RankingCell,
    ranking: &Ranking,
) -> anyhow::Result<()> {
    let several = setting.sweep.calibrate_on.len() > 1 && !cell.calibration.is_empty();
    let method = cell.variant.method.name();
    let layers = ranking.layers.iter().map(|layer| RankedLayer {
        layer: layer.layer,
        experts: layer.experts.iter().map(|id| id.0).collect(),
        scores: layer.scores.clone(),
    });
    let file = RankingFile {
        model: subject.name.clone(),
        method: if several {
            format!("{method} ({})", cell.calibration_name())
        } else {
            method.to_owned()
        },
        profile: cell.variant.profile.name().to_owned(),
        seed: cell.seed,
        calibration: cell.calibration_name(),
        layers: layers.collect(),
    };
    let path = file.write(setting.store.directory())?;
    if let Ok(name) = path.strip_prefix(setting.store.directory()) {
        setting.store.send(&name.to_string_lossy())?;
    }
    Ok(())
}
