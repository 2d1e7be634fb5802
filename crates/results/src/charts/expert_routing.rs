//! Which experts the router sends tokens to, layer by layer, a panel per calibration corpus: the same experts in the same place, so that
//! domains can be compared.
//!
//! A colour is an expert's share of its layer's tokens, as a multiple of an even share. Experts are in the checkpoint's order. Many experts
//! or layers share a cell, which shows their mean.

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{BLUES, QUIET, TEXT, ramp};
use super::saliency_layers::{LayerScores, left_of, share, span};
use super::scene::{Anchor, Scene, fit};
use super::{legend, titled};
use crate::error::Error;

const GAP: f64 = 30.0;
const TALL: f64 = 150.0;
const MOST_LAYERS: usize = 48;
const MOST_EXPERTS: usize = 64;
/// Multiple of an even share that has the darkest colour.
const DARKEST: f64 = 4.0;

/// Draws the chart of a model. `corpora`: routed tokens of each expert, the corpus in place of the method.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, model: &str, corpora: &[LayerScores]) -> Result<Scene, Error> {
    let most = if on == Canvas::Column { 1 } else { 2 };
    let columns = corpora.len().clamp(1, most);
    let left = left_of(on);
    let rows = corpora.len().div_ceil(columns).max(1);
    let width = (on.width() - left - on.margin() - GAP * (columns as f64 - 1.0)) / columns as f64;
    let below = on.head() + rows as f64 * (TALL + 52.0) + 22.0;
    let title = format!("{model}: which experts tokens are routed to");
    let line = "Tokens of each layer by expert; dark: many of them. Columns that differ between corpora: experts of one domain.";
    let mut scene = titled(on, &title, line, below + 12.0 + legend::bar_height(on))?;
    scene.columns("layers", "expert", "tokens");
    for (i, corpus) in corpora.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let x = left + column as f64 * (width + GAP);
        let y = on.head() + 24.0 + row as f64 * (TALL + 52.0);
        let name = fit(&corpus.method, 12.0, true, width);
        scene.bold(&name, (x, y - 12.0), 12.0, Anchor::Start, TEXT);
        scene.panel(&corpus.method, "× an even share");
        panel(&mut scene, (x, y), width, corpus);
        let experts = corpus.scores.iter().map(Vec::len).max().unwrap_or(1);
        scene.text("0", (x, y + TALL + 11.0), 10.5, Anchor::Start, QUIET);
        let last = experts.saturating_sub(1).to_string();
        scene.text(&last, (x + width, y + TALL + 11.0), 10.5, Anchor::End, QUIET);
        if column == 0 {
            scene.upright("MoE layer", (x - 36.0, y + TALL / 2.0), 11.0, TEXT);
            ends(&mut scene, (x, y), &corpus.layers);
        }
    }
    let middle = (left + (on.width() - left - on.margin()) / 2.0, below - 16.0);
    scene.text("experts of a layer", middle, 11.5, Anchor::Middle, TEXT);
    let ticks = [(0.0, "0"), (0.25, "1 (even)"), (1.0, "4 and more")];
    let meaning = "share of the layer's tokens, × an even share";
    legend::colour_bar(&mut scene, meaning, &BLUES, &ticks, below + 6.0);
    Ok(scene)
}

/// Numbers of the first and the last layer.
fn ends(scene: &mut Scene, (x, y): (f64, f64), layers: &[usize]) {
    if let (Some(first), Some(last)) = (layers.first(), layers.last()) {
        scene.text(&first.to_string(), (x - 6.0, y + 6.0), 10.5, Anchor::End, QUIET);
        if last != first {
            scene.text(&last.to_string(), (x - 6.0, y + TALL - 6.0), 10.5, Anchor::End, QUIET);
        }
    }
}

fn panel(scene: &mut Scene, (x, y): (f64, f64), width: f64, corpus: &LayerScores) {
    let layers: Vec<Vec<f64>> = corpus.scores.iter().map(|tokens| multiples(tokens)).collect();
    let rows = layers.len().clamp(1, MOST_LAYERS);
    for row in 0..rows {
        let here = share(row, rows, layers.len());
        let members = &layers[here.clone()];
        let number = |place: usize| corpus.layers.get(place).copied().unwrap_or(place);
        let of_layers = format!("layer {}", span(number(here.start), number(here.end.saturating_sub(1))));
        let experts = members.iter().map(Vec::len).min().unwrap_or(0);
        let cells = experts.min(MOST_EXPERTS);
        let (top, tall) = (y + TALL * row as f64 / rows as f64, TALL / rows as f64);
        for cell in 0..cells {
            let some = share(cell, cells, experts);
            let values: Vec<f64> = members.iter().flat_map(|m| m[some.clone()].iter().copied()).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let (left, wide) = (x + width * cell as f64 / cells as f64, width / cells as f64);
            // Each reaches under the next ones: no seams.
            let to = ((left + wide + 1.0).min(x + width), y + TALL);
            scene.rect((left, top), to, ramp(&BLUES, mean / DARKEST));
            let at = (left + wide / 2.0, top + tall / 2.0);
            let name = X::Name(span(some.start, some.end.saturating_sub(1)));
            scene.datum(Datum::new(at, name, mean).sized((wide, tall)).noted(of_layers.clone()));
        }
    }
}

/// Shares of a layer's tokens, as multiples of an even share; zeros where there are no tokens.
fn multiples(tokens: &[f64]) -> Vec<f64> {
    let even = tokens.iter().sum::<f64>() / tokens.len().max(1) as f64;
    tokens
        .iter()
        .map(|count| if even > 0.0 { count / even } else { 0.0 })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_even_share_is_one() {
        assert_eq!(multiples(&[1.0, 1.0, 4.0]), [0.5, 0.5, 2.0]);
        assert_eq!(multiples(&[0.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn every_layer_and_expert_has_a_number() {
        let corpus = |name: &str| LayerScores {
            method: name.to_owned(),
            layers: vec![1, 2, 5],
            scores: vec![vec![3.0, 1.0, 0.0, 4.0]; 3],
        };
        let scene = draw(Canvas::Page, "m", &[corpus("biomedical"), corpus("general")]).unwrap();
        assert_eq!(scene.text_faults(), Vec::<String>::new());
        assert_eq!(scene.meaning.data.len(), 24);
        assert_eq!(scene.meaning.data[3].value, 2.0);
        assert_eq!(scene.meaning.data[11].note, "layer 5");
    }
}
