//! Speed and memory against the fraction removed: medians over cells, a line per kind of task, from the smallest to the largest cell.

use std::collections::BTreeSet;

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{mark, style};
use super::panel::{Axis, Frame, Panel};
use super::scene::Scene;
use super::{legend, percent, titled};
use crate::error::Error;

const HEIGHT: f64 = 210.0;

/// Median, smallest and largest of some cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub low: f64,
    /// The median.
    pub middle: f64,
    /// The largest.
    pub high: f64,
    /// How many cells.
    pub cells: usize,
}

impl Spread {
    /// `None` for no values.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let cells = values.len();
        Some(Self {
            low: *values.first()?,
            middle: f64::midpoint(values[(cells - 1) / 2], values[cells / 2]),
            high: *values.last()?,
            cells,
        })
    }
}

/// What the cells of one kind of task cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KindCosts {
    /// `classification`, `generation`.
    pub kind: String,
    /// Tokens a second, by ascending fraction removed.
    pub speed: Vec<(f64, Spread)>,
    /// Peak memory in bytes, likewise.
    pub memory: Vec<(f64, Spread)>,
}

/// A panel: what it shows, its unit, and how many of the values' unit are one of it.
struct Shown<'a> {
    title: &'a str,
    unit: &'a str,
    scale: f64,
    lines: Vec<(&'a str, &'a [(f64, Spread)])>,
}

/// Draws the chart of a model; `None` if fewer than two fractions were measured.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, model: &str, costs: &[KindCosts]) -> Result<Option<Scene>, Error> {
    let fractions: BTreeSet<u64> = costs
        .iter()
        .flat_map(|kind| kind.speed.iter().chain(&kind.memory))
        .map(|(fraction, _)| fraction.to_bits())
        .collect();
    if fractions.len() < 2 {
        return Ok(None);
    }
    let fractions: Vec<f64> = fractions.into_iter().map(f64::from_bits).collect();
    let kinds: Vec<String> = costs.iter().map(|kind| kind.kind.clone()).collect();
    let panels = panels(costs);
    let gap = if on.paper() { 42.0 } else { 64.0 };
    let (width, tall) = (on.share(panels.len(), gap), on.scaled(HEIGHT));
    let top = on.head() + 40.0;
    let below = top + tall + 50.0;
    let title = format!("{model}: speed and memory as experts are removed");
    let line = "Medians over cells; upright lines reach from the smallest to the largest. Experts are masked here: all weights stay in memory.";
    let mut scene = titled(on, &title, line, below + legend::methods_height(on, &kinds))?;
    scene.columns("kind of task", "removed, %", "median");
    for (column, shown) in panels.iter().enumerate() {
        let frame = Frame {
            left: on.left() + column as f64 * (width + gap),
            top,
            width,
            height: tall,
        };
        let spreads = shown.lines.iter().flat_map(|(_, points)| *points);
        let highest = spreads.map(|(_, spread)| spread.high / shown.scale).fold(0.0, f64::max);
        let panel = Panel {
            frame,
            x: Axis::at_shares(&fractions),
            y: Axis::number(0.0, highest),
        };
        panel.draw(&mut scene);
        let cells = shown
            .lines
            .iter()
            .flat_map(|(_, points)| *points)
            .map(|(_, spread)| spread.cells);
        let (least, most) = (cells.clone().min().unwrap_or(0), cells.max().unwrap_or(0));
        let number = if least < most {
            format!("{least} to {most}")
        } else {
            most.to_string()
        };
        panel.title(&mut scene, shown.title, &format!("{}: n = {number} cells", shown.unit));
        panel.x_title(
            &mut scene,
            on.words("experts removed from each layer, %", "experts removed, %"),
        );
        scene.panel(shown.title, shown.unit);
        for (name, points) in &shown.lines {
            let place = kinds.iter().position(|kind| kind == name).unwrap_or(0);
            scene.series(name, |scene| {
                line_of(scene, &panel, (place, kinds.len(), name), points, shown.scale);
            });
        }
    }
    legend::methods(&mut scene, &kinds, below);
    Ok(Some(scene))
}

