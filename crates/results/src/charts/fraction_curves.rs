//! Utility and reliability kept against the fraction removed, a line per method, the domains side by side.

use std::collections::BTreeSet;

use secateur_metrics::value::Aspect;

use super::canvas::Canvas;
use super::palette::{AXIS, Style, mark, style};
use super::panel::{Axis, Frame, Panel};
use super::scene::{Ink, Scene};
use super::{basis, capital, coverage_note, domains, legend, of_point, percent, titled, uncovered, whole_percent};
use crate::aggregate::{Aggregate, Curve};
use crate::error::Error;

const ROW: f64 = 190.0;
const BETWEEN: f64 = 38.0;

/// Draws the chart of a model for one kind of task.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &Aggregate, model: &str, kind: &str) -> Result<Scene, Error> {
    let methods = all.methods();
    let domains = domains(all, model, kind);
    let is_here = |c: &Curve, aspect: Aspect| c.model == model && c.quadrant.kind == kind && c.aspect == aspect;
    let gap = if on.paper() { 34.0 } else { 50.0 };
    let (width, tall) = (on.share(domains.len(), gap), on.scaled(ROW));
    let top = on.head() + 40.0;
    let rows: Vec<(Aspect, &str)> = [(Aspect::Utility, "utility"), (Aspect::Reliability, "reliability")]
        .into_iter()
        .filter(|(aspect, _)| all.curves.iter().any(|c| is_here(c, *aspect) && c.points.len() > 1))
        .collect();
    let below = top + rows.len() as f64 * (tall + BETWEEN) - BETWEEN + 52.0;
    let height = below + legend::methods_height(on, &methods);
    let title = format!("{model}, {kind}: what is kept as experts are removed");
    let line = finding(all, model, kind) + coverage_note(all, model, kind);
    let mut scene = titled(on, &title, &line, height)?;
    scene.columns("method", "removed, %", "kept");
    for (row, (aspect, name)) in rows.iter().copied().enumerate() {
        let shown: Vec<&Curve> = all.curves.iter().filter(|c| is_here(c, aspect)).collect();
        let (x, y) = axes(&shown);
        for (column, domain) in domains.iter().enumerate() {
            let frame = Frame {
                left: on.left() + column as f64 * (width + gap),
                top: top + row as f64 * (tall + BETWEEN),
                width,
                height: tall,
            };
            let panel = Panel {
                frame,
                x: x.clone(),
                y: y.clone(),
            };
            panel.draw(&mut scene);
            scene.panel(&format!("{}: {name} kept", capital(domain)), "% of unpruned");
            let here: Vec<_> = shown.iter().copied().filter(|c| c.quadrant.domain == *domain).collect();
            lines(&mut scene, &panel, &here, &methods);
            if row == 0 {
                panel.title(&mut scene, &capital(domain), &basis(&here));
            }
            if row + 1 == rows.len() {
                panel.x_title(
                    &mut scene,
                    on.words("experts removed from each layer, %", "experts removed, %"),
                );
            }
            if column == 0 {
                let unit = on.words("% of unpruned", "%");
                panel.y_title(&mut scene, &format!("{name} kept, {unit}"));
            }
        }
    }
    legend::methods(&mut scene, &methods, below);
    Ok(scene)
}

/// Both axes of a row: shared, so that domains compare. A very wide interval does not flatten all lines: the axis
/// reaches at most a quarter beyond the values, and bands end at the frame.
fn axes(curves: &[&Curve]) -> (Axis, Axis) {
    let mut fractions = BTreeSet::from([0]);
    let (mut low, mut high) = (1.0_f64, 1.0_f64);
    let (mut lowest, mut highest) = (1.0_f64, 1.0_f64);
    for point in curves.iter().flat_map(|c| &c.points) {
        fractions.insert(point.fraction.to_bits());
        low = low.min(point.estimate.low);
        high = high.max(point.estimate.high);
        lowest = lowest.min(point.estimate.value);
        highest = highest.max(point.estimate.value);
    }
    let fractions: Vec<_> = fractions.into_iter().map(f64::from_bits).collect();
    let floor = if lowest < 0.0 { lowest } else { 0.0 };
    let low = low.max(lowest - 0.25).max(floor);
    let y = Axis::percent(low, high.min(highest + 0.25));
    (Axis::at_shares(&fractions), y)
}

fn lines(scene: &mut Scene, panel: &Panel, curves: &[&Curve], methods: &[String]) {
    let (_, whole) = panel.at(0.0, 1.0);
    let right = panel.frame.left + panel.frame.width;
    scene.dashed(&[(panel.frame.left, whole), (right, whole)], 1.0, AXIS, &[4.0, 3.0]);
    let opacity = if methods.len() > 8 { 0.07 } else { 0.13 };
    let styled: Vec<_> = methods
        .iter()
        .enumerate()
        .filter_map(|(i, m)| Some((style(i, m), *curves.iter().find(|c| c.method == *m)?)))
        .collect();
    for (look, curve) in &styled {
        scene.series(&curve.method, |scene| {
            band(scene, panel, curve, look.ink.faded(opacity));
        });
    }
    // The first method, `random` if there is one, lies below the others.
    for (look, curve) in &styled {
        scene.series(&curve.method, |scene| line(scene, panel, look, curve));
    }
}

fn line(scene: &mut Scene, panel: &Panel, look: &Style, curve: &Curve) {
    let points: Vec<_> = curve
        .points
        .iter()
        .map(|p| panel.at(p.fraction, p.estimate.value))
        .collect();
    scene.dashed(&points, 1.8, look.ink, look.dashes);
    for (point, at) in curve.points.iter().zip(&points).skip(1) {
        mark(scene, look, *at, 3.2);
        uncovered(scene, point.coverage, *at);
        scene.datum(of_point(point, *at, 100.0));
    }
}

fn band(scene: &mut Scene, panel: &Panel, curve: &Curve, ink: Ink) {
    let upper = curve.points.iter().map(|p| panel.at(p.fraction, p.estimate.high));
    let lower = curve.points.iter().rev();
    let lower = lower.map(|p| panel.at(p.fraction, p.estimate.low));
    scene.polygon(upper.chain(lower).collect(), ink);
}

/// The spread between methods where the largest fraction near a half is removed, in words.
fn finding(all: &Aggregate, model: &str, kind: &str) -> String {
    let reading = "Bands: 95 % intervals.";
    let Some(domain) = domains(all, model, kind).into_iter().next() else {
        return reading.to_owned();
    };
    let curves: Vec<_> = all
        .curves
        .iter()
        .filter(|c| c.model == model && c.aspect == Aspect::Utility)
        .filter(|c| c.quadrant.kind == kind && c.quadrant.domain == domain)
        .collect();
    let points = || curves.iter().flat_map(|c| c.points.iter().skip(1));
    let near = points()
        .map(|p| p.fraction)
        .min_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs()));
    let Some(fraction) = near else {
        return reading.to_owned();
    };
    let mut kept: Vec<_> = curves
        .iter()
        .filter_map(|c| {
            let point = c.points.iter().find(|p| p.fraction == fraction)?;
            Some((point.estimate.value, c.method.as_str()))
        })
        .collect();
    kept.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    match (kept.first(), kept.last()) {
        (Some(worst), Some(best)) if kept.len() > 1 => format!(
            "With {} % removed, {domain} utility is kept from {} % ({}) to {} % ({}). {reading}",
            percent(fraction),
            whole_percent(worst.0),
            worst.1,
            whole_percent(best.0),
            best.1,
        ),
        _ => reading.to_owned(),
    }
}
