//! A chart as a list of shapes, in the pixels of a README: drawn once, rendered as SVG, PNG and PDF.
//!
//! Charts push shapes; [`super::render`] replays them through plotters. Because a scene is a plain value, tests can
//! ask whether any two texts overlap or leave the canvas.

use plotters::style::FontStyle;
use plotters::style::RGBColor;
use plotters::style::{FontDesc, FontFamily};

use super::canvas::Canvas;
use super::meaning::Meaning;
use super::render::{FAMILY, register_fonts};
use crate::error::Error;

/// Which point of a text sits at its position. Vertically a text is always centred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// A colour with opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ink {
    /// Red, green, blue.
    pub rgb: RGBColor,
    /// 0 transparent, 1 opaque.
    pub alpha: f64,
    /// The same on dark pages too, because it lies on a colour that is.
    pub fixed: bool,
}

impl Ink {
    /// An opaque colour.
    #[must_use]
    pub const fn solid(rgb: RGBColor) -> Self {
        Self {
            rgb,
            alpha: 1.0,
            fixed: false,
        }
    }

    /// The same colour, whatever the page's.
    #[must_use]
    pub const fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }

    /// The same colour, less opaque.
    #[must_use]
    pub const fn faded(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The text; control characters are shown as the replacement character.
    pub text: String,
    /// Position of the anchor.
    pub at: (f64, f64),
    /// Height of an em.
    pub size: f64,
    /// Bold face.
    pub bold: bool,
    /// Horizontal anchor.
    pub anchor: Anchor,
    /// Read from bottom to top.
    pub upright: bool,
    /// Colour.
    pub ink: Ink,
}

impl Label {
    /// Left, top, right, bottom.
    #[must_use]
    pub fn bounds(&self) -> (f64, f64, f64, f64) {
        let width = text_width(&self.text, self.size, self.bold);
        let start = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let half = self.size * 0.5;
        let (x, y) = self.at;
        if self.upright {
            (x - half, y - start - width, x + half, y - start)
        } else {
            (x + start, y - half, x + start + width, y + half)
        }
    }
}

/// One shape; later shapes lie over earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line {
        /// Its corners.
        points: Vec<(f64, f64)>,
        /// Stroke width.
        width: f64,
        /// Colour.
        ink: Ink,
    },
    /// A filled polygon.
    Polygon {
        /// Its corners.
        points: Vec<(f64, f64)>,
        /// Colour.
        ink: Ink,
    },
    /// A filled rectangle.
    Rect {
        /// Left and top.
        from: (f64, f64),
        /// Right and bottom.
        to: (f64, f64),
        /// Colour.
        ink: Ink,
    },
    /// A filled circle.
    Circle {
        /// Centre.
        at: (f64, f64),
        /// Radius.
        radius: f64,
        /// Colour.
        ink: Ink,
    },
    /// Text.
    Text(Label),
}

/// A whole chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What it is drawn on.
    pub canvas: Canvas,
    /// What the chart shows, for readers who cannot see it.
    pub title: String,
    /// The line below the title, whole: what it shows or how to read it, for the same readers.
    pub line: String,
    /// What its panels rest on, whole: a panel that is narrow shows its beginning.
    pub bases: Vec<String>,
    /// Height in CSS pixels; the width is the canvas'.
    pub height: f64,
    /// Back to front.
    pub shapes: Vec<Shape>,
    /// What shapes stand for, for pages that let the reader ask.
    pub meaning: Meaning,
}

impl Scene {
    /// An empty white canvas.
    ///
    /// # Errors
    /// [`Error::Font`] if the shipped fonts do not load.
    pub fn new(canvas: Canvas, title: &str, height: f64) -> Result<Self, Error> {
        register_fonts()?;
        Ok(Self {
            canvas,
            title: clean(title),
            line: String::new(),
            bases: Vec::new(),
            height,
            shapes: Vec::new(),
            meaning: Meaning::default(),
        })
    }

    /// Adds a line.
    pub fn line(&mut self, points: Vec<(f64, f64)>, width: f64, ink: Ink) {
        self.shapes.push(Shape::Line { points, width, ink });
    }

    /// Adds a line of dashes: lengths drawn and skipped by turns; no lengths make it solid.
    pub fn dashed(&mut self, points: &[(f64, f64)], width: f64, ink: Ink, dashes: &[f64]) {
        if dashes.is_empty() {
            self.line(points.to_vec(), width, ink);
            return;
        }
        for piece in split_dashes(points, dashes) {
            self.line(piece, width, ink);
        }
    }

    /// Adds a filled polygon.
    pub fn polygon(&mut self, points: Vec<(f64, f64)>, ink: Ink) {
        self.shapes.push(Shape::Polygon { points, ink });
    }

