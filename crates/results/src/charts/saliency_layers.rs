//! How saliency is spread over the experts of each layer, a panel per method.
//!
//! In every layer the scores are sorted and scaled so that the lowest is 0 and the highest 1: methods have no common unit. Many
//! experts or layers share a cell, which shows their mean.

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{QUIET, TEXT, VIRIDIS, ramp};
use super::scene::{Anchor, Scene, fit};
use super::{legend, titled};
use crate::error::Error;

const GAP: f64 = 26.0;
const TALL: f64 = 128.0;
const MOST_LAYERS: usize = 32;
const MOST_RANKS: usize = 64;
const LEVELS: f64 = 16.0;

/// The scores of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerScores {
    /// The method, as in the other charts.
    pub method: String,
    /// Index of each layer in the model.
    pub layers: Vec<usize>,
    /// Scores of each layer's experts, all finite.
    pub scores: Vec<Vec<f64>>,
}

/// Draws the chart of a model.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, model: &str, methods: &[LayerScores]) -> Result<Scene, Error> {
    let count = methods.len();
    let columns = match count {
        0..=4 => count.max(1),
        5..=6 => 3,
        // Whichever leaves fewer places empty.
        _ if count.next_multiple_of(5) < count.next_multiple_of(4) => 5,
        _ => 4,
    };
    let columns = if on == Canvas::Column { columns.min(3) } else { columns };
    let rows = methods.len().div_ceil(columns).max(1);
    let left = left_of(on);
    let width = (on.width() - left - on.margin() - GAP * (columns as f64 - 1.0)) / columns as f64;
    let below = on.head() + rows as f64 * (TALL + 52.0) + 22.0;
    let title = format!("{model}: how evenly each layer spreads saliency over its experts");
    let line = format!(
        "Wide bright areas: many experts matter alike. A thin bright edge: few carry the layer. {}",
        size(methods)
    );
    let mut scene = titled(on, &title, &line, below + 12.0 + legend::bar_height(on))?;
    scene.columns("layers", "rank", "mean scaled score");
    for (i, method) in methods.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let x = left + column as f64 * (width + GAP);
        let y = on.head() + 24.0 + row as f64 * (TALL + 52.0);
        let name = fit(&method.method, 12.0, true, width);
        scene.bold(&name, (x, y - 12.0), 12.0, Anchor::Start, TEXT);
        scene.panel(&method.method, "");
        panel(&mut scene, (x, y), width, method);
        scene.text("best", (x, y + TALL + 11.0), 10.5, Anchor::Start, QUIET);
        scene.text("last", (x + width, y + TALL + 11.0), 10.5, Anchor::End, QUIET);
        if column == 0 {
            let middle = (x - 36.0, y + TALL / 2.0);
            scene.upright("MoE layer", middle, 11.0, TEXT);
            edge_layers(&mut scene, (x, y), &method.layers);
        }
    }
    let middle = (left + (on.width() - left - on.margin()) / 2.0, below - 16.0);
    scene.text("experts of a layer, by rank", middle, 11.5, Anchor::Middle, TEXT);
    let ticks = [(0.0, "0 (lowest)"), (1.0, "1 (highest)")];
    let meaning = "score, scaled within its layer";
    legend::colour_bar(&mut scene, meaning, &VIRIDIS, &ticks, below + 6.0);
    Ok(scene)
}

/// Left edge of the panels: the layers' numbers and title stand before it.
pub(super) fn left_of(on: Canvas) -> f64 {
    if on.paper() { 44.0 } else { 52.0 }
}

/// Layers and experts of the first method.
fn size(methods: &[LayerScores]) -> String {
    let scores = methods.first().map_or(&[][..], |m| &m.scores[..]);
    let experts = scores.iter().map(Vec::len).max().unwrap_or(0);
    format!("{} layers of {experts} experts.", scores.len())
}

