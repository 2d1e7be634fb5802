//! Which charts a report has, and their file names.

use std::collections::BTreeSet;

use super::gallery::{Figure, Gallery};
use super::{costs, expert_figures};
use crate::aggregate::Aggregate;
use crate::changes::{Change, DiagramsOf};
use crate::charts::{
    fraction_curves, hallucination_utility, memory_speed, regression_bars, reliability_diagrams, reliability_utility,
    retention_heatmap, risk_coverage,
};
use crate::error::Error;
use crate::ranking_file::RankingFile;
use crate::record::Record;
use crate::shown::Shown;

/// What charts are drawn from.
pub(super) struct Drawn<'a> {
    pub(super) records: &'a [Record],
    pub(super) all: &'a Aggregate,
    pub(super) rankings: &'a [RankingFile],
    /// Fraction removed at which kept sets are compared.
    pub(super) fraction: f64,
    /// Reliability metrics that the safe fraction was asked to respect.
    pub(super) chosen: &'a [String],
    pub(super) shown: &'a [Shown],
    pub(super) changes: &'a [Change],
    pub(super) diagrams: &'a [DiagramsOf<'a>],
    /// Whether charts are drawn for papers too.
    pub(super) printed: bool,
}

/// All charts for which there is data: per model and domain or kind of task, then per model.
pub(super) fn draw(from: &Drawn<'_>) -> Result<Vec<Figure>, Error> {
    let mut gallery = Gallery {
        printed: from.printed,
        ..Gallery::default()
    };
    let all = from.all;
    for model in all.models() {
        reliability(&mut gallery, from, &model)?;
        for kind in kinds(all, &model) {
            let about = format!("{model}-{kind}");
            gallery.add("curves", &about, |on| fraction_curves::draw(on, all, &model, &kind))?;
            gallery.maybe("reliability-utility", &about, |on| {
                reliability_utility::draw(on, all, &model, &kind)
            })?;
            gallery.add("retention", &about, |on| {
                retention_heatmap::draw(on, all, &model, &kind)
            })?;
        }
        let costs = costs::by_kind(from.records, &model);
        gallery.maybe("memory-speed", &model, |on| memory_speed::draw(on, &model, &costs))?;
    }
    expert_figures::draw(&mut gallery, from)?;
    Ok(gallery.figures)
}

/// What is made up, domain by domain, and what the method that stands for the model does to confidence and to single items.
fn reliability(gallery: &mut Gallery, from: &Drawn<'_>, model: &str) -> Result<(), Error> {
    let here = from.all.metrics.iter().filter(|c| c.model == model);
    let domains: BTreeSet<&str> = here.map(|c| c.quadrant.domain.as_str()).collect();
    for domain in &domains {
        gallery.maybe("hallucination-utility", &format!("{model}-{domain}"), |on| {
            hallucination_utility::draw(on, from.all, model, domain, from.chosen)
        })?;
    }
    let Some(shown) = from.shown.iter().find(|shown| shown.model == model) else {
        return Ok(());
    };
    for domain in domains {
        gallery.maybe("regressions", &format!("{model}-{domain}"), |on| {
            regression_bars::draw(on, from.changes, domain, shown)
        })?;
    }
    gallery.maybe("risk-coverage", model, |on| {
        risk_coverage::draw(on, from.diagrams, shown)
    })?;
    gallery.maybe("reliability-diagrams", model, |on| {
        reliability_diagrams::draw(on, from.diagrams, shown)
    })
}

fn kinds(all: &Aggregate, model: &str) -> BTreeSet<String> {
    let here = all.curves.iter().filter(|c| c.model == model);
    here.map(|c| c.quadrant.kind.clone()).collect()
}
