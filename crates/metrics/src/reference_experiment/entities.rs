//! F1 of the entities (or labels) that an answer lists, as bags.

use std::collections::BTreeMap;

use crate::exact_match::normalise;

/// The texts in outermost square brackets, normalised. Brackets within them are deleted with the
/// other punctuation, so `[a [b | x] c | y]` is the one entity `b x c y`; a bracket that is never
/// closed gives nothing, and an entity may be empty (`[A]`, the article).
#[must_use]
pub fn bracketed(text: &str) -> Vec<String> {
    let (mut depth, mut entity, mut entities) = (0_usize, String::new(), Vec::new());
    for c in text.chars() {
        match (c, depth) {
            ('[', 0) => depth = 1,
            ('[', _) => {
                depth += 1;
                entity.push(c);
            }
            (']', 0) => entity.clear(),
            (']', 1) => {
                depth = 0;
                entities.push(normalise(&std::mem::take(&mut entity)));
            }
            (']', _) => {
                depth -= 1;
                entity.push(c);
            }
            (_, 0) => {}
            (c, _) => entity.push(c),
        }
    }
    entities
}

/// F1 of two bags: each entity counts as often as it is listed in both. 0 where nothing is shared,
/// two empty bags included: the experiment gives an answer no credit for rightly finding nothing.
#[must_use]
pub fn bag_f1(reference: &[String], prediction: &[String]) -> f64 {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for entity in reference {
        *left.entry(entity).or_default() += 1;
    }
    let mut shared = 0_usize;
    for entity in prediction {
        if let Some(count) = left.get_mut(entity.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let precision = shared as f64 / prediction.len() as f64;
    let recall = shared as f64 / reference.len() as f64;
    2.0 * (precision * recall) / (precision + recall)
}

/// [`bag_f1`] of the [`bracketed`] entities.
#[must_use]
pub fn entity_f1(reference: &str, prediction: &str) -> f64 {
    bag_f1(&bracketed(reference), &bracketed(prediction))
}

/// [`bag_f1`] of labels separated by a comma and a blank, in lower case. Without the blank two
/// labels are one; of no text at all, the empty label is right.
#[must_use]
pub fn label_list_f1(reference: &str, prediction: &str) -> f64 {
    let labels = |text: &str| -> Vec<String> {
        text.split(", ")
            .map(|label| label.to_lowercase().trim_matches(crate::text::is_space).to_owned())
            .collect()
    };
    bag_f1(&labels(reference), &labels(prediction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outermost_brackets_count() {
        assert_eq!(bracketed("[a [nested | x] entity | y]"), ["nested x entity y"]);
        assert_eq!(bracketed("closed] [ok | t] [cut"), ["ok t"]);
        assert_eq!(bracketed("[A][B] [A]"), ["", "b", ""]);
        assert!(bracketed("][ none").is_empty());
    }

    #[test]
    fn bags_by_hand() {
        // One of two in common with one of two: precision 1/2, recall 1/2.
        assert!((label_list_f1("a, b", "B, c") - 0.5).abs() < 1e-15);
        assert!((label_list_f1("x, x", "x") - 2.0 / 3.0).abs() < 1e-15);
        assert!(label_list_f1("x, y", "x,y").abs() < 1e-15);
        assert!((label_list_f1("", "") - 1.0).abs() < 1e-15);
        assert!((entity_f1("[a drug] [b]", "[Drug]") - 2.0 / 3.0).abs() < 1e-15);
        assert!(entity_f1("", "").abs() < 1e-15);
    }
}
