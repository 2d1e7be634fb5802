//! A frame with axes into which data is drawn.

use super::canvas::Canvas;
use super::palette::{AXIS, GRID, QUIET, TEXT};
use super::scene::{Anchor, Scene, text_width};

const NUMBERS: f64 = 10.5;

/// An axis: its range and where its numbers stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Value at the left or lower end.
    pub from: f64,
    /// Value at the other end.
    pub to: f64,
    /// Positions and their numbers.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis in per cent over a range of shares, a little wider than the range, with round ticks inside.
    #[must_use]
    #[allow(clippy::cast_sign_loss)] // tick counts are positive
    pub fn percent(from: f64, to: f64) -> Self {
        let air = ((to - from) * 0.04).max(0.01);
        // What is kept is rarely below nothing: no room is given away there.
        let from = if from >= 0.0 { (from - air).max(0.0) } else { from - air };
        let to = to + air;
        let step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0]
            .into_iter()
            .find(|step| (to - from) / step <= 7.0)
            .unwrap_or(10.0);
        // A hair of tolerance, so that 0.7 / 0.1 is 7.
        let first = (from / step - 1e-9).ceil();
        let last = (to / step + 1e-9).floor();
        let count = (last - first).max(0.0) as usize;
        let ticks = (0..=count)
            .map(|i| (first + i as f64) * step)
            .map(|at| (at, super::percent(at)))
            .collect();
        Self { from, to, ticks }
    }

    /// An axis of plain numbers, a little wider than the range, with round ticks inside.
    #[must_use]
    #[allow(clippy::cast_sign_loss)] // tick counts are positive
    pub fn number(from: f64, to: f64) -> Self {
        let air = ((to - from) * 0.04).max(1e-6 * from.abs().max(to.abs())).max(1e-9);
        let (from, to) = (if from >= 0.0 { (from - air).max(0.0) } else { from - air }, to + air);
        let power = 10.0_f64.powf(((to - from) / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = step
            .into_iter()
            .find(|step| (to - from) / step <= 6.0)
            .unwrap_or(10.0 * power);
        let first = (from / step - 1e-9).ceil();
        let last = (to / step + 1e-9).floor();
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let ticks = (0..=(last - first).max(0.0) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|at| (at, format!("{:.decimals$}", at + 0.0)))
            .collect();
        Self { from, to, ticks }
    }

    /// An axis in per cent with a tick at each of the given shares, from 0 to a little past the last.
    #[must_use]
    pub fn at_shares(shares: &[f64]) -> Self {
        let last = shares.iter().copied().fold(0.0, f64::max);
        let last = if last > 0.0 { last } else { 1.0 };
        Self {
            from: -0.02 * last,
            to: last * 1.02,
            ticks: shares.iter().map(|s| (*s, super::percent(*s))).collect(),
        }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }
}

/// Where a panel lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Left edge of the data area.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A frame and its axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Where.
    pub frame: Frame,
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
}

impl Panel {
    /// Draws grid, axes and numbers. A number that would touch its neighbour is left out.
    pub fn draw(&self, scene: &mut Scene) {
        let Frame {
            left,
            top,
            width,
            height,
        } = self.frame;
        for (value, number) in &self.y.ticks {
            let (_, y) = self.at(0.0, *value);
            scene.line(vec![(left, y), (left + width, y)], 1.0, GRID);
            scene.text(number, (left - 7.0, y), NUMBERS, Anchor::End, QUIET);
        }
        let mut free = f64::NEG_INFINITY;
        for (value, number) in &self.x.ticks {
            let (x, _) = self.at(*value, 0.0);
            let bottom = top + height;
            scene.line(vec![(x, bottom), (x, bottom + 4.0)], 1.0, AXIS);
            let half = text_width(number, NUMBERS, false) / 2.0;
            if x - half > free {
                scene.text(number, (x, bottom + 13.0), NUMBERS, Anchor::Middle, QUIET);
                free = x + half + 5.0;
            }
        }
        let corner = (left, top + height);
        scene.line(vec![(left, top), corner, (left + width, corner.1)], 1.0, AXIS);
    }

    /// Writes a title over the panel and a small line under the title.
    pub fn title(&self, scene: &mut Scene, title: &str, line: &str) {
        let Frame { left, top, width, .. } = self.frame;
        scene.bases.push(format!("{title}: {line}"));
        let size = scene.canvas.heading();
        let title = super::scene::fit(title, size, true, width);
        scene.bold(&title, (left, top - 28.0), size, Anchor::Start, TEXT);
        // A column has no room for the tasks; the caption has them.
        let short = line.split(": ").next().unwrap_or(line);
        let wide = text_width(line, 10.5, false) > width;
        let line = if scene.canvas == Canvas::Column && wide {
            short
        } else {
            line
        };
        let line = super::scene::fit(line, 10.5, false, width);
        scene.text(&line, (left, top - 12.0), 10.5, Anchor::Start, QUIET);
    }

    /// Writes the title of the horizontal axis.
    pub fn x_title(&self, scene: &mut Scene, title: &str) {
        let at = (
            self.frame.left + self.frame.width / 2.0,
            self.frame.top + self.frame.height + 30.0,
        );
        scene.text(title, at, 11.5, Anchor::Middle, TEXT);
    }

    /// Writes the title of the vertical axis.
    pub fn y_title(&self, scene: &mut Scene, title: &str) {
        let before = if scene.canvas.paper() { 39.0 } else { 42.0 };
        let at = (self.frame.left - before, self.frame.top + self.frame.height / 2.0);
        scene.upright(title, at, 11.5, TEXT);
    }

    /// The place of a value, held inside the frame.
    #[must_use]
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.x.place(x).clamp(0.0, 1.0);
        let up = self.y.place(y).clamp(0.0, 1.0);
        (
            self.frame.left + across * self.frame.width,
            self.frame.top + (1.0 - up) * self.frame.height,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_axes_have_round_ticks_around_the_data() {
        let axis = Axis::percent(0.43, 1.0);
        assert!(axis.from < 0.43 && axis.to > 1.0);
        let numbers: Vec<_> = axis.ticks.iter().map(|(_, n)| n.as_str()).collect();
        assert_eq!(numbers, ["50", "60", "70", "80", "90", "100"]);
        assert_eq!(Axis::percent(0.0, 1.0).from, 0.0);
        let flat = Axis::percent(1.0, 1.0);
        assert!(flat.from < 1.0 && flat.to > 1.0);
    }

    #[test]
    fn axes_of_numbers_have_round_ticks_too() {
        let numbers = |from, to| {
            Axis::number(from, to)
                .ticks
                .into_iter()
                .map(|(_, n)| n)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(0.31, 1.08), ["0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(numbers(-2.0, 11.0), ["0", "5", "10"]);
        assert!(!numbers(1.0, 1.0).is_empty() && numbers(0.0, 0.0).len() > 1);
    }

    #[test]
    fn values_land_in_the_frame_upside_up() {
        let frame = Frame {
            left: 10.0,
            top: 20.0,
            width: 100.0,
            height: 50.0,
        };
        let axis = |to| Axis {
            from: 0.0,
            to,
            ticks: Vec::new(),
        };
        let panel = Panel {
            frame,
            x: axis(1.0),
            y: axis(2.0),
        };
        assert_eq!(panel.at(0.5, 2.0), (60.0, 20.0));
        assert_eq!(panel.at(3.0, -1.0), (110.0, 70.0));
    }
}
