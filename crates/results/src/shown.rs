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

/// At most `most` of ascending fractions, spread evenly over their range, the first and the last among them; the gentler of two that are
/// equally near.
#[must_use]
pub fn some(fractions: &[f64], most: usize) -> Vec<f64> {
    let (Some(&first), Some(&last)) = (fractions.first(), fractions.last()) else {
        return Vec::new();
    };
    if fractions.len() <= most || most < 2 {
        return fractions.iter().copied().take(most).collect();
    }
    let mut rest = fractions.to_vec();
    let mut chosen: Vec<f64> = (0..most)
        .filter_map(|i| {
            let wanted = first + (last - first) * i as f64 / (most - 1) as f64;
            // Of neighbours as near as each other to within rounding, the first.
            let distance = |fraction: f64| ((fraction - wanted).abs() * 1e9).round();
            let nearest = (0..rest.len()).min_by(|&a, &b| distance(rest[a]).total_cmp(&distance(rest[b])))?;
            Some(rest.remove(nearest))
        })
        .collect();
    chosen.sort_by(f64::total_cmp);
    chosen
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
        let all = [0.125, 0.25, 0.5, 0.75, 0.875];
        assert_eq!(some(&all, 4), [0.125, 0.25, 0.5, 0.875]);
        assert_eq!(some(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 4), [0.1, 0.3, 0.5, 0.7]);
        assert_eq!(some(&[0.1, 0.11, 0.12, 0.9], 3), [0.1, 0.12, 0.9]);
        assert_eq!(some(&[0.1, 0.2], 4), [0.1, 0.2]);
        assert_eq!(some(&[0.1, 0.2, 0.3], 1), [0.1]);
        assert!(some(&[], 4).is_empty());
    }
}
