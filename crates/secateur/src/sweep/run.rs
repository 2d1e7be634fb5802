//! Runs a sweep: opens everything, evaluates what has no record yet, and draws the report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use secateur_model::{Device, DeviceKind};
use secateur_results::report::{Report, ReportOptions, report, written_section};
use secateur_results::store::{Store, SweepIdentity};
use serde_json::json;

use crate::masks::agreement_page;

use super::cell::Setting;
use super::cells::Cells;
use super::definition::Sweep;
use super::manifest::manifest;
use super::progress::Progress;
use super::scorers::Scorers;
use super::subject::Subject;
use super::{estimate, grid, safe, tasks};

/// Folder of the judges' kept replies, beside the sweeps' folders: sweeps that ask the same share them.
const JUDGED: &str = ".judge-replies";

/// What the command line decides.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Folder that holds the sweep's folder.
    pub results: PathBuf,
    /// Instead of the sweep file's device.
    pub device: Option<DeviceKind>,
    /// Print cells, memory and time, and stop.
    pub dry_run: bool,
    /// No progress.
    pub quiet: bool,
    /// At most so many items per task, for a quick look.
    pub limit: Option<usize>,
    /// Leave unusable records of every task out. Not part of the sweep's identity: what is asked is part of each cell's key.
    pub skip_bad_items: bool,
    /// The command, for the report.
    pub command: String,
}

/// How a sweep ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Cells evaluated now.
    pub evaluated: usize,
    /// Cells that shared another's evaluation.
    pub shared: usize,
    /// Cells that had a record.
    pub found: usize,
    /// Cells that failed, with their messages.
    pub failed: Vec<String>,
    /// Ctrl-C came.
    pub interrupted: bool,
    /// The page to open.
    pub report: Option<PathBuf>,
}

/// Runs a sweep to its report.
///
/// # Errors
/// If anything cannot be opened or written; single cells that fail are counted instead.
pub fn run(sweep: &Sweep, options: &RunOptions) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let device = Device::open(options.device.unwrap_or(sweep.device), sweep.precision)?;
    let subjects = sweep
        .models
        .iter()
        .map(Subject::open)
        .collect::<anyhow::Result<Vec<_>>>()?;
    grid::check(sweep, &subjects)?;
    let mut tasks = tasks::load(sweep, options.limit, options.skip_bad_items)?;
    let scorers = Scorers::open(sweep, &device, &tasks, &options.results.join(JUDGED))?;
    scorers.attach(&mut tasks);
    let safe = safe::section(sweep, &tasks, &scorers)?;
    for corpus in &sweep.corpora {
        corpus.check()?;
        corpus.load(sweep.base(), sweep.seeds[0])?;
    }
    let rankings = grid::rankings(sweep);
    if options.dry_run {
        estimate::print(sweep, &subjects, &tasks, &rankings, &device)?;
        return Ok(Ending::default());
    }
    let directory = options.results.join(&sweep.name);
    let definition = json!({ "sweep": sweep.definition, "limit": options.limit, "device": device.kind() }).to_string();
    let store = Store::open(&directory, &SweepIdentity::new(&sweep.name, &definition))?;
    let setting = Setting {
        sweep,
        store: &store,
        device: &device,
    };
    let cells = subjects.len() * tasks.len() * (1 + rankings.len() * sweep.ratios.len());
    let progress = Progress::new(cells, options.quiet);
    let (ending, keys) = Cells::new(setting, &tasks, scorers, progress)?.run(&subjects, &rankings)?;
    if ending.interrupted {
        return Ok(ending);
    }
    let page = directory.join("report").join("index.html");
    let as_before = written_section(&store).is_ok_and(|written| written == safe);
    if ending.evaluated + ending.shared == 0 && page.exists() && as_before {
        return Ok(Ending {
            report: Some(page),
            ..ending
        });
    }
    let seconds = started.elapsed().as_secs();
    store.write_manifest(&manifest(&setting, &options.command, &subjects, &tasks, &safe, seconds))?;
    let drawn = draw(&store, sweep, &options.command, Some(keys))?;
    Ok(Ending {
        report: drawn.pages.last().cloned(),
        ..ending
    })
}

/// Draws the report of a results directory.
///
/// # Errors
/// If records or files cannot be read or written.
pub fn draw(store: &Store, sweep: &Sweep, command: &str, only: Option<BTreeSet<String>>) -> anyhow::Result<Report> {
    let half = sweep
        .ratios
        .iter()
        .copied()
        .min_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs()));
    let options = ReportOptions {
        safe: None,
        agreement_fraction: half.unwrap_or(0.5),
        agreement_page: agreement_page(store.directory(), &sweep.ratios, command),
        command: command.to_owned(),
        only,
    };
    Ok(report(store, &options)?)
}
