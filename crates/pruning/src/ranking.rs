//! Experts of each layer in the order in which they stay.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use secateur_model::mask::ExpertId;
use serde::{Deserialize, Serialize};

use crate::error::PruningError;
use crate::methods::{self, Budget, LayerView, Method, Profile};
use crate::shape::LayerShape;
use crate::statistics::{Statistics, check_shapes};
use crate::statistics_file::write_atomically;

/// One layer's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRanking {
    /// Decoder layer index.
    pub layer: usize,
    /// All experts, best first.
    pub experts: Vec<ExpertId>,
    /// Score of expert `i` at place `i`, `[experts]`; empty for rankings that others made.
    pub scores: Vec<f64>,
}

/// All layers' orders. Every fraction removed is a prefix of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// Method, or the file that the ranking was read from.
    pub method: String,
    /// Which definition of the method.
    pub profile: Profile,
    /// Seed of the method and of its calibration samples; [`rank`] leaves 0 where the method has no chance, and knows nothing of samples.
    pub seed: u64,
    /// Calibration corpora; empty for methods without data.
    pub domains: Vec<String>,
    /// How a fraction becomes a count.
    pub budget: Budget,
    /// In decoder order.
    pub layers: Vec<LayerRanking>,
}

/// Ranks the experts of every layer by `method`.
///
/// `domains` are the statistics of one or several corpora of the same model. The reference profile divides each domain's scores of
/// a layer by their sum before it adds them (EASY-EP's rule), the paper profile adds them raw. Methods that need no tokens
/// look at the first domain only, or at none.
///
/// # Errors
///
/// Statistics that are missing, not finite, or of another model's layers; a domain whose scores sum to 0; an unknown profile.
pub fn rank(
    method: &dyn Method,
    profile: Profile,
    seed: u64,
    shapes: &[LayerShape],
    domains: &[&Statistics],
) -> Result<Ranking, PruningError> {
    methods::check_profile(method, profile)?;
    let domains = relevant_domains(method, profile, shapes, domains)?;
    let layers = shapes
        .iter()
        .enumerate()
        .map(|(index, &shape)| {
            let scores = layer_scores(method, profile, seed, index, shape, domains)?;
            Ok(LayerRanking {
                layer: shape.layer,
                experts: order(&scores),
                scores,
            })
        })
        .collect::<Result<_, PruningError>>()?;
    let calibrated = methods::needs_tokens(method, profile);
    Ok(Ranking {
        method: method.name().into(),
        profile,
        seed: if method.is_seeded() { seed } else { 0 },
        domains: domains
            .iter()
            .filter(|_| calibrated)
            .map(|d| d.provenance.corpus.clone())
            .collect(),
        budget: method.budget(profile),
        layers,
    })
}

/// Expert ids by score, highest first, ties to the lower id. The scores must be finite.
#[must_use]
pub fn order(scores: &[f64]) -> Vec<ExpertId> {
    let mut experts: Vec<ExpertId> = (0..scores.len()).map(ExpertId).collect();
    experts.sort_by(|a, b| scores[b.0].partial_cmp(&scores[a.0]).unwrap_or(Ordering::Equal));
    experts
}

fn relevant_domains<'a>(
    method: &dyn Method,
    profile: Profile,
    shapes: &[LayerShape],
    domains: &'a [&'a Statistics],
) -> Result<&'a [&'a Statistics], PruningError> {
    if method.needs(profile).is_empty() {
        return Ok(&[]);
    }
    let Some((first, rest)) = domains.split_first() else {
        return Err(PruningError::NoStatistics {
            method: method.name().into(),
        });
    };
    for domain in rest {
        if domain.provenance.model_hash != first.provenance.model_hash {
            return Err(PruningError::Mismatch {
                left: format!("statistics of `{}`", domain.provenance.corpus),
                right: format!("statistics of `{}`", first.provenance.corpus),
                what: "the model's content hash".into(),
                found: domain.provenance.model_hash.clone(),
                expected: first.provenance.model_hash.clone(),
            });
        }
    }
    for domain in domains {
        let left = format!("statistics of `{}`", domain.provenance.corpus);
        check_shapes(left, "the model".into(), &domain.shapes(), shapes)?;
        domain.check()?;
    }
    Ok(if methods::needs_tokens(method, profile) {
        domains
    } else {
        &domains[..1]
    })
}

