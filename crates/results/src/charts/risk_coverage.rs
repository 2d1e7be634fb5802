//! Risk against coverage: how many of the answers that are given are wrong, if only the most confident share is given? A panel per task,
//! the unpruned model and the fractions of one method as lines.

use std::collections::BTreeSet;

use super::canvas::Canvas;
use super::legend::Sign;
use super::meaning::{Datum, X};
use super::palette::TEXT;
use super::panel::{Axis, Frame, Panel};
use super::scene::{Ink, Scene};
use super::{fraction_dashes, fraction_ink, left_out, legend, percent, titled};
use crate::changes::DiagramsOf;
use crate::error::Error;
use crate::shown::{FRACTIONS, Shown, some};

const UNPRUNED: &str = "unpruned";
/// Tasks that a chart holds.
pub const PANELS: usize = 9;
const ROW: f64 = 150.0;
const BETWEEN: f64 = 66.0;

/// The diagrams of one task: the unpruned model's, and the shown method's by fraction, of the smallest seed.
pub(crate) struct Task<'a> {
    pub(crate) name: &'a str,
    pub(crate) unpruned: &'a DiagramsOf<'a>,
    pub(crate) pruned: Vec<&'a DiagramsOf<'a>>,
}

/// Tasks of a model that have diagrams before and after, in the order of `all`, which is sorted.
pub(crate) fn tasks<'a>(all: &'a [DiagramsOf<'a>], shown: &Shown) -> Vec<Task<'a>> {
    let here: Vec<&DiagramsOf<'_>> = all.iter().filter(|d| d.model == shown.model).collect();
    let mut tasks: Vec<Task<'a>> = Vec::new();
    for diagrams in &here {
        if diagrams.method.is_none() && tasks.iter().all(|task| task.name != diagrams.task) {
            tasks.push(Task {
                name: diagrams.task,
                unpruned: diagrams,
                pruned: Vec::new(),
            });
        } else if diagrams.method.as_deref() == Some(&shown.method)
            && let Some(task) = tasks.iter_mut().find(|task| task.name == diagrams.task)
            && task.pruned.iter().all(|known| known.fraction != diagrams.fraction)
        {
            task.pruned.push(diagrams);
        }
    }
    tasks.retain(|task| !task.pruned.is_empty());
    tasks
}

/// Fractions of any task, a few of many.
pub(crate) fn fractions(tasks: &[Task<'_>]) -> Vec<f64> {
    let all = tasks.iter().flat_map(|task| &task.pruned);
    let all: BTreeSet<u64> = all.map(|d| d.fraction.to_bits()).collect();
    let all: Vec<f64> = all.into_iter().map(f64::from_bits).collect();
    some(&all, FRACTIONS)
}

/// ` Seed 0.` where there are several.
pub(crate) fn seed_note(all: &[DiagramsOf<'_>], tasks: &[Task<'_>]) -> String {
    let seeds: BTreeSet<u64> = all.iter().filter(|d| d.method.is_some()).map(|d| d.seed).collect();
    let first = tasks.iter().flat_map(|task| &task.pruned).map(|d| d.seed).min();
    match first {
        Some(seed) if seeds.len() > 1 => format!(" Seed {seed} of {}.", seeds.len()),
        _ => String::new(),
    }
}

/// Draws the chart of a model; `None` if no task has diagrams before and after.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &[DiagramsOf<'_>], shown: &Shown) -> Result<Option<Scene>, Error> {
    let mut tasks = tasks(all, shown);
    let number = tasks.len();
    tasks.truncate(PANELS);
    if tasks.is_empty() {
        return Ok(None);
    }
    let most = if on == Canvas::Column { 2 } else { 3 };
    let rows = tasks.len().div_ceil(most);
    let gap = if on.paper() { 34.0 } else { 44.0 };
    let (width, tall) = (on.share(tasks.len().min(most), gap).min(370.0), on.scaled(ROW));
    let top = on.head() + 44.0;
    let below = top + rows as f64 * (tall + BETWEEN) - BETWEEN + 48.0;
    let title = format!(
        "{}, {}: errors among the most confident answers",
        shown.model, shown.method
    );
    let line = format!(
        "Lower is better. A line that rises from left to right: confidence tells right from wrong.{}{}",
        seed_note(all, &tasks),
        left_out(number, tasks.len(), "tasks", "diagrams")
    );
    let fractions = fractions(&tasks);
    let entries = entries(&fractions);
    let mut scene = titled(on, &title, &line, below + legend::keys_height(on, &entries))?;
    scene.columns("share removed", "answered, %", "wrong among them");
    for (place, task) in tasks.iter().enumerate() {
        let (row, column) = (place / most, place % most);
        let frame = Frame {
            left: on.left() + column as f64 * (width + gap),
            top: top + row as f64 * (tall + BETWEEN),
            width,
            height: tall,
        };
        let last = place + most >= tasks.len();
        panel(&mut scene, frame, task, &fractions, (column == 0, last));
    }
    legend::keys(&mut scene, &entries, below);
    Ok(Some(scene))
}

/// The unpruned model and each fraction.
fn entries(fractions: &[f64]) -> Vec<legend::Entry> {
    let mut entries = vec![(UNPRUNED.to_owned(), TEXT, Sign::Line(&[]))];
    for (i, fraction) in fractions.iter().enumerate() {
        let ink = fraction_ink(i, fractions.len());
        entries.push((removed(*fraction), ink, Sign::Line(fraction_dashes(i))));
    }
    entries
}

fn removed(fraction: f64) -> String {
    format!("{} % removed", percent(fraction))
}

/// Name, points (coverage, risk), colour, width and dashes of a line.
type Curve<'a> = (String, &'a [(f64, f64)], Ink, f64, &'static [f64]);

fn panel(scene: &mut Scene, frame: Frame, task: &Task<'_>, fractions: &[f64], (first, last): (bool, bool)) {
    let mut lines: Vec<Curve<'_>> = Vec::new();
    for (i, fraction) in fractions.iter().enumerate() {
        let pruned = task.pruned.iter().find(|d| d.fraction == *fraction);
        lines.extend(pruned.map(|d| {
            (
                removed(*fraction),
                d.diagrams.risk_coverage.as_slice(),
                fraction_ink(i, fractions.len()),
                1.8,
                fraction_dashes(i),
            )
        }));
    }
    lines.push((
        UNPRUNED.to_owned(),
        &task.unpruned.diagrams.risk_coverage,
        TEXT,
        2.2,
        &[],
    ));
    let risks = lines.iter().flat_map(|(_, points, ..)| points.iter().map(|p| p.1));
    let highest = risks.fold(0.05, f64::max);
    let panel = Panel {
        frame,
        x: Axis::at_shares(&[0.0, 0.25, 0.5, 0.75, 1.0]),
        y: Axis::percent(0.0, highest.min(1.0)),
    };
    panel.draw(scene);
    panel.title(scene, task.name, &format!("n = {}", task.unpruned.diagrams.n));
    scene.panel(task.name, "%");
    if last {
        let title = scene.canvas.words("answered, most confident first, %", "answered, %");
        panel.x_title(scene, title);
    }
    if first {
        panel.y_title(scene, scene.canvas.words("wrong among them, %", "wrong, %"));
    }
    for (name, line, ink, thick, dashes) in lines {
        let points: Vec<_> = line.iter().map(|(coverage, risk)| panel.at(*coverage, *risk)).collect();
        scene.series(&name, |scene| {
            for ((coverage, risk), at) in line.iter().zip(&points) {
                scene.datum(Datum::new(*at, X::Number(coverage * 100.0), risk * 100.0));
            }
            if let [(x, y)] = points[..] {
                scene.circle((x, y), 2.6, ink);
            } else {
                scene.dashed(&points, thick, ink, dashes);
            }
        });
    }
}
