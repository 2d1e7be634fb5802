//! What changed item by item: for each task and kind of change, the share of the items at risk that were lost, and of the others that were
//! won, at some fractions of one method.

use std::collections::BTreeSet;

use secateur_metrics::regressions::Kind;
use secateur_metrics::value::{PROBABILITIES, RULES};

use super::canvas::Canvas;
use super::legend::Sign;
use super::meaning::{Datum, X};
use super::palette::{AXIS, GAIN, GRID, LOSS, QUIET, TEXT};
use super::scene::{Anchor, Ink, Scene, fit, text_width};
use super::{left_out, legend, percent, titled};
use crate::changes::Change;
use crate::error::Error;
use crate::shown::{FRACTIONS, Shown, some};

/// Tasks that a chart holds.
pub const TASKS: usize = 6;
const NAMES: f64 = 174.0;
const WORSE: &str = "for the worse, as named";
const BACK: &str = "the way back";
const INTERVAL: &str = "95 % interval";
const ROW: f64 = 17.0;
const HEADING: f64 = 26.0;
const BAR: f64 = 9.0;

/// The rows of one task: a loss with its metric, in the order of kinds.
struct Block<'a> {
    task: &'a str,
    rows: Vec<(Kind, &'a str, &'a str)>,
}

/// Size of the numbers at bars.
fn counts(on: Canvas) -> f64 {
    if on.paper() { 10.5 } else { 9.5 }
}

/// Columns, and where they stand.
struct Grid<'a> {
    here: Vec<&'a Change>,
    fractions: Vec<f64>,
    /// Left edge and width of a column.
    left: f64,
    width: f64,
    /// Length of a whole bar.
    long: f64,
}

impl<'a> Grid<'a> {
    fn new(on: Canvas, here: Vec<&'a Change>) -> Self {
        let fractions: BTreeSet<u64> = here.iter().map(|c| c.fraction.to_bits()).collect();
        let fractions: Vec<f64> = fractions.into_iter().map(f64::from_bits).collect();
        let fractions = some(&fractions, FRACTIONS);
        let left = on.margin() + NAMES;
        let width = (on.width() - left - on.margin()) / fractions.len().max(1) as f64;
        let counts = counts(on);
        let numbers = here.iter().map(|c| text_width(&number(c), counts, false));
        let long = width / 2.0 - numbers.fold(0.0, f64::max) - 7.0;
        Self {
            here,
            fractions,
            left,
            width,
            long: long.max(8.0),
        }
    }

    /// The loss to the right of the middle, the gain to the left, at each fraction.
    fn row(&self, scene: &mut Scene, y: f64, task: &str, (loss, metric): (Kind, &str)) {
        let across = y + ROW / 2.0;
        for (column, fraction) in self.fractions.iter().enumerate() {
            let middle = self.left + (column as f64 + 0.5) * self.width;
            scene.line(vec![(middle, y), (middle, y + ROW)], 1.0, AXIS);
            for (kind, side, (name, ink), anchor) in [
                (loss, 1.0, (WORSE, LOSS), Anchor::Start),
                (loss.inverse(), -1.0, (BACK, GAIN), Anchor::End),
            ] {
                let same =
                    |c: &&&Change| c.task == task && c.kind == kind && c.metric == metric && c.fraction == *fraction;
                if let Some(change) = self.here.iter().find(same) {
                    scene.series(name, |scene| {
                        bar(scene, (middle, across), side * self.long, change, ink);
                    });
                    interval(scene, (middle, across), side * self.long, change);
                    let ink = if change.count > 0.0 { TEXT } else { QUIET };
                    let at = (middle + side * (self.long + 4.0), across);
                    let size = counts(scene.canvas);
                    scene.text(&number(change), at, size, anchor, ink);
                }
            }
        }
    }
}

