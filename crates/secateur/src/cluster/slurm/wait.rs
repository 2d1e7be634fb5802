//! Waits until the records are complete and the report is drawn; submits again what was lost on the way.

use std::time::Duration;

use anyhow::bail;

use super::super::coverage::Coverage;
use super::super::work::Work;
use super::queue::Queue;
use super::scheduler;
use super::submission::{Step, Submission};

/// Submissions in a row that brought no new record.
const MOST_FRUITLESS: u32 = 3;

/// Polls between looks at the records while tasks are at work: reading them costs more than asking Slurm.
const POLLS_PER_LOOK: u32 = 20;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Cells lack records and no task is at them, or the report is missing.
    Submit,
    /// Somebody is at it.
    Wait,
    /// All there.
    Done,
    /// Submitting again would not help.
    GiveUp,
}

/// How much came of what was submitted.
#[derive(Debug, Default)]
struct Patience {
    cells_done: usize,
    fruitless: u32,
}

impl Patience {
    /// Decides by the records, and by who is at what.
    fn next(&mut self, coverage: &Coverage, queue: &Queue, is_reduced: bool) -> Next {
        let complete = coverage.missing_shards.is_empty();
        if complete && is_reduced {
            return Next::Done;
        }
        let at_work = if complete {
            !queue.reducers.is_empty()
        } else {
            coverage.missing_shards.iter().all(|shard| queue.shards.contains(shard))
        };
        if at_work {
            return Next::Wait;
        }
        if coverage.done > self.cells_done {
            self.fruitless = 0;
            self.cells_done = coverage.done;
        }
        if self.fruitless < MOST_FRUITLESS {
            self.fruitless += 1;
            Next::Submit
        } else if queue.is_working() {
            // The others may still bring something.
            Next::Wait
        } else {
            Next::GiveUp
        }
    }
}

/// Waits; `say` gets one line per change. Slurm is asked every `pause`; `look` reads the records.
///
/// # Errors
/// If tasks wait for somebody to act, if three submissions in a row bring nothing, or if the records cannot be read. A
/// controller that does not answer is asked again.
pub fn wait(
    submission: &Submission<'_>,
    work: &Work,
    look: &dyn Fn() -> anyhow::Result<Coverage>,
    pause: Duration,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<Coverage> {
    let mut patience = Patience::default();
    let mut said = String::new();
    let mut say_once = |line: String| {
        if line != said {
            say(line.clone());
            said = line;
        }
    };
    let mut polls = 0;
    loop {
        polls += 1;
        match scheduler::queue(work) {
            Err(error) => say_once(format!("{error}; asking again")),
            Ok(queue) if !queue.stuck.is_empty() => {
                bail!(
                    "waiting will not help: {}; see `scontrol show job`",
                    queue.stuck.join("; ")
                )
            }
            Ok(queue) if queue.is_working() && polls % POLLS_PER_LOOK != 0 => {
                say_once(format!("tasks: {}", queue.summary()));
            }
            Ok(queue) => {
                let coverage = look()?;
                match patience.next(&coverage, &queue, submission.is_reduced()) {
                    Next::Done => return Ok(coverage),
                    Next::Wait => say_once(waiting(&queue, &coverage)),
                    Next::GiveUp => bail!("{}", hopeless(submission, &coverage)),
                    Next::Submit => match submission.submit(&coverage, &queue) {
                        Ok(step) => say_once(described(&step, &coverage)),
                        Err(error) => say_once(format!("{error}; trying again")),
                    },
                }
            }
        }
        std::thread::sleep(pause);
    }
}

fn waiting(queue: &Queue, coverage: &Coverage) -> String {
    if coverage.missing_shards.is_empty() {
        "every cell has its record; the reducer is at work".to_owned()
    } else {
        format!(
            "{} of {} cells are done; tasks: {}",
            coverage.done,
            coverage.total,
            queue.summary()
        )
    }
}

/// One line on what was submitted.
#[must_use]
pub fn described(step: &Step, coverage: &Coverage) -> String {
    let reducer = |id: Option<u64>| id.map_or(String::new(), |id| format!("reducer {id}"));
    match &step.array {
        Some((id, indices)) => {
            let reducer = reducer(step.reducer);
            format!(
                "array {id}, tasks {indices}; {reducer}; {} of {} cells are done",
                coverage.done, coverage.total
            )
        }
        None if step.reducer.is_some() => format!("{}; no cell needs a task", reducer(step.reducer)),
        None => "nothing to submit".to_owned(),
    }
}

fn hopeless(submission: &Submission<'_>, coverage: &Coverage) -> String {
    let endings = scheduler::ended(&submission.arrays());
    let endings = if endings.is_empty() {
        endings
    } else {
        format!(" (tasks ended: {endings})")
    };
    let failure = coverage.failures.first();
    let failure = failure.map_or(String::new(), |message| format!(", the first saying: {message}"));
    let failed = match coverage.failures.len() {
        0 => String::new(),
        n => format!("; {n} failed{failure}"),
    };
    let logs = submission.logs();
    if coverage.missing_shards.is_empty() {
        return format!(
            "the reducer ended {MOST_FRUITLESS} times without a report; see {}",
            logs.display()
        );
    }
    format!(
        "{} of {} cells have no record, and {MOST_FRUITLESS} submissions brought none{endings}{failed}; see {}, then run the same command again",
        coverage.total - coverage.done,
        coverage.total,
        logs.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(done: usize) -> Coverage {
        Coverage {
            missing_shards: if done < 24 { vec![1] } else { Vec::new() },
            done,
            total: 24,
            ..Coverage::default()
        }
    }

    #[test]
    fn patience_ends_when_nothing_comes_of_it() {
        let (mut patience, queue) = (Patience::default(), Queue::default());
        let mut next = |done| patience.next(&coverage(done), &queue, false);
        assert_eq!(next(0), Next::Submit);
        assert_eq!(next(0), Next::Submit);
        assert_eq!(next(5), Next::Submit);
        assert_eq!((next(5), next(5)), (Next::Submit, Next::Submit));
        assert_eq!(next(5), Next::GiveUp);
        let others = Queue {
            arrays: [7].into(),
            shards: [0].into(),
            ..Queue::default()
        };
        assert_eq!(patience.next(&coverage(5), &others, false), Next::Wait);
        assert_eq!(patience.next(&coverage(6), &others, false), Next::Submit);
    }

    #[test]
    fn a_shard_with_a_task_is_waited_for() {
        let at_it = Queue {
            arrays: [7].into(),
            shards: [1].into(),
            ..Queue::default()
        };
        assert_eq!(Patience::default().next(&coverage(5), &at_it, false), Next::Wait);
    }

    #[test]
    fn records_and_report_make_it_complete() {
        let mut patience = Patience::default();
        let reducing = Queue {
            reducers: [8].into(),
            ..Queue::default()
        };
        assert_eq!(patience.next(&coverage(24), &reducing, false), Next::Wait);
        assert_eq!(patience.next(&coverage(24), &Queue::default(), false), Next::Submit);
        assert_eq!(patience.next(&coverage(24), &Queue::default(), true), Next::Done);
    }

    #[test]
    fn a_submission_takes_one_line() {
        let step = Step {
            array: Some((12, "0,3-4%2".to_owned())),
            reducer: Some(13),
        };
        assert_eq!(
            described(&step, &coverage(5)),
            "array 12, tasks 0,3-4%2; reducer 13; 5 of 24 cells are done"
        );
    }
}
