//! What Slurm says about a sweep's jobs, and sets of array indices as Slurm writes them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::work::Work;
use super::script::{array_name, reduce_name};

/// The columns that [`Queue::read`] expects: array's id, index, state, reason, name.
pub const FORMAT: &str = "%F|%K|%T|%r|%j";

/// Reasons that no waiting ends.
const STUCK: [&str; 6] = [
    "BadConstraints",
    "DependencyNeverSatisfied",
    "JobHeldAdmin",
    "JobHeldUser",
    "launch failed requeued held",
    "user env retrieval failed requeued held",
];

/// The jobs of one sweep that are waiting or running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Shards with a task.
    pub shards: BTreeSet<usize>,
    /// Ids of the arrays that they belong to.
    pub arrays: BTreeSet<u64>,
    /// Arrays of the same sweep that cut it into another number of shards.
    pub other_cuts: BTreeSet<u64>,
    /// Ids of reducers.
    pub reducers: BTreeSet<u64>,
    /// How many tasks are in which state, for people: `RUNNING`, `PENDING (Resources)`.
    pub states: BTreeMap<String, usize>,
    /// Jobs that wait for somebody to do something, with Slurm's reason.
    pub stuck: Vec<String>,
}

impl Queue {
    /// Reads `squeue --noheader --array --format=`[`FORMAT`]; jobs of others are passed over.
    #[must_use]
    pub fn read(text: &str, work: &Work) -> Self {
        let mut queue = Self::default();
        let (array, reducer) = (array_name(work), reduce_name(work));
        let any_array = format!("{}-of-", work.label());
        for line in text.lines() {
            let columns: Vec<&str> = line.trim().split('|').collect();
            let [id, index, state, reason, name] = columns.as_slice() else {
                continue;
            };
            let Ok(id) = id.parse::<u64>() else { continue };
            if *name == reducer {
                queue.reducers.insert(id);
            } else if *name == array {
                queue.arrays.insert(id);
                queue.shards.extend(index.parse::<usize>().ok());
                let waits = *state == "PENDING" && *reason != "None";
                let state = if waits {
                    format!("{state} ({reason})")
                } else {
                    (*state).to_owned()
                };
                *queue.states.entry(state).or_default() += 1;
            } else if name.starts_with(&any_array) {
                queue.other_cuts.insert(id);
            } else {
                continue;
            }
            if *state == "PENDING" && STUCK.contains(reason) {
                queue.stuck.push(format!("job {id}, {name}: {reason}"));
            }
        }
        queue
    }

    /// Whether any task is waiting or running.
    #[must_use]
    pub fn is_working(&self) -> bool {
        !self.arrays.is_empty()
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let states: Vec<String> = self.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        if states.is_empty() {
            "none".to_owned()
        } else {
            states.join(", ")
        }
    }
}

/// Array indices as `sbatch --array` takes them: `0,3,7-9`. `indices` ascend.
#[must_use]
pub fn ranges(indices: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &index in indices {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == index => *end = index,
            _ => runs.push((index, index)),
        }
    }
    let written: Vec<String> = runs
        .iter()
        .map(|&(start, end)| match end - start {
            0 => start.to_string(),
            _ => format!("{start}-{end}"),
        })
        .collect();
    written.join(",")
}

/// Counts how tasks ended, from `sacct --parsable2 --noheader --format=JobID,State`: `2 TIMEOUT, 1 OUT_OF_MEMORY`.
/// Tasks that ended well are left out.
#[must_use]
pub fn endings(text: &str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        // `CANCELLED by 1000`
        let state = line
            .split_once('|')
            .and_then(|(_, state)| state.split_whitespace().next());
        if let Some(state) = state
            && !["COMPLETED", "PENDING", "RUNNING"].contains(&state)
        {
            *counts.entry(state).or_default() += 1;
        }
    }
    let words: Vec<String> = counts.iter().map(|(state, n)| format!("{n} {state}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::super::work::example;
    use super::*;

    #[test]
    fn jobs_are_told_apart_by_name() {
        let work = example();
        let label = work.label();
        let text = format!(
            "7|0|RUNNING|None|{label}-of-8\n7|3|PENDING|Resources|{label}-of-8\n7|4|PENDING|JobHeldUser|{label}-of-8\n\
             8|N/A|PENDING|Dependency|{label}-reduce\n9|1|RUNNING|None|{label}-of-16\n10|0|RUNNING|None|other\nslurm: noise\n"
        );
        let queue = Queue::read(&text, &work);
        assert_eq!(queue.shards, BTreeSet::from([0, 3, 4]));
        assert_eq!(queue.arrays, BTreeSet::from([7]));
        assert_eq!(queue.reducers, BTreeSet::from([8]));
        assert_eq!(queue.other_cuts, BTreeSet::from([9]));
        assert_eq!(
            queue.summary(),
            "1 PENDING (JobHeldUser), 1 PENDING (Resources), 1 RUNNING"
        );
        assert_eq!(queue.stuck, [format!("job 7, {label}-of-8: JobHeldUser")]);
    }

    #[test]
    fn indices_are_written_as_slurm_reads_them() {
        assert_eq!(ranges(&[0, 3, 7, 8, 9]), "0,3,7-9");
        assert_eq!(ranges(&[1, 2]), "1-2");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn endings_leave_out_what_went_well() {
        let text = "7_0|COMPLETED\n7_1|OUT_OF_MEMORY\n7_2|CANCELLED by 0\n7_3|TIMEOUT\n7_4|TIMEOUT\n";
        assert_eq!(endings(text), "1 CANCELLED, 1 OUT_OF_MEMORY, 2 TIMEOUT");
        assert_eq!(endings("Slurm accounting storage is disabled\n"), "");
    }
}
