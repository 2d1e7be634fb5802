//! Replays a scene through plotters' SVG and bitmap backends, with the fonts that we ship.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::canvas::POINTS;
use super::scene::{Anchor, Ink, Label, Scene, Shape};
use crate::error::Error;

/// The font list that SVG readers see: the shipped font, then faces that are no wider.
pub const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

/// Backend pixels per CSS pixel: plotters' coordinates are whole numbers, and a bitmap is drawn larger than it is
/// saved, which smooths its edges.
const DRAWN: f64 = (SAVED * OVER) as f64;
/// Pixels of a PNG per CSS pixel: sharp on dense screens.
const SAVED: usize = 2;
/// Drawn pixels per saved one, across and down.
const OVER: usize = 2;

pub(super) static REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
pub(super) static BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold.ttf");

/// Makes the shipped fonts known to plotters; later calls do nothing.
///
/// # Errors
/// [`Error::Font`] if a font file is not one.
pub fn register_fonts() -> Result<(), Error> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = *DONE.get_or_init(|| {
        register_font(FAMILY, FontStyle::Normal, REGULAR).is_ok()
            && register_font(FAMILY, FontStyle::Bold, BOLD).is_ok()
    });
    if done { Ok(()) } else { Err(Error::Font) }
}

/// The chart as an SVG document, sized in CSS pixels; in points on paper.
///
/// # Errors
/// [`Error::Draw`] if plotters cannot draw it.
pub fn svg(scene: &Scene) -> Result<String, Error> {
    let (width, height) = drawn_size(scene);
    let mut document = String::new();
    {
        let root = SVGBackend::with_string(&mut document, (width, height)).into_drawing_area();
        replay(scene, &root, 0.0)?;
        root.present().map_err(|e| drawing(scene, &e))?;
    }
    // Centre capitals, not lower-case letters; the attribute cannot occur in escaped text.
    let document = document.replace("dy=\"0.5ex\"", "dy=\"0.36em\"");
    let body = document.find("<svg").and_then(|start| {
        let end = document[start..].find('>')?;
        Some(&document[start + end + 1..])
    });
    let body = body.ok_or_else(|| drawing(scene, &"no svg element"))?;
    let size = |length: f64| {
        if scene.canvas.paper() {
            format!("{:.2}pt", length * POINTS)
        } else {
            length.to_string()
        }
    };
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{}</title>{}{body}",
        size(scene.canvas.width()),
        size(scene.height.ceil()),
        escape(&scene.title),
        if scene.line.is_empty() {
            String::new()
        } else {
            format!("<desc>{}</desc>", escape(&scene.line))
        },
    ))
}

/// The chart as a PNG of twice its CSS size.
///
/// # Errors
/// [`Error::Draw`] if plotters or the encoder cannot.
pub fn png(scene: &Scene) -> Result<Vec<u8>, Error> {
    let (width, height) = drawn_size(scene);
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        replay(scene, &root, 0.19)?;
        root.present().map_err(|e| drawing(scene, &e))?;
    }
    let (columns, rows) = (width as usize / OVER, height as usize / OVER);
    let small = shrink(&pixels, columns, rows);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|e| drawing(scene, &e))?;
    writer.write_image_data(&small).map_err(|e| drawing(scene, &e))?;
    writer.finish().map_err(|e| drawing(scene, &e))?;
    Ok(file)
}

#[allow(clippy::cast_sign_loss)] // sizes are positive
fn drawn_size(scene: &Scene) -> (u32, u32) {
    (
        (scene.canvas.width() * DRAWN) as u32,
        (scene.height.ceil() * DRAWN) as u32,
    )
}

/// Averages squares of `OVER × OVER` pixels.
fn shrink(pixels: &[u8], columns: usize, rows: usize) -> Vec<u8> {
    let mut small = Vec::with_capacity(columns * rows * 3);
    for row in 0..rows {
        for column in 0..columns {
            for channel in 0..3 {
                let mut sum = 0;
                for y in 0..OVER {
                    for x in 0..OVER {
                        let pixel = (row * OVER + y) * columns * OVER + column * OVER + x;
                        sum += usize::from(pixels[pixel * 3 + channel]);
                    }
                }
                small.push(((sum + OVER * OVER / 2) / (OVER * OVER)) as u8);
            }
        }
    }
    small
}

