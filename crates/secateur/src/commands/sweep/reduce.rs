//! `secateur sweep reduce`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::{EXIT_CODES, INCOMPLETE, Whence, command_line};
use crate::commands::INTERRUPTED;
use crate::interrupt;
use crate::sweep::Sweep;
use crate::sweep::coverage::{Coverage, State, named};
use crate::sweep::drawing::draw_once;
use crate::sweep::opened::Opened;

/// Cells that are named one by one when they are missing.
const NAMED: usize = 20;

const EXAMPLES: &str = "\
Examples:
  secateur sweep reduce sweep.toml
  secateur sweep reduce sweep.toml --allow-missing";

#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct Arguments {
    /// The sweep file.
    file: PathBuf,
    #[command(flatten)]
    whence: Whence,
    /// Draw the report of the cells that are there.
    #[arg(long)]
    allow_missing: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    interrupt::listen()?;
    let sweep = Sweep::open(&arguments.file)?;
    let opened = Opened::to_look_at(&sweep, &arguments.whence.place())?;
    let Some(store) = opened.store_if_started()? else {
        anyhow::bail!("{} holds no sweep: run it first", opened.directory().display());
    };
    let coverage = Coverage::of(&opened, &store)?;
    let missing = coverage.not_done();
    if !missing.is_empty() {
        eprintln!("{} of {} cells are missing:", missing.len(), opened.plan.len());
        for &place in missing.iter().take(NAMED) {
            let cell = &opened.plan[place];
            let why = match &coverage.cells[place].state {
                State::Running(holder) => format!(" (running: {holder})"),
                State::Failed(message) => format!(" (failed: {message})"),
                State::Done | State::Missing => String::new(),
            };
            eprintln!("  {}  {}{why}", cell.id, named(&opened, cell));
        }
        if missing.len() > NAMED {
            eprintln!(
                "  and {} more; `secateur sweep status FILE --json` lists all",
                missing.len() - NAMED
            );
        }
        if !arguments.allow_missing {
            eprintln!("no report is drawn; run the sweep again for what is missing, or say --allow-missing");
            return Ok(ExitCode::from(INCOMPLETE));
        }
    }
    let keys = coverage.cells.iter().filter_map(|cell| cell.key.as_ref());
    let keys = keys.map(ToString::to_string).collect();
    let drawn = draw_once(&opened, &store, &command_line(), &keys, started.elapsed())?;
    let Some(page) = drawn else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    println!("report: {}", page.display());
    Ok(ExitCode::SUCCESS)
}
