//! Colours that colour-blind readers tell apart, and the style of each method.
//!
//! Line colours: Okabe and Ito, <https://jfly.uni-koeln.de/color/>, without the yellow that white paper swallows. Methods that
//! share a colour differ in dashes, and all methods differ in marker.

use plotters::style::RGBColor;

use super::scene::{Ink, Scene};

/// Titles and numbers.
pub const TEXT: Ink = Ink::solid(RGBColor(0x22, 0x26, 0x2b));
/// Axis numbers, notes.
pub const QUIET: Ink = Ink::solid(RGBColor(0x57, 0x5e, 0x66));
/// Axis lines.
pub const AXIS: Ink = Ink::solid(RGBColor(0x8a, 0x91, 0x99));
/// Grid lines.
pub const GRID: Ink = Ink::solid(RGBColor(0xe6, 0xe8, 0xeb));
/// Cells without a value.
pub const EMPTY: Ink = Ink::solid(RGBColor(0xf1, 0xf2, 0xf4));
/// Paper.
pub const WHITE: Ink = Ink::solid(RGBColor(0xff, 0xff, 0xff));

const HUES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];
const RANDOM: RGBColor = RGBColor(0x70, 0x76, 0x7d);
const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[9.0, 3.0, 2.0, 3.0]];

/// Outline of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// ●
    Circle,
    /// ■
    Square,
    /// ▲
    Up,
    /// ◆
    Diamond,
    /// ▼
    Down,
    /// ✚
    Plus,
    /// ✖
    Cross,
    /// ◀
    Left,
    /// ▶
    Right,
}

const MARKERS: [Marker; 9] = [
    Marker::Circle,
    Marker::Square,
    Marker::Up,
    Marker::Diamond,
    Marker::Down,
    Marker::Plus,
    Marker::Cross,
    Marker::Left,
    Marker::Right,
];

/// How a method is drawn in every chart of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Line and marker colour.
    pub ink: Ink,
    /// Lengths drawn and skipped.
    pub dashes: &'static [f64],
    /// Marker outline.
    pub marker: Marker,
    /// White inside.
    pub hollow: bool,
}

/// The style of the `index`-th method; `random` is grey wherever it stands.
#[must_use]
pub fn style(index: usize, method: &str) -> Style {
    if method == "random" || method.starts_with("random ") {
        return Style {
            ink: Ink::solid(RANDOM),
            dashes: &[3.0, 3.0],
            marker: Marker::Circle,
            hollow: true,
        };
    }
    let round = index / HUES.len();
    Style {
        ink: Ink::solid(HUES[index % HUES.len()]),
        dashes: DASHES[round % DASHES.len()],
        marker: MARKERS[index % MARKERS.len()],
        hollow: (index / MARKERS.len()) % 2 == 1,
    }
}

/// Draws a marker.
pub fn mark(scene: &mut Scene, style: &Style, at: (f64, f64), radius: f64) {
    outline(scene, style.marker, at, radius, style.ink);
    if style.hollow {
        outline(scene, style.marker, at, radius * 0.5, WHITE);
    }
}

fn outline(scene: &mut Scene, marker: Marker, (x, y): (f64, f64), r: f64, ink: Ink) {
    let mut polygon = |corners: &[(f64, f64)]| {
        let points = corners.iter().map(|(a, b)| (x + a * r, y + b * r));
        scene.polygon(points.collect(), ink);
    };
    let plus: [(f64, f64); 12] = [
        (-0.4, -1.2),
        (0.4, -1.2),
        (0.4, -0.4),
        (1.2, -0.4),
        (1.2, 0.4),
        (0.4, 0.4),
        (0.4, 1.2),
        (-0.4, 1.2),
        (-0.4, 0.4),
        (-1.2, 0.4),
        (-1.2, -0.4),
        (-0.4, -0.4),
    ];
    match marker {
        Marker::Circle => scene.circle((x, y), r, ink),
        Marker::Square => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Marker::Up => polygon(&[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)]),
        Marker::Diamond => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        Marker::Down => polygon(&[(0.0, 1.2), (1.15, -0.9), (-1.15, -0.9)]),
        Marker::Plus => polygon(&plus),
        Marker::Cross => polygon(&plus.map(|(a, b)| ((a - b) * 0.75, (a + b) * 0.75))),
        Marker::Left => polygon(&[(-1.2, 0.0), (0.9, -1.15), (0.9, 1.15)]),
        Marker::Right => polygon(&[(1.2, 0.0), (-0.9, -1.15), (-0.9, 1.15)]),
    }
}

