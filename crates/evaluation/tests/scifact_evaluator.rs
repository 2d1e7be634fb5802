//! The counts of `secateur_metrics::evidence` on the fixtures of `SciFact`'s official evaluator, where they are at hand.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use secateur_datasets::record::Record;
use secateur_datasets::source::Source;
use secateur_metrics::counts::Counts;
use secateur_metrics::evidence::{EvidenceCounts, Verdict, counts};
use serde_json::Value;

fn verdict(label: &Value) -> Verdict {
    match label.as_str() {
        Some("SUPPORT") => Verdict::Support,
        Some("CONTRADICT") => Verdict::Contradict,
        other => panic!("{other:?}"),
    }
}

fn sentences(value: &Value) -> Vec<usize> {
    let list = value["sentences"].as_array().unwrap();
    list.iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn evidence(record: &Record) -> BTreeMap<String, Value> {
    let evidence = record.value("evidence").unwrap().as_object().unwrap();
    evidence
        .iter()
        .map(|(document, value)| (document.clone(), value.clone()))
        .collect()
}

/// Counts over all claims and all abstracts that either side names.
fn total(gold: &[Record], predictions: &[Record]) -> EvidenceCounts {
    let mut sum = EvidenceCounts::default();
    for claim in gold {
        let id = claim.value("id").unwrap();
        let prediction = predictions.iter().find(|record| record.value("id").unwrap() == id);
        let (wanted, said) = (evidence(claim), prediction.map(evidence).unwrap_or_default());
        let documents: std::collections::BTreeSet<&String> = wanted.keys().chain(said.keys()).collect();
        for document in documents {
            let sets = wanted.get(document).and_then(Value::as_array);
            let rationales: Vec<Vec<usize>> = sets.into_iter().flatten().map(sentences).collect();
            let gold = sets.map(|sets| (verdict(&sets[0]["label"]), rationales.as_slice()));
            let given = said.get(document).map(sentences).unwrap_or_default();
            let answer = said
                .get(document)
                .map(|value| (verdict(&value["label"]), given.as_slice()));
            sum += counts(gold, answer);
        }
    }
    sum
}

#[test]
fn values_are_those_of_the_official_evaluator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)
        .unwrap()
        .join("shared/data/scifact");
    if !root.is_dir() {
        return println!("skipped: no ../shared/data/scifact");
    }
    let mut source = Source::new("scifact", &root, "", false);
    let gold = source.jsonl("evaluator_gold_small.jsonl").unwrap();
    for name in ["small", "dummy"] {
        let predictions = source.jsonl(&format!("evaluator_predictions_{name}.jsonl")).unwrap();
        let expected: BTreeMap<String, f64> = source
            .json(&format!("evaluator_expected_metrics_{name}.json"), "numbers")
            .unwrap();
        let found = total(&gold, &predictions);
        let check = |measure: &str, counts: Counts| {
            let scores = counts.scores();
            for (part, value) in [
                ("precision", scores.precision),
                ("recall", scores.recall),
                ("f1", scores.f1),
            ] {
                let wanted = expected[&format!("{measure}_{part}")];
                assert!(
                    (value - wanted).abs() < 1e-12,
                    "{name}: {measure}_{part} {value} {wanted}"
                );
            }
        };
        check("abstract_label_only", found.abstract_label);
        check("abstract_rationalized", found.abstract_rationale);
        check("sentence_selection", found.sentence_selection);
        check("sentence_label", found.sentence_label);
    }
}
