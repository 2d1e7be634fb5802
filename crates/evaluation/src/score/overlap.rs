//! BLEU and chrF of a whole set of answers: counts per item, summed before the division, so that a resample needs no text.

use secateur_metrics::{bleu, chrf};

use super::index;
use crate::answer::Scores;
use crate::summary::{Estimate, Metric};

const BLEU_COUNTS: [&str; 10] = [
    "bleu_prediction_length",
    "bleu_reference_length",
    "bleu_matches_1",
    "bleu_matches_2",
    "bleu_matches_3",
    "bleu_matches_4",
    "bleu_totals_1",
    "bleu_totals_2",
    "bleu_totals_3",
    "bleu_totals_4",
];

const CHRF_COUNTS: [&str; 18] = [
    "chrf_predicted_1",
    "chrf_reference_1",
    "chrf_matches_1",
    "chrf_predicted_2",
    "chrf_reference_2",
    "chrf_matches_2",
    "chrf_predicted_3",
    "chrf_reference_3",
    "chrf_matches_3",
    "chrf_predicted_4",
    "chrf_reference_4",
    "chrf_matches_4",
    "chrf_predicted_5",
    "chrf_reference_5",
    "chrf_matches_5",
    "chrf_predicted_6",
    "chrf_reference_6",
    "chrf_matches_6",
];

/// BLEU of this answer and the counts that corpus BLEU needs; nothing without a reference.
pub(super) fn bleu_scores(text: &str, references: &[String]) -> Scores {
    let options = bleu::Options::default();
    let Ok(counts) = bleu::counts(text, references, &options) else {
        return Scores::new();
    };
    let lengths = [counts.prediction_length, counts.reference_length];
    let columns = lengths
        .iter()
        .chain(&counts.matches)
        .chain(&counts.totals)
        .map(|&count| count as f64);
    let mut scores = named(&BLEU_COUNTS, columns);
    let own = bleu::score(&counts, &bleu::Options::sentence());
    scores.insert("bleu".into(), own.score);
    scores
}

/// Corpus BLEU.
pub(super) fn bleu_metric() -> Metric {
    let value = |rows: &[&[f64]]| {
        let sums = column_sums(rows, BLEU_COUNTS.len());
        let counts = bleu::Counts {
            prediction_length: sums[0],
            reference_length: sums[1],
            matches: sums[2..6].to_vec(),
            totals: sums[6..10].to_vec(),
        };
        Some(bleu::score(&counts, &bleu::Options::default()).score)
    };
    Metric {
        definition: bleu::BLEU,
        estimate: Estimate::whole(BLEU_COUNTS.to_vec(), value),
    }
}

/// chrF of this answer and the counts that corpus chrF needs; nothing without a reference.
pub(super) fn chrf_scores(text: &str, references: &[String]) -> Scores {
    let options = chrf::Options::default();
    let Ok(counts) = chrf::counts(text, references, &options) else {
        return Scores::new();
    };
    let columns = counts.0.iter().flatten().map(|&count| count as f64);
    let mut scores = named(&CHRF_COUNTS, columns);
    scores.insert("chrf".into(), chrf::score(&counts, &options));
    scores
}

/// Corpus chrF.
pub(super) fn chrf_metric() -> Metric {
    let value = |rows: &[&[f64]]| {
        let sums = column_sums(rows, CHRF_COUNTS.len());
        let orders = sums.chunks_exact(3).map(|c| [c[0], c[1], c[2]]);
        let counts = chrf::Counts(orders.collect());
        Some(chrf::score(&counts, &chrf::Options::default()))
    };
    Metric {
        definition: chrf::CHRF,
        estimate: Estimate::whole(CHRF_COUNTS.to_vec(), value),
    }
}

fn named(names: &[&str], values: impl Iterator<Item = f64>) -> Scores {
    names.iter().map(ToString::to_string).zip(values).collect()
}

fn column_sums(rows: &[&[f64]], columns: usize) -> Vec<usize> {
    let mut sums = vec![0; columns];
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(*row) {
            *sum += index(*value);
        }
    }
    sums
}
