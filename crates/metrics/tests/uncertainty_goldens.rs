//! Semantic entropy, `SelfCheck` and clusters of meaning against `benchmarks/goldens/gen_uncertainty.py`, which was written from the
//! papers' definitions.
#![allow(clippy::unwrap_used)]

use secateur_metrics::{meaning, selfcheck, semantic_entropy};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    entropies: Vec<Entropies>,
    selfchecks: Vec<SelfChecks>,
    clusterings: Vec<Clustering>,
}

#[derive(Deserialize)]
struct Entropies {
    clusters: Vec<usize>,
    log_probabilities: Vec<f64>,
    standard: f64,
    discrete: f64,
    kuhn: f64,
    predictive: f64,
}

#[derive(Deserialize)]
struct SelfChecks {
    answer: Vec<Vec<String>>,
    samples: Vec<Vec<Vec<String>>>,
    n: usize,
    k: f64,
    ngram: Ngram,
    overlap: Vec<f64>,
}

#[derive(Deserialize)]
struct Ngram {
    sentence_means: Vec<f64>,
    sentence_largest: Vec<f64>,
    mean: f64,
    largest: f64,
}

#[derive(Deserialize)]
struct Clustering {
    entails: Vec<Vec<bool>>,
    clusters: Vec<usize>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("goldens/uncertainty.json")).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

fn all_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(f, e)| close(*f, *e));
}

#[test]
fn entropies_equal_the_reference() {
    for case in golden().entropies {
        let (clusters, logs) = (&case.clusters, &case.log_probabilities);
        close(semantic_entropy::standard(clusters, logs).unwrap(), case.standard);
        close(semantic_entropy::discrete(clusters).unwrap(), case.discrete);
        close(semantic_entropy::kuhn(clusters, logs).unwrap(), case.kuhn);
        close(semantic_entropy::predictive(logs).unwrap(), case.predictive);
    }
}

#[test]
fn selfcheck_equals_the_reference() {
    for case in golden().selfchecks {
        let found = selfcheck::ngram(&case.answer, &case.samples.concat(), case.n, case.k).unwrap();
        all_close(&found.sentence_means, &case.ngram.sentence_means);
        all_close(&found.sentence_largest, &case.ngram.sentence_largest);
        close(found.mean, case.ngram.mean);
        close(found.largest, case.ngram.largest);
        all_close(&selfcheck::overlap(&case.answer, &case.samples).unwrap(), &case.overlap);
    }
}

#[test]
fn clusters_by_entailment_equal_the_reference() {
    for case in golden().clusterings {
        let texts: Vec<String> = (0..case.entails.len()).map(|i| i.to_string()).collect();
        let entails = |one: &str, two: &str| -> Result<bool, std::num::ParseIntError> {
            Ok(case.entails[one.parse::<usize>()?][two.parse::<usize>()?])
        };
        assert_eq!(meaning::cluster(&texts, entails).unwrap(), case.clusters);
    }
}
