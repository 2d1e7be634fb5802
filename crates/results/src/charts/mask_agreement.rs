//! How far methods keep the same experts.
//!
//! Jaccard index of two kept sets, `|A ∩ B| / |A ∪ B|`, averaged over layers and over the seeds that both methods have.

use std::collections::BTreeMap;

use secateur_metrics::mask_agreement;

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{BLUES, TEXT, ramp, readable_on};
use super::scene::{Anchor, Scene, fit, text_width};
use super::{legend, percent, titled};
use crate::error::Error;

const NAMES: f64 = 11.5;

/// Kept experts of a method: by seed, then by layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MethodMasks {
    /// The method, as in the other charts.
    pub method: String,
    /// Kept expert ids of each layer, best first, by seed.
    pub seeds: BTreeMap<u64, Vec<Vec<usize>>>,
}

/// Mean Jaccard index of two methods over the seeds that both have; `None` if there is no such seed.
///
/// # Errors
/// [`Error::Masks`] if the masks have different numbers of layers, or a layer keeps nothing or an expert twice.
pub fn agreement(a: &MethodMasks, b: &MethodMasks) -> Result<Option<f64>, Error> {
    let mut sum = 0.0;
    let mut count = 0_usize;
    for (seed, layers) in &a.seeds {
        let Some(others) = b.seeds.get(seed) else {
            continue;
        };
        let found = mask_agreement::agreement(layers, others).map_err(|source| Error::Masks {
            what: format!("{} and {}, seed {seed}", a.method, b.method),
            source,
        })?;
        sum += found.jaccard_mean;
        count += 1;
    }
    Ok((count > 0).then(|| sum / count as f64))
}

/// Mean Jaccard index of every two seeds of a method; `None` if it has one seed alone.
///
/// # Errors
/// As [`agreement`].
pub fn between_seeds(masks: &MethodMasks) -> Result<Option<f64>, Error> {
    let alone = |layers: &Vec<Vec<usize>>| MethodMasks {
        method: masks.method.clone(),
        seeds: BTreeMap::from([(0, layers.clone())]),
    };
    let seeds: Vec<MethodMasks> = masks.seeds.values().map(alone).collect();
    let mut found = Vec::new();
    for (place, a) in seeds.iter().enumerate() {
        for b in &seeds[..place] {
            found.extend(agreement(a, b)?);
        }
    }
    Ok((!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64))
}

/// Draws the chart of a model with `fraction` removed. `by_chance`: agreement expected of two random sets of that size.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, model: &str, fraction: f64, masks: &[MethodMasks], by_chance: f64) -> Result<Scene, Error> {
    let names = masks
        .iter()
        .map(|m| text_width(&m.method, NAMES, false))
        .fold(40.0, f64::max)
        .min(on.scaled(190.0));
    let left = on.margin() + names + 10.0;
    let count = masks.len().max(2) as f64 - 1.0;
    let beside = if on.paper() { 8.0 } else { 60.0 };
    let cell = ((on.width() - left - on.margin() - beside) / count).min(96.0);
    let tall = if masks.len() > 8 { 27.0 } else { 32.0 };
    let top = on.head() + 6.0;
    let bottom = top + count * tall;
    let foot = bottom + 6.0 + if slanted(masks, cell) { names + 10.0 } else { 18.0 };
    let height = foot + 18.0 + legend::bar_height(on);
    let title = format!(
        "{model}, {} % removed: how far methods keep the same experts",
        percent(fraction)
    );
    let mut scene = titled(on, &title, &finding(masks, by_chance)?, height)?;
    scene.columns("method", "and", "Jaccard index");
    scene.panel("experts kept", "");
    for (row, method) in masks.iter().enumerate().skip(1) {
        let y = top + (row as f64 - 0.5) * tall;
        let name = fit(&method.method, NAMES, false, names);
        scene.text(&name, (left - 8.0, y), NAMES, Anchor::End, TEXT);
        for (column, other) in masks[..row].iter().enumerate() {
            let from = (left + column as f64 * cell, y - tall / 2.0);
            let found = agreement(method, other)?;
            scene.series(&method.method, |scene| {
                draw_cell(scene, from, (cell, tall), (found, &other.method));
            });
        }
    }
    for (column, method) in masks[..masks.len().saturating_sub(1)].iter().enumerate() {
        let x = left + (column as f64 + 0.5) * cell;
        let name = fit(&method.method, NAMES, false, names);
        if slanted(masks, cell) {
            let half = text_width(&name, NAMES, false) / 2.0;
            scene.upright(&name, (x, bottom + 8.0 + half), NAMES, TEXT);
        } else {
            scene.text(&name, (x, bottom + 13.0), NAMES, Anchor::Middle, TEXT);
        }
    }
    let long = "experts kept by both / by either, mean over layers and seeds";
    let meaning = on.words(long, "experts kept by both / by either, mean");
    let ticks = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")];
    legend::colour_bar(&mut scene, meaning, &BLUES, &ticks, foot + 12.0);
    Ok(scene)
}

