#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use secateur_metrics::harim::HARIM_PLUS;
use secateur_model::{Device, DeviceKind, Precision};
use serde_json::Value as Json;

use super::*;

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bart");
    let mut found: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn scorer(directory: &Path, precision: Precision) -> HarimPlus {
    let device = Device::open(DeviceKind::Cpu, precision).unwrap();
    let model = Seq2Seq::open(directory, &device).unwrap();
    let named = Named {
        definition: HARIM_PLUS,
        identity: "test".into(),
    };
    // The fixtures have 64 positions, and texts are cut to 40.
    let options = HarimOptions {
        text_tokens: 40,
        ..HarimOptions::default()
    };
    HarimPlus::new(model, options, named)
}

fn golden(directory: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap()
}

fn pairs(golden: &Json) -> Vec<Pair<'_>> {
    let text = |case: &'_ Json, side: &str| case[side].as_str().map(str::to_owned).unwrap();
    let pair = |case: &Json| -> Pair<'static> {
        Pair {
            source: Box::leak(text(case, "source").into_boxed_str()),
            text: Box::leak(text(case, "target").into_boxed_str()),
        }
    };
    golden["cases"].as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn all_terms_equal_those_from_transformers() {
    for directory in fixtures() {
        let golden = golden(&directory);
        let pairs = pairs(&golden);
        for (precision, tolerance) in [(Precision::F64, 1e-9), (Precision::F32, 1e-4)] {
            let terms = scorer(&directory, precision).terms(&pairs, &mut |_| ()).unwrap();
            for (terms, case) in terms.iter().zip(golden["cases"].as_array().unwrap()) {
                let terms = terms.unwrap();
                for (ours, name) in [
                    (terms.plus, "harim_plus"),
                    (terms.risk, "harim"),
                    (terms.mean_log_probability, "mean_log_probability"),
                ] {
                    let theirs = case[name].as_f64().unwrap();
                    assert!(
                        (ours - theirs).abs() < tolerance,
                        "{directory:?} {name}: {ours} {theirs}"
                    );
                }
            }
        }
    }
}

/// The published scorer on the same pairs in one batch: every shorter text gains λ/2 per padded token over its length.
#[test]
fn the_padding_error_of_the_original_is_as_large_as_documented() {
    for directory in fixtures() {
        let golden = golden(&directory);
        let lengths: Vec<f64> = golden["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| case["target_ids"].as_array().unwrap().len() as f64)
            .collect();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let terms = scorer(&directory, Precision::F64)
            .terms(&pairs(&golden), &mut |_| ())
            .unwrap();
        let mut moved = Vec::new();
        for ((terms, length), original) in terms
            .iter()
            .zip(&lengths)
            .zip(golden["padded_by_the_original"].as_array().unwrap())
        {
            let off = original.as_f64().unwrap() - terms.unwrap().plus;
            assert!((off - LAMBDA * (longest - length) / (2.0 * length)).abs() < 1e-9);
            moved.push(off);
        }
        // The longest text stays; one of 16 tokens beside one of 40 gains 5.25.
        assert!(moved[3].abs() < 1e-9 && (moved[4] - 5.25).abs() < 1e-9, "{moved:?}");
    }
}

#[test]
fn an_empty_text_has_no_score_and_is_counted_as_finished() {
    let mut scorer = scorer(&fixtures()[0], Precision::F32);
    let pairs = [Pair { source: "a", text: " " }, Pair { source: "a", text: "b" }];
    let mut finished = 0;
    let readings = scorer.score(&pairs, &mut |n| finished += n).unwrap();
    assert!(readings[0].is_none() && readings[1].is_some());
    assert_eq!(finished, 2);
}
