//! The masks of a model: the unpruned one, and every fraction of every ranking.

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

/// A mask to evaluate, and what it is called.
pub struct Pruned<'a> {
    /// What it was made by; `None` for the unpruned model.
    pub ranking: Option<&'a RankingCell>,
    /// Share of each layer's experts that was to be removed.
    pub fraction: f64,
    /// Experts that stay.
    pub mask: ExpertMask,
    /// How many stay, per layer with experts.
    pub kept: Vec<usize>,
}

impl Pruned<'_> {
    /// All experts of `subject`.
    #[must_use]
    pub fn nothing(subject: &Subject) -> Self {
        Self {
            ranking: None,
            fraction: 0.0,
            mask: ExpertMask::default(),
            kept: subject.moe_layers.iter().map(|layer| layer.experts).collect(),
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
pub fn masks<'a>(
    sweep: &Sweep,
    subject: &Subject,
    rankings: &'a [RankingCell],
    ranked: &[Option<Ranking>],
) -> anyhow::Result<Vec<Option<Pruned<'a>>>> {
    let shapes = subject.shapes();
    let mut masks = vec![Some(Pruned::nothing(subject))];
    for &fraction in &sweep.ratios {
        for (cell, ranking) in rankings.iter().zip(ranked) {
            let Some(ranking) = ranking else {
                masks.push(None);
                continue;
            };
            let plan = Plan::new(ranking, &shapes, fraction, &BTreeMap::default())?;
            masks.push(Some(Pruned {
                ranking: Some(cell),
                fraction,
                mask: plan.mask(),
                kept: plan.experts_kept(),
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