/// White (0) to dark blue (1).
pub const BLUES: [RGBColor; 5] = [
    RGBColor(0xf7, 0xfb, 0xff),
    RGBColor(0xc6, 0xdb, 0xef),
    RGBColor(0x6b, 0xae, 0xd6),
    RGBColor(0x21, 0x71, 0xb5),
    RGBColor(0x08, 0x30, 0x6b),
];
/// Light orange (0) to dark red (1), all dark enough for lines on white.
pub const HEAT: [RGBColor; 4] = [
    RGBColor(0xf2, 0xb1, 0x34),
    RGBColor(0xe5, 0x6b, 0x1f),
    RGBColor(0xc2, 0x2a, 0x1d),
    RGBColor(0x67, 0x00, 0x0d),
];
/// What was lost.
pub const LOSS: Ink = Ink::solid(RGBColor(0xd5, 0x5e, 0x00));
/// What was won.
pub const GAIN: Ink = Ink::solid(RGBColor(0x00, 0x72, 0xb2));
/// Nothing kept (0, dark orange) over everything kept (½, white) to more than before (1, purple).
pub const LOSS_GAIN: [RGBColor; 7] = [
    RGBColor(0x7f, 0x3b, 0x08),
    RGBColor(0xd0, 0x75, 0x1a),
    RGBColor(0xfd, 0xc4, 0x7e),
    RGBColor(0xfb, 0xfb, 0xfb),
    RGBColor(0xc9, 0xc5, 0xe2),
    RGBColor(0x85, 0x79, 0xb3),
    RGBColor(0x2d, 0x00, 0x4b),
];
/// Dark to light, even in lightness (viridis).
pub const VIRIDIS: [RGBColor; 6] = [
    RGBColor(0x44, 0x01, 0x54),
    RGBColor(0x41, 0x44, 0x87),
    RGBColor(0x2a, 0x78, 0x8e),
    RGBColor(0x22, 0xa8, 0x84),
    RGBColor(0x7a, 0xd1, 0x51),
    RGBColor(0xfd, 0xe7, 0x25),
];

/// A colour on a ramp; `at` is held to 0…1.
#[must_use]
#[allow(clippy::cast_sign_loss)] // held to 0…1
pub fn ramp(colours: &[RGBColor], at: f64) -> Ink {
    let place = at.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let low = (place.floor() as usize).min(colours.len() - 2);
    let share = place - low as f64;
    let (from, to) = (colours[low], colours[low + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    Ink::solid(RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2)))
}

/// Black or white, whichever is read more easily on `paper`.
#[must_use]
pub fn readable_on(paper: Ink) -> Ink {
    let RGBColor(r, g, b) = paper.rgb;
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { TEXT.fixed() } else { WHITE.fixed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_many_methods_look_alike() {
        let styles: Vec<_> = (0..30).map(|i| style(i, "method")).collect();
        for (i, a) in styles.iter().enumerate() {
            for b in &styles[..i] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn ramps_meet_their_ends() {
        assert_eq!(ramp(&BLUES, 0.0), Ink::solid(BLUES[0]));
        assert_eq!(ramp(&BLUES, 7.0), Ink::solid(BLUES[4]));
        assert_eq!(ramp(&LOSS_GAIN, 0.5), Ink::solid(LOSS_GAIN[3]));
    }
}
