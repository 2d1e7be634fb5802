//! The likeliest choice, and whether the model's confidence in it can be believed.
//!
//! Accuracies follow lm-evaluation-harness: Σ ln p, or that over the characters or bytes of the choice without its delimiter;
//! the first of equals wins. Confidence is the softmax over the choices' Σ ln p.

use secateur_datasets::forms::variants;
use secateur_datasets::item::{Body, Choice, Item};
use secateur_datasets::tasks::spec::ChoiceMetric;
use secateur_metrics::value::{Aspect, Definition, Direction, PROBABILITIES};
use secateur_metrics::{classification, selective};

use super::{Mismatch, Scorer, confidence, first_largest, from_bool, index, mismatch};
use crate::answer::{Answer, ChoiceAnswer, Output, Scores};
use crate::summary::{Estimate, Metric};

/// Share of right answers by log-probability per character (`acc_norm` of the harness).
const ACCURACY_PER_CHARACTER: Definition = accuracy("accuracy_per_character");
/// The same per UTF-8 byte (`acc_bytes`).
const ACCURACY_PER_BYTE: Definition = accuracy("accuracy_per_byte");

const fn accuracy(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Utility).by(PROBABILITIES)
}

/// Scores of a choice by log-likelihood.
pub(super) struct LogLikelihood {
    pub(super) metrics: Vec<ChoiceMetric>,
}

impl Scorer for LogLikelihood {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Choice(choice), Output::Choices(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a choice between continuations"));
        };
        if item.fields.contains_key(variants::FIELD) {
            return Err(Mismatch {
                found: format!(
                    "a question put in several ways (its field `{}` says which)",
                    variants::FIELD
                ),
                expected: "a choice asked once; score it as the form of the task that asked it".into(),
            });
        }
        let sums = log_probabilities(output);
        answer.scores = accuracies(choice, &sums);
        answer.scores.extend(held(choice, &sums));
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics: Vec<Metric> = self
            .metrics
            .iter()
            .map(|metric| match metric {
                ChoiceMetric::Acc => Metric::proportion(classification::ACCURACY.by(PROBABILITIES), "accuracy"),
                ChoiceMetric::AccNorm => Metric::proportion(ACCURACY_PER_CHARACTER, "accuracy_per_character"),
                ChoiceMetric::AccBytes => Metric::proportion(ACCURACY_PER_BYTE, "accuracy_per_byte"),
            })
            .collect();
        if let Some(classes) = common_classes(answers) {
            metrics.extend(class_metrics(classes));
        }
        metrics.extend(confidence::metrics("accuracy"));
        metrics
    }
}

pub(super) fn log_probabilities(output: &ChoiceAnswer) -> Vec<f64> {
    let scores = output.continuations.iter().flat_map(|c| &c.score);
    scores.map(|score| score.log_probability).collect()
}

fn accuracies(choice: &Choice, sums: &[f64]) -> Scores {
    let right = |length: &dyn Fn(&str) -> usize| {
        let values: Vec<f64> = sums
            .iter()
            .zip(&choice.choices)
            .map(|(sum, text)| sum / length(text) as f64)
            .collect();
        from_bool(first_largest(&values).is_some_and(|i| choice.gold.contains(&i)))
    };
    Scores::from([
        ("accuracy".into(), right(&|_| 1)),
        ("accuracy_per_character".into(), right(&|text| text.chars().count())),
        ("accuracy_per_byte".into(), right(&str::len)),
    ])
}

/// Scores that need a distribution over the choices; Brier score and classes only where exactly one choice is right.
fn held(choice: &Choice, sums: &[f64]) -> Scores {
    let (shares, log_total) = softmax(sums);
    let Some(predicted) = first_largest(sums) else {
        return Scores::new();
    };
    let right = choice.gold.contains(&predicted);
    let gold_sums: Vec<f64> = choice.gold.iter().map(|&i| sums[i]).collect();
    let mut scores = Scores::from([
        ("confidence".into(), shares[predicted].clamp(0.0, 1.0)),
        (
            "confident_error".into(),
            from_bool(!right && shares[predicted] >= selective::CONFIDENT),
        ),
        (
            "negative_log_likelihood".into(),
            (log_total - log_sum_exp(&gold_sums)).max(0.0),
        ),
    ]);
    if let [gold] = choice.gold[..] {
        let squares = shares
            .iter()
            .enumerate()
            .map(|(i, share)| (share - from_bool(i == gold)).powi(2));
        scores.insert("brier_score".into(), squares.sum());
        scores.insert("gold_class".into(), gold as f64);
        scores.insert("predicted_class".into(), predicted as f64);
    }
    scores
}

/// ln Σ exp, without overflow.
pub(super) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + values.iter().map(|v| (v - largest).exp()).sum::<f64>().ln()
}

/// Shares that sum to 1, and ln Σ exp of the values.
pub(super) fn softmax(values: &[f64]) -> (Vec<f64>, f64) {
    let total = log_sum_exp(values);
    (values.iter().map(|v| (v - total).exp()).collect(), total)
}

/// Number of classes, where every item offers the same choices and one is right: then choices are classes.
fn common_classes(answers: &[Answer]) -> Option<usize> {
    let mut first: Option<Vec<&str>> = None;
    for answer in answers {
        let Output::Choices(output) = &answer.output else {
            return None;
        };
        if output.gold.len() != 1 {
            return None;
        }
        let texts: Vec<&str> = output.continuations.iter().map(|c| c.text.as_str()).collect();
        if first.get_or_insert_with(|| texts.clone()) != &texts {
            return None;
        }
    }
    first.map(|texts| texts.len()).filter(|&classes| classes > 1)
}

fn class_metrics(classes: usize) -> [Metric; 2] {
    let confusion = move |rows: &[&[f64]]| {
        let column = |i: usize| rows.iter().map(|row| index(row[i])).collect::<Vec<_>>();
        classification::Confusion::new(&column(0), &column(1), classes).ok()
    };
    let needs = vec!["gold_class", "predicted_class"];
    let macro_f1 = move |rows: &[&[f64]]| Some(confusion(rows)?.macro_average(classification::Classes::All).f1);
    let mcc = move |rows: &[&[f64]]| Some(confusion(rows)?.matthews_correlation());
    [
        Metric {
            definition: classification::MACRO_F1.by(PROBABILITIES),
            estimate: Estimate::whole(needs.clone(), macro_f1),
        },
        Metric {
            definition: classification::MCC.by(PROBABILITIES),
            estimate: Estimate::whole(needs, mcc),
        },
    ]
}