/// Whether names under the columns must stand upright.
fn slanted(masks: &[MethodMasks], cell: f64) -> bool {
    masks.iter().any(|m| text_width(&m.method, NAMES, false) > cell - 8.0)
}

fn draw_cell(scene: &mut Scene, (x, y): (f64, f64), (width, tall): (f64, f64), (value, other): (Option<f64>, &str)) {
    let to = (x + width - 1.0, y + tall - 1.0);
    let paper = value.map_or(super::palette::EMPTY, |v| ramp(&BLUES, v));
    scene.rect((x, y), to, paper);
    let number = value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}"));
    let middle = (x + width / 2.0 - 0.5, y + tall / 2.0 - 0.5);
    if let Some(value) = value {
        let datum = Datum::new(middle, X::Name(other.to_owned()), value);
        scene.datum(datum.sized((width, tall)));
    }
    let ink = if value.is_some() { readable_on(paper) } else { TEXT };
    scene.text(&number, middle, 11.0, Anchor::Middle, ink);
}

fn finding(masks: &[MethodMasks], by_chance: f64) -> Result<String, Error> {
    let mut pairs = Vec::new();
    for (i, a) in masks.iter().enumerate() {
        for b in &masks[..i] {
            if let Some(value) = agreement(a, b)? {
                pairs.push((value, format!("{} and {}", b.method, a.method)));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    Ok(match (pairs.first(), pairs.last()) {
        (Some(least), Some(most)) => format!(
            "Most alike: {} ({:.2}); least: {} ({:.2}). By chance: {by_chance:.2}.",
            most.1, most.0, least.1, least.0
        ),
        _ => "No two methods have a mask of the same seed.".to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn masks(method: &str, layers: &[&[usize]]) -> MethodMasks {
        let layers = layers.iter().map(|l| l.to_vec()).collect();
        MethodMasks {
            method: method.to_owned(),
            seeds: BTreeMap::from([(0, layers)]),
        }
    }

    #[test]
    fn agreement_is_the_mean_jaccard_index_over_layers() {
        let a = masks("a", &[&[0, 1], &[0, 1]]);
        let b = masks("b", &[&[0, 1], &[1, 2]]);
        assert!((agreement(&a, &b).unwrap().unwrap() - f64::midpoint(1.0, 1.0 / 3.0)).abs() < 1e-12);
        assert_eq!(agreement(&a, &a).unwrap(), Some(1.0));
    }

    #[test]
    fn seeds_of_a_method_are_compared_in_pairs() {
        let mut a = masks("a", &[&[0, 1]]);
        assert_eq!(between_seeds(&a).unwrap(), None);
        a.seeds.insert(1, vec![vec![0, 1]]);
        a.seeds.insert(2, vec![vec![1, 2]]);
        let expected = (1.0 + 1.0 / 3.0 + 1.0 / 3.0) / 3.0;
        assert!((between_seeds(&a).unwrap().unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn methods_without_a_common_seed_have_no_agreement() {
        let a = masks("a", &[&[0]]);
        let mut b = masks("b", &[&[0]]);
        b.seeds = BTreeMap::from([(1, b.seeds[&0].clone())]);
        assert_eq!(agreement(&a, &b).unwrap(), None);
        b.seeds = BTreeMap::from([(0, vec![vec![0], vec![1]])]);
        assert!(agreement(&a, &b).unwrap_err().to_string().contains("a and b, seed 0"));
    }
}
