//! Charts, one file each. A chart is a function from plain values to a [`scene::Scene`].

pub mod canvas;
pub mod scene;
pub mod meaning;
pub mod drawing;
pub mod render;
pub mod pdf;
mod pdf_font;
pub mod palette;
pub mod panel;
pub mod legend;
pub mod fraction_curves;
pub mod reliability_utility;
pub mod hallucination_utility;
pub mod retention_heatmap;
pub mod risk_coverage;
pub mod reliability_diagrams;
pub mod regression_bars;
pub mod mask_agreement;
pub mod number_grid;
pub mod saliency_layers;
pub mod memory_speed;
pub mod expert_routing;
use canvas::Canvas;
use palette::{QUIET, TEXT};
use scene::{Anchor, Scene, fit};

use crate::error::Error;

/// A canvas with a title and a line below it that says how to read the chart, or what it shows.
/// On paper the caption says both.
pub(crate) fn titled(on: Canvas, title: &str, line: &str, height: f64) -> Result<Scene, Error> {
    let mut scene = Scene::new(on, title, height)?;
    scene.line = scene::clean(line);
    if on.paper() {
        return Ok(scene);
    }
    let (margin, room) = (on.margin(), on.width() - 2.0 * on.margin());
    scene.bold(&fit(title, 15.0, true, room), (margin, 20.0), 15.0, Anchor::Start, TEXT);
    let line = fit(line, 11.5, false, room);
    scene.text(&line, (margin, 41.0), 11.5, Anchor::Start, QUIET);
    Ok(scene)
}

/// Says how many of something are left out of a chart, and where they are; nothing if none are.
pub(crate) fn left_out(all: usize, drawn: usize, what: &str, table: &str) -> String {
    if all > drawn {
        format!(" {drawn} of {all} {what}; the others are in tables/{table}.csv.")
    } else {
        String::new()
    }
}

/// Colours of ascending fractions removed, light to dark; the unpruned model is drawn in [`palette::TEXT`].
pub(crate) fn fraction_ink(place: usize, of: usize) -> scene::Ink {
    let share = if of > 1 { place as f64 / (of - 1) as f64 } else { 1.0 };
    palette::ramp(&palette::HEAT, share)
}

/// Dashes of ascending fractions removed; no two of a chart's are equal, nor that of the unpruned model, which has none.
pub(crate) fn fraction_dashes(place: usize) -> &'static [f64] {
    const DASHES: [&[f64]; 4] = [&[2.0, 2.5], &[5.0, 2.5], &[9.0, 3.0, 2.0, 3.0], &[12.0, 3.0]];
    DASHES[place % DASHES.len()]
}

/// A share as a percentage without its sign: `12.5`, `50`.
pub(crate) fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round() / 10.0;
    format!("{}", tenths + 0.0)
}

/// A share as a whole percentage.
pub(crate) fn whole_percent(share: f64) -> String {
    format!("{:.0}", (share * 100.0).round() + 0.0)
}

/// First letter in capitals.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + letters.as_str(),
        None => String::new(),
    }
}

/// Says what a star means where a chart has one.
pub(crate) fn coverage_note(all: &crate::aggregate::Aggregate, model: &str, kind: &str) -> &'static str {
    let here = all
        .curves
        .iter()
        .filter(|c| c.model == model && c.quadrant.kind == kind);
    let mut points = here.flat_map(|c| &c.points);
    if points.any(|p| p.coverage < 1.0) {
        " *: not all items could be scored."
    } else {
        ""
    }
}

/// Stars a point that not all items entered.
pub(crate) fn uncovered(scene: &mut Scene, coverage: f64, (x, y): (f64, f64)) {
    if coverage < 1.0 {
        scene.text("*", (x + 5.0, y - 5.0), 11.5, Anchor::Start, TEXT);
    }
}

/// The datum of a point of a curve whose values are shown `scale` times as large.
pub(crate) fn of_point(point: &crate::aggregate::Point, at: (f64, f64), scale: f64) -> meaning::Datum {
    let (x, estimate) = (meaning::X::Number(point.fraction * 100.0), point.estimate);
    meaning::Datum::new(at, x, estimate.value * scale)
        .between(estimate.low * scale, estimate.high * scale)
        .of(point.n as f64)
        .noted(coverage_remark(point.coverage))
}

/// What a datum says beside its number where not all items entered.
pub(crate) fn coverage_remark(coverage: f64) -> String {
    if coverage < 1.0 {
        format!("{} % of the items could be scored", percent(coverage))
    } else {
        String::new()
    }
}

/// The domains in which a model has curves of a kind, `biomedical` before `general`.
pub(crate) fn domains(all: &crate::aggregate::Aggregate, model: &str, kind: &str) -> Vec<String> {
    let places = all
        .curves
        .iter()
        .filter(|c| c.model == model && c.quadrant.kind == kind);
    let names: std::collections::BTreeSet<_> = places.map(|c| c.quadrant.domain.clone()).collect();
    names.into_iter().collect()
}

/// What a panel's numbers rest on: items, seeds, tasks.
pub(crate) fn basis(curves: &[&crate::aggregate::Curve]) -> String {
    let tasks: std::collections::BTreeSet<_> = curves
        .iter()
        .flat_map(|c| c.points.iter().flat_map(|p| p.tasks.keys().cloned()))
        .collect();
    let points = || curves.iter().flat_map(|c| c.points.iter().skip(1));
    let n = points().map(|p| p.n).max().unwrap_or(0);
    let seeds = points().map(|p| p.seeds).max().unwrap_or(0);
    let names: Vec<_> = tasks.into_iter().collect();
    let plural = if seeds == 1 { "" } else { "s" };
    format!("n = {n}, {seeds} seed{plural}: {}", names.join(", "))
}

/// The curves of a model in a quadrant, of either aspect.
pub(crate) fn curves_in<'a>(
    all: &'a crate::aggregate::Aggregate,
    model: &str,
    (domain, kind): (&str, &str),
) -> Vec<&'a crate::aggregate::Curve> {
    let here = all.curves.iter().filter(|c| c.model == model);
    here.filter(|c| c.quadrant.domain == domain && c.quadrant.kind == kind)
        .collect()
}
