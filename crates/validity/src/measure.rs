//! What a scorer's numbers are worth on a labelled set.
//!
//! Correlations and the area under the curve are over all items with a score. A threshold is the one of best balanced accuracy on the
//! set's half for choices, and balanced accuracy is that of the other half. Intervals are the expanded percentile bootstrap's at
//! 95 %, documents drawn with all their items.

use secateur_metrics::auroc::auroc;
use secateur_metrics::correlation::{pearson, spearman, without_groups};
use secateur_metrics::statistics::{Bootstrap, CONFIDENCE, Clusters, resample_statistic};
use serde::Serialize;

use crate::error::ValidityError;
use crate::labelled::{Half, Item, Labelled};
use crate::scorer::PairScorer;

/// A figure and its interval, where the items allow one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// One scorer on one set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the set.
    pub set: String,
    /// Name of the scorer.
    pub scorer: String,
    /// What decides its numbers; empty for scores that came with the set.
    pub identity: String,
    /// Items with a score.
    pub scored: usize,
    /// Items with texts, or with a label where scores came with the set.
    pub items: usize,
    /// Documents that the scored items are of.
    pub documents: usize,
    /// Scored items that are supported.
    pub supported: usize,
    /// Score and label; absent where one of them is constant.
    pub pearson: Option<Figure>,
    /// Ranks of score and label.
    pub spearman: Option<Figure>,
    /// The same with the system taken out, where the set names systems.
    pub partial_pearson: Option<Figure>,
    /// As above, of ranks.
    pub partial_spearman: Option<Figure>,
    /// Probability that a supported item scores above another.
    pub auroc: Option<Figure>,
    /// Threshold of the choice half.
    pub threshold: Option<f64>,
    /// Its balanced accuracy on the choice half.
    pub chosen_accuracy: Option<f64>,
    /// Its balanced accuracy on the other half.
    pub balanced_accuracy: Option<Figure>,
    /// The threshold that ships with the scorer, and its balanced accuracy on the other half.
    pub shipped: Option<(f64, Option<Figure>)>,
    /// At the shipped threshold, else at the chosen one, on the other half: of the items flagged as unsupported, how many are.
    pub precision: Option<Figure>,
    /// Of the unsupported items, how many are flagged.
    pub recall: Option<Figure>,
}