fn layer_scores(
    method: &dyn Method,
    profile: Profile,
    seed: u64,
    index: usize,
    shape: LayerShape,
    domains: &[&Statistics],
) -> Result<Vec<f64>, PruningError> {
    if domains.is_empty() {
        let view = LayerView {
            shape,
            statistics: None,
            seed,
        };
        return checked(method, shape, method.score(&view, profile).0);
    }
    let mut total = vec![0.0; shape.experts];
    for domain in domains {
        let statistics = &domain.layers[index];
        let corpus = &domain.provenance.corpus;
        if let Some(missing) = method.needs(profile).iter().find(|s| statistics.get(**s).is_none()) {
            return Err(PruningError::MissingStatistic {
                method: method.name().into(),
                statistic: missing.name(),
                corpus: corpus.clone(),
                layer: shape.layer,
            });
        }
        let view = LayerView {
            shape,
            statistics: Some(statistics),
            seed,
        };
        let scores = checked(method, shape, method.score(&view, profile).0)?;
        if domains.len() == 1 {
            return Ok(scores);
        }
        let divisor = match profile {
            Profile::Paper => 1.0,
            Profile::Reference => share_divisor(method, shape, corpus, &scores)?,
        };
        for (sum, score) in total.iter_mut().zip(&scores) {
            *sum += score / divisor;
        }
    }
    checked(method, shape, total)
}

fn share_divisor(method: &dyn Method, shape: LayerShape, corpus: &str, scores: &[f64]) -> Result<f64, PruningError> {
    let sum: f64 = scores.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        return Ok(sum);
    }
    Err(PruningError::UnmixableDomain {
        corpus: corpus.into(),
        method: method.name().into(),
        layer: shape.layer,
        sum,
    })
}

fn checked(method: &dyn Method, shape: LayerShape, scores: Vec<f64>) -> Result<Vec<f64>, PruningError> {
    if scores.len() != shape.experts {
        return Err(PruningError::ScoreCount {
            method: method.name().into(),
            layer: shape.layer,
            found: scores.len(),
            expected: shape.experts,
        });
    }
    match scores.iter().enumerate().find(|(_, s)| !s.is_finite()) {
        None => Ok(scores),
        Some((expert, &value)) => Err(PruningError::NotFinite {
            layer: shape.layer,
            expert,
            quantity: method.name().into(),
            value,
        }),
    }
}

