//! A chart as the report keeps it: rendered, named, grouped, and, where that is asked for, printed for papers.

use crate::charts::canvas::Canvas;
use crate::charts::drawing::Drawing;
use crate::charts::pdf::pdf;
use crate::charts::render::{png, svg};
use crate::charts::scene::Scene;
use crate::error::Error;
use crate::ranking_file::file_name;

/// A drawn chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension; letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// What kind of chart it is: the beginning of its name.
    pub chart: &'static str,
    /// One of many of its kind, which few readers will look at.
    pub further: bool,
    /// The chart's title.
    pub title: String,
    /// What it shows in words, for readers who cannot see it: the title and the line below.
    pub alternative: String,
    /// The line below the title; empty for none.
    pub line: String,
    /// How to read it.
    pub reading: &'static str,
    /// SVG document.
    pub svg: String,
    /// PNG file.
    pub png: Vec<u8>,
    /// The same for a page that draws it itself.
    pub drawing: Drawing,
    /// The same for a paper, if that was asked for.
    pub printed: Option<Printed>,
}

/// A chart at the width of one column of a paper, or of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Printed {
    /// The width.
    pub canvas: Canvas,
    /// SVG document.
    pub svg: String,
    /// PDF file.
    pub pdf: Vec<u8>,
    /// What its panels rest on.
    pub bases: Vec<String>,
}

impl Printed {
    /// Draws in one column; in both where lines are many, or texts would touch, be cut, or make the column very long.
    fn new(draw: impl Fn(Canvas) -> Result<Scene, Error>) -> Result<Self, Error> {
        let narrow = draw(Canvas::Column)?;
        let scene = if fits(&narrow) { narrow } else { draw(Canvas::Spread)? };
        Ok(Self {
            canvas: scene.canvas,
            svg: svg(&scene)?,
            pdf: pdf(&scene)?,
            bases: scene.bases,
        })
    }
}

/// Lines that can be told apart in a panel of half a column.
const MOST_SERIES: usize = 8;

fn fits(scene: &Scene) -> bool {
    let whole = scene.labels().all(|label| !label.text.ends_with('…'));
    let few = scene.meaning.series.len() <= MOST_SERIES;
    whole && few && scene.height < 2.2 * scene.canvas.width() && scene.text_faults().is_empty()
}

/// How to read a kind of chart, in a sentence.
fn reading(chart: &str) -> &'static str {
    match chart {
        "hallucination-utility" => {
            "A method is safe as far as both panels of a row stay near the dashed line of the unpruned model; where only the left one leaves it, \
             the model makes things up while its usefulness does not show it."
        }
        "regressions" => {
            "To the right, items that were well and are not: the kind says how. To the left, items that came back. A short bar on either side is \
             a small net difference; two long ones are a model that answers other items than before."
        }
        "risk-coverage" => {
            "Read from the left: of the answers that the model is surest of, how many are wrong? Where a pruned line begins high, confidence no \
             longer points out the answers that can be relied on."
        }
        "reliability-diagrams" => {
            "A bar's top is the share that is right, the shade reaches from there to the confidence that was claimed: orange is claimed too much."
        }
        "curves" => "The mean over tasks of what each keeps of the unpruned model's value; 100 % is as before.",
        "reliability-utility" => "A path below the diagonal loses reliability before it loses utility.",
        "retention" => "Row by row what a method keeps; bold numbers differ from 100 %.",
        "agreement" => "How many experts two methods agree to keep.",
        "routing" => {
            "Tokens of the calibration corpus; a model that has experts for a domain sends its corpus to other columns."
        }
        "seeds" => "Near 1: the method keeps the same experts whichever calibration samples were drawn.",
        "memory-speed" => {
            "A token is sent to as many experts as before, so speed may change little; memory falls only in a checkpoint without the experts."
        }
        "saliency" => "How a method spreads its scores over the experts of each layer.",
        _ => "",
    }
}

/// Charts that are drawn one after another.
#[derive(Default)]
pub(crate) struct Gallery {
    pub(crate) figures: Vec<Figure>,
    /// Whether they are drawn for papers too.
    pub(crate) printed: bool,
}

impl Gallery {
    /// As [`Gallery::add`], if there is a chart.
    pub(crate) fn maybe(
        &mut self,
        chart: &'static str,
        about: &str,
        draw: impl Fn(Canvas) -> Result<Option<Scene>, Error>,
    ) -> Result<(), Error> {
        let Some(scene) = draw(Canvas::Page)? else {
            return Ok(());
        };
        let there = |on| draw(on).and_then(|scene| scene.map_or_else(|| Scene::new(on, "", 0.0), Ok));
        let printed = self.printed.then(|| Printed::new(there)).transpose()?;
        self.push(chart, about, &scene, printed)
    }

    /// Draws and renders a chart under a name that no other has, also where file systems ignore case.
    pub(crate) fn add(
        &mut self,
        chart: &'static str,
        about: &str,
        draw: impl Fn(Canvas) -> Result<Scene, Error>,
    ) -> Result<(), Error> {
        self.maybe(chart, about, |on| draw(on).map(Some))
    }

    /// The last chart is one of many of its kind.
    pub(crate) fn further(&mut self) {
        if let Some(figure) = self.figures.last_mut() {
            figure.further = true;
        }
    }

    fn push(&mut self, chart: &'static str, about: &str, scene: &Scene, printed: Option<Printed>) -> Result<(), Error> {
        let plain = format!("{chart}-{}", file_name(about).replace('@', "_"));
        let taken = |name: &str| self.figures.iter().any(|f| f.name.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|i| format!("{plain}-{i}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|n| !taken(n));
        self.figures.push(Figure {
            name: name.unwrap_or(plain),
            chart,
            further: false,
            title: scene.title.clone(),
            alternative: format!("{}. {}", scene.title, scene.line).trim_end().to_owned(),
            line: scene.line.clone(),
            reading: reading(chart),
            drawing: Drawing::new(scene),
            svg: svg(scene)?,
            png: png(scene)?,
            printed,
        });
        Ok(())
    }
}
