//! A scene as plain data, for a page that draws it and answers to a pointer: the shapes of the static chart, and what they mean.
//!
//! ```text
//! parts    [series or −1, 1 for a legend's key, shapes]: back to front
//! shapes   [0, colour, width, points, points, …]      lines
//!          [1, colour, points]                        a polygon
//!          [2, colour, left, top, width, height]      a rectangle
//!          [3, colour, x, y, radius]                  a circle
//!          [4, colour, x, y, size, anchor, style, text]   style: 1 bold, 2 upright
//! points   [x, y, x, y, …], in CSS pixels
//! colours  `text`, `quiet`, `axis`, `grid`, `empty`, `paper`, which the page decides, or `#rrggbb`; `/0.5` for opacity
//! data     columns of equal length
//! ```

use serde::Serialize;
use serde_json::{Value, json};

use super::meaning::{Datum, Meaning, X};
use super::palette::{AXIS, EMPTY, GRID, QUIET, TEXT, WHITE};
use super::scene::{Anchor, Ink, Label, Scene, Shape};

/// Colours that a page has its own of.
const ROLES: [(Ink, &str); 6] = [
    (TEXT, "text"),
    (QUIET, "quiet"),
    (AXIS, "axis"),
    (GRID, "grid"),
    (EMPTY, "empty"),
    (WHITE, "paper"),
];

/// A chart that a page draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drawing {
    title: String,
    line: String,
    width: f64,
    height: f64,
    /// Where the title and its line end.
    head: f64,
    /// Where the legend begins.
    legend: Option<f64>,
    colours: Vec<String>,
    parts: Vec<(i64, u8, Vec<Value>)>,
    series: Vec<String>,
    /// Names of series, of the place along them, of the value.
    columns: [&'static str; 3],
    panels: Vec<(String, String)>,
    data: Columns,
}

/// Numbers, a column each.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Columns {
    at: Vec<Value>,
    /// Width and height, or empty where all are points.
    size: Vec<Value>,
    series: Vec<i64>,
    panel: Vec<usize>,
    x: Vec<Value>,
    value: Vec<Value>,
    low: Vec<Value>,
    high: Vec<Value>,
    n: Vec<Value>,
    /// Remarks, or empty where there is none.
    note: Vec<String>,
}

impl Drawing {
    /// The same chart.
    #[must_use]
    pub fn new(scene: &Scene) -> Self {
        let mut colours = Colours::default();
        let meaning = &scene.meaning;
        Self {
            title: scene.title.clone(),
            line: scene.line.clone(),
            width: scene.canvas.width(),
            height: scene.height.ceil(),
            head: scene.canvas.head(),
            legend: meaning.legend,
            parts: parts(scene, &mut colours),
            colours: colours.0,
            series: meaning.series.clone(),
            columns: [meaning.columns.series, meaning.columns.x, meaning.columns.value],
            panels: meaning.panels.clone(),
            data: columns(meaning),
        }
    }
}

/// Colours in the order of their first use.
#[derive(Default)]
struct Colours(Vec<String>);

impl Colours {
    fn place(&mut self, ink: Ink) -> usize {
        let role = ROLES
            .iter()
            .find(|(known, _)| !ink.fixed && known.rgb == ink.rgb)
            .map(|(_, name)| (*name).to_owned());
        let (r, g, b) = (ink.rgb.0, ink.rgb.1, ink.rgb.2);
        let mut colour = role.unwrap_or_else(|| format!("#{r:02x}{g:02x}{b:02x}"));
        if ink.alpha < 1.0 {
            colour = format!("{colour}/{}", ink.alpha);
        }
        self.0.iter().position(|known| *known == colour).unwrap_or_else(|| {
            self.0.push(colour);
            self.0.len() - 1
        })
    }
}

fn parts(scene: &Scene, colours: &mut Colours) -> Vec<(i64, u8, Vec<Value>)> {
    let mut groups: Vec<_> = scene.meaning.groups.iter().collect();
    groups.sort_by_key(|group| group.shapes.start);
    let mut parts = Vec::new();
    let mut drawn = 0;
    for group in groups {
        if group.shapes.start > drawn {
            parts.push((-1, 0, encoded(&scene.shapes[drawn..group.shapes.start], colours)));
        }
        // Inside of another group, which has drawn it.
        let start = group.shapes.start.max(drawn);
        if group.shapes.end > start {
            let shapes = encoded(&scene.shapes[start..group.shapes.end], colours);
            parts.push((group.series as i64, u8::from(group.key), shapes));
            drawn = group.shapes.end;
        }
    }
    if drawn < scene.shapes.len() {
        parts.push((-1, 0, encoded(&scene.shapes[drawn..], colours)));
    }
    parts
}

