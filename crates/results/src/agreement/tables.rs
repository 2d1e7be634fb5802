//! Every comparison as a row of a CSV file.

use std::path::{Path, PathBuf};

use secateur_metrics::mask_agreement::Agreement;
use secateur_metrics::mask_grid::{MaskGrid, MaskKey, Pair};

use super::Comparisons;
use crate::atomic;
use crate::error::Error;
use crate::tables::{Table, Values};

pub(super) fn write(directory: &Path, grid: &MaskGrid, found: &Comparisons) -> Result<Vec<PathBuf>, Error> {
    let tables = [
        ("masks", masks(grid)),
        (
            "methods",
            pairs(&found.methods, |key| key.method.clone(), ["method_a", "method_b"]),
        ),
        (
            "seeds",
            pairs(&found.seeds, |key| key.method.clone(), ["seed_a", "seed_b"]),
        ),
        (
            "domains",
            pairs(&found.domains, |key| key.method.clone(), ["domain_a", "domain_b"]),
        ),
        ("nesting", nesting(found)),
        ("scoring_runs", runs(found)),
    ];
    let mut written = Vec::new();
    for (name, table) in tables {
        let path = directory.join(format!("{name}.csv"));
        let bytes = table.csv().map_err(|e| Error::Table {
            path: path.clone(),
            message: e.to_string(),
        })?;
        atomic::write_over(&path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}

fn text(values: impl Iterator<Item = String>) -> Values {
    Values::Text(values.map(Some).collect())
}

fn number(values: impl Iterator<Item = f64>) -> Values {
    Values::Number(values.map(Some).collect())
}

fn count(values: impl Iterator<Item = usize>) -> Values {
    Values::Count(values.map(|n| Some(n as u64)).collect())
}

/// Columns of what a row is of; `seed` and `method` are left to the caller where a pair differs in them.
fn place<'a>(keys: impl Iterator<Item = &'a MaskKey> + Clone) -> Vec<(&'static str, Values)> {
    vec![
        ("model", text(keys.clone().map(|k| k.model.clone()))),
        ("domain", text(keys.clone().map(|k| k.domain.clone()))),
        ("method", text(keys.clone().map(|k| k.method.clone()))),
        ("seed", count(keys.clone().map(|k| k.seed as usize))),
        ("fraction_removed", number(keys.map(|k| k.removed.0))),
    ]
}

fn masks(grid: &MaskGrid) -> Table {
    let mut columns = place(grid.masks().map(|(key, _)| key).collect::<Vec<_>>().into_iter());
    let masks: Vec<&[Vec<usize>]> = grid.masks().map(|(_, mask)| mask).collect();
    let least = masks.iter().map(|m| m.iter().map(Vec::len).min().unwrap_or(0));
    let most = masks.iter().map(|m| m.iter().map(Vec::len).max().unwrap_or(0));
    columns.push(("layers", count(masks.iter().map(|m| m.len()))));
    columns.push(("kept_min", count(least)));
    columns.push(("kept_max", count(most)));
    Table(columns)
}

/// `names`: what the two masks differ in; the column of the first mask's own is left out.
fn pairs<T: std::fmt::Display>(
    pairs: &[Pair<T>],
    method: impl Fn(&MaskKey) -> String,
    [a, b]: [&'static str; 2],
) -> Table {
    let differs = a.trim_end_matches("_a");
    let mut columns = place(pairs.iter().map(|p| &p.key).collect::<Vec<_>>().into_iter());
    columns.retain(|(name, _)| *name != differs && *name != "method");
    if differs != "method" {
        columns.insert(1, ("method", text(pairs.iter().map(|p| method(&p.key)))));
    }
    columns.push((a, text(pairs.iter().map(|p| p.a.to_string()))));
    columns.push((b, text(pairs.iter().map(|p| p.b.to_string()))));
    let of = |value: fn(&Agreement) -> f64| number(pairs.iter().map(move |p| value(&p.agreement)));
    columns.push(("overlap_mean", of(|a| a.overlap_mean)));
    columns.push(("overlap_min", of(|a| a.overlap_min)));
    columns.push(("jaccard_mean", of(|a| a.jaccard_mean)));
    columns.push(("common_prefix_mean", of(|a| a.common_prefix_mean)));
    Table(columns)
}

fn nesting(found: &Comparisons) -> Table {
    let steps = &found.nesting;
    let mut columns = place(steps.iter().map(|s| &s.key).collect::<Vec<_>>().into_iter());
    columns.push(("next_fraction_removed", number(steps.iter().map(|s| s.next.0))));
    columns.push(("subset_violations", count(steps.iter().map(|s| s.violations.subset))));
    columns.push(("prefix_violations", count(steps.iter().map(|s| s.violations.prefix))));
    columns.push(("layers", count(steps.iter().map(|s| s.violations.layers))));
    Table(columns)
}

/// One row per group of fractions that share a ranking.
fn runs(found: &Comparisons) -> Table {
    let rows: Vec<(&MaskKey, usize, String)> = found
        .runs
        .iter()
        .flat_map(|runs| {
            runs.groups.iter().enumerate().map(move |(i, group)| {
                let fractions: Vec<String> = group.iter().map(ToString::to_string).collect();
                (&runs.key, i, fractions.join(" "))
            })
        })
        .collect();
    let mut columns = place(rows.iter().map(|(key, _, _)| *key).collect::<Vec<_>>().into_iter());
    columns.retain(|(name, _)| *name != "fraction_removed");
    columns.push(("run", count(rows.iter().map(|(_, i, _)| i + 1))));
    columns.push(("fractions_removed", text(rows.iter().map(|(_, _, f)| f.clone()))));
    Table(columns)
}
