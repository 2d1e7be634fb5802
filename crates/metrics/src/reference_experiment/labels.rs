//! Macro F1 over the labels that occur among the references.

use std::collections::BTreeMap;

use crate::error::{Result, not_empty, same_length};
use crate::exact_match::normalise;

const METRIC: &str = "macro_f1_of_reference_labels";

#[derive(Default)]
struct Counts {
    both: usize,
    predicted: usize,
    wanted: usize,
}

/// Mean over the references' labels of `2·TP / (2·TP + FP + FN)`. A predicted label that no
/// reference has costs recall only: it has no F1 of its own in the mean.
///
/// # Errors
/// If there is no reference, or not one prediction for each.
pub fn macro_f1<S: AsRef<str>>(references: &[S], predictions: &[S]) -> Result<f64> {
    not_empty(METRIC, references)?;
    same_length(METRIC, "predictions", predictions.len(), references.len())?;
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for reference in references {
        counts.entry(reference.as_ref()).or_default().wanted += 1;
    }
    for (reference, prediction) in references.iter().zip(predictions) {
        if let Some(count) = counts.get_mut(prediction.as_ref()) {
            count.predicted += 1;
            count.both += usize::from(reference.as_ref() == prediction.as_ref());
        }
    }
    let f1 = |count: &Counts| 2.0 * count.both as f64 / (count.predicted + count.wanted) as f64;
    Ok(counts.values().map(f1).sum::<f64>() / counts.len() as f64)
}

/// [`macro_f1`] of normalised answers.
///
/// # Errors
/// As [`macro_f1`].
pub fn answer_macro_f1(references: &[String], predictions: &[String]) -> Result<f64> {
    let normalised = |answers: &[String]| answers.iter().map(|answer| normalise(answer)).collect::<Vec<_>>();
    macro_f1(&normalised(references), &normalised(predictions))
}

/// [`macro_f1`] of the tags `[B]`, `[I]`, `[O]` in order of appearance, each prediction padded with
/// another label or cut to its reference's number of tags.
///
/// # Errors
/// As [`macro_f1`]; no reference has a tag.
pub fn tag_macro_f1(references: &[String], predictions: &[String]) -> Result<f64> {
    same_length(METRIC, "predictions", predictions.len(), references.len())?;
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    for (reference, prediction) in references.iter().zip(predictions) {
        let reference = tags(reference);
        let padded = tags(prediction).into_iter().chain(std::iter::repeat("N"));
        found.extend(padded.take(reference.len()));
        wanted.extend(reference);
    }
    macro_f1(&wanted, &found)
}

/// The tags `[B]`, `[I]` and `[O]` of a text, in order of appearance.
#[must_use]
pub fn tags(text: &str) -> Vec<&str> {
    let tag = |(at, _)| text.get(at..at + 3).filter(|tag| matches!(*tag, "[B]" | "[I]" | "[O]"));
    text.match_indices('[').filter_map(tag).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn labels_of_the_references_alone_enter_the_mean() {
        // yes: TP 1, FP 0, FN 2 → 1/2; no: TP 1, FP 2, FN 1 → 2/5.
        let f1 = macro_f1(
            &["yes", "yes", "yes", "no", "no"],
            &["yes", "no", "no", "no", "unknown"],
        )
        .unwrap();
        assert!((f1 - 0.45).abs() < 1e-15);
        assert!(macro_f1::<&str>(&[], &[]).is_err());
        assert!(macro_f1(&["a"], &[]).is_err());
    }

    #[test]
    fn answers_are_normalised() {
        let f1 = answer_macro_f1(&strings(&["Low", "HIGH", "low"]), &strings(&["the low", "high.", ""])).unwrap();
        assert!((f1 - 5.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn tags_are_padded_or_cut() {
        // [B] right, [O] missing: B has F1 1, O has 0.
        assert!((tag_macro_f1(&strings(&["x [B] [O]"]), &strings(&["[B]"])).unwrap() - 0.5).abs() < 1e-15);
        assert!((tag_macro_f1(&strings(&["[[B]"]), &strings(&["[B][I]"])).unwrap() - 1.0).abs() < 1e-15);
        assert!(tag_macro_f1(&strings(&["none"]), &strings(&["[B]"])).is_err());
    }
}