/// Lines of one colour and width that follow one another are one shape: dashes are many.
fn encoded(shapes: &[Shape], colours: &mut Colours) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut last: Option<(Ink, f64)> = None;
    for shape in shapes {
        if let Shape::Line { points, width, ink } = shape {
            let path = numbers(points);
            match all.last_mut().and_then(Value::as_array_mut) {
                Some(line) if last == Some((*ink, *width)) => line.push(path),
                _ => all.push(json!([0, colours.place(*ink), number(*width), path])),
            }
            last = Some((*ink, *width));
        } else {
            last = None;
            all.push(other(shape, colours));
        }
    }
    all
}

fn other(shape: &Shape, colours: &mut Colours) -> Value {
    match shape {
        Shape::Line { points, width, ink } => json!([0, colours.place(*ink), number(*width), numbers(points)]),
        Shape::Polygon { points, ink } => json!([1, colours.place(*ink), numbers(points)]),
        Shape::Rect { from, to, ink } => {
            let (width, height) = (to.0 - from.0, to.1 - from.1);
            json!([
                2,
                colours.place(*ink),
                number(from.0),
                number(from.1),
                number(width),
                number(height)
            ])
        }
        Shape::Circle { at, radius, ink } => {
            json!([3, colours.place(*ink), number(at.0), number(at.1), number(*radius)])
        }
        Shape::Text(label) => text(label, colours),
    }
}

fn text(label: &Label, colours: &mut Colours) -> Value {
    let anchor = match label.anchor {
        Anchor::Start => 0,
        Anchor::Middle => 1,
        Anchor::End => 2,
    };
    let style = u8::from(label.bold) + 2 * u8::from(label.upright);
    let (x, y, size) = (number(label.at.0), number(label.at.1), number(label.size));
    json!([4, colours.place(label.ink), x, y, size, anchor, style, label.text])
}

fn columns(meaning: &Meaning) -> Columns {
    let mut columns = Columns::default();
    let remarks = meaning.data.iter().any(|datum| !datum.note.is_empty());
    let points = meaning.data.iter().all(|datum| datum.size == (0.0, 0.0));
    for datum in &meaning.data {
        columns.at.extend([number(datum.at.0), number(datum.at.1)]);
        if !points {
            columns.size.extend([number(datum.size.0), number(datum.size.1)]);
        }
        columns.series.push(datum.series.map_or(-1, |series| series as i64));
        columns.panel.push(datum.panel);
        columns.x.push(match &datum.x {
            X::Number(x) => significant(*x),
            X::Name(name) => Value::from(name.as_str()),
        });
        columns.value.push(significant(datum.value));
        let (low, high) = ends(datum);
        columns.low.push(low);
        columns.high.push(high);
        columns.n.push(datum.n.map_or(Value::Null, significant));
        if remarks {
            columns.note.push(datum.note.clone());
        }
    }
    columns
}

fn ends(datum: &Datum) -> (Value, Value) {
    datum.interval.map_or((Value::Null, Value::Null), |(low, high)| {
        (significant(low), significant(high))
    })
}

fn numbers(points: &[(f64, f64)]) -> Value {
    let flat = points.iter().flat_map(|(x, y)| [number(*x), number(*y)]);
    Value::Array(flat.collect())
}

/// To a hundredth of a pixel.
fn number(value: f64) -> Value {
    short((value * 100.0).round() / 100.0)
}

/// To six significant digits.
fn significant(value: f64) -> Value {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { Value::from(0) } else { Value::Null };
    }
    let written = format!("{value:.5e}");
    short(written.parse().unwrap_or(value))
}

/// Whole numbers without a point.
fn short(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::charts::canvas::Canvas;
    use crate::charts::palette::readable_on;

    #[test]
    fn a_scene_keeps_its_shapes_their_order_and_what_they_mean() {
        let mut scene = Scene::new(Canvas::Page, "t <b>", 50.0).unwrap();
        scene.rect((0.0, 0.0), (10.0, 5.5), WHITE);
        scene.panel("left", "%");
        scene.series("a", |scene| {
            scene.dashed(&[(0.0, 0.0), (20.0, 0.0)], 1.5, AXIS, &[6.0, 4.0]);
            scene.datum(Datum::new((1.0, 2.0), X::Number(0.125), 99.123_456_7).between(90.0, 101.0));
        });
        scene.text("=x", (1.0, 2.0), 10.0, Anchor::End, readable_on(WHITE));
        let drawing = serde_json::to_value(Drawing::new(&scene)).unwrap();
        assert_eq!(drawing["colours"], json!(["paper", "axis", "#22262b"]));
        let parts = json!([
            [-1, 0, [[2, 0, 0, 0, 10, 5.5]]],
            [0, 0, [[0, 1, 1.5, [0, 0, 6, 0], [10, 0, 16, 0]]]],
            [-1, 0, [[4, 2, 1, 2, 10, 2, 0, "=x"]]],
        ]);
        assert_eq!(drawing["parts"], parts);
        let data = &drawing["data"];
        assert_eq!(
            (&data["x"], &data["value"], &data["low"], &data["n"], &data["size"]),
            (
                &json!([0.125]),
                &json!([99.1235]),
                &json!([90]),
                &json!([null]),
                &json!([])
            )
        );
    }
}
