//! Accuracy, F1, Matthews correlation and their kin, all read off one confusion matrix.
//!
//! Definitions as in scikit-learn with `zero_division=0`: a class that was never predicted has precision 0, one that never
//! occurs has recall 0, and F1 is `2·TP / (2·TP + FP + FN)`, 0 for a class that is neither.

use crate::error::{MetricError, Result, not_empty, same_length};
use crate::value::{Aspect, Definition, Direction};

/// Share of answers that are right.
pub const ACCURACY: Definition = Definition::new("accuracy", "fraction", Direction::HigherIsBetter, Aspect::Utility);
/// F1 averaged over classes.
pub const MACRO_F1: Definition = Definition::new("macro_f1", "fraction", Direction::HigherIsBetter, Aspect::Utility);
/// Matthews correlation coefficient.
pub const MCC: Definition = Definition::new(
    "matthews_correlation",
    "coefficient",
    Direction::HigherIsBetter,
    Aspect::Utility,
);
/// Mean recall of the classes that occur.
pub const BALANCED_ACCURACY: Definition = Definition::new(
    "balanced_accuracy",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);

/// Precision, recall and their harmonic mean, each in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PrecisionRecallF1 {
    /// Share of what was said that is right.
    pub precision: f64,
    /// Share of what is right that was said.
    pub recall: f64,
    /// Harmonic mean; 0 where both are 0.
    pub f1: f64,
}

impl PrecisionRecallF1 {
    /// From precision and recall.
    #[must_use]
    pub fn new(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

/// Which classes an average runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes {
    /// Those that occur as a label or as an answer.
    Present,
    /// All that the task has.
    All,
}

/// Counts of (label, answer): `counts[label][answer]`, `[classes, classes]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// Share of answers that are right.
///
/// # Errors
/// If there are no items.
pub fn accuracy(right: &[bool]) -> Result<f64> {
    not_empty("accuracy", right)?;
    Ok(right.iter().filter(|&&right| right).count() as f64 / right.len() as f64)
}

impl Confusion {
    /// Counts labels and answers, both 0-based class indices below `classes`. An answer that could not be parsed has no
    /// class: give the task one class more for it, so that it lowers recall and is never dropped.
    ///
    /// # Errors
    /// If there are no items, the lists differ in length, or an index is not below `classes`.
    pub fn new(labels: &[usize], answers: &[usize], classes: usize) -> Result<Self> {
        let metric = "confusion matrix";
        not_empty(metric, labels)?;
        same_length(metric, "answers", answers.len(), labels.len())?;
        let mut counts = vec![vec![0; classes]; classes];
        for (index, (&label, &answer)) in labels.iter().zip(answers).enumerate() {
            let found = label.max(answer);
            if found >= classes {
                return Err(MetricError::Label {
                    metric,
                    index,
                    found,
                    classes,
                });
            }
            counts[label][answer] += 1;
        }
        Ok(Self { counts })
    }

    /// `counts()[label][answer]`.
    #[must_use]
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Items.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn labelled(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    fn answered(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    fn right(&self) -> u64 {
        (0..self.classes()).map(|class| self.counts[class][class]).sum()
    }

    fn members(&self, classes: Classes) -> Vec<usize> {
        (0..self.classes())
            .filter(|&class| classes == Classes::All || self.labelled(class) + self.answered(class) > 0)
            .collect()
    }

    /// Share of answers that are right. Micro-averaged precision, recall and F1 are the same number where every item has one
    /// label and one answer.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    /// Precision, recall and F1 of one class; 0 where 0/0.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn class(&self, class: usize) -> PrecisionRecallF1 {
        let right = self.counts[class][class];
        let share = |of: u64| {
            if of == 0 { 0.0 } else { right as f64 / of as f64 }
        };
        let (labelled, answered) = (self.labelled(class), self.answered(class));
        let f1 = if labelled + answered == 0 {
            0.0
        } else {
            2.0 * right as f64 / (labelled + answered) as f64
        };
        PrecisionRecallF1 {
            precision: share(answered),
            recall: share(labelled),
            f1,
        }
    }

    /// Unweighted mean over classes of precision, of recall and of F1.
    #[must_use]
    pub fn macro_average(&self, classes: Classes) -> PrecisionRecallF1 {
        let members = self.members(classes);
        self.average(&members, |_| 1.0 / members.len() as f64)
    }

    /// Mean over classes of precision, recall and F1, weighted by how often the class is the label.
    #[must_use]
    pub fn weighted_average(&self) -> PrecisionRecallF1 {
        self.average(&self.members(Classes::Present), |class| {
            self.labelled(class) as f64 / self.total() as f64
        })
    }

    fn average(&self, members: &[usize], weight: impl Fn(usize) -> f64) -> PrecisionRecallF1 {
        let mut mean = PrecisionRecallF1::default();
        for &class in members {
            let (one, weight) = (self.class(class), weight(class));
            mean.precision += weight * one.precision;
            mean.recall += weight * one.recall;
            mean.f1 += weight * one.f1;
        }
        mean
    }

    /// Mean recall of the classes that occur as a label.
    #[must_use]
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> = (0..self.classes())
            .filter(|&class| self.labelled(class) > 0)
            .map(|class| self.class(class).recall)
            .collect();
        recalls.iter().sum::<f64>() / recalls.len() as f64
    }

