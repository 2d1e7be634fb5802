//! `secateur sweep`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Args;
use secateur_model::DeviceKind;

use super::{INTERRUPTED, SOME_FAILED, command_line};
use crate::sweep::Sweep;
use crate::sweep::cell;
use crate::sweep::run::{self, RunOptions};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The sweep file.
    file: PathBuf,
    /// Folder for results; the sweep gets a folder of its name in it.
    #[arg(long, default_value = "results/sweeps")]
    results: PathBuf,
    /// cpu, ndarray or wgpu; instead of the sweep file's device.
    #[arg(long)]
    device: Option<DeviceKind>,
    /// Print cells, memory and an estimate of time, and stop.
    #[arg(long)]
    dry_run: bool,
    /// At most so many items per task: a quick look, kept apart from the full sweep.
    #[arg(long)]
    limit: Option<usize>,
    /// Leave unusable records of all tasks out and count them, as `skip_bad_items = true` does for one task in the sweep file.
    #[arg(long)]
    skip_bad_items: bool,
    /// Print nothing but the end.
    #[arg(long)]
    quiet: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sweep = Sweep::open(&arguments.file)?;
    // The second Ctrl-C does not wait for the next answer.
    ctrlc::set_handler(|| {
        if cell::INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })?;
    let options = RunOptions {
        results: arguments.results.clone(),
        device: arguments.device,
        dry_run: arguments.dry_run,
        quiet: arguments.quiet,
        limit: arguments.limit,
        skip_bad_items: arguments.skip_bad_items,
        command: command_line(),
    };
    let ending = run::run(&sweep, &options)?;
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} cells evaluated, {} shared with an equal mask, {} done before, {} failed",
        ending.evaluated,
        ending.shared,
        ending.found,
        ending.failed.len()
    );
    if ending.interrupted {
        println!("stopped; finished cells are kept, and the same command goes on from here");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    for failure in &ending.failed {
        eprintln!("failed: {failure}");
    }
    if let Some(page) = &ending.report {
        println!("report: {}", page.display());
    }
    Ok(if ending.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}
