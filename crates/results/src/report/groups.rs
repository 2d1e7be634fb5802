//! The charts as the pages order them: by what they answer.

use serde::Serialize;

use super::gallery::Figure;

/// Anchor, heading, and the kinds of chart below it.
const GROUPS: [(&str, &str, &[&str]); 4] = [
    (
        "wrong",
        "What is made up, and what changes item by item",
        &[
            "hallucination-utility",
            "regressions",
            "risk-coverage",
            "reliability-diagrams",
        ],
    ),
    ("kept", "What is kept", &["curves", "reliability-utility", "retention"]),
    ("agreement", "How far methods agree", &["agreement", "seeds"]),
    (
        "experts",
        "Saliency and routing, layer by layer",
        &["saliency", "routing"],
    ),
];
/// The chart that stands with its table.
const COSTS: &str = "memory-speed";

/// Charts under one heading.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    anchor: &'static str,
    title: &'static str,
    figures: Vec<FigureView>,
    /// Those that most readers pass over.
    further: Vec<FigureView>,
}

/// A chart as the pages name it.
#[derive(Debug, Serialize)]
pub(super) struct FigureView {
    /// Its place among the drawings that the page holds.
    place: usize,
    name: String,
    title: String,
    line: String,
    alternative: String,
    reading: &'static str,
}

/// Groups that have a chart.
pub(super) fn groups(figures: &[Figure]) -> Vec<Group> {
    let group = |(anchor, title, charts): (&'static str, &'static str, &[&str])| {
        let of = |further: bool| {
            views(figures, |figure| {
                charts.contains(&figure.chart) && figure.further == further
            })
        };
        Group {
            anchor,
            title,
            figures: of(false),
            further: of(true),
        }
    };
    let mut groups: Vec<Group> = GROUPS.into_iter().map(group).collect();
    groups.retain(|group| !group.figures.is_empty());
    groups
}

/// The charts of memory and speed.
pub(super) fn of_costs(figures: &[Figure]) -> Vec<FigureView> {
    views(figures, |figure| figure.chart == COSTS)
}

fn views(figures: &[Figure], wanted: impl Fn(&Figure) -> bool) -> Vec<FigureView> {
    let wanted = figures.iter().enumerate().filter(|(_, figure)| wanted(figure));
    wanted.map(|(place, figure)| view(place, figure)).collect()
}

fn view(place: usize, figure: &Figure) -> FigureView {
    FigureView {
        place,
        name: figure.name.clone(),
        title: figure.title.clone(),
        line: figure.line.clone(),
        alternative: figure.alternative.clone(),
        reading: figure.reading,
    }
}
