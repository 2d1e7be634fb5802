//! Laws that every method keeps, and three experts by hand.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::statistics::Statistics;
use crate::statistics::tests::sample;

fn every_profile() -> impl Iterator<Item = (&'static dyn Method, Profile)> {
    METHODS.iter().flat_map(|&m| m.profiles().iter().map(move |&p| (m, p)))
}

fn scores(method: &dyn Method, profile: Profile, layer: &LayerStatistics) -> Vec<f64> {
    let view = LayerView {
        shape: layer.shape,
        statistics: Some(layer),
        seed: 3,
    };
    method.score(&view, profile).0
}

/// Only what the method says it needs.
fn reduced(layer: &LayerStatistics, needs: &[Statistic]) -> LayerStatistics {
    let mut layer = layer.clone();
    layer.values.retain(|s, _| needs.contains(s));
    layer
}

#[test]
fn names_are_unique_and_found() {
    let names: BTreeSet<_> = METHODS.iter().map(|m| m.name()).collect();
    assert_eq!(names.len(), METHODS.len());
    for method in METHODS {
        assert_eq!(find(method.name()).unwrap().name(), method.name());
        assert_eq!(method.profiles()[0], Profile::Reference);
        assert!(!method.source().is_empty() && !method.equation(Profile::Reference).is_empty());
    }
    let message = find("reep").err().unwrap().to_string();
    assert!(
        message.contains("`reep`") && message.contains("routing-score"),
        "{message}"
    );
    let message = check_profile(find("msan").unwrap(), Profile::Paper)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("it has: reference") && "papre".parse::<Profile>().is_err(),
        "{message}"
    );
}

#[test]
fn scores_are_finite_and_read_only_what_is_declared() {
    let Statistics { layers, .. } = sample();
    for (method, profile) in every_profile() {
        for layer in &layers {
            let all = scores(method, profile, layer);
            assert_eq!(all.len(), layer.shape.experts, "{}", method.name());
            assert!(all.iter().all(|s| s.is_finite()), "{}", method.name());
            assert_eq!(scores(method, profile, &reduced(layer, method.needs(profile))), all);
        }
    }
}

#[test]
fn permuting_experts_permutes_scores() {
    let order = [2, 0, 3, 1];
    for (method, profile) in every_profile().filter(|(m, p)| !m.needs(*p).is_empty()) {
        for layer in &sample().layers {
            let mut permuted = layer.clone();
            for values in permuted.values.values_mut() {
                *values = order.iter().map(|&e| values[e]).collect();
            }
            let before = scores(method, profile, layer);
            let expected: Vec<f64> = order.iter().map(|&e| before[e]).collect();
            assert_eq!(scores(method, profile, &permuted), expected, "{}", method.name());
        }
    }
}

#[test]
fn random_depends_on_seed_and_layer_and_on_nothing_else() {
    let draw = |seed, layer| {
        let shape = LayerShape::ungrouped(layer, 64, 2);
        let view = LayerView {
            shape,
            statistics: None,
            seed,
        };
        find("random").unwrap().score(&view, Profile::Reference).0
    };
    assert_eq!(draw(1, 5), draw(1, 5));
    assert_ne!(draw(1, 5), draw(2, 5));
    assert_ne!(draw(1, 5), draw(1, 6));
    let distinct: BTreeSet<u64> = draw(1, 5).iter().map(|&s| s.to_bits()).collect();
    assert_eq!(distinct.len(), 64);
}

#[test]
fn three_experts_by_hand() {
    use Statistic as S;
    let shape = LayerShape::ungrouped(0, 3, 1);
    let values = [
        (S::RoutedTokens, [4.0, 0.0, 2.0]),
        (S::RouterScore, [3.0, 1.0, 2.0]),
        (S::Gate, [2.0, 0.0, 1.5]),
        (S::OutputNorm, [8.0, 0.0, 6.0]),
        (S::SquaredOutputNorm, [20.0, 0.0, 18.0]),
        (S::GatedOutputNorm, [4.0, 0.0, 3.0]),
        (S::ResidualChangeOutputNorm, [0.5, 0.0, 0.25]),
        (S::MisreadGatedOutputNorm, [4.5, 0.0, 2.5]),
        (S::InputChangeOutputNorm, [0.75, 0.0, 1.25]),
        (S::EveryExpertOutputNorm, [12.0, 9.0, 13.0]),
        (S::WeightCount, [4.0, 4.0, 4.0]),
        (S::AbsoluteWeight, [4.0, 6.0, 2.0]),
        (S::SquaredWeight, [4.0, 36.0, 4.0]),
        (S::GateMatrixNorm, [1.0, 2.0, 0.0]),
        (S::UpMatrixNorm, [1.5, 0.5, 4.0]),
        (S::DownMatrixNorm, [0.25, 0.5, 0.75]),
        (S::RouterRowNorm, [0.5, 0.25, 1.0]),
    ];
    let values = values.map(|(s, v)| (s, v.to_vec())).into_iter().collect();
    let layer = LayerStatistics {
        shape,
        tokens: 6,
        values,
    };
    let expect = |name: &str, profile, expected: [f64; 3]| {
        assert_eq!(
            scores(find(name).unwrap(), profile, &layer),
            expected,
            "{name} {profile}"
        );
    };
    expect("frequency", Profile::Reference, [4.0, 0.0, 2.0]);
    expect("frequency", Profile::Paper, [4.0, 0.0, 2.0]);
    expect("gating", Profile::Reference, [2.0, 0.0, 1.5]);
    expect("ean", Profile::Reference, [8.0, 0.0, 6.0]);
    expect("ean", Profile::Paper, [12.0, 9.0, 13.0]);
    expect("reap", Profile::Reference, [1.0, 0.0, 1.5]);
    expect("reap", Profile::Paper, [4.5, 0.0, 2.5]);
    // ANCHOR: by-hand
    expect("reap-sum", Profile::Reference, [4.0, 0.0, 3.0]);
    // ANCHOR_END: by-hand
    expect("easy-ep", Profile::Reference, [0.5, 0.0, 0.25]);
    expect("easy-ep", Profile::Paper, [0.75, 0.0, 1.25]);
    expect("ean-mean", Profile::Reference, [2.0, 0.0, 3.0]);
    expect("msan", Profile::Reference, [5.0, 0.0, 9.0]);
    expect("routing-score", Profile::Reference, [0.5, 1.0 / 6.0, 1.0 / 3.0]);
    expect("aimer", Profile::Reference, [-1.0, -0.5, -0.5]);
    expect("weight-norm", Profile::Reference, [2.75, 3.0, 4.75]);
    expect("router-norm", Profile::Reference, [0.5, 0.25, 1.0]);
}