/// Measures what came with the set and every scorer, in this order. `progress` is told what comes next.
///
/// # Errors
/// If a scorer fails or does not answer every pair, or gives a number that is not finite.
pub fn measure(
    set: &Labelled,
    scorers: &mut [Box<dyn PairScorer + '_>],
    bootstrap: &Bootstrap,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, ValidityError> {
    let mut rows = Vec::new();
    for given in &set.given {
        progress(&given.name);
        rows.push(row(set, &given.name, "", &given.scores, None, bootstrap)?);
    }
    let with_texts: Vec<usize> = (0..set.items.len()).filter(|&i| set.items[i].texts.is_some()).collect();
    if with_texts.is_empty() {
        return Ok(rows);
    }
    let texts = with_texts.iter().filter_map(|&i| set.items[i].texts.as_ref());
    let pairs: Vec<(&str, &str)> = texts.map(|(source, text)| (source.as_str(), text.as_str())).collect();
    for scorer in scorers {
        let name = scorer.name();
        progress(&name);
        let fail = |found: String| ValidityError::Scorer {
            scorer: name.clone(),
            set: set.name.clone(),
            found,
        };
        let answered = scorer.score(&pairs).map_err(|error| fail(error.to_string()))?;
        if answered.len() != pairs.len() {
            return Err(fail(format!(
                "{} scores for {} pairs; expected one each",
                answered.len(),
                pairs.len()
            )));
        }
        let mut scores = vec![None; set.items.len()];
        for (&i, score) in with_texts.iter().zip(answered) {
            if let Some(score) = score.filter(|score| !score.is_finite()) {
                return Err(fail(format!(
                    "the score {score} of pair {}; expected a finite number",
                    i + 1
                )));
            }
            scores[i] = score;
        }
        rows.push(row(
            set,
            &name,
            &scorer.identity(),
            &scores,
            scorer.threshold(),
            bootstrap,
        )?);
    }
    Ok(rows)
}

/// Scored items, side by side.
#[derive(Debug, Default)]
struct Columns<'a> {
    scores: Vec<f64>,
    labels: Vec<f64>,
    supported: Vec<bool>,
    items: Vec<&'a Item>,
}

impl<'a> Columns<'a> {
    fn new(items: &'a [Item], scores: &[Option<f64>], keep: impl Fn(&Item) -> bool) -> Self {
        let mut columns = Self::default();
        for (item, score) in items.iter().zip(scores) {
            if let (Some(score), true) = (score, keep(item)) {
                columns.scores.push(*score);
                columns.labels.push(item.label);
                columns.supported.push(item.supported);
                columns.items.push(item);
            }
        }
        columns
    }

    /// A statistic of scores, labels and yes or no, with its interval.
    fn figure(&self, bootstrap: &Bootstrap, of: impl Fn(&[f64], &[f64], &[bool]) -> Option<f64>) -> Option<Figure> {
        let clusters = Clusters::by_name(self.items.iter().map(|item| Some(item.document.as_str())));
        let value = of(&self.scores, &self.labels, &self.supported)?;
        let resampled = resample_statistic(&clusters, bootstrap, |at| {
            let pick = |values: &[f64]| -> Vec<f64> { at.iter().map(|&i| values[i]).collect() };
            let supported: Vec<bool> = at.iter().map(|&i| self.supported[i]).collect();
            of(&pick(&self.scores), &pick(&self.labels), &supported)
        });
        let interval = resampled.and_then(|resampled| resampled.interval(CONFIDENCE)).ok();
        Some(Figure { value, interval })
    }

    /// The same columns with each group's mean taken away; `None` unless every item has a group and there are two.
    fn without_groups(&self) -> Option<Self> {
        let groups: Vec<&str> = self.items.iter().filter_map(|item| item.group.as_deref()).collect();
        let several = groups.windows(2).any(|pair| pair[0] != pair[1]);
        if groups.len() != self.items.len() || !several {
            return None;
        }
        Some(Self {
            scores: without_groups(&self.scores, &groups).ok()?,
            labels: without_groups(&self.labels, &groups).ok()?,
            supported: self.supported.clone(),
            items: self.items.clone(),
        })
    }
}

fn row(
    set: &Labelled,
    name: &str,
    identity: &str,
    scores: &[Option<f64>],
    shipped: Option<f64>,
    bootstrap: &Bootstrap,
) -> Result<Row, ValidityError> {
    if let Some(score) = scores.iter().flatten().find(|score| !score.is_finite()) {
        return Err(ValidityError::Scorer {
            scorer: name.to_owned(),
            set: set.name.clone(),
            found: format!("the score {score}; expected a finite number"),
        });
    }
    let all = Columns::new(&set.items, scores, |_| true);
    let choice = Columns::new(&set.items, scores, |item| item.half == Half::Choice);
    let report = Columns::new(&set.items, scores, |item| item.half == Half::Report);
    let partial = all.without_groups();
    let correlation = |columns: &Columns<'_>, ranks: bool| {
        columns.figure(bootstrap, |scores, labels, _| {
            if ranks {
                spearman(scores, labels).ok()
            } else {
                pearson(scores, labels).ok()
            }
        })
    };
    let chosen = best_threshold(&choice.scores, &choice.supported);
    let at = |threshold: f64| report.figure(bootstrap, |scores, _, supported| balanced(scores, supported, threshold));
    let flags = shipped.or(chosen.map(|chosen| chosen.0));
    let flagged = |share: fn(&[f64], &[bool], f64) -> Option<f64>| {
        flags.and_then(|threshold| report.figure(bootstrap, |scores, _, supported| share(scores, supported, threshold)))
    };
    let has_given = identity.is_empty();
    Ok(Row {
        set: set.name.clone(),
        scorer: name.to_owned(),
        identity: identity.to_owned(),
        scored: all.items.len(),
        items: set
            .items
            .iter()
            .filter(|item| has_given || item.texts.is_some())
            .count(),
        documents: Clusters::by_name(all.items.iter().map(|item| Some(item.document.as_str()))).count(),
        supported: all.supported.iter().filter(|&&supported| supported).count(),
        pearson: correlation(&all, false),
        spearman: correlation(&all, true),
        partial_pearson: partial.as_ref().and_then(|columns| correlation(columns, false)),
        partial_spearman: partial.as_ref().and_then(|columns| correlation(columns, true)),
        auroc: all.figure(bootstrap, |scores, _, supported| auroc(scores, supported).ok()),
        threshold: chosen.map(|chosen| chosen.0),
        chosen_accuracy: chosen.map(|chosen| chosen.1),
        balanced_accuracy: chosen.and_then(|chosen| at(chosen.0)),
        shipped: shipped.map(|threshold| (threshold, at(threshold))),
        precision: flagged(precision),
        recall: flagged(recall),
    })
}

/// Mean of the shares of supported items at or above the threshold and of others below it; `None` where a class is missing.
#[must_use]
pub fn balanced(scores: &[f64], supported: &[bool], threshold: f64) -> Option<f64> {
    let share = |class: bool| {
        let of: Vec<bool> = scores
            .iter()
            .zip(supported)
            .filter(|(_, s)| **s == class)
            .map(|(v, _)| (*v >= threshold) == class)
            .collect();
        (!of.is_empty()).then(|| of.iter().filter(|&&right| right).count() as f64 / of.len() as f64)
    };
    Some(f64::midpoint(share(true)?, share(false)?))
}

/// Of the items below the threshold, the share that is unsupported.
fn precision(scores: &[f64], supported: &[bool], threshold: f64) -> Option<f64> {
    let flagged: Vec<bool> = scores
        .iter()
        .zip(supported)
        .filter(|(score, _)| **score < threshold)
        .map(|(_, s)| !*s)
        .collect();
    (!flagged.is_empty()).then(|| flagged.iter().filter(|&&right| right).count() as f64 / flagged.len() as f64)
}

