//! The words and tables of the page.

use minijinja::Environment;
use secateur_metrics::mask_grid::{MaskGrid, Removed};
use serde::Serialize;

use super::summary::{Alike, ModelSummary, Steps};
use super::{Comparisons, Making};
use crate::charts::percent;
use crate::error::Error;
use crate::report::Figure;

#[derive(Serialize)]
struct Page<'a> {
    masks: usize,
    models: Vec<ModelView>,
    domains: Vec<Vec<String>>,
    runs: Vec<Vec<String>>,
    missing: Vec<String>,
    figures: Vec<&'a str>,
    making: MakingView<'a>,
}

#[derive(Serialize)]
struct MakingView<'a> {
    command: &'a str,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ModelView {
    name: String,
    domain: String,
    about: String,
    fractions: Vec<String>,
    methods: Vec<Vec<String>>,
    seeds: Vec<Vec<String>>,
    steps: Vec<String>,
    nesting: Vec<Vec<String>>,
}

pub(super) fn html(
    summaries: &[ModelSummary],
    figures: &[Figure],
    grid: &MaskGrid,
    found: &Comparisons,
    making: &Making,
) -> Result<String, Error> {
    let missing = grid.domains().into_iter().flat_map(|domain| grid.missing(domain));
    let page = Page {
        masks: grid.len(),
        models: summaries.iter().map(model).collect(),
        domains: domains(found),
        runs: runs(found),
        missing: missing.map(|key| key.to_string()).collect(),
        figures: figures.iter().map(|f| f.svg.as_str()).collect(),
        making: MakingView {
            command: &making.command,
            notes: &making.notes,
        },
    };
    let failed = |e: minijinja::Error| Error::Page {
        message: format!("{e:#}"),
    };
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    let template = include_str!("../../templates/agreement.html");
    let template = environment
        .template_from_named_str("agreement.html", template)
        .map_err(failed)?;
    template.render(page).map_err(failed)
}

fn model(summary: &ModelSummary) -> ModelView {
    let cells = |row: &Alike| {
        let at = |removed: &Removed| row.get(removed).map_or_else(|| "–".to_owned(), both);
        summary.fractions.iter().map(at).collect::<Vec<_>>()
    };
    let steps: std::collections::BTreeSet<(Removed, Removed)> = summary
        .nesting
        .iter()
        .flat_map(|(_, row)| row.keys().copied())
        .collect();
    let violations = |row: &Steps| {
        let at = |step: &(Removed, Removed)| {
            let found = row.get(step);
            found.map_or_else(
                || "–".to_owned(),
                |v| format!("{} / {} of {}", v.subset, v.prefix, v.layers),
            )
        };
        steps.iter().map(at).collect::<Vec<_>>()
    };
    let with = |name: String, cells: Vec<String>| std::iter::once(name).chain(cells).collect();
    ModelView {
        name: summary.model.clone(),
        domain: summary.domain.clone(),
        about: format!(
            "{} masks of {} layers, {} experts each as far as the ids show",
            summary.masks, summary.layers, summary.experts
        ),
        fractions: summary.fractions.iter().map(|f| percent(f.0)).collect(),
        methods: summary
            .methods
            .iter()
            .map(|((a, b), row)| with(format!("{a} – {b}"), cells(row)))
            .collect(),
        seeds: summary
            .seeds
            .iter()
            .map(|(m, row)| with(m.clone(), cells(row)))
            .collect(),
        steps: steps
            .iter()
            .map(|(low, high)| format!("{} → {}", percent(low.0), percent(high.0)))
            .collect(),
        nesting: summary
            .nesting
            .iter()
            .map(|(m, row)| with(m.clone(), violations(row)))
            .collect(),
    }
}

/// Overlap and Jaccard index.
fn both((overlap, jaccard): &(f64, f64)) -> String {
    format!("{overlap:.3} / {jaccard:.3}")
}

fn domains(found: &Comparisons) -> Vec<Vec<String>> {
    let row = |pair: &secateur_metrics::mask_grid::Pair<String>| {
        let key = &pair.key;
        vec![
            key.model.clone(),
            key.method.clone(),
            key.seed.to_string(),
            percent(key.removed.0),
            format!("{} – {}", pair.a, pair.b),
            both(&(pair.agreement.overlap_mean, pair.agreement.jaccard_mean)),
        ]
    };
    found.domains.iter().map(row).collect()
}

fn runs(found: &Comparisons) -> Vec<Vec<String>> {
    let row = |runs: &secateur_metrics::mask_grid::ScoringRuns| {
        let key = &runs.key;
        let group = |group: &Vec<Removed>| {
            let shares: Vec<String> = group.iter().map(|f| percent(f.0)).collect();
            format!("{{{}}}", shares.join(", "))
        };
        let groups: Vec<String> = runs.groups.iter().map(group).collect();
        let largest = runs.between.iter().map(|(_, _, shift)| shift.max).max();
        vec![
            key.model.clone(),
            key.domain.clone(),
            key.method.clone(),
            key.seed.to_string(),
            groups.join(" "),
            largest.map_or_else(String::new, |shift| shift.to_string()),
        ]
    };
    let several = found.runs.iter().filter(|runs| runs.groups.len() > 1);
    several.map(row).collect()
}