impl Ranking {
    /// Writes the ranking with its scores as JSON, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`PruningError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), PruningError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| bad(path, e.to_string()))?;
        write_atomically(path, text.as_bytes())
    }

    /// Reads what [`Ranking::save`] wrote. [`crate::plan::Plan::new`] checks it against the model.
    ///
    /// # Errors
    ///
    /// [`PruningError::Io`] or [`PruningError::BadMaskFile`].
    pub fn load(path: &Path) -> Result<Self, PruningError> {
        let text = fs::read(path).map_err(|source| PruningError::Io {
            action: "read",
            file: path.into(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|e| bad(path, format!("is not a ranking of this program ({e})")))
    }
}

fn bad(path: &Path, reason: String) -> PruningError {
    PruningError::BadMaskFile {
        file: path.into(),
        reason,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::statistics::Statistic;
    use crate::statistics::tests::sample;

    fn with(corpus: &str, statistic: Statistic, first_layer: [f64; 4]) -> Statistics {
        let mut statistics = sample();
        statistics.provenance.corpus = corpus.into();
        statistics.layers[0].values.insert(statistic, first_layer.to_vec());
        statistics
    }

    fn ids(ranking: &LayerRanking) -> Vec<usize> {
        ranking.experts.iter().map(|e| e.0).collect()
    }

    fn rank_first(name: &str, profile: Profile, domains: &[&Statistics]) -> LayerRanking {
        let shapes = sample().shapes();
        let method = methods::find(name).unwrap();
        rank(method, profile, 0, &shapes, domains).unwrap().layers[0].clone()
    }

    #[test]
    fn ties_go_to_the_lower_expert() {
        assert_eq!(order(&[1.0, 3.0, 1.0, 3.0, 0.0]), [1, 3, 0, 2, 4].map(ExpertId));
        assert_eq!(order(&[0.0, -0.0]), [0, 1].map(ExpertId));
    }

    #[test]
    fn domains_are_mixed_by_share_or_raw() {
        // Medicine has ten times the text: raw, it decides alone.
        let medicine = with("medicine", Statistic::Gate, [40.0, 30.0, 20.0, 10.0]);
        let general = with("general", Statistic::Gate, [1.0, 1.0, 3.0, 5.0]);
        let shares = rank_first("gating", Profile::Reference, &[&medicine, &general]);
        assert_eq!(ids(&shares), [3, 0, 2, 1]);
        for (found, expected) in shares.scores.iter().zip([0.5, 0.4, 0.5, 0.6]) {
            assert!((found - expected).abs() < 1e-15);
        }
        let raw = rank_first("gating", Profile::Paper, &[&medicine, &general]);
        assert_eq!(
            (ids(&raw), raw.scores),
            (vec![0, 1, 2, 3], vec![41.0, 31.0, 23.0, 15.0])
        );
        // One domain is not divided.
        assert_eq!(
            rank_first("gating", Profile::Reference, &[&general]).scores,
            [1.0, 1.0, 3.0, 5.0]
        );
    }

    #[test]
    fn weights_are_not_counted_once_per_domain() {
        let one = rank_first("aimer", Profile::Reference, &[&sample()]);
        let two = rank_first("aimer", Profile::Reference, &[&sample(), &sample()]);
        assert_eq!(one, two);
        let shapes = sample().shapes();
        let random = methods::find("random").unwrap();
        let ranking = rank(random, Profile::Reference, 9, &shapes, &[]).unwrap();
        assert_eq!((ranking.seed, ranking.domains.len()), (9, 0));
    }

    #[test]
    fn what_cannot_be_ranked_is_told() {
        let shapes = sample().shapes();
        let told = |name: &str, profile, domains: &[&Statistics]| {
            let method = methods::find(name).unwrap();
            rank(method, profile, 0, &shapes, domains).unwrap_err().to_string()
        };
        assert!(told("reap", Profile::Reference, &[]).contains("none were given"));
        assert!(told("msan", Profile::Paper, &[&sample()]).contains("no `paper` profile"));
        let nan = with("medicine", Statistic::Gate, [1.0, f64::NAN, 1.0, 1.0]);
        assert!(told("gating", Profile::Reference, &[&nan]).contains("layer 1, expert 1"));
        let zero = with("medicine", Statistic::SquaredWeight, [0.0; 4]);
        assert!(told("aimer", Profile::Reference, &[&zero]).contains("layer 1, expert 0: `aimer` is"));
        let silent = with("silence", Statistic::ResidualChangeOutputNorm, [0.0; 4]);
        let message = told("easy-ep", Profile::Reference, &[&sample(), &silent]);
        assert!(
            message.contains("`silence`") && message.contains("sum to 0"),
            "{message}"
        );
        let mut lacking = sample();
        lacking.layers[1].values.remove(&Statistic::RoutedTokens);
        let message = told("reap", Profile::Reference, &[&lacking]);
        assert!(
            message.contains("`routed_tokens`") && message.contains("layer 3"),
            "{message}"
        );
        let mut other = sample();
        other.provenance.model_hash = "other".into();
        assert!(
            told("reap", Profile::Reference, &[&sample(), &other]).contains("found")
                || told("reap", Profile::Reference, &[&sample(), &other]).contains("other")
        );
        let mut short = sample();
        short.layers.pop();
        assert!(told("reap", Profile::Reference, &[&short]).contains("number of expert layers is 1"));
    }

    #[test]
    fn a_ranking_is_saved_and_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranking.json");
        let shapes = sample().shapes();
        let method = methods::find("reap").unwrap();
        let ranking = rank(method, Profile::Paper, 4, &shapes, &[&sample()]).unwrap();
        assert_eq!((ranking.seed, ranking.domains.len()), (0, 1));
        ranking.save(&path).unwrap();
        assert_eq!(Ranking::load(&path).unwrap(), ranking);
        fs::write(&path, "{}").unwrap();
        assert!(
            Ranking::load(&path)
                .unwrap_err()
                .to_string()
                .contains("is not a ranking")
        );
    }
}
