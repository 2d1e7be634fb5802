//! Runs a sweep or a part of it: opens everything, evaluates what has no record yet, and draws the report of a whole one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::definition::Sweep;
use super::drawing::draw_once;
use super::estimate;
use super::opened::{Opened, Place};
use super::plan;
use super::progress::Progress;
use super::shards::Shard;
use super::worker::Worker;

/// Which cells.
#[derive(Debug, Clone)]
pub enum Part {
    /// All; the report is drawn.
    Whole,
    /// Those with these ids.
    Cells(Vec<String>),
    /// Those of a shard.
    Shard(Shard),
}

/// What the command line decides besides the [`Place`].
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// No progress.
    pub quiet: bool,
    /// The command, for the report.
    pub command: String,
}

/// How a run ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Cells evaluated now.
    pub evaluated: usize,
    /// Cells that shared another's evaluation.
    pub shared: usize,
    /// Cells that had a record, or were given one by another worker.
    pub found: usize,
    /// Cells that failed, with their messages.
    pub failed: Vec<String>,
    /// A signal came.
    pub interrupted: bool,
    /// The page to open.
    pub report: Option<PathBuf>,
}

/// Runs a sweep, or a part of it.
///
/// # Errors
/// If anything cannot be opened or written; single cells that fail are counted instead.
pub fn run(sweep: &Sweep, place: &Place, part: &Part, options: &RunOptions) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let (opened, scorers) = Opened::to_run(sweep, place)?;
    let wanted = match part {
        Part::Whole => (0..opened.plan.len()).collect(),
        Part::Cells(ids) => plan::find(&opened.plan, ids)?,
        Part::Shard(shard) => shard.cells(&opened.plan),
    };
    let store = opened.store()?;
    let progress = Progress::new(wanted.len(), options.quiet);
    if let Some(remote) = store.remote() {
        let (address, copy) = (remote.address(), store.directory().display());
        progress.note(&format!("results go to {address}; the copy on this machine is {copy}"));
    }
    let worker = Worker::new(&opened, opened.setting(&store), scorers, progress)?;
    let (ending, keys): (Ending, BTreeSet<String>) = worker.run(&wanted)?;
    if ending.interrupted || !matches!(part, Part::Whole) {
        return Ok(ending);
    }
    let report = draw_once(&opened, &store, &options.command, &keys, started.elapsed())?;
    Ok(Ending {
        interrupted: report.is_none(),
        report,
        ..ending
    })
}

/// Prints cells, memory and an estimate of time, and evaluates nothing.
///
/// # Errors
/// If anything cannot be opened, or a model cannot be run.
pub fn dry_run(sweep: &Sweep, place: &Place) -> anyhow::Result<()> {
    let (opened, _) = Opened::to_run(sweep, place)?;
    estimate::print(&opened)
}