/// Of the unsupported items, the share below the threshold.
fn recall(scores: &[f64], supported: &[bool], threshold: f64) -> Option<f64> {
    let wrong: Vec<bool> = scores
        .iter()
        .zip(supported)
        .filter(|(_, s)| !**s)
        .map(|(score, _)| *score < threshold)
        .collect();
    (!wrong.is_empty()).then(|| wrong.iter().filter(|&&found| found).count() as f64 / wrong.len() as f64)
}

/// The threshold of best balanced accuracy, and that accuracy: halfway between two neighbouring scores, the lowest of equally good
/// ones. `None` where a class is missing or all scores are equal.
#[must_use]
pub fn best_threshold(scores: &[f64], supported: &[bool]) -> Option<(f64, f64)> {
    let mut items: Vec<(f64, bool)> = scores.iter().copied().zip(supported.iter().copied()).collect();
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = items.iter().filter(|item| item.1).count();
    let negatives = items.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut below_positive, mut below_negative) = (0_usize, 0_usize);
    let mut best: Option<(f64, f64)> = None;
    for pair in items.windows(2) {
        below_positive += usize::from(pair[0].1);
        below_negative += usize::from(!pair[0].1);
        if pair[0].0 < pair[1].0 {
            let kept = (positives - below_positive) as f64 / positives as f64;
            let accuracy = f64::midpoint(kept, below_negative as f64 / negatives as f64);
            if best.is_none_or(|(_, most)| accuracy > most) {
                best = Some((f64::midpoint(pair[0].0, pair[1].0), accuracy));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::labelled::{Given, LabelledBy};

    #[test]
    fn thresholds_by_hand() {
        let (scores, supported) = ([0.1, 0.2, 0.3, 0.9], [false, true, false, true]);
        let (threshold, accuracy) = best_threshold(&scores, &supported).unwrap();
        // Above 0.1: both supported, one of two others: 0.75. Above 0.3: 0.5 and 1: 0.75 again, the lower one counts.
        assert!((threshold - 0.15).abs() < 1e-12 && (accuracy - 0.75).abs() < 1e-12);
        assert!((balanced(&scores, &supported, threshold).unwrap() - 0.75).abs() < 1e-12);
        assert_eq!(precision(&scores, &supported, threshold), Some(1.0));
        assert_eq!(recall(&scores, &supported, threshold), Some(0.5));
        assert_eq!(best_threshold(&scores, &[true; 4]), None);
        assert_eq!(best_threshold(&[0.5; 4], &supported), None);
        assert_eq!(balanced(&scores, &[true; 4], 0.5), None);
    }

    fn set() -> Labelled {
        let item = |i: usize| Item {
            group: Some(if i.is_multiple_of(2) { "a".into() } else { "b".into() }),
            half: if i.is_multiple_of(3) {
                Half::Choice
            } else {
                Half::Report
            },
            ..Item::new(&(i / 2).to_string(), Some(("source", "text")), i % 4 < 2)
        };
        let items: Vec<Item> = (0..60).map(item).collect();
        let scores = items
            .iter()
            .enumerate()
            .map(|(i, item)| (i > 5).then_some(item.label * 2.0 + 0.01 * i as f64))
            .collect();
        Labelled {
            name: "made".into(),
            about: String::new(),
            by: LabelledBy::Construction,
            items,
            given: vec![Given {
                name: "oracle".into(),
                scores,
            }],
            files: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_perfect_score_is_perfect_and_missing_ones_are_counted() {
        let rows = measure(&set(), &mut [], &Bootstrap::default(), &mut |_| {}).unwrap();
        let row = &rows[0];
        assert_eq!((row.scored, row.items, row.documents), (54, 60, 27));
        assert!((row.auroc.unwrap().value - 1.0).abs() < 1e-12);
        assert!((row.balanced_accuracy.unwrap().value - 1.0).abs() < 1e-12);
        let (low, high) = row.pearson.unwrap().interval.unwrap();
        assert!(low <= row.pearson.unwrap().value && row.pearson.unwrap().value <= high);
        assert!(row.partial_spearman.is_some() && row.shipped.is_none());
    }

    struct Broken(Vec<Option<f64>>);

    impl PairScorer for Broken {
        fn name(&self) -> String {
            "broken".into()
        }

        fn identity(&self) -> String {
            "broken 1".into()
        }

        fn threshold(&self) -> Option<f64> {
            None
        }

        fn score(&mut self, _: &[(&str, &str)]) -> Result<Vec<Option<f64>>, Box<dyn std::error::Error>> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn scorers_that_do_not_answer_are_refused() {
        let refused = |scores| {
            let mut scorers: Vec<Box<dyn PairScorer>> = vec![Box::new(Broken(scores))];
            measure(&set(), &mut scorers, &Bootstrap::default(), &mut |_| {})
                .unwrap_err()
                .to_string()
        };
        assert!(refused(vec![]).contains("0 scores for 60 pairs"));
        assert!(refused(vec![Some(f64::NAN); 60]).contains("NaN"));
    }
}
