//! Metrics of confidence and consistency against independent values: of `benchmarks/goldens/gen_confidence.py`, and those published
//! for real models' predictions on `PubMedQA`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secateur_metrics::calibration::{self, BINS, Binning};
use secateur_metrics::{auroc, consistency, curves, probability_scores, selective};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    let list = value.as_array().unwrap();
    list.iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn close(what: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
}

/// Every metric of confidence by its name in records.
fn confidence_metrics(
    rows: &[Vec<f64>],
    labels: &[usize],
    confidence: &[f64],
    right: &[bool],
) -> BTreeMap<&'static str, f64> {
    BTreeMap::from([
        (
            calibration::ECE.name,
            calibration::expected_calibration_error(confidence, right, BINS).unwrap(),
        ),
        (
            calibration::ECE_EQUAL_MASS.name,
            calibration::expected_calibration_error_equal_mass(confidence, right, BINS).unwrap(),
        ),
        (
            calibration::MCE.name,
            calibration::maximum_calibration_error(confidence, right, BINS).unwrap(),
        ),
        (
            probability_scores::BRIER.name,
            probability_scores::brier(rows, labels).unwrap(),
        ),
        (
            probability_scores::NLL.name,
            probability_scores::negative_log_likelihood(rows, labels).unwrap(),
        ),
        (selective::AURC.name, selective::aurc(confidence, right).unwrap()),
        (
            selective::E_AURC.name,
            selective::excess_aurc(confidence, right).unwrap(),
        ),
        (auroc::AUROC.name, auroc::auroc(confidence, right).unwrap_or(f64::NAN)),
        (
            selective::COVERAGE_AT_RISK_05.name,
            selective::coverage_at_risk(confidence, right, 0.05).unwrap(),
        ),
        (
            selective::COVERAGE_AT_RISK_10.name,
            selective::coverage_at_risk(confidence, right, 0.10).unwrap(),
        ),
    ])
}

fn reference() -> Value {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

#[test]
fn confidence_is_measured_as_the_definitions_say() {
    let reference = reference();
    let cases = reference["confidence"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let rows: Vec<Vec<f64>> = case["probabilities"].as_array().unwrap().iter().map(numbers).collect();
        let right = case["right"].as_array().unwrap();
        let right: Vec<bool> = right.iter().map(|right| right.as_bool().unwrap()).collect();
        let (labels, confidence) = (indices(&case["labels"]), numbers(&case["confidence"]));
        for (name, found) in confidence_metrics(&rows, &labels, &confidence, &right) {
            close(name, found, case[name].as_f64().unwrap());
        }
    }
}

#[test]
fn consistency_is_measured_as_the_definitions_say() {
    for case in reference()["consistency"].as_array().unwrap() {
        let answers: Vec<Vec<usize>> = case["answers"].as_array().unwrap().iter().map(indices).collect();
        let agreements = answers.iter().map(|row| consistency::pairwise_agreement(row).unwrap());
        let agreement = agreements.sum::<f64>() / answers.len() as f64;
        close("agreement", agreement, case["pairwise_agreement"].as_f64().unwrap());
        let majorities: Vec<usize> = answers
            .iter()
            .map(|row| consistency::majority(row, &[]).unwrap())
            .collect();
        assert_eq!(majorities, indices(&case["majority"]));
        let right: Vec<Vec<f64>> = case["right"].as_array().unwrap().iter().map(numbers).collect();
        let recall = |letter: usize| right.iter().map(|row| row[letter]).sum::<f64>() / right.len() as f64;
        let recalls: Vec<f64> = (0..right[0].len()).map(recall).collect();
        let (deviation, range) = (consistency::deviation(&recalls), consistency::range(&recalls));
        close(
            "deviation",
            deviation.unwrap(),
            case["letter_recall_deviation"].as_f64().unwrap(),
        );
        close("range", range.unwrap(), case["accuracy_range"].as_f64().unwrap());
    }
}

fn published() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = root.parent()?.join("shared/data/pubmedqa_predictions");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no ../shared/data/pubmedqa_predictions");
    None
}

/// Rows of a table by column name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let cells = line.split('\t').map(str::to_owned);
        names.iter().map(ToString::to_string).zip(cells).collect()
    };
    lines.map(row).collect()
}

#[test]
fn real_models_have_their_published_values() {
    const ANSWERS: [&str; 3] = ["yes", "no", "maybe"];
    let Some(folder) = published() else { return };
    let predictions = table(&folder.join("pubmedqa_calibration_predictions.tsv"));
    let metrics = table(&folder.join("pubmedqa_calibration_metrics.tsv"));
    let bins = table(&folder.join("pubmedqa_reliability_bins.tsv"));
    let mut checked = 0;
    for expected in &metrics {
        let model = &expected["model"];
        let own: Vec<_> = predictions.iter().filter(|row| row["model"] == *model).collect();
        assert_eq!(own.len().to_string(), expected["n_predictions"], "{model}");
        let number = |text: &str| text.parse::<f64>().unwrap();
        let rows: Vec<Vec<f64>> = own
            .iter()
            .map(|row| ANSWERS.map(|answer| number(&row[&format!("prob_{answer}")])).to_vec())
            .collect();
        let labels: Vec<usize> = own
            .iter()
            .map(|row| ANSWERS.iter().position(|answer| row["truth"] == *answer).unwrap())
            .collect();
        let confidence: Vec<f64> = own.iter().map(|row| number(&row["confidence"])).collect();
        let right: Vec<bool> = own.iter().map(|row| row["correct"] == "1").collect();
        let accuracy = right.iter().filter(|&&right| right).count() as f64 / right.len() as f64;
        close(model, accuracy, number(&expected["accuracy"]));
        let found = confidence_metrics(&rows, &labels, &confidence, &right);
        close(model, found["brier_score"], number(&expected["brier"]));
        close(model, found["expected_calibration_error"], number(&expected["ece"]));
        close(model, found["maximum_calibration_error"], number(&expected["mce"]));
        let diagrams = curves::Diagrams::new(&confidence, &right).unwrap();
        let diagram = calibration::reliability_diagram(&confidence, &right, BINS, Binning::EqualWidth).unwrap();
        assert_eq!((diagrams.reliability, diagrams.n), (diagram.clone(), own.len()));
        for bar in bins.iter().filter(|bar| bar["model"] == *model && bar["n"] != "0") {
            let index: usize = bar["bin"].parse().unwrap();
            let bin = diagram.iter().find(|bin| bin.index == index).unwrap();
            assert_eq!(bin.count.to_string(), bar["n"], "{model}, bin {index}");
            close(model, bin.accuracy, number(&bar["accuracy"]));
            close(model, bin.confidence, number(&bar["mean_confidence"]));
        }
        checked += 1;
    }
    assert_eq!(checked, 5);
}
