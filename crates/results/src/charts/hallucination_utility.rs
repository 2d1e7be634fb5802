//! What is made up and what is of use against the fraction removed, side by side in the metrics' own units, a line per method and a
//! row per task.
//!
//! Left stands the reliability metric that the safe fraction was asked to respect, where the task has it; else the task's metric
//! of hallucination; else its first reliability metric. Right stands its first utility metric; on tasks of reliability alone, the first
//! metric of how well they are done.

use std::collections::BTreeSet;

use secateur_metrics::value::{Aspect, Direction};

use super::canvas::Canvas;
use super::palette::{AXIS, QUIET, mark, style};
use super::panel::{Axis, Frame, Panel};
use super::scene::{Anchor, Scene, fit};
use super::{left_out, legend, of_point, titled, uncovered};
use crate::aggregate::{Aggregate, MetricCurve, Point};
use crate::error::Error;
use crate::naming::counts_hallucination;

/// Tasks that a chart holds.
pub const ROWS: usize = 4;

const GAP: f64 = 56.0;
const ROW: f64 = 118.0;
const BETWEEN: f64 = 68.0;

/// A task and its two metrics: the curve of one method stands for all.
struct Row<'a> {
    task: &'a str,
    reliability: Option<&'a MetricCurve>,
    utility: Option<&'a MetricCurve>,
}

impl Row<'_> {
    fn of_hallucination(&self) -> bool {
        self.reliability.is_some_and(speaks_of_it)
    }
}

/// Draws the chart of a model in a domain; `None` if no task there has a reliability metric. `chosen`: reliability metrics by name.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &Aggregate, model: &str, domain: &str, chosen: &[String]) -> Result<Option<Scene>, Error> {
    let mut rows = rows(all, model, domain, chosen);
    let tasks = rows.len();
    rows.truncate(ROWS);
    if rows.is_empty() {
        return Ok(None);
    }
    let methods = all.methods();
    let (width, tall) = (on.share(2, GAP), on.scaled(ROW));
    let top = on.head() + 44.0;
    let below = top + rows.len() as f64 * (tall + BETWEEN) - BETWEEN + 48.0;
    let height = below + legend::methods_height(on, &methods);
    let title = format!("{model}, {domain}: hallucination and utility as experts are removed");
    let line = format!(
        "Dashed: the unpruned model. Bands: 95 % intervals of the values.{}",
        left_out(tasks, rows.len(), "tasks", "metrics")
    );
    let mut scene = titled(on, &title, &line, height)?;
    scene.columns("method", "removed, %", "value");
    for (place, row) in rows.iter().enumerate() {
        let last = place + 1 == rows.len();
        for (column, shown) in [row.reliability, row.utility].into_iter().enumerate() {
            let frame = Frame {
                left: on.left() + column as f64 * (width + GAP),
                top: top + place as f64 * (tall + BETWEEN),
                width,
                height: tall,
            };
            match shown {
                Some(curve) => metric(&mut scene, all, frame, curve, &methods, last),
                None => absent(&mut scene, frame, row.task),
            }
        }
    }
    legend::methods(&mut scene, &methods, below);
    Ok(Some(scene))
}

fn rows<'a>(all: &'a Aggregate, model: &str, domain: &str, chosen: &[String]) -> Vec<Row<'a>> {
    let here: Vec<&MetricCurve> = all
        .metrics
        .iter()
        .filter(|c| c.model == model && c.quadrant.domain == domain && unpruned(c).is_some())
        .collect();
    let tasks: BTreeSet<&str> = here.iter().map(|c| c.task.as_str()).collect();
    let mut rows: Vec<Row<'_>> = tasks
        .into_iter()
        .map(|task| {
            // Curves of one method: all methods of a task have the same metrics, in the record's order.
            let mut metrics: Vec<&MetricCurve> = Vec::new();
            for curve in here.iter().copied().filter(|c| c.task == task) {
                if metrics.iter().all(|known| known.metric != curve.metric) {
                    metrics.push(curve);
                }
            }
            let reliability = reliability(&metrics, chosen);
            Row {
                task,
                reliability,
                utility: utility(&metrics, reliability),
            }
        })
        .filter(|row| row.reliability.is_some())
        .collect();
    rows.sort_by_key(|row| !row.of_hallucination());
    rows
}

/// What judges say of a pair of answers has no value of the unpruned model alone.
fn unpruned(curve: &MetricCurve) -> Option<&Point> {
    curve.points.first().filter(|point| point.fraction == 0.0)
}

fn speaks_of_it(curve: &MetricCurve) -> bool {
    counts_hallucination(&curve.metric, curve.aspect, &curve.scorer)
}

fn reliability<'a>(metrics: &[&'a MetricCurve], chosen: &[String]) -> Option<&'a MetricCurve> {
    let of = |wanted: &dyn Fn(&MetricCurve) -> bool| metrics.iter().copied().find(|c| wanted(c));
    of(&|c| chosen.contains(&c.metric))
        .or_else(|| of(&|c| c.metric.contains("hallucinat") && speaks_of_it(c)))
        .or_else(|| of(&speaks_of_it))
        .or_else(|| of(&|c| c.aspect == Aspect::Reliability))
}

