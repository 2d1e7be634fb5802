//! Which rule puts lexical evidence together? Tried on the choice halves of sets that people labelled, and on nothing else.
//!
//! The rule is chosen by the one-standard-error rule (Breiman et al. 1984, *Classification and Regression Trees*, section 3.4.3): of
//! all rules whose area under the curve is less than one standard error below the best one's, the one that lets
//! facts without support cost most, because a rule that overlooks a wrong figure is worth less than these few hundred statements can
//! tell. That preference, and the cut into halves, were settled after first figures on both halves had been seen: the reported half
//! is not untouched.

use secateur_metrics::auroc::auroc;
use secateur_metrics::lexical::combined::{CANDIDATES, Evidence, Facts, Over, Overlap, Rule, by_rule, evidence};
use secateur_metrics::lexical::{Document, WordLists};
use secateur_metrics::statistics::{Bootstrap, Clusters, resample_statistic};

use crate::labelled::{Half, Labelled, LabelledBy};
use crate::measure::best_threshold;

/// A rule, and what it reaches on the choice half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// The rule.
    pub rule: Rule,
    /// Area under the curve, averaged over sets.
    pub auroc: f64,
    /// Its standard error: that of a mean of independent sets, by the bootstrap over documents.
    pub standard_error: f64,
    /// The threshold of best balanced accuracy over all sets together.
    pub threshold: f64,
    /// That accuracy.
    pub balanced_accuracy: f64,
}

/// One labelled text: document, evidence, supported.
type Case = (String, Vec<Evidence>, bool);

/// Every candidate, best area first; equal ones in the order of [`CANDIDATES`]. Sets that people labelled and that have texts count,
/// but not those of which less than a tenth is supported or not: contradictions alone.
#[must_use]
pub fn tried(sets: &[Labelled]) -> Vec<Tried> {
    let lists = WordLists::default();
    let usable = |set: &&Labelled| {
        let supported = set.items.iter().filter(|item| item.supported).count() as f64 / set.items.len().max(1) as f64;
        set.by == LabelledBy::People && set.has_texts() && (0.1..=0.9).contains(&supported)
    };
    let cases: Vec<Vec<Case>> = sets
        .iter()
        .filter(usable)
        .map(|set| of_choice_half(set, &lists))
        .collect();
    if cases.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<Tried> = CANDIDATES.iter().filter_map(|&rule| judged(rule, &cases)).collect();
    all.sort_by(|a, b| b.auroc.total_cmp(&a.auroc));
    all
}

/// The one that ships; `None` where nothing was tried.
#[must_use]
pub fn chosen(tried: &[Tried]) -> Option<Tried> {
    let best = tried.first()?;
    let close = tried
        .iter()
        .filter(|other| other.auroc > best.auroc - best.standard_error);
    close.min_by_key(|other| preference(other.rule)).copied()
}

fn preference(rule: Rule) -> (usize, usize, usize) {
    let facts = [Facts::Each, Facts::Any, Facts::Share, Facts::Ignored];
    let overlaps = [Overlap::Whole, Overlap::Both, Overlap::Best];
    let overs = [Over::Mean, Over::Worst];
    let place = |found: Option<usize>| found.unwrap_or(usize::MAX);
    (
        place(facts.iter().position(|facts| *facts == rule.facts)),
        place(overlaps.iter().position(|overlap| *overlap == rule.overlap)),
        place(overs.iter().position(|over| *over == rule.over)),
    )
}

fn of_choice_half(set: &Labelled, lists: &WordLists) -> Vec<Case> {
    let items = set.items.iter().filter(|item| item.half == Half::Choice);
    let found = items.filter_map(|item| {
        let (source, text) = item.texts.as_ref()?;
        let evidence = evidence(&Document::new(text, lists), &Document::new(source, lists));
        Some((item.document.clone(), evidence, item.supported))
    });
    found.collect()
}

fn judged(rule: Rule, sets: &[Vec<Case>]) -> Option<Tried> {
    let (mut areas, mut variance) = (Vec::new(), 0.0);
    let (mut scores, mut supported) = (Vec::new(), Vec::new());
    for set in sets {
        let (mut of_set, mut labels, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        for (document, evidence, label) in set {
            if let Some(reading) = by_rule(evidence, rule) {
                of_set.push(reading.score);
                labels.push(*label);
                documents.push(Some(document.as_str()));
            }
        }
        areas.push(auroc(&of_set, &labels).ok()?);
        let resampled = resample_statistic(&Clusters::by_name(documents), &Bootstrap::default(), |at| {
            let picked: Vec<f64> = at.iter().map(|&i| of_set[i]).collect();
            let picked_labels: Vec<bool> = at.iter().map(|&i| labels[i]).collect();
            auroc(&picked, &picked_labels).ok()
        });
        variance += resampled.ok()?.standard_error().ok()?.powi(2);
        scores.extend(of_set);
        supported.extend(labels);
    }
    let (threshold, balanced_accuracy) = best_threshold(&scores, &supported)?;
    let number = areas.len() as f64;
    Some(Tried {
        rule,
        auroc: areas.iter().sum::<f64>() / number,
        standard_error: variance.sqrt() / number,
        threshold,
        balanced_accuracy,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_standard_error_and_the_preference_decide() {
        let with = |at: usize, auroc: f64| Tried {
            rule: CANDIDATES[at],
            auroc,
            standard_error: 0.05,
            threshold: 0.5,
            balanced_accuracy: 0.5,
        };
        // 0: facts ignored; 2: share; 6: each.
        assert_eq!(
            chosen(&[with(0, 0.8), with(2, 0.79), with(6, 0.74)]).unwrap().rule,
            CANDIDATES[2]
        );
        assert_eq!(
            chosen(&[with(0, 0.8), with(2, 0.79), with(6, 0.76)]).unwrap().rule,
            CANDIDATES[6]
        );
        assert_eq!(chosen(&[]), None);
    }
}
