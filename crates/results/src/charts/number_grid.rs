//! Shares from 0 to 1 as numbers on colours, a row per thing and a column per case.

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{BLUES, EMPTY, QUIET, TEXT, ramp, readable_on};
use super::scene::{Anchor, Scene, fit, text_width};
use super::{legend, titled};
use crate::error::Error;

const NAMES: f64 = 11.5;
const TALL: f64 = 26.0;

/// What the chart shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberGrid {
    /// Title.
    pub title: String,
    /// How to read it, or what it shows.
    pub line: String,
    /// What the numbers are, for the legend.
    pub meaning: String,
    /// What the columns are.
    pub axis: String,
    /// What a column's name is, in a table: `removed, %`.
    pub across: &'static str,
    /// Name of each column.
    pub columns: Vec<String>,
    /// Name and numbers of each row, one per column; `None` where there is none.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

/// Draws the chart.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, grid: &NumberGrid) -> Result<Scene, Error> {
    let names = grid
        .rows
        .iter()
        .map(|(name, _)| text_width(name, NAMES, false))
        .fold(40.0, f64::max)
        .min(on.scaled(220.0));
    let left = on.margin() + names + 10.0;
    let cell = ((on.width() - left - on.margin()) / grid.columns.len().max(1) as f64).min(96.0);
    let top = on.head() + 6.0;
    let bottom = top + grid.rows.len() as f64 * TALL;
    let mut scene = titled(on, &grid.title, &grid.line, bottom + 52.0 + legend::bar_height(on))?;
    scene.columns("method", grid.across, "share");
    scene.panel("", "");
    for (row, (name, values)) in grid.rows.iter().enumerate() {
        let y = top + (row as f64 + 0.5) * TALL;
        let name = fit(name, NAMES, false, names);
        scene.text(&name, (left - 8.0, y), NAMES, Anchor::End, TEXT);
        for (column, value) in values.iter().enumerate().take(grid.columns.len()) {
            let x = left + column as f64 * cell;
            let paper = value.map_or(EMPTY, |v| ramp(&BLUES, v));
            scene.rect((x, y - TALL / 2.0), (x + cell - 1.0, y + TALL / 2.0 - 1.0), paper);
            let middle = (x + cell / 2.0 - 0.5, y - 0.5);
            if let (Some(value), Some(name)) = (value, grid.columns.get(column)) {
                let datum = Datum::new(middle, X::Name(name.clone()), *value).sized((cell, TALL));
                scene.series(&grid.rows[row].0, |scene| scene.datum(datum));
            }
            let number = value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
            let ink = if value.is_some() { readable_on(paper) } else { TEXT };
            scene.text(&number, middle, 11.0, Anchor::Middle, ink);
        }
    }
    for (column, name) in grid.columns.iter().enumerate() {
        let x = left + (column as f64 + 0.5) * cell;
        let name = fit(name, 10.5, false, cell - 4.0);
        scene.text(&name, (x, bottom + 11.0), 10.5, Anchor::Middle, QUIET);
    }
    let middle = left + cell * grid.columns.len().max(1) as f64 / 2.0;
    let half = text_width(&grid.axis, NAMES, false) / 2.0;
    let middle = middle.max(on.margin() + half).min(on.width() - on.margin() - half);
    scene.text(&grid.axis, (middle, bottom + 29.0), NAMES, Anchor::Middle, TEXT);
    let ticks = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")];
    legend::colour_bar(&mut scene, &grid.meaning, &BLUES, &ticks, bottom + 46.0);
    Ok(scene)
}
