//! What a chart is drawn on: the report's page, or a column of a paper.
//!
//! All have one unit, the CSS pixel of the page. On paper it is ⅔ pt, so that the texts of charts, 10.5 to 12 units high, are printed at
//! 7 to 8 pt without being scaled. A paper says in the caption what the page says over the chart: there is no title.

/// Points of print per unit, on paper.
pub const POINTS: f64 = 2.0 / 3.0;

/// A canvas. Its height is the chart's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canvas {
    /// The report's page and `charts/`: 860 px, with a title.
    Page,
    /// One column of a paper: 3.3 in (84 mm).
    Column,
    /// Both columns: 6.9 in (175 mm).
    Spread,
}

impl Canvas {
    /// Width.
    #[must_use]
    pub const fn width(self) -> f64 {
        match self {
            Self::Page => 860.0,
            Self::Column => 356.0,
            Self::Spread => 745.0,
        }
    }

    /// Whether it is printed, below 8 pt and without a title.
    #[must_use]
    pub const fn paper(self) -> bool {
        !matches!(self, Self::Page)
    }

    /// Left and right edge of titles and legends.
    pub(crate) const fn margin(self) -> f64 {
        if self.paper() { 2.0 } else { 16.0 }
    }

    /// Height that the title and its line take.
    pub(crate) const fn head(self) -> f64 {
        if self.paper() { 2.0 } else { 58.0 }
    }

    /// Left edge of the first panel: numbers and the axis' title stand before it.
    pub(crate) const fn left(self) -> f64 {
        if self.paper() { 49.0 } else { 62.0 }
    }

    /// Room to the right of the last panel.
    pub(crate) const fn right(self) -> f64 {
        if self.paper() { 11.0 } else { 18.0 }
    }

    /// A length of the page, shorter where the canvas is narrower.
    pub(crate) fn scaled(self, page: f64) -> f64 {
        match self {
            Self::Page => page,
            Self::Column => (page * 0.62).round(),
            Self::Spread => (page * 0.86).round(),
        }
    }

    /// Size of the titles of panels.
    pub(crate) const fn heading(self) -> f64 {
        if self.paper() { 12.0 } else { 12.5 }
    }

    /// The long words, or the short ones in a column.
    pub(crate) const fn words<'a>(self, long: &'a str, short: &'a str) -> &'a str {
        if matches!(self, Self::Column) { short } else { long }
    }

    /// Width of each of some panels side by side, with `gap` between them.
    pub(crate) fn share(self, panels: usize, gap: f64) -> f64 {
        let panels = panels.max(1) as f64;
        (self.width() - self.left() - self.right() - gap * (panels - 1.0)) / panels
    }
}
