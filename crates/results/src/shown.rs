//! What charts of single cells show where a sweep has too many: one method per model, and a few fractions of many.

use std::collections::BTreeMap;

use crate::safe::{SafeFraction, words};

/// Fractions that are drawn side by side at most.
pub const FRACTIONS: usize = 4;

/// The method that stands for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The model.
    pub model: String,
    /// The method's label.
    pub method: String,
    /// Why this one, in a sentence.
    pub why: String,
}

/// For every model the method with the largest safe fraction in the domain that the model is pruned for (in all domains together,
/// where nothing says which that is); `reap` among equals, else the first by name. `random` only where there is no other.
#[must_use]
pub fn shown(safe: &[SafeFraction]) -> Vec<Shown> {
    let mut models: BTreeMap<&str, Vec<&SafeFraction>> = BTreeMap::new();
    for answer in safe.iter().filter(|answer| answer.in_domain != Some(false)) {
        models.entry(&answer.model).or_default().push(answer);
    }
    models
        .into_iter()
        .filter_map(|(model, answers)| choose(model, &answers))
        .collect()
}

fn choose(model: &str, answers: &[&SafeFraction]) -> Option<Shown> {
    let mut methods: BTreeMap<&str, f64> = BTreeMap::new();
    for answer in answers {
        *methods.entry(&answer.method).or_default() += answer.fraction;
    }
    let random = |method: &str| method.starts_with("random");
    if methods.keys().any(|method| !random(method)) {
        methods.retain(|method, _| !random(method));
    }
    let largest = methods.values().copied().reduce(f64::max)?;
    let mut best: Vec<&str> = methods
        .iter()
        .filter(|(_, sum)| **sum >= largest)
        .map(|(method, _)| *method)
        .collect();
    best.sort_by_key(|method| (*method != "reap", *method));
    let method = *best.first()?;
    let safe: Vec<String> = answers
        .iter()
        .filter(|answer| answer.method == method)
        .map(|answer| format!("{} in {}", words::share(answer.fraction), answer.domain))
        .collect();
    let safe = safe.join(", ");
    let among = match best.len() {
        1 => format!("the method with the largest safe fraction ({safe})"),
        count => format!("one of {count} methods with the largest safe fraction ({safe})"),
    };
    Some(Shown {
        model: model.to_owned(),
        method: method.to_owned(),
        why: format!("Shown: {method}, {among}."),
    })
}

/// At most `most` of ascending values, evenly, the first and the last among them.
#[must_use]
pub fn some<T: Copy>(values: &[T], most: usize) -> Vec<T> {
    let last = values.len().saturating_sub(1);
    if values.len() <= most || most < 2 {
        return values.iter().copied().take(most).collect();
    }
    (0..most)
        .map(|i| values[(i * last + (most - 1) / 2) / (most - 1)])
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::safe::End;

    fn answer(method: &str, domain: &str, own: Option<bool>, fraction: f64) -> SafeFraction {
        SafeFraction {
            model: "m".to_owned(),
            method: method.to_owned(),
            domain: domain.to_owned(),
            in_domain: own,
            fraction,
            interval: (fraction, fraction),
            largest: 0.5,
            seeds: 1,
            criteria: 1,
            kept: Vec::new(),
            end: End::Largest,
        }
    }

    fn method(safe: &[SafeFraction]) -> String {
        shown(safe).remove(0).method
    }

    #[test]
    fn the_largest_safe_fraction_of_the_own_domain_decides() {
        let own = |method: &str, fraction| answer(method, "biomedical", Some(true), fraction);
        let outside = answer("ean", "general", Some(false), 0.5);
        assert_eq!(method(&[own("ean", 0.25), own("easy-ep", 0.375), outside]), "easy-ep");
        let tied = [own("ean", 0.25), own("reap", 0.25), own("random", 0.5)];
        assert_eq!(method(&tied), "reap");
        assert_eq!(
            shown(&tied)[0].why,
            "Shown: reap, one of 2 methods with the largest safe fraction (25 % in biomedical)."
        );
        assert_eq!(method(&[own("random", 0.0)]), "random");
        let both = [
            answer("ean", "a", None, 0.5),
            answer("ean", "b", None, 0.0),
            answer("reap", "a", None, 0.25),
        ];
        assert_eq!(method(&both), "ean");
        assert!(shown(&[]).is_empty());
    }

    #[test]
    fn a_few_of_many_are_even() {
        assert_eq!(some(&[1, 2, 3, 4, 5, 6, 7], 4), [1, 3, 5, 7]);
        assert_eq!(some(&[1, 2, 3, 4, 5], 4), [1, 2, 4, 5]);
        assert_eq!(some(&[1, 2], 4), [1, 2]);
        assert_eq!(some(&[1, 2, 3], 1), [1]);
    }
}
