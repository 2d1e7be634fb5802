//! Which charts a report has, and their file names.

use std::collections::{BTreeMap, BTreeSet};

use crate::aggregate::{Aggregate, label};
use crate::changes::{Change, DiagramsOf};
use crate::charts::drawing::Drawing;
use crate::charts::mask_agreement::{self, MethodMasks};
use crate::charts::render::{png, svg};
use crate::charts::saliency_layers::{self, LayerScores};
use crate::charts::scene::Scene;
use crate::charts::{
    expert_routing, fraction_curves, hallucination_utility, regression_bars, reliability_diagrams, reliability_utility,
    retention_heatmap, risk_coverage,
};
use crate::error::Error;
use crate::ranking_file::{RankingFile, file_name};
use crate::shown::Shown;

/// A drawn chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension; letters, digits, `.`, `_`, `-`.
    pub name: String,
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
}

/// What charts are drawn from.
pub(super) struct Drawn<'a> {
    pub(super) all: &'a Aggregate,
    pub(super) rankings: &'a [RankingFile],
    /// Fraction removed at which kept sets are compared.
    pub(super) fraction: f64,
    /// Reliability metrics that the safe fraction was asked to respect.
    pub(super) chosen: &'a [String],
    pub(super) shown: &'a [Shown],
    pub(super) changes: &'a [Change],
    pub(super) diagrams: &'a [DiagramsOf<'a>],
}

/// All charts for which there is data: per model and domain or kind of task, then per model.
pub(super) fn draw(from: &Drawn<'_>) -> Result<Vec<Figure>, Error> {
    let mut gallery = Gallery::default();
    let all = from.all;
    for model in all.models() {
        reliability(&mut gallery, from, &model)?;
        for kind in kinds(all, &model) {
            let about = format!("{model}-{kind}");
            gallery.add("curves", &about, &fraction_curves::draw(all, &model, &kind)?)?;
            let scene = reliability_utility::draw(all, &model, &kind)?;
            gallery.add("reliability-utility", &about, &scene)?;
            gallery.add("retention", &about, &retention_heatmap::draw(all, &model, &kind)?)?;
        }
    }
    masks_and_scores(&mut gallery, from.rankings, from.fraction)?;
    Ok(gallery.figures)
}

/// What is made up, domain by domain, and what the method that stands for the model does to confidence and to single items.
fn reliability(gallery: &mut Gallery, from: &Drawn<'_>, model: &str) -> Result<(), Error> {
    let here = from.all.metrics.iter().filter(|c| c.model == model);
    let domains: BTreeSet<&str> = here.map(|c| c.quadrant.domain.as_str()).collect();
    for domain in &domains {
        let scene = hallucination_utility::draw(from.all, model, domain, from.chosen)?;
        gallery.maybe("hallucination-utility", &format!("{model}-{domain}"), scene)?;
    }
    let Some(shown) = from.shown.iter().find(|shown| shown.model == model) else {
        return Ok(());
    };
    for domain in domains {
        let scene = regression_bars::draw(from.changes, domain, shown)?;
        gallery.maybe("regressions", &format!("{model}-{domain}"), scene)?;
    }
    gallery.maybe("risk-coverage", model, risk_coverage::draw(from.diagrams, shown)?)?;
    gallery.maybe(
        "reliability-diagrams",
        model,
        reliability_diagrams::draw(from.diagrams, shown)?,
    )
}

/// What the rankings say: how alike masks are, and how scores spread over layers.
fn masks_and_scores(gallery: &mut Gallery, rankings: &[RankingFile], fraction: f64) -> Result<(), Error> {
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
        let routed = routed(rankings.iter().filter(|r| r.model == model));
        if !routed.is_empty() {
            gallery.add("routing", model, &expert_routing::draw(model, &routed)?)?;
        }
    }
    Ok(())
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

/// Routed tokens, which are the scores of `frequency`: of each corpus, those of the smallest seed.
fn routed<'a>(rankings: impl Iterator<Item = &'a RankingFile>) -> Vec<LayerScores> {
    let mut corpora: BTreeMap<&str, &RankingFile> = BTreeMap::new();
    for ranking in rankings.filter(|r| r.method == "frequency") {
        let known = corpora.entry(&ranking.calibration).or_insert(ranking);
        if ranking.seed < known.seed {
            *known = ranking;
        }
    }
    corpora
        .into_iter()
        .filter_map(|(corpus, ranking)| scores(corpus, &[ranking]))
        .collect()
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
        "saliency" => "How a method spreads its scores over the experts of each layer.",
        _ => "",
    }
}

/// Charts that are drawn one after another.
#[derive(Default)]
pub(crate) struct Gallery {
    pub(crate) figures: Vec<Figure>,
}

impl Gallery {
    /// As [`Gallery::add`], if there is a chart.
    fn maybe(&mut self, chart: &str, about: &str, scene: Option<Scene>) -> Result<(), Error> {
        scene.map_or(Ok(()), |scene| self.add(chart, about, &scene))
    }

    /// Renders a chart under a name that no other has, also where file systems ignore case.
    pub(crate) fn add(&mut self, chart: &str, about: &str, scene: &Scene) -> Result<(), Error> {
        let plain = format!("{chart}-{}", file_name(about).replace('@', "_"));
        let taken = |name: &str| self.figures.iter().any(|f| f.name.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|i| format!("{plain}-{i}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|n| !taken(n));
        self.figures.push(Figure {
            name: name.unwrap_or(plain),
            title: scene.title.clone(),
            alternative: format!("{}. {}", scene.title, scene.line).trim_end().to_owned(),
            line: scene.line.clone(),
            reading: reading(chart),
            drawing: Drawing::new(scene),
            svg: svg(scene)?,
            png: png(scene)?,
        });
        Ok(())
    }
}
