//! What would have been right, out of the text that the harness makes of it.
//!
//! A target is written with Python's `str`: an index becomes `"2"`, a list `"['a', 'b']"`. Whether `"2"` is the third choice or the choice
//! that reads `2` is not said; the accuracies recorded in the same file tell.

use secateur_datasets::python::literal::literal_eval;
use secateur_datasets::python::value::PyValue;

/// How targets of a file are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the index of a choice.
    Index,
    /// As the text of a choice.
    Text,
}

/// Indices of the right choices, where the target can be read so.
pub fn gold(target: &str, choices: &[String], reading: Reading) -> Option<Vec<usize>> {
    let one = |text: &str| match reading {
        Reading::Index => text.trim().parse().ok().filter(|&index: &usize| index < choices.len()),
        Reading::Text => choices
            .iter()
            .position(|choice| choice == text || choice.trim() == text.trim()),
    };
    if let Some(index) = one(target) {
        return Some(vec![index]);
    }
    let several: Option<Vec<usize>> = list(target)?.iter().map(|text| one(text)).collect();
    several.filter(|gold| !gold.is_empty())
}

/// Reference answers: one, or the texts of a list.
pub fn references(target: &str) -> Vec<String> {
    list(target)
        .filter(|texts| !texts.is_empty())
        .unwrap_or_else(|| vec![target.to_owned()])
}

/// A list of texts or integers as Python writes it.
fn list(target: &str) -> Option<Vec<String>> {
    if !target.starts_with('[') || !target.ends_with(']') {
        return None;
    }
    let Ok(PyValue::List(values)) = literal_eval(target) else {
        return None;
    };
    let all_texts = values.iter().all(|value| matches!(value, PyValue::Str(_)));
    let all_numbers = values.iter().all(|value| value.to_text().parse::<i64>().is_ok());
    (all_texts || all_numbers).then(|| values.iter().map(PyValue::to_text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_indices_texts_or_lists() {
        let choices = ["2", "0", "x"].map(String::from);
        assert_eq!(gold("2", &choices, Reading::Index), Some(vec![2]));
        assert_eq!(gold("2", &choices, Reading::Text), Some(vec![0]));
        assert_eq!(gold("[0, 2]", &choices, Reading::Index), Some(vec![0, 2]));
        assert_eq!(gold("3", &choices, Reading::Index), None);
        assert_eq!(gold("y", &choices, Reading::Text), None);
    }

    #[test]
    fn references_are_one_text_or_a_list() {
        assert_eq!(references("['Paris', \"it's\"]"), ["Paris", "it's"]);
        assert_eq!(references("[sic] a text"), ["[sic] a text"]);
        assert_eq!(references("42"), ["42"]);
        assert_eq!(references("[]"), ["[]"]);
    }
}
