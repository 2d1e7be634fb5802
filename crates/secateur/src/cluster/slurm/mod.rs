//! Slurm: an array of tasks, and a reducer that depends on it.
//!
//! ```text
//! results/sweeps/‹name›/slurm/
//!   array.sh          one task: shard $SLURM_ARRAY_TASK_ID
//!   reduce.sh         tables and report
//!   submitted.json    number of tasks, ids of jobs: for messages, never for progress
//!   reduced           the job that drew the report; gone once more cells are submitted
//!   logs/
//! ```
//!
//! Jobs are found again by their name. A job that the controller lost is seen as what it is: cells without records.

pub mod script;
pub mod queue;
pub mod scheduler;
pub mod submission;
pub mod wait;
