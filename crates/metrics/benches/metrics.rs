//! Reading answers and computing metrics at 10⁵ items.
//!
//! `cargo bench --package secateur-metrics`

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur_metrics::auroc::auroc;
use secateur_metrics::calibration::{expected_calibration_error, expected_calibration_error_equal_mass};
use secateur_metrics::classification::{Classes, Confusion};
use secateur_metrics::letter::parse_strict;
use secateur_metrics::probability_scores::{brier, negative_log_likelihood};
use secateur_metrics::rouge::{Stemmer, rouge_l};
use secateur_metrics::selective::aurc;
use secateur_metrics::statistics::bootstrap::{Bootstrap, paired_bootstrap};
use secateur_metrics::statistics::mcnemar::mcnemar;

const ITEMS: usize = 100_000;
const CLASSES: usize = 4;
const WORDS: [&str; 8] = ["patients", "with", "aspirin", "had", "a", "lower", "risk", "of stroke"];

struct Given {
    labels: Vec<usize>,
    answers: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    confidences: Vec<f64>,
    right: Vec<bool>,
    right_before: Vec<bool>,
    letters: Vec<String>,
    texts: Vec<String>,
}

fn given() -> Given {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut draw = |n: usize| rng.random_range(0..n);
    let labels: Vec<usize> = (0..ITEMS).map(|_| draw(CLASSES)).collect();
    let answers: Vec<usize> = (0..ITEMS).map(|_| draw(CLASSES)).collect();
    let row = |answer: usize, weight: f64| {
        let rest = (1.0 - weight) / (CLASSES - 1) as f64;
        let share = |class| if class == answer { weight } else { rest };
        (0..CLASSES).map(share).collect::<Vec<f64>>()
    };
    let confidences: Vec<f64> = (0..ITEMS).map(|_| 0.3 + 0.69 * draw(1000) as f64 / 1000.0).collect();
    let letter = |answer: usize| char::from(b'A' + answer as u8);
    Given {
        probabilities: answers
            .iter()
            .zip(&confidences)
            .map(|(&answer, &share)| row(answer, share))
            .collect(),
        right: labels
            .iter()
            .zip(&answers)
            .map(|(label, answer)| label == answer)
            .collect(),
        right_before: (0..ITEMS).map(|_| draw(2) == 0).collect(),
        letters: answers
            .iter()
            .map(|&answer| format!("{}. as the table says", letter(answer)))
            .collect(),
        texts: (0..ITEMS)
            .map(|_| (0..10).map(|_| WORDS[draw(WORDS.len())]).collect::<Vec<_>>().join(" "))
            .collect(),
        labels,
        answers,
        confidences,
    }
}

fn metrics(criterion: &mut Criterion) {
    let given = given();
    let numbers = |right: &[bool]| {
        right
            .iter()
            .map(|&right| f64::from(u8::from(right)))
            .collect::<Vec<f64>>()
    };
    let (now, before) = (numbers(&given.right), numbers(&given.right_before));
    let draws = Bootstrap {
        resamples: 100,
        ..Bootstrap::default()
    };
    let mut group = criterion.benchmark_group("metrics 100000 items");
    group
        .sample_size(10)
        .measurement_time(std::time::Duration::from_secs(1))
        .warm_up_time(std::time::Duration::from_millis(300))
        .throughput(Throughput::Elements(ITEMS as u64));
    let mut measure = |name: &str, work: &dyn Fn() -> f64| {
        group.bench_function(name, |bencher| bencher.iter(|| black_box(work())));
    };
    measure("letters read", &|| {
        let found = given
            .letters
            .iter()
            .filter(|text| parse_strict(text, CLASSES).is_some());
        found.count() as f64
    });
    measure("macro F1", &|| {
        let confusion = Confusion::new(&given.labels, &given.answers, CLASSES).unwrap();
        confusion.macro_average(Classes::All).f1
    });
    measure("ECE", &|| {
        expected_calibration_error(&given.confidences, &given.right, 15).unwrap()
    });
    measure("ECE of equal mass", &|| {
        expected_calibration_error_equal_mass(&given.confidences, &given.right, 15).unwrap()
    });
    measure("Brier", &|| brier(&given.probabilities, &given.labels).unwrap());
    measure("NLL", &|| {
        negative_log_likelihood(&given.probabilities, &given.labels).unwrap()
    });
    measure("AUROC", &|| auroc(&given.confidences, &given.right).unwrap());
    measure("AURC", &|| aurc(&given.confidences, &given.right).unwrap());
    measure("McNemar", &|| {
        mcnemar(&given.right_before, &given.right).unwrap().p_value
    });
    measure("paired bootstrap of 100", &|| {
        paired_bootstrap(&before, &now, &draws).unwrap().difference
    });
    measure("ROUGE-L of 10 words", &|| {
        let pairs = given.texts.iter().zip(given.texts.iter().skip(1));
        pairs
            .map(|(text, reference)| rouge_l(text, reference, Stemmer::Porter).f1)
            .sum()
    });
    group.finish();
}

criterion_group!(benches, metrics);
criterion_main!(benches);
