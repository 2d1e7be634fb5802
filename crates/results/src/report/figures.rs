//! Which charts a report has, and their file names.

use std::collections::{BTreeMap, BTreeSet};

use crate::aggregate::{Aggregate, label};
use crate::charts::mask_agreement::{self, MethodMasks};
use crate::charts::render::{png, svg};
use crate::charts::saliency_layers::{self, LayerScores};
use crate::charts::scene::Scene;
use crate::charts::{fraction_curves, reliability_utility, retention_heatmap};
use crate::error::Error;
use crate::ranking_file::{RankingFile, file_name};

/// A drawn chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension; letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// The chart's title.
    pub title: String,
    /// SVG document.
    pub svg: String,
    /// PNG file.
    pub png: Vec<u8>,
}

/// All charts for which there is data: per model and kind of task, then per model.
pub(super) fn draw(all: &Aggregate, rankings: &[RankingFile], fraction: f64) -> Result<Vec<Figure>, Error> {
    let mut gallery = Gallery::default();
    for model in all.models() {
        for kind in kinds(all, &model) {
            let about = format!("{model}-{kind}");
            gallery.add("curves", &about, &fraction_curves::draw(all, &model, &kind)?)?;
            let scene = reliability_utility::draw(all, &model, &kind)?;
            gallery.add("reliability-utility", &about, &scene)?;
            gallery.add("retention", &about, &retention_heatmap::draw(all, &model, &kind)?)?;
        }
    }
    let models: BTreeSet<&str> = rankings.iter().map(|r| r.model.as_str()).collect();
    let corpora: BTreeSet<&str> = rankings
        .iter()
        .map(|r| r.calibration.as_str())
        .filter(|corpus| !corpus.is_empty())
        .collect();
    for model in models {
        let mut methods: BTreeMap<(bool, String), Vec<&RankingFile>> = BTreeMap::new();
        for ranking in rankings.iter().filter(|r| r.model == model) {
            let (method, profile) = (&ranking.method, &ranking.profile);
            let name = label(method, profile, &ranking.calibration, corpora.len() > 1);
            let place = (!name.starts_with("random"), name);
            methods.entry(place).or_default().push(ranking);
        }
        if methods.len() > 1 {
            let masks: Vec<_> = methods.iter().map(|((_, n), r)| masks(n, r, fraction)).collect();
            let chance = by_chance(&masks, rankings.iter().find(|r| r.model == model));
            let scene = mask_agreement::draw(model, fraction, &masks, chance)?;
            gallery.add("agreement", model, &scene)?;
        }
        // The random method has no saliency.
        let scored = methods.iter().filter(|((informed, _), _)| *informed);
        let scores: Vec<_> = scored.filter_map(|((_, n), r)| scores(n, r)).collect();
        if !scores.is_empty() {
            gallery.add("saliency", model, &saliency_layers::draw(model, &scores)?)?;
        }
    }
    Ok(gallery.figures)
}

fn kinds(all: &Aggregate, model: &str) -> BTreeSet<String> {
    let here = all.curves.iter().filter(|c| c.model == model);
    here.map(|c| c.quadrant.kind.clone()).collect()
}

fn masks(method: &str, rankings: &[&RankingFile], fraction: f64) -> MethodMasks {
    MethodMasks {
        method: method.to_owned(),
        seeds: rankings.iter().map(|r| (r.seed, r.kept(fraction))).collect(),
    }
}

/// The scores of the smallest seed.
fn scores(method: &str, rankings: &[&RankingFile]) -> Option<LayerScores> {
    let ranking = rankings.iter().min_by_key(|r| r.seed)?;
    Some(LayerScores {
        method: method.to_owned(),
        layers: ranking.layers.iter().map(|l| l.layer).collect(),
        scores: ranking.layers.iter().map(|l| l.scores.clone()).collect(),
    })
}

/// Jaccard index expected of two random sets of `k` of `E`, mean over layers: about `k / (2E − k)`.
fn by_chance(masks: &[MethodMasks], ranking: Option<&RankingFile>) -> f64 {
    let kept = masks.first().and_then(|m| m.seeds.values().next());
    let (Some(kept), Some(ranking)) = (kept, ranking) else {
        return 0.0;
    };
    let pairs = kept.iter().zip(&ranking.layers);
    let sum: f64 = pairs
        .map(|(k, layer)| k.len() as f64 / (2 * layer.experts.len() - k.len()) as f64)
        .sum();
    sum / kept.len().max(1) as f64
}

/// Charts that are drawn one after another.
#[derive(Default)]
pub(crate) struct Gallery {
    pub(crate) figures: Vec<Figure>,
}

impl Gallery {
    /// Renders a chart under a name that no other has, also where file systems ignore case.
    pub(crate) fn add(&mut self, chart: &str, about: &str, scene: &Scene) -> Result<(), Error> {
        let plain = format!("{chart}-{}", file_name(about).replace('@', "_"));
        let taken = |name: &str| self.figures.iter().any(|f| f.name.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|i| format!("{plain}-{i}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|n| !taken(n));
        self.figures.push(Figure {
            name: name.unwrap_or(plain),
            title: scene.title.clone(),
            svg: svg(scene)?,
            png: png(scene)?,
        });
        Ok(())
    }
}