/// Numbers of the first and the last layer.
fn edge_layers(scene: &mut Scene, (x, y): (f64, f64), layers: &[usize]) {
    if let (Some(first), Some(last)) = (layers.first(), layers.last()) {
        let at = |y| (x - 6.0, y);
        scene.text(&first.to_string(), at(y + 6.0), 10.5, Anchor::End, QUIET);
        if last != first {
            let number = last.to_string();
            scene.text(&number, at(y + TALL - 6.0), 10.5, Anchor::End, QUIET);
        }
    }
}

fn panel(scene: &mut Scene, (x, y): (f64, f64), width: f64, method: &LayerScores) {
    let layers: Vec<Vec<f64>> = method.scores.iter().map(|s| sorted_and_scaled(s)).collect();
    let rows = layers.len().clamp(1, MOST_LAYERS);
    for row in 0..rows {
        let here = share(row, rows, layers.len());
        let numbers = &method.layers[here.start.min(method.layers.len())..here.end.min(method.layers.len())];
        let edges = (numbers.first().copied(), numbers.last().copied());
        let of_layers = format!("layer {}", span(edges.0.unwrap_or(0), edges.1.unwrap_or(0)));
        let members = &layers[here];
        let ranks = members.iter().map(Vec::len).min().unwrap_or(0);
        let cells = ranks.min(MOST_RANKS);
        let levels: Vec<f64> = (0..cells)
            .map(|cell| {
                let span = share(cell, cells, ranks);
                let values = members.iter().flat_map(|m| &m[span.clone()]);
                let (sum, count) = values.fold((0.0, 0_usize), |(s, n), v| (s + v, n + 1));
                (sum / count.max(1) as f64 * LEVELS).round() / LEVELS
            })
            .collect();
        let top = y + TALL * row as f64 / rows as f64;
        // Equal neighbours are one rectangle, and each reaches under the next ones: no seams.
        let mut start = 0;
        for cell in 1..=cells {
            if cell == cells || levels[cell] != levels[start] {
                let from = x + width * start as f64 / cells as f64;
                let ink = ramp(&VIRIDIS, levels[start]);
                let to = (x + width * cell as f64 / cells as f64 + 1.0).min(x + width);
                scene.rect((from, top), (to, y + TALL), ink);
                let shown = (x + width * cell as f64 / cells as f64 - from, TALL / rows as f64);
                let at = (from + shown.0 / 2.0, top + shown.1 / 2.0);
                let ranks = X::Name(span(
                    share(start, cells, ranks).start + 1,
                    share(cell - 1, cells, ranks).end,
                ));
                scene.datum(
                    Datum::new(at, ranks, levels[start])
                        .sized(shown)
                        .noted(of_layers.clone()),
                );
                start = cell;
            }
        }
    }
}

/// `4`, `4–7`.
pub(super) fn span(first: usize, last: usize) -> String {
    if first < last {
        format!("{first}–{last}")
    } else {
        first.to_string()
    }
}

/// The `part`-th of `parts` nearly equal pieces of `0..total`.
pub(super) fn share(part: usize, parts: usize, total: usize) -> std::ops::Range<usize> {
    part * total / parts..(part + 1) * total / parts
}

/// Best first, lowest 0 and highest 1; all 1 where all are equal.
fn sorted_and_scaled(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (Some(&high), Some(&low)) = (sorted.first(), sorted.last()) else {
        return sorted;
    };
    let scale = |v: f64| if high > low { (v - low) / (high - low) } else { 1.0 };
    sorted.into_iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_sorted_and_scaled_within_a_layer() {
        assert_eq!(sorted_and_scaled(&[-1.0, 3.0, 1.0]), [1.0, 0.5, 0.0]);
        assert_eq!(sorted_and_scaled(&[2.0, 2.0]), [1.0, 1.0]);
        assert!(sorted_and_scaled(&[]).is_empty());
    }

    #[test]
    fn shares_cover_everything_once() {
        let all: Vec<_> = (0..7).flat_map(|i| share(i, 7, 24)).collect();
        assert_eq!(all, (0..24).collect::<Vec<_>>());
    }
}