    /// Adds a filled rectangle.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.shapes.push(Shape::Rect { from, to, ink });
    }

    /// Adds a filled circle.
    pub fn circle(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        self.shapes.push(Shape::Circle { at, radius, ink });
    }

    /// Adds text that reads from left to right.
    pub fn text(&mut self, text: &str, at: (f64, f64), size: f64, anchor: Anchor, ink: Ink) {
        self.label(text, at, size, anchor, ink, false);
    }

    /// Adds bold text.
    pub fn bold(&mut self, text: &str, at: (f64, f64), size: f64, anchor: Anchor, ink: Ink) {
        self.label(text, at, size, anchor, ink, true);
    }

    /// Adds text that reads from bottom to top, centred.
    pub fn upright(&mut self, text: &str, at: (f64, f64), size: f64, ink: Ink) {
        self.shapes.push(Shape::Text(Label {
            text: clean(text),
            at,
            size,
            bold: false,
            anchor: Anchor::Middle,
            upright: true,
            ink,
        }));
    }

    fn label(&mut self, text: &str, at: (f64, f64), size: f64, anchor: Anchor, ink: Ink, bold: bool) {
        self.shapes.push(Shape::Text(Label {
            text: clean(text),
            at,
            size,
            bold,
            anchor,
            upright: false,
            ink,
        }));
    }

    /// Its texts.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(label) => Some(label),
            _ => None,
        })
    }

    /// Texts that lie over one another or leave the canvas, in words; empty for a good chart.
    #[must_use]
    pub fn text_faults(&self) -> Vec<String> {
        let labels: Vec<_> = self.labels().map(|l| (l, l.bounds())).collect();
        let mut faults = Vec::new();
        for (i, (label, (left, top, right, bottom))) in labels.iter().enumerate() {
            if *left < 0.0 || *top < 0.0 || *right > self.canvas.width() || *bottom > self.height {
                faults.push(format!("`{}` leaves the canvas", label.text));
            }
            for (other, (l, t, r, b)) in &labels[..i] {
                if left < r && l < right && top < b && t < bottom {
                    faults.push(format!("`{}` overlaps `{}`", label.text, other.text));
                }
            }
        }
        faults
    }
}

/// Width of a text in the shipped font; 0 if it does not load, which [`Scene::new`] says. The fallback fonts of the SVG's font list are
/// narrower or equal.
#[must_use]
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    // Charts measure before they have a scene.
    if register_fonts().is_err() {
        return 0.0;
    }
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    // Measured at 32 times the size: plotters reports whole pixels.
    FontDesc::new(FontFamily::Name(FAMILY), size * 1.24 * 32.0, style)
        .box_size(text)
        .map_or(0.0, |(width, _)| f64::from(width) / 32.0)
}

/// The text, cut with an ellipsis where it would be wider than `room`.
#[must_use]
pub fn fit(text: &str, size: f64, bold: bool, room: f64) -> String {
    let text = clean(text);
    if text_width(&text, size, bold) <= room {
        return text;
    }
    let mut cut: Vec<char> = text.chars().take(400).collect();
    while cut.pop().is_some() {
        let shorter: String = cut.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&shorter, size, bold) <= room {
            return shorter;
        }
    }
    String::new()
}

pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn split_dashes(points: &[(f64, f64)], dashes: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let (mut turn, mut left) = (0, dashes[0]);
    let mut piece = Vec::new();
    for pair in points.windows(2) {
        let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
        loop {
            let length = (to_x - x).hypot(to_y - y);
            let drawn = turn % 2 == 0;
            if drawn && piece.is_empty() {
                piece.push((x, y));
            }
            let step = left.min(length);
            if length > 0.0 {
                x += (to_x - x) * step / length;
                y += (to_y - y) * step / length;
            }
            if drawn {
                piece.push((x, y));
            }
            left -= step;
            if length <= step {
                break;
            }
            if drawn {
                pieces.push(std::mem::take(&mut piece));
            }
            turn += 1;
            left = dashes[turn % dashes.len()];
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::charts::palette::TEXT;

    #[test]
    fn dashes_cover_the_drawn_share_of_a_line() {
        let pieces = split_dashes(&[(0.0, 0.0), (10.0, 0.0), (20.0, 0.0)], &[6.0, 4.0]);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0], [(0.0, 0.0), (6.0, 0.0)]);
        assert_eq!(pieces[1].first(), Some(&(10.0, 0.0)));
        assert_eq!(pieces[1].last(), Some(&(16.0, 0.0)));
    }

    #[test]
    fn overlapping_and_escaping_texts_are_found() {
        let mut scene = Scene::new(Canvas::Page, "t", 100.0).unwrap();
        scene.text("one", (50.0, 50.0), 12.0, Anchor::Start, TEXT);
        assert!(scene.text_faults().is_empty());
        scene.text("two", (60.0, 52.0), 12.0, Anchor::Start, TEXT);
        scene.text("far to the left", (5.0, 80.0), 12.0, Anchor::End, TEXT);
        assert_eq!(scene.text_faults().len(), 2);
    }

    #[test]
    fn long_text_is_cut_to_its_room() {
        assert_eq!(fit("short", 12.0, false, 200.0), "short");
        let cut = fit(&"long ".repeat(100), 12.0, false, 100.0);
        assert!(cut.ends_with('…') && text_width(&cut, 12.0, false) <= 100.0);
        assert_eq!(fit("a\u{7}b", 12.0, false, 100.0), "a\u{fffd}b");
    }
}
