//! The rules of `secateur_metrics::statements` against physicians' labels of K-QA, where the file is at hand: threshold from one half
//! of the questions, figures on the other.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use secateur_datasets::source::Source;
use secateur_metrics::auroc::auroc;
use secateur_metrics::statements::{THRESHOLD, contradicts, recall, states};

/// Question, answer, statement, label.
type Row = (String, String, String, String);

fn rows() -> Option<Vec<Row>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?
        .join("shared/data/kqa");
    if !root.is_dir() {
        println!("skipped: no ../shared/data/kqa");
        return None;
    }
    let mut source = Source::new("kqa", &root, "", false);
    let records = source.csv("NLI_medical_annotator.csv", None).unwrap();
    let rows = records.iter().map(|record| {
        let text = |name: &str| record.text(name).unwrap().to_owned();
        (text("Question"), text("answer"), text("claim"), text("majority_label"))
    });
    Some(rows.collect())
}

/// Every second question, in alphabetical order, and the others.
fn halves(rows: &[Row]) -> (Vec<&Row>, Vec<&Row>) {
    let questions: BTreeSet<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let first: BTreeSet<&str> = questions.into_iter().step_by(2).collect();
    rows.iter().partition(|row| first.contains(row.0.as_str()))
}

fn entailed(row: &Row) -> bool {
    row.3 == "Entailment"
}

/// Recall, specificity.
fn rates(rows: &[&Row], said: impl Fn(&Row) -> bool, is: impl Fn(&Row) -> bool) -> (f64, f64) {
    let share = |wanted: bool| {
        let of: Vec<_> = rows.iter().filter(|row| is(row) == wanted).collect();
        of.iter().filter(|row| said(row) == wanted).count() as f64 / of.len() as f64
    };
    (share(true), share(false))
}

fn balanced(rates: (f64, f64)) -> f64 {
    f64::midpoint(rates.0, rates.1)
}

/// The largest threshold, in hundredths, of the best balanced accuracy.
fn calibrated(rows: &[&Row]) -> f64 {
    let quality = |threshold: f64| {
        let said = |row: &Row| recall(&row.1, &row.2, &row.0) >= threshold;
        balanced(rates(rows, said, entailed))
    };
    let best = (0..=100).map(|step| f64::from(step) / 100.0);
    best.fold((0.0, 0.0), |best, threshold| {
        let found = quality(threshold);
        if found >= best.1 { (threshold, found) } else { best }
    })
    .0
}

#[test]
fn the_threshold_is_that_of_one_half_and_holds_on_the_other() {
    let Some(rows) = rows() else { return };
    let (calibration, test) = halves(&rows);
    let threshold = calibrated(&calibration);
    println!("calibration: {} statements, threshold {threshold}", calibration.len());
    let labels: Vec<bool> = test.iter().map(|row| entailed(row)).collect();
    let shares: Vec<f64> = test.iter().map(|row| recall(&row.1, &row.2, &row.0)).collect();
    let area = auroc(&shares, &labels).unwrap();
    for (name, half) in [("calibration", &calibration), ("test", &test)] {
        let found = rates(half, |row| states(&row.1, &row.2, &row.0), entailed);
        println!(
            "{name}: stated: recall {:.3}, specificity {:.3}, balanced {:.3}",
            found.0,
            found.1,
            balanced(found)
        );
        let agree = half
            .iter()
            .filter(|row| states(&row.1, &row.2, &row.0) == entailed(row))
            .count();
        println!(
            "{name}: agreement {:.3} of {}",
            agree as f64 / half.len() as f64,
            half.len()
        );
    }
    println!("test: area under the curve {area:.3}");
    let all: Vec<&Row> = rows.iter().collect();
    let found = rates(&all, |row| contradicts(&row.1, &row.2), |row| row.3 == "Contradiction");
    println!("all: contradicted: recall {:.3}, specificity {:.3}", found.0, found.1);
    assert!(
        (threshold - THRESHOLD).abs() < 1e-9,
        "the constant says {THRESHOLD}, the file {threshold}"
    );
    let found = balanced(rates(&test, |row| states(&row.1, &row.2, &row.0), entailed));
    assert!(found > 0.6 && area > 0.7, "{found} {area}");
}
