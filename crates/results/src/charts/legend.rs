//! Legends, below the data.

use plotters::style::RGBColor;

use super::MARGIN;
use super::palette::{QUIET, TEXT, mark, ramp, style};
use super::scene::{Anchor, Ink, Scene, WIDTH, fit, text_width};

const ROW: f64 = 19.0;
const KEY: f64 = 34.0;
const SIZE: f64 = 11.5;

/// Columns and their width.
fn grid(methods: &[String]) -> (usize, f64) {
    let widest = methods.iter().map(|m| text_width(m, SIZE, false)).fold(60.0, f64::max);
    let column = (widest + KEY + 28.0).min(WIDTH - 2.0 * MARGIN);
    #[allow(clippy::cast_sign_loss)] // positive
    let columns = ((WIDTH - 2.0 * MARGIN) / column).floor().max(1.0) as usize;
    (columns.min(methods.len().max(1)), column)
}

/// Height of [`methods`].
#[must_use]
pub fn methods_height(methods: &[String]) -> f64 {
    methods.len().div_ceil(grid(methods).0) as f64 * ROW + 8.0
}

/// One entry per method: line, marker, name; `top` is the upper edge.
pub fn methods(scene: &mut Scene, methods: &[String], top: f64) {
    scene.meaning.legend = Some(top);
    let (columns, width) = grid(methods);
    for (i, method) in methods.iter().enumerate() {
        let x = MARGIN + (i % columns) as f64 * width;
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

/// Height of [`keys`].
pub const KEYS_HEIGHT: f64 = ROW + 8.0;

/// One row of lines or patches and what they mean, as many as fit; `top` is the upper edge.
pub fn keys(scene: &mut Scene, entries: &[(String, Ink, bool)], top: f64) {
    scene.meaning.legend = Some(top);
    let mut x = MARGIN;
    let y = top + ROW / 2.0;
    for (name, ink, patch) in entries {
        let width = text_width(name, SIZE, false);
        if x + KEY + width > WIDTH - MARGIN {
            return;
        }
        scene.key(name, |scene| {
            if *patch {
                scene.rect((x + 8.0, y - 5.5), (x + KEY - 8.0, y + 5.5), *ink);
            } else {
                scene.line(vec![(x, y), (x + KEY - 6.0, y)], 2.2, *ink);
            }
            scene.text(name, (x + KEY, y), SIZE, Anchor::Start, TEXT);
        });
        x += KEY + width + 22.0;
    }
}

/// A bar of colours with numbers under it and its meaning before it; `top` is the upper edge, 34 px the height.
pub fn colour_bar(scene: &mut Scene, meaning: &str, colours: &[RGBColor], ticks: &[(f64, &str)], top: f64) {
    const LENGTH: f64 = 240.0;
    const STEPS: usize = 60;
    let room = WIDTH - 2.0 * MARGIN - LENGTH - 40.0;
    let meaning = fit(meaning, SIZE, false, room);
    scene.text(&meaning, (MARGIN, top + 7.0), SIZE, Anchor::Start, TEXT);
    let left = MARGIN + text_width(&meaning, SIZE, false) + 22.0;
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
