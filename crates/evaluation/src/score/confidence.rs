//! Whether a model's confidence in its answers can be believed: the same metrics for choices and for answers in words.
//!
//! The confidence in a choice is the softmax over the choices' Σ ln p; the confidence in an answer in words is the geometric mean of
//! its tokens' probabilities, exp(mean ln p). An empty answer has no confidence.

use secateur_metrics::value::Definition;
use secateur_metrics::{auroc, calibration, probability_scores, selective};

use super::from_bool;
use crate::answer::{Answer, Output, Scores};
use crate::summary::{Estimate, Metric};

/// The confidence in the answer that the model gave, from 0 to 1.
pub(super) const CONFIDENCE: &str = "confidence";

/// What is reported of the confidence in answers that are right where the score `right` is 1; most important first.
pub(super) fn metrics(right: &'static str) -> Vec<Metric> {
    let whole = |definition: Definition, value: fn(&[f64], &[bool]) -> Option<f64>| Metric {
        definition,
        estimate: Estimate::whole(vec![CONFIDENCE, right], move |rows: &[&[f64]]| {
            let confidences: Vec<f64> = rows.iter().map(|row| row[0]).collect();
            let right: Vec<bool> = rows.iter().map(|row| row[1] > 0.5).collect();
            value(&confidences, &right)
        }),
    };
    vec![
        whole(calibration::ECE, |confidences, right| {
            calibration::expected_calibration_error(confidences, right, calibration::BINS).ok()
        }),
        whole(calibration::ECE_EQUAL_MASS, |confidences, right| {
            calibration::expected_calibration_error_equal_mass(confidences, right, calibration::BINS).ok()
        }),
        whole(calibration::MCE, |confidences, right| {
            calibration::maximum_calibration_error(confidences, right, calibration::BINS).ok()
        }),
        Metric::mean(probability_scores::BRIER, "brier_score"),
        Metric::mean(probability_scores::NLL, "negative_log_likelihood"),
        whole(selective::AURC, |confidences, right| {
            selective::aurc(confidences, right).ok()
        }),
        whole(selective::E_AURC, |confidences, right| {
            selective::excess_aurc(confidences, right).ok()
        }),
        whole(auroc::AUROC, |confidences, right| auroc::auroc(confidences, right).ok()),
        whole(selective::COVERAGE_AT_RISK_05, |confidences, right| {
            selective::coverage_at_risk(confidences, right, 0.05).ok()
        }),
        whole(selective::COVERAGE_AT_RISK_10, |confidences, right| {
            selective::coverage_at_risk(confidences, right, 0.10).ok()
        }),
        Metric::proportion(selective::CONFIDENT_ERROR_RATE, "confident_error"),
    ]
}

/// Adds what [`metrics`] needs to an answer in words that has the score `right`; nothing to an empty one. Brier score and negative
/// log-likelihood are those of two classes, right and wrong.
pub(super) fn add_of_words(answer: &mut Answer, right: &str) {
    let (Output::Text(output), Some(&outcome)) = (&answer.output, answer.scores.get(right)) else {
        return;
    };
    let Some(mean) = output.mean_log_probability else {
        return;
    };
    let (confidence, right) = (mean.exp().clamp(0.0, 1.0), outcome > 0.5);
    let Ok((squares, surprise)) = probability_scores::outcome_scores(confidence, right) else {
        return;
    };
    answer.scores.extend(Scores::from([
        (CONFIDENCE.to_owned(), confidence),
        (
            "confident_error".to_owned(),
            from_bool(!right && confidence >= selective::CONFIDENT),
        ),
        ("brier_score".to_owned(), squares),
        ("negative_log_likelihood".to_owned(), surprise),
    ]));
}

/// (confidence, right) of an answer that has both.
pub(crate) fn of(answer: &Answer) -> Option<(f64, bool)> {
    let score = |name: &str| answer.scores.get(name).copied();
    let right = score("accuracy").or_else(|| score("contains_reference"))?;
    Some((score(CONFIDENCE)?, right > 0.5))
}
