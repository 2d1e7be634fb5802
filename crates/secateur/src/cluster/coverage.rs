//! What of a sweep is done, told by its records alone. A scheduler may forget a job; records stay.

/// What a submission needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Shards with cells that have no record, ascending.
    pub missing_shards: Vec<usize>,
    /// Cells with a record.
    pub done: usize,
    /// Cells of the sweep.
    pub total: usize,
    /// What the last run said of cells that failed.
    pub failures: Vec<String>,
}

/// Cells that a task should at least have, where nothing else says: a task costs a scheduler a second or two, and each opens
/// the sweep's models anew.
const CELLS_PER_TASK: usize = 8;
/// More tasks than that are for the user to ask for.
const MOST_TASKS: usize = 64;
/// What a task should at least take, in seconds, where times are known.
const SECONDS_PER_TASK: f64 = 300.0;

/// How many tasks a sweep of so many cells is cut into; `seconds` is the estimate for all of it, where there is one.
#[must_use]
#[allow(clippy::cast_sign_loss)] // seconds are not negative
pub fn default_tasks(cells: usize, seconds: Option<f64>) -> usize {
    let wanted = seconds.map_or(cells / CELLS_PER_TASK, |seconds| (seconds / SECONDS_PER_TASK) as usize);
    wanted.min(MOST_TASKS).min(cells).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_are_bundled() {
        assert_eq!(default_tasks(24, None), 3);
        assert_eq!(default_tasks(3, None), 1);
        assert_eq!(default_tasks(0, None), 1);
        assert_eq!(default_tasks(10_000, None), 64);
        // Ten hours at five minutes a task; a minute is one task.
        assert_eq!(default_tasks(500, Some(36_000.0)), 64);
        assert_eq!(default_tasks(500, Some(3_000.0)), 10);
        assert_eq!(default_tasks(500, Some(60.0)), 1);
    }
}
