//! Charts of the rankings: how alike masks are, and how scores and tokens spread over experts.

use std::collections::{BTreeMap, BTreeSet};

use super::figures::Drawn;
use super::gallery::Gallery;
use crate::aggregate::label;
use crate::charts::mask_agreement::{self, MethodMasks};
use crate::charts::number_grid::{self, NumberGrid};
use crate::charts::saliency_layers::{self, LayerScores};
use crate::charts::{expert_routing, percent};
use crate::error::Error;
use crate::ranking_file::RankingFile;

/// What the rankings say: how alike masks are, and how scores spread over layers.
pub(super) fn draw(gallery: &mut Gallery, from: &Drawn<'_>) -> Result<(), Error> {
    let rankings = from.rankings;
    let models: BTreeSet<&str> = rankings.iter().map(|r| r.model.as_str()).collect();
    let corpora: BTreeSet<&str> = rankings
        .iter()
        .map(|r| r.calibration.as_str())
        .filter(|corpus| !corpus.is_empty())
        .collect();
    for model in models {
        let mut methods: Methods<'_> = BTreeMap::new();
        for ranking in rankings.iter().filter(|r| r.model == model) {
            let (method, profile) = (&ranking.method, &ranking.profile);
            let name = label(method, profile, &ranking.calibration, corpora.len() > 1);
            let place = (!name.starts_with("random"), name);
            methods.entry(place).or_default().push(ranking);
        }
        agreement(gallery, from, model, &methods)?;
        // The random method has no saliency.
        let scored = methods.iter().filter(|((informed, _), _)| *informed);
        let scores: Vec<_> = scored.filter_map(|((_, n), r)| scores(n, r)).collect();
        if !scores.is_empty() {
            gallery.add("saliency", model, |on| saliency_layers::draw(on, model, &scores))?;
        }
        let routed = routed(rankings.iter().filter(|r| r.model == model));
        if !routed.is_empty() {
            gallery.add("routing", model, |on| expert_routing::draw(on, model, &routed))?;
        }
    }
    Ok(())
}

/// Rankings of a model by method, `random` first.
type Methods<'a> = BTreeMap<(bool, String), Vec<&'a RankingFile>>;

/// Methods against methods at the fraction that was asked for, then at every other one; seeds against seeds.
fn agreement(gallery: &mut Gallery, from: &Drawn<'_>, model: &str, methods: &Methods<'_>) -> Result<(), Error> {
    let evaluated = from.records.iter().filter(|r| r.cell.model == model);
    let evaluated: BTreeSet<u64> = evaluated.map(|r| r.cell.fraction_removed.to_bits()).collect();
    let evaluated: Vec<f64> = evaluated.into_iter().map(f64::from_bits).filter(|f| *f > 0.0).collect();
    if methods.len() > 1 {
        let others = evaluated.iter().copied().filter(|fraction| *fraction != from.fraction);
        for (place, fraction) in std::iter::once(from.fraction).chain(others).enumerate() {
            let masks: Vec<_> = methods.iter().map(|((_, n), r)| masks(n, r, fraction)).collect();
            let chance = by_chance(&masks, methods.values().flatten().next().copied());
            let about = if place == 0 {
                model.to_owned()
            } else {
                format!("{model}-{}", percent(fraction))
            };
            gallery.add("agreement", &about, |on| {
                mask_agreement::draw(on, model, fraction, &masks, chance)
            })?;
            if place > 0 {
                gallery.further();
            }
        }
    }
    let seeds = between_seeds(model, methods, &evaluated)?;
    let some = seeds.rows.iter().any(|(_, row)| row.iter().any(Option::is_some));
    gallery.maybe("seeds", model, |on| {
        some.then(|| number_grid::draw(on, &seeds)).transpose()
    })
}

/// How far the masks of one method from several seeds agree.
fn between_seeds(model: &str, methods: &Methods<'_>, fractions: &[f64]) -> Result<NumberGrid, Error> {
    let mut rows = Vec::new();
    for ((_, name), rankings) in methods {
        let at = |fraction: &f64| mask_agreement::between_seeds(&masks(name, rankings, *fraction));
        rows.push((name.clone(), fractions.iter().map(at).collect::<Result<_, _>>()?));
    }
    let seeds: BTreeSet<u64> = methods.values().flatten().map(|r| r.seed).collect();
    Ok(NumberGrid {
        title: format!("{model}: how far seeds keep the same experts"),
        line: format!(
            "How much a mask depends on the calibration samples that happened to be drawn. {} seeds.",
            seeds.len()
        ),
        meaning: "experts kept by both / by either, mean of pairs".to_owned(),
        axis: "experts removed from each layer, %".to_owned(),
        across: "removed, %",
        columns: fractions.iter().map(|f| percent(*f)).collect(),
        rows,
    })
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
