//! The heat maps: methods against methods at each fraction, seeds, and nesting.

use std::collections::BTreeMap;

use secateur_metrics::mask_grid::{MaskGrid, Removed};

use super::summary::{Alike, ModelSummary, by_chance};
use crate::charts::mask_agreement::{self, MethodMasks};
use crate::charts::number_grid::{self, NumberGrid};
use crate::charts::percent;
use crate::error::Error;
use crate::report::{Figure, Gallery};

pub(super) fn draw(grid: &MaskGrid, summaries: &[ModelSummary]) -> Result<Vec<Figure>, Error> {
    let mut gallery = Gallery::default();
    for summary in summaries {
        let about = format!("{}-{}", summary.model, summary.domain);
        for &removed in &summary.fractions {
            let (masks, chance) = masks(grid, summary, removed);
            if masks.len() > 1 {
                gallery.add("methods", &format!("{about}-{removed}"), |on| {
                    mask_agreement::draw(on, &summary.model, removed.0, &masks, chance)
                })?;
            }
        }
        if !summary.seeds.is_empty() {
            gallery.add("seeds", &about, |on| number_grid::draw(on, &seeds(summary)))?;
        }
        if !summary.nesting.is_empty() {
            gallery.add("nesting", &about, |on| number_grid::draw(on, &nesting(summary)))?;
        }
    }
    Ok(gallery.figures)
}

/// The masks of every method that keeps as many experts as most do there, and what two random ones of that size would share.
fn masks(grid: &MaskGrid, summary: &ModelSummary, removed: Removed) -> (Vec<MethodMasks>, f64) {
    let here = || {
        grid.masks()
            .filter(|(key, _)| (&key.model, &key.domain, key.removed) == (&summary.model, &summary.domain, removed))
    };
    let mut counts: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for (_, mask) in here() {
        *counts.entry(mask.iter().map(Vec::len).collect()).or_default() += 1;
    }
    let Some((usual, _)) = counts.iter().max_by_key(|(_, n)| **n) else {
        return (Vec::new(), 0.0);
    };
    let mut methods: BTreeMap<_, MethodMasks> = BTreeMap::new();
    for (key, mask) in here().filter(|(_, mask)| mask.iter().map(Vec::len).eq(usual.iter().copied())) {
        let place = secateur_metrics::mask_grid::method_place(&key.method);
        let entry = methods.entry(place).or_insert_with(|| MethodMasks {
            method: key.method.clone(),
            ..MethodMasks::default()
        });
        entry.seeds.insert(key.seed, mask.to_vec());
    }
    let chance = usual.iter().map(|&kept| by_chance(kept, summary.experts)).sum::<f64>() / usual.len().max(1) as f64;
    (methods.into_values().collect(), chance)
}

fn seeds(summary: &ModelSummary) -> NumberGrid {
    let cells = |row: &Alike| {
        let at = |removed: &Removed| row.get(removed).map(|(overlap, _)| *overlap);
        summary.fractions.iter().map(at).collect()
    };
    NumberGrid {
        title: format!("{}: how far seeds keep the same experts", summary.model),
        line: "How much a mask depends on the calibration samples that happened to be drawn.".into(),
        meaning: "overlap of two seeds, mean over layers and pairs of seeds".into(),
        axis: "experts removed from each layer, %".into(),
        across: "removed, %",
        columns: summary.fractions.iter().map(|f| percent(f.0)).collect(),
        rows: summary.seeds.iter().map(|(m, row)| (m.clone(), cells(row))).collect(),
    }
}

fn nesting(summary: &ModelSummary) -> NumberGrid {
    let mut steps: Vec<(Removed, Removed)> = summary
        .nesting
        .iter()
        .flat_map(|(_, row)| row.keys().copied())
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let rows = summary.nesting.iter().map(|(method, row)| {
        let share = |step: &(Removed, Removed)| {
            let found = row.get(step)?;
            Some(found.subset as f64 / found.layers.max(1) as f64)
        };
        (method.clone(), steps.iter().map(share).collect())
    });
    NumberGrid {
        title: format!("{}: where smaller masks are no part of larger ones", summary.model),
        line: "0: every expert that stays at the larger fraction also stays at the smaller one.".into(),
        meaning: "share of layers that are not nested, over all seeds".into(),
        axis: "from one fraction removed to the next, %".into(),
        across: "step, %",
        rows: rows.collect(),
        columns: steps
            .iter()
            .map(|(low, high)| format!("{} → {}", percent(low.0), percent(high.0)))
            .collect(),
    }
}