fn panels(costs: &[KindCosts]) -> Vec<Shown<'_>> {
    let lines =
        |of: fn(&KindCosts) -> &[(f64, Spread)]| costs.iter().map(|kind| (kind.kind.as_str(), of(kind))).collect();
    let memory: Vec<(&str, &[(f64, Spread)])> = lines(|kind| &kind.memory);
    let most = memory
        .iter()
        .flat_map(|(_, points)| *points)
        .map(|(_, spread)| spread.high)
        .fold(0.0, f64::max);
    let (unit, power) = if most < f64::from(1 << 30) {
        ("MiB", 20)
    } else {
        ("GiB", 30)
    };
    let panels = [
        Shown {
            title: "Speed",
            unit: "tokens/s",
            scale: 1.0,
            lines: lines(|kind| &kind.speed),
        },
        Shown {
            title: "Peak memory",
            unit,
            scale: f64::from(1 << power),
            lines: memory,
        },
    ];
    let drawn = |shown: &Shown<'_>| shown.lines.iter().any(|(_, points)| !points.is_empty());
    panels.into_iter().filter(drawn).collect()
}

/// The upright lines of kinds stand beside one another.
fn line_of(
    scene: &mut Scene,
    panel: &Panel,
    (place, kinds, name): (usize, usize, &str),
    points: &[(f64, Spread)],
    scale: f64,
) {
    let look = style(place, name);
    let beside = 5.0 * (place as f64 - (kinds as f64 - 1.0) / 2.0);
    let at = |fraction: f64, value: f64| {
        let (x, y) = panel.at(fraction, value / scale);
        (x + beside, y)
    };
    for (fraction, spread) in points {
        let ends = vec![at(*fraction, spread.low), at(*fraction, spread.high)];
        scene.line(ends, 1.2, look.ink.faded(0.55));
    }
    let middles: Vec<_> = points
        .iter()
        .map(|(fraction, spread)| at(*fraction, spread.middle))
        .collect();
    scene.dashed(&middles, 1.8, look.ink, look.dashes);
    for ((fraction, spread), middle) in points.iter().zip(&middles) {
        mark(scene, &look, *middle, 3.2);
        let short = |value: f64| short(value / scale);
        let note = format!("{} to {}; n = cells", short(spread.low), short(spread.high));
        let datum = Datum::new(*middle, X::Number(fraction * 100.0), spread.middle / scale);
        scene.datum(datum.of(spread.cells as f64).noted(note));
    }
}

/// To three digits.
fn short(value: f64) -> String {
    let unit = 10_f64.powf(value.abs().max(1e-9).log10().floor() - 2.0).min(1.0);
    percent((value / unit).round() * unit / 100.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn costs(kind: &str, shift: f64) -> KindCosts {
        let spread = |values: [f64; 3]| Spread::of(values.into_iter()).unwrap();
        KindCosts {
            kind: kind.to_owned(),
            speed: vec![
                (0.0, spread([900.0, 1000.0 + shift, 1400.0])),
                (0.5, spread([1500.0, 1600.0, 1900.0])),
            ],
            memory: vec![(0.0, spread([3e9, 4e9, 5e9])), (0.5, spread([3e9, 4e9, 5e9]))],
        }
    }

    #[test]
    fn medians_stand_between_the_smallest_and_the_largest() {
        let spread = Spread::of([5.0, 1.0, 2.0, 4.0].into_iter()).unwrap();
        assert_eq!(
            (spread.low, spread.middle, spread.high, spread.cells),
            (1.0, 3.0, 5.0, 4)
        );
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn both_panels_have_a_line_per_kind_on_every_canvas() {
        for on in [Canvas::Page, Canvas::Column, Canvas::Spread] {
            let scene = draw(on, "m", &[costs("classification", 0.0), costs("generation", 90.0)]);
            let scene = scene.unwrap().unwrap();
            assert_eq!(scene.text_faults(), Vec::<String>::new(), "{on:?}");
            assert!(
                scene
                    .labels()
                    .all(|label| on == Canvas::Page || !label.text.ends_with('…')),
                "{on:?}"
            );
            assert_eq!(scene.meaning.series, ["classification", "generation"]);
            let units: Vec<_> = scene.meaning.panels.iter().map(|(_, unit)| unit.as_str()).collect();
            assert_eq!(units, ["tokens/s", "GiB"]);
            let data = &scene.meaning.data;
            assert_eq!((data.len(), data[0].value, data[2].value), (8, 1000.0, 1090.0));
        }
    }

    #[test]
    fn one_fraction_is_no_chart() {
        let mut costs = costs("generation", 0.0);
        costs.speed.truncate(1);
        costs.memory.truncate(1);
        assert_eq!(draw(Canvas::Page, "m", &[costs]).unwrap(), None);
    }
}
