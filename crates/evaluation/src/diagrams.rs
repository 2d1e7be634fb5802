//! What charts of confidence are drawn from, out of the scores of answers.

use secateur_metrics::curves::Diagrams;

use crate::answer::Answer;
use crate::score;

/// Reliability diagram and risk–coverage curve of the answers that have a confidence and are right or wrong: choices by
/// log-likelihood, letters and short answers in words. `None` where none is.
#[must_use]
pub fn diagrams(answers: &[Answer]) -> Option<Diagrams> {
    let (confidences, right): (Vec<f64>, Vec<bool>) = answers.iter().filter_map(score::confidence_of).unzip();
    Diagrams::new(&confidences, &right).ok()
}
