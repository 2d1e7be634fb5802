//! What each method keeps at each fraction removed, as numbers on colours.

use std::collections::BTreeSet;

use secateur_metrics::value::Aspect;

use super::canvas::Canvas;
use super::palette::{EMPTY, LOSS_GAIN, QUIET, TEXT, ramp, readable_on};
use super::scene::{Anchor, Scene, fit, text_width};
use super::{capital, coverage_note, curves_in, domains, legend, of_point, percent, titled, whole_percent};
use crate::aggregate::{Aggregate, Point};
use crate::error::Error;

const CELL: f64 = 21.0;
const GAP: f64 = 26.0;
const NAMES: f64 = 11.5;

/// Draws the chart of a model for one kind of task.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &Aggregate, model: &str, kind: &str) -> Result<Scene, Error> {
    let methods = all.methods();
    let domains = domains(all, model, kind);
    let fractions = fractions(all, model, kind);
    let columns = domains.len().max(1) as f64;
    let names = methods
        .iter()
        .map(|m| text_width(m, NAMES, false))
        .fold(40.0, f64::max)
        .min(on.scaled(190.0));
    let left = on.margin() + names + 10.0;
    let width = (on.width() - left - on.margin() - GAP * (columns - 1.0)) / columns;
    let block = methods.len() as f64 * CELL;
    let height = on.head() + 2.0 * (block + 62.0) + 32.0 + legend::bar_height(on);
    let title = format!("{model}, {kind}: share of the unpruned performance kept, %");
    let n = |d: &String| {
        let points = curves_in(all, model, (d, kind)).into_iter().flat_map(|c| &c.points);
        format!("{} ({d})", points.map(|p| p.n).max().unwrap_or(0))
    };
    let n: Vec<_> = domains.iter().map(n).collect();
    let note = coverage_note(all, model, kind);
    let line = format!("Bold: the 95 % interval excludes 100 %. n = {}.{note}", n.join(", "));
    let mut scene = titled(on, &title, &line, height)?;
    scene.columns("method", "removed, %", "kept");
    let floor = floor(all, model, kind);
    for (row, aspect) in [Aspect::Utility, Aspect::Reliability].into_iter().enumerate() {
        let top = on.head() + 28.0 + row as f64 * (block + 62.0);
        for (i, method) in methods.iter().enumerate() {
            let y = top + (i as f64 + 0.5) * CELL;
            let name = fit(method, NAMES, false, names);
            scene.text(&name, (left - 8.0, y), NAMES, Anchor::End, TEXT);
        }
        for (column, domain) in domains.iter().enumerate() {
            let x = left + column as f64 * (width + GAP);
            let name = if row == 0 { "utility" } else { "reliability" };
            let head = fit(&format!("{}: {name}", capital(domain)), on.heading(), true, width);
            scene.bold(&head, (x, top - 13.0), on.heading(), Anchor::Start, TEXT);
            scene.panel(&format!("{}: {name} kept", capital(domain)), "% of unpruned");
            let cell = width / fractions.len().max(1) as f64;
            for (j, fraction) in fractions.iter().enumerate() {
                let from = x + j as f64 * cell;
                let at = (from + cell / 2.0, top + block + 12.0);
                scene.text(&percent(*fraction), at, 10.5, Anchor::Middle, QUIET);
                for (i, method) in methods.iter().enumerate() {
                    let corner = (from, top + i as f64 * CELL);
                    let curve = all.curve(model, method, (domain, kind), aspect);
                    let point = curve.and_then(|c| c.points.iter().find(|p| p.fraction == *fraction));
                    scene.series(method, |scene| draw_cell(scene, corner, cell, point, floor));
                }
            }
        }
    }
    let middle = (
        left + (on.width() - left - on.margin()) / 2.0,
        height - 35.0 - legend::bar_height(on),
    );
    let title = "experts removed from each layer, %";
    scene.text(title, middle, 11.5, Anchor::Middle, TEXT);
    colour_bar(
        &mut scene,
        floor,
        highest(all, model, kind),
        height - 4.0 - legend::bar_height(on),
    );
    Ok(scene)
}

/// The bar ends at 100 % where nothing gained.
fn colour_bar(scene: &mut Scene, floor: f64, highest: f64, top: f64) {
    let (low, high) = (whole_percent(floor), whole_percent(2.0 - floor));
    let whole = "100 (as unpruned)";
    let meaning = "share of the unpruned value kept, %";
    if highest > 1.0 + 0.1 * (1.0 - floor) {
        let ticks = [(0.0, low.as_str()), (0.5, whole), (1.0, high.as_str())];
        legend::colour_bar(scene, meaning, &LOSS_GAIN, &ticks, top);
    } else {
        let ticks = [(0.0, low.as_str()), (1.0, whole)];
        let losses = &LOSS_GAIN[..=LOSS_GAIN.len() / 2];
        legend::colour_bar(scene, meaning, losses, &ticks, top);
    }
}

fn draw_cell(scene: &mut Scene, (x, y): (f64, f64), width: f64, point: Option<&Point>, floor: f64) {
    let to = (x + width - 1.0, y + CELL - 1.0);
    let middle = (x + width / 2.0 - 0.5, y + CELL / 2.0 - 0.5);
    let Some(point) = point else {
        scene.rect((x, y), to, EMPTY);
        scene.text("–", middle, 10.5, Anchor::Middle, QUIET);
        return;
    };
    let kept = point.estimate;
    let paper = ramp(&LOSS_GAIN, 0.5 * (kept.value - floor) / (1.0 - floor));
    scene.rect((x, y), to, paper);
    scene.datum(of_point(point, middle, 100.0).sized((width, CELL)));
    let star = if point.coverage < 1.0 { "*" } else { "" };
    let number = whole_percent(kept.value) + star;
    let ink = readable_on(paper);
    if kept.low > 1.0 || kept.high < 1.0 {
        scene.bold(&number, middle, 10.5, Anchor::Middle, ink);
    } else {
        scene.text(&number, middle, 10.5, Anchor::Middle, ink);
    }
}

fn fractions(all: &Aggregate, model: &str, kind: &str) -> Vec<f64> {
    let bits: BTreeSet<u64> = all
        .curves
        .iter()
        .filter(|c| c.model == model && c.quadrant.kind == kind)
        .flat_map(|c| c.points.iter().skip(1).map(|p| p.fraction.to_bits()))
        .collect();
    bits.into_iter().map(f64::from_bits).collect()
}

/// Where the colours end: at nothing kept, or at half if nothing lost more than that.
fn floor(all: &Aggregate, model: &str, kind: &str) -> f64 {
    let lowest = values(all, model, kind).fold(1.0, f64::min);
    if lowest < 0.5 { 0.0 } else { 0.5 }
}

fn highest(all: &Aggregate, model: &str, kind: &str) -> f64 {
    values(all, model, kind).fold(1.0, f64::max)
}

fn values<'a>(all: &'a Aggregate, model: &'a str, kind: &'a str) -> impl Iterator<Item = f64> + 'a {
    all.curves
        .iter()
        .filter(move |c| c.model == model && c.quadrant.kind == kind)
        .flat_map(|c| c.points.iter().map(|p| p.estimate.value))
}
