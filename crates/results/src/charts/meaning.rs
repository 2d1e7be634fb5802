//! What a scene's shapes stand for: series that a reader shows or hides, their keys, and the numbers behind marks.
//!
//! Static renderings do not look at it; pages that answer to a pointer do.

use std::ops::Range;

use super::scene::Scene;

/// What the shapes of a scene stand for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meaning {
    /// Names of series, in the order of their first shapes.
    pub series: Vec<String>,
    /// Shapes that belong to a series; no two overlap.
    pub groups: Vec<Group>,
    /// Where the legend begins, in CSS pixels from the top; below it lies nothing else.
    pub legend: Option<f64>,
    /// What the numbers are.
    pub columns: Columns,
    /// Frames with data, and the unit of their values.
    pub panels: Vec<(String, String)>,
    /// The numbers.
    pub data: Vec<Datum>,
    current: Option<usize>,
}

/// Names of what a datum says, as a table's header has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns {
    /// What a series is: `method`.
    pub series: &'static str,
    /// What [`Datum::x`] is: `removed, %`.
    pub x: &'static str,
    /// What [`Datum::value`] is: `kept`.
    pub value: &'static str,
}

/// Shapes of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Index into [`Meaning::series`].
    pub series: usize,
    /// Indices into [`Scene::shapes`].
    pub shapes: Range<usize>,
    /// Whether they are its entry in the legend.
    pub key: bool,
}

/// Where a datum stands along its series.
#[derive(Debug, Clone, PartialEq)]
pub enum X {
    /// A number.
    Number(f64),
    /// A name.
    Name(String),
}

/// One number that a mark or a cell shows, in the unit that it is shown in.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Centre, in CSS pixels.
    pub at: (f64, f64),
    /// Width and height of what shows it; 0 for a point.
    pub size: (f64, f64),
    /// Where along the series.
    pub x: X,
    /// The number.
    pub value: f64,
    /// 95 % interval, where there is one.
    pub interval: Option<(f64, f64)>,
    /// Items that it rests on, where that is said.
    pub n: Option<f64>,
    /// What else the reader should know; empty for nothing.
    pub note: String,
    /// Index into [`Meaning::panels`].
    pub panel: usize,
    /// Index into [`Meaning::series`].
    pub series: Option<usize>,
}

impl Datum {
    /// A number at a point; the scene says of what.
    #[must_use]
    pub fn new(at: (f64, f64), x: X, value: f64) -> Self {
        Self {
            at,
            size: (0.0, 0.0),
            x,
            value,
            interval: None,
            n: None,
            note: String::new(),
            panel: 0,
            series: None,
        }
    }

    /// With its interval.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> Self {
        Self {
            interval: Some((low, high)),
            ..self
        }
    }

    /// With the number of items.
    #[must_use]
    pub fn of(self, n: f64) -> Self {
        Self { n: Some(n), ..self }
    }

    /// With a remark.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    /// Shown by a rectangle of that width and height.
    #[must_use]
    pub fn sized(self, size: (f64, f64)) -> Self {
        Self { size, ..self }
    }
}

impl Scene {
    /// Says what the numbers are.
    pub fn columns(&mut self, series: &'static str, x: &'static str, value: &'static str) {
        self.meaning.columns = Columns { series, x, value };
    }

    /// Data that follow lie in this panel; their values are in this unit.
    pub fn panel(&mut self, name: &str, unit: &str) {
        self.meaning.panels.push((name.to_owned(), unit.to_owned()));
    }

    /// What is drawn inside belongs to a series.
    pub fn series(&mut self, name: &str, draw: impl FnOnce(&mut Self)) {
        self.group(name, false, draw);
    }

    /// What is drawn inside is the entry of a series in the legend.
    pub fn key(&mut self, name: &str, draw: impl FnOnce(&mut Self)) {
        self.group(name, true, draw);
    }

    /// Keeps a number with what shows it, in the panel and series that are being drawn.
    pub fn datum(&mut self, datum: Datum) {
        let panel = self.meaning.panels.len().saturating_sub(1);
        let series = self.meaning.current;
        self.meaning.data.push(Datum { panel, series, ..datum });
    }

    fn group(&mut self, name: &str, key: bool, draw: impl FnOnce(&mut Self)) {
        let known = self.meaning.series.iter().position(|known| known == name);
        let series = known.unwrap_or_else(|| {
            self.meaning.series.push(name.to_owned());
            self.meaning.series.len() - 1
        });
        let outer = self.meaning.current.replace(series);
        let start = self.shapes.len();
        draw(self);
        self.meaning.current = outer;
        let shapes = start..self.shapes.len();
        if !shapes.is_empty() {
            self.meaning.groups.push(Group { series, shapes, key });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::charts::canvas::Canvas;
    use crate::charts::palette::TEXT;

    #[test]
    fn shapes_and_numbers_know_their_series() {
        let mut scene = Scene::new(Canvas::Page, "t", 50.0).unwrap();
        scene.circle((1.0, 1.0), 1.0, TEXT);
        scene.panel("left", "%");
        for name in ["a", "b", "a"] {
            scene.series(name, |scene| {
                scene.circle((2.0, 2.0), 1.0, TEXT);
                scene.datum(Datum::new((2.0, 2.0), X::Number(1.0), 5.0));
            });
        }
        scene.key("a", |scene| scene.circle((3.0, 3.0), 1.0, TEXT));
        scene.series("empty", |_| {});
        let meaning = &scene.meaning;
        assert_eq!(meaning.series, ["a", "b", "empty"]);
        let groups: Vec<_> = meaning
            .groups
            .iter()
            .map(|g| (g.series, g.shapes.start, g.key))
            .collect();
        assert_eq!(groups, [(0, 1, false), (1, 2, false), (0, 3, false), (0, 4, true)]);
        let series: Vec<_> = meaning.data.iter().map(|d| d.series).collect();
        assert_eq!(series, [Some(0), Some(1), Some(0)]);
    }
}
