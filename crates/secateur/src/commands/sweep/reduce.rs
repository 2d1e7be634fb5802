//! `secateur sweep reduce`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use super::{Whence, command_line};
use crate::commands::print_json;
use crate::exit::Exit;
use crate::interrupt;
use crate::sweep::Sweep;
use crate::sweep::coverage::{Coverage, State, named};
use crate::sweep::drawing::draw_once;
use crate::sweep::opened::Opened;
use crate::talk;

/// Cells that are named one by one when they are missing.
const NAMED: usize = 20;

const EXAMPLES: &str = "\
Examples:
  secateur sweep reduce sweep.toml
  secateur sweep reduce sweep.toml --allow-missing";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The sweep file.
    file: PathBuf,
    #[command(flatten)]
    whence: Whence,
    /// Draw the report of the cells that are there.
    #[arg(long)]
    allow_missing: bool,
    /// Print JSON: cells, those that are missing, and the report if one is drawn.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let started = Instant::now();
    interrupt::listen()?;
    let sweep = Sweep::open(&arguments.file)?;
    let opened = Opened::to_look_at(&sweep, &arguments.whence.place())?;
    let Some(store) = opened.store_if_started()? else {
        anyhow::bail!("{} holds no sweep: run it first", opened.directory().display());
    };
    let coverage = Coverage::of(&opened, &store)?;
    let missing = coverage.not_done();
    if !arguments.json {
        name_missing(&opened, &coverage, &missing);
    }
    if !missing.is_empty() && !arguments.allow_missing {
        if arguments.json {
            print_json(&document(&opened, &coverage, &missing, None))?;
        }
        talk::warning("no report is drawn; run the sweep again for what is missing, or say --allow-missing");
        return Ok(Exit::Incomplete);
    }
    let keys = coverage.cells.iter().filter_map(|cell| cell.key.as_ref());
    let keys = keys.map(ToString::to_string).collect();
    let drawn = draw_once(&opened, &store, &command_line(), &keys, started.elapsed())?;
    let Some(page) = drawn else {
        return Ok(Exit::Interrupted);
    };
    if arguments.json {
        print_json(&document(&opened, &coverage, &missing, Some(&page)))?;
    } else {
        println!("report: {}", page.display());
    }
    Ok(Exit::Done)
}

/// Says on stderr which cells are missing, the first of them one by one.
fn name_missing(opened: &Opened<'_>, coverage: &Coverage, missing: &[usize]) {
    if missing.is_empty() {
        return;
    }
    eprintln!("{} of {} cells are missing:", missing.len(), opened.plan.len());
    for &place in missing.iter().take(NAMED) {
        let cell = &opened.plan[place];
        let why = match &coverage.cells[place].state {
            State::Running(holder) => format!(" (running: {holder})"),
            State::Failed(message) => format!(" (failed: {message})"),
            State::Done | State::Missing => String::new(),
        };
        eprintln!("  {}  {}{why}", cell.id, named(opened, cell));
    }
    if missing.len() > NAMED {
        eprintln!(
            "  and {} more; `secateur sweep status FILE --json` lists all",
            missing.len() - NAMED
        );
    }
}

fn document(opened: &Opened<'_>, coverage: &Coverage, missing: &[usize], report: Option<&Path>) -> Value {
    let entry = |&place: &usize| {
        let cell = &opened.plan[place];
        let (state, message) = match &coverage.cells[place].state {
            State::Done => ("done", None),
            State::Running(holder) => ("running", Some(holder.to_string())),
            State::Failed(message) => ("failed", Some(message.clone())),
            State::Missing => ("missing", None),
        };
        json!({ "id": cell.id, "cell": named(opened, cell).to_string(), "state": state, "message": message })
    };
    json!({
        "sweep": opened.sweep.name,
        "cells": opened.plan.len(),
        "missing": missing.iter().map(entry).collect::<Vec<_>>(),
        "report": report,
    })
}
