//! Runs a sweep or a part of it: opens everything, evaluates what has no record yet, and draws the report of a whole one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::definition::Sweep;
use super::drawing::draw_once;
use super::estimate;
use super::opened::{Opened, Place};
use super::plan;
use super::progress::{Progress, Shown};
use super::served::seen;
use super::shards::Shard;
use super::worker::Worker;
use crate::message;

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
    /// How progress is shown.
    pub shown: Shown,
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
    let mut progress = Progress::new(options.shown);
    let result = watched(sweep, place, part, options, &mut progress);
    match &result {
        Ok(ending) => {
            let report = ending.report.as_ref().map(|page| page.display().to_string());
            progress.finish(ending.interrupted, report);
        }
        Err(error) => progress.stop(message(error)),
    }
    result
}

fn watched(
    sweep: &Sweep,
    place: &Place,
    part: &Part,
    options: &RunOptions,
    progress: &mut Progress,
) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let (opened, scorers) = Opened::to_run(sweep, place)?;
    let wanted = match part {
        Part::Whole => (0..opened.plan.len()).collect(),
        Part::Cells(ids) => plan::find(&opened.plan, ids)?,
        Part::Shard(shard) => shard.cells(&opened.plan),
    };
    let store = opened.store()?;
    seen::note(&opened.subjects, &store)?;
    let worker = Worker::new(&opened, opened.setting(&store), scorers, progress, &wanted)?;
    let (ending, keys): (Ending, BTreeSet<String>) = worker.run()?;
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

/// Prints cells, memory and an estimate of time, in words or as JSON, and evaluates nothing.
///
/// # Errors
/// If anything cannot be opened, or a model cannot be run.
pub fn dry_run(sweep: &Sweep, place: &Place, as_json: bool) -> anyhow::Result<()> {
    let (opened, _) = Opened::to_run(sweep, place)?;
    let expected = estimate::estimate(&opened)?;
    if as_json {
        println!("{:#}", serde_json::to_value(&expected)?);
    } else {
        expected.print();
    }
    Ok(())
}
