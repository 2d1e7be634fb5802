//! Seconds that cells take, by those that were measured.
//!
//! Cells of one model and one task are siblings: they read and write about the same, whatever the mask. Where no sibling was
//! measured, the planned work decides, at the pace that was measured of the same model, or else of all models.

use std::collections::BTreeMap;

use secateur_results::store::StoredRecord;

use super::opened::Opened;
use super::plan::PlannedCell;

/// Indices of model and task: what siblings share.
pub type Siblings = (usize, usize);

/// What is known of the cost of cells.
#[derive(Debug, Clone, Default)]
pub struct Costs {
    /// Planned work of one cell.
    work: BTreeMap<Siblings, f64>,
    /// Sum of seconds, and of how many cells.
    measured: BTreeMap<Siblings, (f64, usize)>,
}

impl Costs {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(plan: &[PlannedCell]) -> Self {
        let work = plan.iter().map(|cell| ((cell.subject, cell.task), cell.work));
        Self {
            work: work.collect(),
            measured: BTreeMap::new(),
        }
    }

    /// What records tell, by the names in them.
    #[must_use]
    pub fn of_records(opened: &Opened<'_>, records: &[StoredRecord]) -> Self {
        let mut costs = Self::new(&opened.plan);
        for stored in records {
            let cell = &stored.record.cell;
            let Some(task) = opened.tasks.iter().position(|task| task.spec.name == cell.task) else {
                continue;
            };
            // A model and what was exported of it and is served share a name.
            for (model, _) in (opened.subjects.iter().enumerate()).filter(|(_, s)| s.reported_as() == cell.model) {
                costs.learn((model, task), stored.record.cost.seconds);
            }
        }
        costs
    }

    /// A cell took so many seconds; 0, as of one that shared answers, tells nothing.
    pub fn learn(&mut self, siblings: Siblings, seconds: f64) {
        if seconds > 0.0 {
            let (sum, n) = self.measured.entry(siblings).or_default();
            (*sum, *n) = (*sum + seconds, *n + 1);
        }
    }

    /// Seconds of a cell; `None` while nothing was measured.
    #[must_use]
    pub fn seconds(&self, siblings: Siblings) -> Option<f64> {
        if let Some((sum, n)) = self.measured.get(&siblings) {
            return Some(sum / *n as f64);
        }
        let work = self.work.get(&siblings)?;
        let pace = self.pace(|model| model == siblings.0).or_else(|| self.pace(|_| true))?;
        Some(pace * work)
    }

    /// Seconds per planned work of the models for which `counts`.
    fn pace(&self, counts: impl Fn(usize) -> bool) -> Option<f64> {
        let of = self.measured.iter().filter(|((model, _), _)| counts(*model));
        let (seconds, work) = of.fold((0.0, 0.0), |sum, (siblings, (seconds, n))| {
            let work = self.work.get(siblings).copied().unwrap_or_default();
            (sum.0 + seconds / *n as f64, sum.1 + work)
        });
        (work > 0.0).then(|| seconds / work)
    }
}

#[cfg(test)]
mod tests {
    use super::Costs;

    /// Two models, of which the second is twice as much work, and two tasks, of which the second is thrice as much.
    fn costs() -> Costs {
        Costs {
            work: [((0, 0), 1.0), ((0, 1), 3.0), ((1, 0), 2.0), ((1, 1), 6.0)].into(),
            ..Costs::default()
        }
    }

    #[test]
    fn nothing_is_said_before_something_was_measured() {
        let mut costs = costs();
        assert_eq!(costs.seconds((0, 0)), None);
        costs.learn((0, 0), 0.0);
        assert_eq!(costs.seconds((0, 0)), None);
    }

    #[test]
    fn siblings_decide_then_the_models_pace_then_that_of_all() {
        let mut costs = costs();
        costs.learn((0, 0), 2.0);
        costs.learn((0, 0), 4.0);
        assert_eq!(costs.seconds((0, 0)), Some(3.0));
        // 3 s for work of 1.
        assert_eq!(costs.seconds((0, 1)), Some(9.0));
        assert_eq!(costs.seconds((1, 0)), Some(6.0));
        assert_eq!(costs.seconds((1, 1)), Some(18.0));
        // 20 s for work of 2: the second model has a pace of its own now, and the first keeps its.
        costs.learn((1, 0), 20.0);
        assert_eq!(costs.seconds((1, 1)), Some(60.0));
        assert_eq!(costs.seconds((0, 1)), Some(9.0));
    }

    #[test]
    fn a_pace_is_of_all_measured_tasks_together() {
        let mut costs = costs();
        costs.learn((0, 0), 3.0);
        costs.learn((0, 1), 5.0);
        // 8 s for work of 4.
        assert_eq!(costs.seconds((1, 1)), Some(12.0));
    }

    #[test]
    fn what_is_not_planned_has_no_cost() {
        let mut costs = costs();
        costs.learn((0, 0), 3.0);
        assert_eq!(costs.seconds((2, 0)), None);
    }
}
