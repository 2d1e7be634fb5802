//! How long a worker will still take: the measured costs of the evaluations that are left.
//!
//! Cells of an equal mask are one evaluation, and cells whose answers are there already are none. Which they are is known once
//! the model's masks are; before that, each cell counts as an evaluation of its own. Loading, calibration and the report
//! are not counted, and what other workers will do is, until they have done it.

use std::collections::{BTreeMap, BTreeSet};

use crate::sweep::costs::{Costs, Siblings};
use crate::sweep::plan::CellIndex;

/// Cells of an equal mask.
#[derive(Debug)]
struct Group {
    /// Cells of it that are left.
    left: usize,
    /// Where its one evaluation is counted, unless it has been done.
    counted: Option<Siblings>,
}

/// The evaluations that are left, and what each costs.
#[derive(Debug, Default)]
pub struct TimeLeft {
    costs: Costs,
    /// Evaluations that have answers from before.
    answered: BTreeSet<String>,
    /// Cells that are left, with their evaluations where these are known.
    cells: BTreeMap<CellIndex, Option<String>>,
    groups: BTreeMap<String, Group>,
    /// How many evaluations are left.
    counts: BTreeMap<Siblings, usize>,
}

impl TimeLeft {
    /// The time for `cells`. `answered`: evaluations that have answers already.
    #[must_use]
    pub fn new(costs: Costs, answered: BTreeSet<String>, cells: &[CellIndex]) -> Self {
        let mut left = Self {
            costs,
            answered,
            ..Self::default()
        };
        for cell in cells {
            if left.cells.insert(*cell, None).is_none() {
                *left.counts.entry(cell.siblings()).or_default() += 1;
            }
        }
        left
    }

    /// The mask of a cell is known, and with it the evaluation that decides its answers.
    pub fn named(&mut self, cell: CellIndex, evaluation: &str) {
        let Some(name @ None) = self.cells.get_mut(&cell) else {
            return;
        };
        *name = Some(evaluation.to_owned());
        let siblings = cell.siblings();
        if let Some(group) = self.groups.get_mut(evaluation) {
            group.left += 1;
            self.one_less(siblings);
            return;
        }
        let counted = (!self.answered.contains(evaluation)).then_some(siblings);
        self.groups.insert(evaluation.to_owned(), Group { left: 1, counted });
        if counted.is_none() {
            self.one_less(siblings);
        }
    }

    /// A cell was evaluated in so many seconds.
    pub fn learn(&mut self, cell: CellIndex, seconds: f64) {
        self.costs.learn(cell.siblings(), seconds);
    }

    /// A cell is not left any more: it has a record (`answered`), or has failed.
    pub fn settled(&mut self, cell: CellIndex, answered: bool) {
        match self.cells.remove(&cell) {
            None => {}
            Some(None) => self.one_less(cell.siblings()),
            Some(Some(evaluation)) => {
                let Some(group) = self.groups.get_mut(&evaluation) else {
                    return;
                };
                group.left -= 1;
                if (answered || group.left == 0)
                    && let Some(siblings) = group.counted.take()
                {
                    self.one_less(siblings);
                }
            }
        }
    }