/// Draws the chart of a model in a domain; `None` if no item changed, or records do not say.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &[Change], domain: &str, shown: &Shown) -> Result<Option<Scene>, Error> {
    let of = |c: &&Change| c.place.model == shown.model && c.place.method == shown.method && c.place.domain == domain;
    let grid = Grid::new(on, all.iter().filter(of).collect());
    let mut blocks = blocks(&grid.here, &grid.fractions);
    let tasks = blocks.len();
    blocks.truncate(TASKS);
    if blocks.is_empty() {
        return Ok(None);
    }
    let rows: usize = blocks.iter().map(|block| block.rows.len()).sum();
    let top = on.head() + 24.0;
    let below = top + rows as f64 * ROW + blocks.len() as f64 * HEADING + 12.0;
    let entries = [
        (WORSE.to_owned(), LOSS, Sign::Patch),
        (BACK.to_owned(), GAIN, Sign::Patch),
        (INTERVAL.to_owned(), TEXT, Sign::Line(&[])),
    ];
    let title = format!("{}, {domain}: what {} changed item by item", shown.model, shown.method);
    let line = format!(
        "Items that changed / items at risk, and their share; kinds without a change are left out.{}",
        left_out(tasks, blocks.len(), "tasks", "regressions")
    );
    let mut scene = titled(on, &title, &line, below + legend::keys_height(on, &entries))?;
    scene.columns("change", "removed, %", "share of the items at risk");
    for (column, fraction) in grid.fractions.iter().enumerate() {
        let middle = grid.left + (column as f64 + 0.5) * grid.width;
        let head = format!("{} % removed", percent(*fraction));
        scene.bold(&head, (middle, on.head() + 12.0), 11.5, Anchor::Middle, TEXT);
    }
    let mut y = top;
    for block in &blocks {
        scene.panel(block.task, "%");
        let name = fit(block.task, 11.5, true, NAMES + grid.width);
        scene.bold(&name, (on.margin(), y + HEADING / 2.0 + 2.0), 11.5, Anchor::Start, TEXT);
        scene.line(
            vec![(on.margin(), y + 2.0), (on.width() - on.margin(), y + 2.0)],
            1.0,
            GRID,
        );
        y += HEADING;
        for row in &block.rows {
            let words = fit(&words(row, &block.rows), 10.5, false, NAMES - 8.0);
            scene.text(&words, (on.margin(), y + ROW / 2.0), 10.5, Anchor::Start, QUIET);
            grid.row(&mut scene, y, block.task, (row.0, row.1));
            y += ROW;
        }
    }
    legend::keys(&mut scene, &entries, below);
    Ok(Some(scene))
}

/// Tasks in their order with the losses that they or their way back have at a drawn fraction.
fn blocks<'a>(here: &[&'a Change], fractions: &[f64]) -> Vec<Block<'a>> {
    let drawn = here.iter().filter(|c| c.count > 0.0 && fractions.contains(&c.fraction));
    let rows: BTreeSet<(&str, Kind, &str, &str)> = drawn
        .map(|c| {
            let loss = if c.kind.is_loss() { c.kind } else { c.kind.inverse() };
            (c.task.as_str(), loss, c.metric.as_str(), c.scorer.as_str())
        })
        .collect();
    let mut blocks: Vec<Block<'a>> = Vec::new();
    for (task, kind, metric, scorer) in rows {
        match blocks.last_mut().filter(|block| block.task == task) {
            Some(block) => block.rows.push((kind, metric, scorer)),
            None => blocks.push(Block {
                task,
                rows: vec![(kind, metric, scorer)],
            }),
        }
    }
    blocks
}

/// The kind, with its metric where several have it or a scorer besides the rules made it.
fn words((kind, metric, scorer): &(Kind, &str, &str), rows: &[(Kind, &str, &str)]) -> String {
    let several = rows.iter().filter(|row| row.0 == *kind).count() > 1;
    if several || ![RULES, PROBABILITIES, ""].contains(scorer) {
        format!("{}: {metric}", kind.words())
    } else {
        kind.words().to_owned()
    }
}

fn bar(scene: &mut Scene, (middle, y): (f64, f64), long: f64, change: &Change, ink: Ink) {
    let Some(rate) = change.rate else {
        return;
    };
    let end = middle + long * rate.value.clamp(0.0, 1.0);
    let (from, to) = (middle.min(end), middle.max(end));
    scene.rect((from, y - BAR / 2.0), (to, y + BAR / 2.0), ink.faded(0.75));
    let note = format!(
        "{}, {} items, by {}",
        change.kind.words(),
        number(change),
        change.metric
    );
    let share = Datum::new(
        (middle + long / 2.0, y),
        X::Number(change.fraction * 100.0),
        rate.value * 100.0,
    )
    .between(rate.low * 100.0, rate.high * 100.0)
    .of(change.at_risk)
    .sized((long.abs(), ROW))
    .noted(note);
    scene.datum(share);
}

fn interval(scene: &mut Scene, (middle, y): (f64, f64), long: f64, change: &Change) {
    if let Some(rate) = change.rate {
        let at = |share: f64| middle + long * share.clamp(0.0, 1.0);
        scene.series(INTERVAL, |scene| {
            scene.line(vec![(at(rate.low), y), (at(rate.high), y)], 1.1, TEXT);
        });
    }
}

/// `31/104`. A mean over seeds is rarely whole: it is rounded here, and in the table as it is.
fn number(change: &Change) -> String {
    format!("{:.0}/{:.0}", change.count, change.at_risk)
}
