//! Reliability diagrams: of the answers held with a confidence of 80 %, are 80 % right? A row per task, the unpruned model and the
//! fractions of one method side by side.

use secateur_metrics::calibration::{Bin, expected};
use secateur_metrics::curves::Diagrams;

use super::canvas::Canvas;
use super::legend::Sign;
use super::meaning::{Datum, X};
use super::palette::{AXIS, EMPTY, GAIN, LOSS, QUIET, TEXT, ramp};
use super::panel::{Axis, Frame, Panel};
use super::risk_coverage::{Task, fractions, seed_note, tasks};
use super::scene::{Anchor, Scene, fit};
use super::{left_out, legend, palette, percent, titled};
use crate::changes::DiagramsOf;
use crate::error::Error;
use crate::shown::{FRACTIONS, Shown};

/// Tasks that a chart holds.
pub const ROWS: usize = 5;
const RIGHT: &str = "right";
const TOO_SURE: &str = "too confident by";
const NOT_SURE: &str = "not confident enough by";
const ITEMS: &str = "items";
const ROW: f64 = 124.0;
/// Height of the bars that count items.
const COUNTS: f64 = 22.0;
const BETWEEN: f64 = 92.0;

/// Draws the chart of a model; `None` if no task has diagrams before and after.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &[DiagramsOf<'_>], shown: &Shown) -> Result<Option<Scene>, Error> {
    let mut tasks = tasks(all, shown);
    let number = tasks.len();
    tasks.truncate(ROWS);
    if tasks.is_empty() {
        return Ok(None);
    }
    let fractions = fractions(&tasks);
    let gap = if on.paper() { 12.0 } else { 20.0 };
    let width = on.share(FRACTIONS + 1, gap);
    let top = on.head() + 60.0;
    let below = top + tasks.len() as f64 * (ROW + COUNTS + BETWEEN) - BETWEEN + 48.0;
    let title = format!("{}, {}: is confidence deserved?", shown.model, shown.method);
    let line = format!(
        "Bars on the diagonal: yes. Below each: items by confidence.{}{}",
        seed_note(all, &tasks),
        left_out(number, tasks.len(), "tasks", "diagrams")
    );
    let entries = entries();
    let mut scene = titled(on, &title, &line, below + legend::keys_height(on, &entries))?;
    scene.columns("shown", "mean confidence, %", "right");
    for (place, task) in tasks.iter().enumerate() {
        let top = top + place as f64 * (ROW + COUNTS + BETWEEN);
        let (left, size) = (on.left(), on.heading());
        let name = fit(task.name, size, true, on.width() - left - on.margin());
        scene.bold(&name, (left, top - 46.0), size, Anchor::Start, TEXT);
        for (column, (head, diagrams)) in columns(task, &fractions).into_iter().enumerate() {
            let frame = Frame {
                left: left + column as f64 * (width + gap),
                top,
                width,
                height: ROW,
            };
            if let Some(diagrams) = diagrams {
                scene.panel(&format!("{}, {head}", task.name), "%");
                panel(&mut scene, frame, &head, diagrams, column == 0);
            }
        }
    }
    let middle = (on.width() / 2.0, below - 16.0);
    scene.text("confidence, %", middle, 11.5, Anchor::Middle, TEXT);
    legend::keys(&mut scene, &entries, below);
    Ok(Some(scene))
}

fn entries() -> [legend::Entry; 4] {
    [
        (RIGHT.to_owned(), right_ink(), Sign::Patch),
        (TOO_SURE.to_owned(), LOSS.faded(0.45), Sign::Patch),
        (NOT_SURE.to_owned(), GAIN.faded(0.85), Sign::Patch),
        (ITEMS.to_owned(), AXIS, Sign::Patch),
    ]
}

fn right_ink() -> super::scene::Ink {
    ramp(&palette::BLUES, 0.45)
}

/// The unpruned model, then the fractions.
fn columns<'a>(task: &Task<'a>, fractions: &[f64]) -> Vec<(String, Option<&'a Diagrams>)> {
    let mut columns = vec![("unpruned".to_owned(), Some(task.unpruned.diagrams))];
    for fraction in fractions {
        let found = task.pruned.iter().find(|d| d.fraction == *fraction);
        columns.push((format!("{} % removed", percent(*fraction)), found.map(|d| d.diagrams)));
    }
    columns
}