    /// Seconds for all that is left; `None` while no cell was measured.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let mut left = self.counts.iter().filter(|(_, n)| **n > 0);
        left.try_fold(0.0, |sum, (siblings, n)| {
            Some(sum + self.costs.seconds(*siblings)? * *n as f64)
        })
    }

    /// Seconds of one cell by itself.
    #[must_use]
    pub fn of(&self, cell: CellIndex) -> Option<f64> {
        self.costs.seconds(cell.siblings())
    }

    fn one_less(&mut self, siblings: Siblings) {
        if let Some(n) = self.counts.get_mut(&siblings) {
            *n = n.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TimeLeft;
    use crate::sweep::costs::Costs;
    use crate::sweep::plan::{CellIndex, PlannedCell};

    fn at(mask: usize, task: usize) -> CellIndex {
        CellIndex { subject: 0, mask, task }
    }

    /// One model, the unpruned mask and three others, two tasks of work 1 and 3.
    fn left(answered: &[&str]) -> TimeLeft {
        let cells: Vec<CellIndex> = (0..4).flat_map(|mask| [at(mask, 0), at(mask, 1)]).collect();
        let planned = |cell: &CellIndex| PlannedCell {
            id: String::new(),
            subject: 0,
            mask: cell.mask,
            ranking: None,
            fraction: 0.0,
            task: cell.task,
            work: [1.0, 3.0][cell.task],
        };
        let plan: Vec<PlannedCell> = cells.iter().map(planned).collect();
        let answered: BTreeSet<String> = answered.iter().map(ToString::to_string).collect();
        TimeLeft::new(Costs::new(&plan), answered, &cells)
    }

    #[test]
    fn nothing_is_said_until_a_cell_was_measured() {
        let mut left = left(&[]);
        assert_eq!(left.seconds(), None);
        left.settled(at(0, 0), true);
        assert_eq!(left.seconds(), None);
        left.learn(at(0, 0), 2.0);
        // Three of 2 s, and four of thrice the work.
        assert_eq!(left.seconds(), Some(30.0));
        left.learn(at(0, 1), 5.0);
        left.settled(at(0, 1), true);
        assert_eq!(left.seconds(), Some(3.0 * 2.0 + 3.0 * 5.0));
    }

    #[test]
    fn equal_masks_are_one_evaluation() {
        let mut left = left(&[]);
        left.learn(at(0, 0), 2.0);
        for (mask, name) in [(0, "whole"), (1, "a"), (2, "a"), (3, "b")] {
            left.named(at(mask, 0), name);
            // Said again, it changes nothing.
            left.named(at(mask, 0), name);
        }
        // whole, a and b; the other task's masks are not known: four cells of 6 s.
        assert_eq!(left.seconds(), Some(3.0 * 2.0 + 4.0 * 6.0));
        left.settled(at(2, 0), true);
        assert_eq!(left.seconds(), Some(2.0 * 2.0 + 4.0 * 6.0));
        // Shares.
        left.settled(at(1, 0), true);
        assert_eq!(left.seconds(), Some(2.0 * 2.0 + 4.0 * 6.0));
    }

    #[test]
    fn a_failed_cell_leaves_the_evaluation_to_its_equals() {
        let mut left = left(&[]);
        left.learn(at(0, 0), 2.0);
        (0..4).for_each(|mask| left.settled(at(mask, 1), true));
        for mask in 0..4 {
            left.named(at(mask, 0), "same");
        }
        assert_eq!(left.seconds(), Some(2.0));
        (0..3).for_each(|mask| left.settled(at(mask, 0), false));
        assert_eq!(left.seconds(), Some(2.0));
        left.settled(at(3, 0), false);
        assert_eq!(left.seconds(), Some(0.0));
    }

    #[test]
    fn answers_from_before_cost_nothing() {
        let mut left = left(&["a"]);
        left.learn(at(0, 0), 2.0);
        for (mask, name) in [(0, "whole"), (1, "a"), (2, "a"), (3, "b")] {
            left.named(at(mask, 0), name);
        }
        assert_eq!(left.seconds(), Some(2.0 * 2.0 + 4.0 * 6.0));
        left.settled(at(1, 0), true);
        left.settled(at(2, 0), true);
        assert_eq!(left.seconds(), Some(2.0 * 2.0 + 4.0 * 6.0));
    }

    #[test]
    fn at_the_end_nothing_is_left() {
        let mut left = left(&[]);
        for task in 0..2 {
            (0..4).for_each(|mask| left.settled(at(mask, task), true));
        }
        assert_eq!(left.seconds(), Some(0.0));
        // What is not left cannot be done again.
        left.settled(at(0, 0), true);
        assert_eq!(left.seconds(), Some(0.0));
    }
}
