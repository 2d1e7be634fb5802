//! A scene as a PDF file of one page, as large as the chart: shapes stay shapes, texts stay text in the shipped font, of which the
//! file holds the glyphs that it uses. What papers are asked for: all fonts inside, none of Type 3, and the same bytes from the same scene.
//!
//! A character that the font lacks is its empty box, as in the PNG.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::LineJoinStyle;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::canvas::POINTS;
use super::pdf_font::Font;
use super::render::{BOLD, REGULAR};
use super::scene::{Anchor, Ink, Label, Scene, Shape};
use crate::error::Error;

/// How far below its middle a text's baseline lies, in ems: capitals are centred.
const DROP: f64 = 0.36;
/// Of a circle's radius: where the control points of four Bézier curves stand.
const CONTROL: f64 = 0.552_284_75;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
/// The fonts' objects follow from here.
const FONTS: i32 = 6;

/// The chart as a PDF file.
///
/// # Errors
/// [`Error::Font`] if the shipped fonts cannot be read; [`Error::Draw`] if one cannot be cut down to its glyphs.
pub fn pdf(scene: &Scene) -> Result<Vec<u8>, Error> {
    let fonts = fonts(scene)?;
    let mut painter = Painter::new(scene, &fonts);
    for shape in &scene.shapes {
        painter.shape(shape);
    }
    let (alphas, content) = (painter.alphas, painter.content.finish());
    let mut file = Pdf::new();
    file.catalog(CATALOG).pages(PAGES).lang(TextStr("en"));
    file.pages(PAGES).kids([PAGE]).count(1);
    let mut info = file.document_info(INFO);
    info.title(TextStr(&scene.title)).creator(TextStr("secateur"));
    if !scene.line.is_empty() {
        info.subject(TextStr(&scene.line));
    }
    info.finish();
    let mut page = file.page(PAGE);
    let (width, height) = (scene.canvas.width() * POINTS, scene.height.ceil() * POINTS);
    page.media_box(Rect::new(0.0, 0.0, short(width), short(height)));
    page.parent(PAGES).contents(CONTENT);
    let mut resources = page.resources();
    let mut named = resources.fonts();
    for font in &fonts {
        named.pair(Name(font.name), font.reference());
    }
    named.finish();
    let mut states = resources.ext_g_states();
    for (place, alpha) in alphas.iter().enumerate() {
        let name = state_name(place);
        let mut state = states
            .insert(Name(name.as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.stroking_alpha(short(*alpha)).non_stroking_alpha(short(*alpha));
    }
    states.finish();
    resources.finish();
    page.finish();
    let packed = deflated(content.as_slice());
    file.stream(CONTENT, &packed).filter(Filter::FlateDecode);
    for font in &fonts {
        font.write(&mut file).map_err(|message| Error::Draw {
            chart: scene.title.clone(),
            message,
        })?;
    }
    Ok(file.finish())
}

/// The faces that the scene uses, with the characters that they are used for.
fn fonts(scene: &Scene) -> Result<Vec<Font>, Error> {
    let faces: [(bool, &'static [u8], &'static [u8], &str); 2] = [
        (false, b"Regular", REGULAR, "DejaVuSans"),
        (true, b"Bold", BOLD, "DejaVuSans-Bold"),
    ];
    let mut fonts = Vec::new();
    for (bold, name, data, postscript) in faces {
        let labels = scene.labels().filter(|label| label.bold == bold);
        let used: BTreeSet<char> = labels.flat_map(|label| label.text.chars()).collect();
        if !used.is_empty() {
            let first = FONTS + fonts.len() as i32 * Font::OBJECTS;
            fonts.push(Font::new((bold, name, postscript), data, &used, first)?);
        }
    }
    Ok(fonts)
}

/// To a hundredth, which is finer than any printer.
fn short(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}

fn state_name(place: usize) -> String {
    format!("A{place}")
}

/// Packed as `FlateDecode` unpacks it.
pub(super) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    // Into memory: neither fails.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default()
}

/// The page's content, and what is set in it.
struct Painter<'a> {
    fonts: &'a [Font],
    content: Content,
    alphas: Vec<f64>,
    fill: Option<Ink>,
    stroke: Option<Ink>,
    alpha: f64,
    width: f64,
}