    /// Matthews correlation for any number of classes (Gorodkin 2004): the covariance of labels and answers over the root of
    /// their variances. 0 by convention where all labels or all answers are one class.
    #[must_use]
    pub fn matthews_correlation(&self) -> f64 {
        let n = self.total() as f64;
        let sum = |f: &dyn Fn(usize) -> f64| (0..self.classes()).map(f).sum::<f64>();
        let labelled = |class: usize| self.labelled(class) as f64;
        let answered = |class: usize| self.answered(class) as f64;
        let covariance = self.right() as f64 * n - sum(&|k| labelled(k) * answered(k));
        let labels = n * n - sum(&|k| labelled(k).powi(2));
        let answers = n * n - sum(&|k| answered(k).powi(2));
        if labels * answers == 0.0 {
            0.0
        } else {
            covariance / (labels * answers).sqrt()
        }
    }

    /// Cohen's kappa: agreement beyond chance.
    ///
    /// # Errors
    /// If labels and answers are all one and the same class: chance agreement is then complete.
    pub fn cohen_kappa(&self) -> Result<f64> {
        let n = self.total() as f64;
        let chance: f64 = (0..self.classes())
            .map(|class| self.labelled(class) as f64 * self.answered(class) as f64)
            .sum::<f64>()
            / (n * n);
        if chance >= 1.0 {
            return Err(MetricError::Undefined {
                metric: "Cohen's kappa",
                reason: "labels and answers are all one class".into(),
            });
        }
        Ok((self.accuracy() - chance) / (1.0 - chance))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Labels 0 0 0 1, answers 0 0 1 1: class 0 has precision 2/2 and recall 2/3, class 1 precision 1/2 and recall 1.
    fn small() -> Confusion {
        Confusion::new(&[0, 0, 0, 1], &[0, 0, 1, 1], 2).unwrap()
    }

    #[test]
    fn by_hand() {
        let matrix = small();
        assert_eq!(matrix.counts(), [vec![2, 1], vec![0, 1]]);
        assert!((matrix.accuracy() - 0.75).abs() < 1e-15);
        assert!((matrix.class(0).f1 - 0.8).abs() < 1e-15);
        assert!((matrix.class(1).f1 - 2.0 / 3.0).abs() < 1e-15);
        let mean = matrix.macro_average(Classes::All);
        assert!((mean.f1 - f64::midpoint(0.8, 2.0 / 3.0)).abs() < 1e-15);
        assert!((matrix.balanced_accuracy() - f64::midpoint(2.0 / 3.0, 1.0)).abs() < 1e-15);
        // TP·TN − FP·FN over the root of the margins: (2·1 − 0·1) / √(2·3·1·2).
        assert!((matrix.matthews_correlation() - 2.0 / 12.0_f64.sqrt()).abs() < 1e-15);
        // Chance agreement is 3/4·1/2 + 1/4·1/2 = 1/2.
        assert!((matrix.cohen_kappa().unwrap() - 0.5).abs() < 1e-15);
    }

    #[test]
    fn order_of_items_and_names_of_classes_do_not_matter() {
        let (labels, answers) = ([0, 1, 2, 2, 1], [0, 2, 2, 1, 1]);
        let one = Confusion::new(&labels, &answers, 3).unwrap();
        let reversed = |x: &[usize]| x.iter().rev().map(|&class| 2 - class).collect::<Vec<_>>();
        let other = Confusion::new(&reversed(&labels), &reversed(&answers), 3).unwrap();
        let values = |m: &Confusion| {
            [
                m.accuracy(),
                m.macro_average(Classes::Present).f1,
                m.weighted_average().f1,
                m.matthews_correlation(),
                m.cohen_kappa().unwrap(),
            ]
        };
        for (a, b) in values(&one).iter().zip(values(&other)) {
            assert!((a - b).abs() < 1e-12);
            assert!((-1.0..=1.0).contains(a));
        }
    }

    #[test]
    fn a_class_that_never_occurs_counts_only_when_asked_for() {
        let matrix = Confusion::new(&[0, 1], &[0, 1], 4).unwrap();
        assert!((matrix.macro_average(Classes::Present).f1 - 1.0).abs() < 1e-15);
        assert!((matrix.macro_average(Classes::All).f1 - 0.5).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_measure_is_an_error() {
        assert!(matches!(Confusion::new(&[], &[], 2), Err(MetricError::Empty { .. })));
        assert!(accuracy(&[]).is_err());
        assert!(
            Confusion::new(&[0], &[2], 2)
                .unwrap_err()
                .to_string()
                .contains("label 2")
        );
        assert!(Confusion::new(&[0, 0], &[0, 0], 2).unwrap().cohen_kappa().is_err());
    }
}