fn drawing(scene: &Scene, message: &dyn std::fmt::Display) -> Error {
    Error::Draw {
        chart: scene.title.clone(),
        message: message.to_string(),
    }
}

/// `drop`: how far, in ems, texts are moved down so that both backends centre capitals.
fn replay<B: DrawingBackend>(scene: &Scene, root: &DrawingArea<B, Shift>, drop: f64) -> Result<(), Error> {
    root.fill(&WHITE).map_err(|e| drawing(scene, &e))?;
    for shape in &scene.shapes {
        draw(root, shape, drop).map_err(|e| drawing(scene, &e))?;
    }
    Ok(())
}

fn draw<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    shape: &Shape,
    drop: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    match shape {
        Shape::Line { points, width, ink } => root.draw(&PathElement::new(coordinates(points), stroke(*ink, *width))),
        Shape::Polygon { points, ink } => root.draw(&Polygon::new(coordinates(points), colour(*ink))),
        Shape::Rect { from, to, ink } => root.draw(&Rectangle::new(
            [coordinate(*from), coordinate(*to)],
            colour(*ink).filled(),
        )),
        Shape::Circle { at, radius, ink } => root.draw(&Circle::new(
            coordinate(*at),
            (radius * DRAWN).round(),
            colour(*ink).filled(),
        )),
        Shape::Text(label) => draw_text(root, label, drop),
    }
}

fn draw_text<B: DrawingBackend>(
    root: &DrawingArea<B, Shift>,
    label: &Label,
    drop: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let face = if label.bold { FontStyle::Bold } else { FontStyle::Normal };
    let position = Pos::new(
        match label.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        },
        VPos::Center,
    );
    let mut font = FontDesc::new(FontFamily::Name(FAMILY), label.size * 1.24 * DRAWN, face);
    let (x, y) = label.at;
    let at = if label.upright {
        font = font.transform(FontTransform::Rotate270);
        (x + drop * label.size, y)
    } else {
        (x, y + drop * label.size)
    };
    let ink = colour(label.ink);
    let style = TextStyle::from(font).color(&ink).pos(position);
    root.draw(&Text::new(label.text.as_str(), coordinate(at), style))
}

fn coordinate((x, y): (f64, f64)) -> (i32, i32) {
    ((x * DRAWN).round() as i32, (y * DRAWN).round() as i32)
}

fn coordinates(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().copied().map(coordinate).collect()
}

fn colour(ink: Ink) -> RGBAColor {
    ink.rgb.mix(ink.alpha)
}

#[allow(clippy::cast_sign_loss)] // widths are positive
fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    colour(ink).stroke_width((width * DRAWN).round().max(1.0) as u32)
}

/// Text inside XML or HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::charts::canvas::Canvas;
    use crate::charts::palette::TEXT;

    #[test]
    fn both_renderings_are_the_same_twice_and_not_blank() {
        let mut scene = Scene::new(Canvas::Page, "<b> & co", 60.0).unwrap();
        scene.bold("A & B <c>", (20.0, 30.0), 14.0, Anchor::Start, TEXT);
        scene.upright("up", (840.0, 30.0), 11.0, TEXT);
        let (first, second) = (png(&scene).unwrap(), png(&scene).unwrap());
        assert_eq!(first, second);
        let blank = png(&Scene::new(Canvas::Page, "", 60.0).unwrap()).unwrap();
        assert_ne!(first, blank);
        let document = svg(&scene).unwrap();
        assert_eq!(document, svg(&scene).unwrap());
        assert!(document.contains("<title>&lt;b&gt; &amp; co</title>"));
        assert!(document.contains("A &amp; B &lt;c&gt;"));
        assert!(document.contains("viewBox=\"0 0 3440 240\""));
    }
}