fn utility<'a>(metrics: &[&'a MetricCurve], reliability: Option<&MetricCurve>) -> Option<&'a MetricCurve> {
    let other = |c: &MetricCurve| reliability.is_none_or(|r| r.metric != c.metric);
    let useful = metrics.iter().copied().find(|c| c.aspect == Aspect::Utility);
    useful.or_else(|| {
        let done = |c: &MetricCurve| {
            c.direction == Direction::HigherIsBetter && c.aspect == Aspect::Reliability && !speaks_of_it(c) && other(c)
        };
        metrics.iter().copied().find(|c| done(c))
    })
}

/// One metric of one task, all methods.
fn metric(scene: &mut Scene, all: &Aggregate, frame: Frame, like: &MetricCurve, methods: &[String], last: bool) {
    let curves: Vec<&MetricCurve> = all
        .metrics
        .iter()
        .filter(|c| c.model == like.model && c.task == like.task && c.metric == like.metric)
        .collect();
    let (x, y) = axes(&curves, like.unit == "fraction");
    let panel = Panel { frame, x, y };
    panel.draw(scene);
    let points = || curves.iter().flat_map(|c| c.points.iter().skip(1));
    let n = points().map(|p| p.n).max().unwrap_or(0);
    let seeds = points().map(|p| p.seeds).max().unwrap_or(0);
    let better = match like.direction {
        Direction::HigherIsBetter => "higher is better",
        Direction::LowerIsBetter => "lower is better",
    };
    let unit = if like.unit == "fraction" {
        "%"
    } else {
        like.unit.as_str()
    };
    let plural = if seeds == 1 { "" } else { "s" };
    let by = if like.scorer.is_empty() {
        String::new()
    } else {
        format!("; by {}", like.scorer)
    };
    let line = format!("{better}; {unit}; n = {n}, {seeds} seed{plural}{by}");
    let name = format!("{}: {}", like.task, like.metric);
    panel.title(scene, &name, &line);
    scene.panel(&name, unit);
    if last {
        let title = scene
            .canvas
            .words("experts removed from each layer, %", "experts removed, %");
        panel.x_title(scene, title);
    }
    let scale = if like.unit == "fraction" { 100.0 } else { 1.0 };
    lines(scene, &panel, &curves, (methods, scale));
}

/// The values decide the range; a very wide interval does not flatten them.
fn axes(curves: &[&MetricCurve], percent: bool) -> (Axis, Axis) {
    let points = || curves.iter().flat_map(|c| &c.points);
    let fractions: BTreeSet<u64> = points().map(|p| p.fraction.to_bits()).collect();
    let fractions: Vec<_> = fractions.into_iter().map(f64::from_bits).collect();
    let range = |of: &dyn Fn(&crate::retention::Estimate) -> f64| {
        let values = points().map(|p| of(&p.estimate));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let (lowest, highest) = range(&|e| e.value);
    let room = if percent {
        0.15
    } else {
        0.5 * (highest - lowest).max(0.1 * highest.abs())
    };
    let low = range(&|e| e.low).0.max(lowest - room);
    let high = range(&|e| e.high).1.min(highest + room);
    let y = if percent {
        Axis::percent(low.max(0.0), high.min(1.0))
    } else {
        Axis::number(low, high)
    };
    (Axis::at_shares(&fractions), y)
}

/// `scale`: how many times as large values are shown.
fn lines(scene: &mut Scene, panel: &Panel, curves: &[&MetricCurve], (methods, scale): (&[String], f64)) {
    let right = panel.frame.left + panel.frame.width;
    if let Some(unpruned) = curves.first().and_then(|c| unpruned(c)) {
        let (_, y) = panel.at(0.0, unpruned.estimate.value);
        scene.dashed(&[(panel.frame.left, y), (right, y)], 1.0, AXIS, &[4.0, 3.0]);
    }
    let opacity = if methods.len() > 8 { 0.05 } else { 0.1 };
    let styled: Vec<_> = methods
        .iter()
        .enumerate()
        .filter_map(|(i, m)| Some((style(i, m), *curves.iter().find(|c| c.method == *m)?)))
        .collect();
    for (look, curve) in &styled {
        let upper = curve.points.iter().map(|p| panel.at(p.fraction, p.estimate.high));
        let lower = curve.points.iter().rev().map(|p| panel.at(p.fraction, p.estimate.low));
        let band = upper.chain(lower).collect();
        scene.series(&curve.method, |scene| scene.polygon(band, look.ink.faded(opacity)));
    }
    for (look, curve) in &styled {
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|p| panel.at(p.fraction, p.estimate.value))
            .collect();
        scene.series(&curve.method, |scene| {
            scene.dashed(&points, 1.6, look.ink, look.dashes);
            for (point, at) in curve.points.iter().zip(&points).skip(1) {
                mark(scene, look, *at, 2.8);
                uncovered(scene, point.coverage, *at);
                scene.datum(of_point(point, *at, scale));
            }
        });
    }
}

/// Says that a task has no metric here.
fn absent(scene: &mut Scene, frame: Frame, task: &str) {
    let words = fit(&format!("{task} has no utility metric."), 10.5, false, frame.width);
    let at = (frame.left, frame.top + frame.height / 2.0);
    scene.text(&words, at, 10.5, Anchor::Start, QUIET);
}
