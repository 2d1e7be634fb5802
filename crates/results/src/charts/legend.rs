//! Legends, below the data.

use plotters::style::RGBColor;

use super::canvas::Canvas;
use super::palette::{QUIET, TEXT, mark, ramp, style};
use super::scene::{Anchor, Ink, Scene, fit, text_width};

const ROW: f64 = 19.0;
const KEY: f64 = 34.0;
const SIZE: f64 = 11.5;
/// Between entries.
const GAP: f64 = 22.0;

/// Columns and their width.
fn grid(on: Canvas, methods: &[String]) -> (usize, f64) {
    let room = on.width() - 2.0 * on.margin();
    let widest = methods.iter().map(|m| text_width(m, SIZE, false)).fold(60.0, f64::max);
    let gap = if on == Canvas::Column { 14.0 } else { 28.0 };
    let column = (widest + KEY + gap).min(room);
    #[allow(clippy::cast_sign_loss)] // positive
    let columns = (room / column).floor().max(1.0) as usize;
    (columns.min(methods.len().max(1)), column)
}

/// Height of [`methods`].
#[must_use]
pub fn methods_height(on: Canvas, methods: &[String]) -> f64 {
    methods.len().div_ceil(grid(on, methods).0) as f64 * ROW + 8.0
}

/// One entry per method: line, marker, name; `top` is the upper edge.
pub fn methods(scene: &mut Scene, methods: &[String], top: f64) {
    scene.meaning.legend = Some(top);
    let (columns, width) = grid(scene.canvas, methods);
    for (i, method) in methods.iter().enumerate() {
        let x = scene.canvas.margin() + (i % columns) as f64 * width;
        let y = top + (i / columns) as f64 * ROW + ROW / 2.0;
        let look = style(i, method);
        scene.key(method, |scene| {
            scene.dashed(&[(x, y), (x + KEY - 6.0, y)], 2.0, look.ink, look.dashes);
            mark(scene, &look, (x + KEY / 2.0 - 3.0, y), 3.6);
            let name = fit(method, SIZE, false, width - KEY - 8.0);
            scene.text(&name, (x + KEY, y), SIZE, Anchor::Start, TEXT);
        });
    }
}

/// What stands before the name of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sign {
    /// A line of these dashes; none for a solid one.
    Line(&'static [f64]),
    /// A filled patch.
    Patch,
}

/// A name, its colour and its sign.
pub type Entry = (String, Ink, Sign);

/// Left edge and row of each entry: as many in a row as fit.
fn places(on: Canvas, entries: &[Entry]) -> Vec<(f64, usize)> {
    let (mut x, mut row) = (on.margin(), 0);
    let place = |(name, ..): &Entry| {
        let width = KEY + text_width(name, SIZE, false);
        if x > on.margin() && x + width > on.width() - on.margin() {
            (x, row) = (on.margin(), row + 1);
        }
        let here = (x, row);
        x += width + GAP;
        here
    };
    entries.iter().map(place).collect()
}

/// Height of [`keys`].
#[must_use]
pub fn keys_height(on: Canvas, entries: &[Entry]) -> f64 {
    let rows = places(on, entries).last().map_or(0, |(_, row)| row + 1);
    rows as f64 * ROW + 8.0
}

/// Lines or patches and what they mean; `top` is the upper edge.
pub fn keys(scene: &mut Scene, entries: &[Entry], top: f64) {
    scene.meaning.legend = Some(top);
    for ((name, ink, sign), (x, row)) in entries.iter().zip(places(scene.canvas, entries)) {
        let y = top + row as f64 * ROW + ROW / 2.0;
        let room = scene.canvas.width() - scene.canvas.margin() - x - KEY;
        scene.key(name, |scene| {
            match sign {
                Sign::Patch => scene.rect((x + 8.0, y - 5.5), (x + KEY - 8.0, y + 5.5), *ink),
                Sign::Line(dashes) => scene.dashed(&[(x, y), (x + KEY - 6.0, y)], 2.2, *ink, dashes),
            }
            scene.text(&fit(name, SIZE, false, room), (x + KEY, y), SIZE, Anchor::Start, TEXT);
        });
    }
}

/// Height of [`colour_bar`].
#[must_use]
pub fn bar_height(on: Canvas) -> f64 {
    if on == Canvas::Column { 52.0 } else { 34.0 }
}

/// A bar of colours with numbers under it and its meaning before it, in a column above it; `top` is the upper edge.
pub fn colour_bar(scene: &mut Scene, meaning: &str, colours: &[RGBColor], ticks: &[(f64, &str)], top: f64) {
    const LENGTH: f64 = 240.0;
    const STEPS: usize = 60;
    let (margin, width) = (scene.canvas.margin(), scene.canvas.width());
    let above = scene.canvas == Canvas::Column;
    let room = width - 2.0 * margin - if above { 0.0 } else { LENGTH + 40.0 };
    let meaning = fit(meaning, SIZE, false, room);
    scene.text(&meaning, (margin, top + 7.0), SIZE, Anchor::Start, TEXT);
    let (left, top) = if above {
        ((width - LENGTH) / 2.0, top + 18.0)
    } else {
        (margin + text_width(&meaning, SIZE, false) + 22.0, top)
    };
    for step in 0..STEPS {
        let from = left + LENGTH * step as f64 / STEPS as f64;
        let ink = ramp(colours, (step as f64 + 0.5) / STEPS as f64);
        // Each step lies over the rest of the one before: no seams.
        scene.rect((from, top), (left + LENGTH, top + 13.0), ink);
    }
    for (share, number) in ticks {
        let x = left + LENGTH * share;
        scene.text(number, (x, top + 23.0), 10.5, Anchor::Middle, QUIET);
    }
}