impl<'a> Painter<'a> {
    fn new(scene: &Scene, fonts: &'a [Font]) -> Self {
        let mut content = Content::new();
        let height = scene.height.ceil() * POINTS;
        // The scene's own units, from the upper left corner down.
        let scale = POINTS as f32;
        content.transform([scale, 0.0, 0.0, -scale, 0.0, short(height)]);
        content.set_line_join(LineJoinStyle::RoundJoin);
        Self {
            fonts,
            content,
            alphas: Vec::new(),
            fill: None,
            stroke: None,
            alpha: 1.0,
            width: 1.0,
        }
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { points, width, ink } => {
                self.stroked(*ink, *width);
                if self.path(points) {
                    self.content.stroke();
                }
            }
            Shape::Polygon { points, ink } => {
                self.filled(*ink);
                if self.path(points) {
                    self.content.close_path().fill_nonzero();
                }
            }
            Shape::Rect { from, to, ink } => {
                self.filled(*ink);
                let (width, height) = (short(to.0 - from.0), short(to.1 - from.1));
                self.content.rect(short(from.0), short(from.1), width, height);
                self.content.fill_nonzero();
            }
            Shape::Circle { at, radius, ink } => {
                self.filled(*ink);
                self.circle(*at, *radius);
                self.content.fill_nonzero();
            }
            Shape::Text(label) => self.text(label),
        }
    }

    /// Whether there is a path: two points at least.
    fn path(&mut self, points: &[(f64, f64)]) -> bool {
        if points.len() < 2 {
            return false;
        }
        for (place, (x, y)) in points.iter().enumerate() {
            let (x, y) = (short(*x), short(*y));
            if place == 0 {
                self.content.move_to(x, y);
            } else {
                self.content.line_to(x, y);
            }
        }
        true
    }

    fn circle(&mut self, (x, y): (f64, f64), radius: f64) {
        let at = |across: f64, down: f64| (short(x + across * radius), short(y + down * radius));
        let (start_x, start_y) = at(1.0, 0.0);
        self.content.move_to(start_x, start_y);
        for (from, to) in [
            ((1.0, 0.0), (0.0, 1.0)),
            ((0.0, 1.0), (-1.0, 0.0)),
            ((-1.0, 0.0), (0.0, -1.0)),
            ((0.0, -1.0), (1.0, 0.0)),
        ] {
            let (x1, y1) = at(from.0 + CONTROL * to.0, from.1 + CONTROL * to.1);
            let (x2, y2) = at(to.0 + CONTROL * from.0, to.1 + CONTROL * from.1);
            let (x3, y3) = at(to.0, to.1);
            self.content.cubic_to(x1, y1, x2, y2, x3, y3);
        }
        self.content.close_path();
    }

    fn text(&mut self, label: &Label) {
        let Some(font) = self.fonts.iter().find(|font| font.bold == label.bold) else {
            return;
        };
        let width = font.width(&label.text) * label.size;
        let back = match label.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let ((x, y), down) = (label.at, DROP * label.size);
        let matrix = if label.upright {
            [0.0, -1.0, -1.0, 0.0, short(x + down), short(y + back)]
        } else {
            [1.0, 0.0, 0.0, -1.0, short(x - back), short(y + down)]
        };
        let glyphs = font.encoded(&label.text);
        self.filled(label.ink);
        self.content.begin_text();
        self.content.set_font(Name(font.name), short(label.size));
        self.content.set_text_matrix(matrix).show(Str(&glyphs)).end_text();
    }

    fn filled(&mut self, ink: Ink) {
        self.see_through(ink.alpha);
        if self.fill.is_none_or(|known| known.rgb != ink.rgb) {
            let [red, green, blue] = channels(ink);
            self.content.set_fill_rgb(red, green, blue);
            self.fill = Some(ink);
        }
    }

    fn stroked(&mut self, ink: Ink, width: f64) {
        self.see_through(ink.alpha);
        if self.stroke.is_none_or(|known| known.rgb != ink.rgb) {
            let [red, green, blue] = channels(ink);
            self.content.set_stroke_rgb(red, green, blue);
            self.stroke = Some(ink);
        }
        if (self.width - width).abs() > 1e-9 {
            self.content.set_line_width(short(width));
            self.width = width;
        }
    }

    fn see_through(&mut self, alpha: f64) {
        if (self.alpha - alpha).abs() < 1e-9 {
            return;
        }
        let known = self.alphas.iter().position(|known| (known - alpha).abs() < 1e-9);
        let place = known.unwrap_or_else(|| {
            self.alphas.push(alpha);
            self.alphas.len() - 1
        });
        self.content.set_parameters(Name(state_name(place).as_bytes()));
        self.alpha = alpha;
    }
}

/// Red, green and blue of 0 to 1, to a thousandth.
fn channels(ink: Ink) -> [f32; 3] {
    [ink.rgb.0, ink.rgb.1, ink.rgb.2].map(|channel| (f32::from(channel) / 0.255).round() / 1000.0)
}

#[cfg(test)]
mod tests;