fn panel(scene: &mut Scene, frame: Frame, head: &str, diagrams: &Diagrams, first: bool) {
    let ticks = |labels: bool| {
        let at = [0.0, 0.5, 1.0];
        at.map(|share| (share, if labels { percent(share) } else { String::new() }))
            .to_vec()
    };
    let axis = |labels: bool| Axis {
        from: 0.0,
        to: 1.0,
        ticks: ticks(labels),
    };
    let panel = Panel {
        frame,
        x: axis(false),
        y: axis(first),
    };
    panel.draw(scene);
    for bin in &diagrams.reliability {
        bar(scene, &panel, bin);
    }
    scene.dashed(&[panel.at(0.0, 0.0), panel.at(1.0, 1.0)], 1.2, TEXT, &[3.0, 3.0]);
    if first {
        panel.y_title(scene, "right, %");
    }
    let error = percent(expected(&diagrams.reliability));
    panel.title(scene, head, &format!("ECE {error} %, n = {}", diagrams.n));
    counts(scene, &panel, &diagrams.reliability);
}

/// Ends of a bin of the diagram; bins are of equal width.
fn ends(bin: &Bin) -> (f64, f64) {
    (bin.lower.clamp(0.0, 1.0), bin.upper.clamp(0.0, 1.0))
}

/// What is right, and between that and the mean confidence the gap.
fn bar(scene: &mut Scene, panel: &Panel, bin: &Bin) {
    let (lower, upper) = ends(bin);
    let rect = |scene: &mut Scene, low: f64, high: f64, ink| {
        let ((left, bottom), (right, top)) = (panel.at(lower, low), panel.at(upper, high));
        scene.rect((left + 0.6, top), (right - 0.6, bottom), ink);
    };
    scene.series(RIGHT, |scene| {
        rect(scene, 0.0, bin.accuracy, right_ink());
        let (corner, other) = (panel.at(lower, 0.0), panel.at(upper, 1.0));
        let size = (other.0 - corner.0, corner.1 - other.1);
        let at = (corner.0 + size.0 / 2.0, corner.1 - size.1 / 2.0);
        let share = Datum::new(at, X::Number(bin.confidence * 100.0), bin.accuracy * 100.0);
        scene.datum(share.of(bin.count as f64).sized(size));
    });
    let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
    let (name, ink) = if bin.confidence > bin.accuracy {
        (TOO_SURE, LOSS.faded(0.45))
    } else {
        (NOT_SURE, GAIN.faded(0.85))
    };
    scene.series(name, |scene| rect(scene, low, high, ink));
    let ((left, y), (right, _)) = (panel.at(lower, bin.accuracy), panel.at(upper, bin.accuracy));
    scene.series(RIGHT, |scene| {
        scene.line(vec![(left + 0.6, y), (right - 0.6, y)], 1.6, TEXT);
    });
}

/// Bars that hang below the panel, and the axis' numbers under them.
fn counts(scene: &mut Scene, panel: &Panel, bins: &[Bin]) {
    let Frame {
        left,
        top,
        width,
        height,
    } = panel.frame;
    let floor = top + height + 6.0;
    scene.rect((left, floor), (left + width, floor + COUNTS), EMPTY);
    let fullest = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    for bin in bins {
        let (lower, upper) = ends(bin);
        let (from, to) = (panel.at(lower, 0.0).0, panel.at(upper, 0.0).0);
        let tall = (COUNTS * bin.count as f64 / fullest).max(1.0);
        scene.series(ITEMS, |scene| {
            scene.rect((from + 0.6, floor), (to - 0.6, floor + tall), AXIS);
        });
    }
    for (share, anchor) in [(0.0, Anchor::Start), (0.5, Anchor::Middle), (1.0, Anchor::End)] {
        let at = (panel.at(share, 0.0).0, floor + COUNTS + 10.0);
        scene.text(&percent(share), at, 10.5, anchor, QUIET);
    }
}
