//! `secateur sweep plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Whence;
use crate::exit::Exit;
use crate::sweep::Sweep;
use crate::sweep::coverage::{Coverage, Standing, State, named};
use crate::sweep::estimate::{duration, measured};
use crate::sweep::opened::Opened;
use crate::sweep::plan::PlannedCell;

const EXAMPLES: &str = "\
Examples:
  secateur sweep plan sweep.toml
  secateur sweep plan sweep.toml --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The sweep file.
    file: PathBuf,
    #[command(flatten)]
    whence: Whence,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let sweep = Sweep::open(&arguments.file)?;
    let opened = Opened::to_look_at(&sweep, &arguments.whence.place())?;
    let store = opened.store_if_started()?;
    let (coverage, seconds) = match &store {
        Some(store) => (Coverage::of(&opened, store)?, measured(&opened, store)?),
        None => (Coverage::none(&opened), vec![None; opened.plan.len()]),
    };
    let cells = opened.plan.iter().zip(&coverage.cells).zip(seconds);
    if arguments.json {
        let cells: Vec<Value> = cells
            .map(|((cell, standing), seconds)| entry(&opened, cell, standing, seconds))
            .collect();
        let plan = json!({ "sweep": sweep.name, "directory": opened.directory(), "cells": cells });
        println!("{plan:#}");
        return Ok(Exit::Done);
    }
    for ((cell, standing), seconds) in cells {
        let done = if standing.state == State::Done { "done" } else { "-" };
        let time = seconds.map_or_else(|| "-".to_owned(), duration);
        let name = named(&opened, cell);
        println!("{}  {done:4}  {:9.3}  {time:>7}  {name}", cell.id, cell.work);
    }
    let done = opened.plan.len() - coverage.not_done().len();
    println!(
        "{} cells, {done} done; the numbers are work (GB of weights × thousand tokens) and, from finished cells, time",
        opened.plan.len()
    );
    Ok(Exit::Done)
}

fn entry(opened: &Opened<'_>, cell: &PlannedCell, standing: &Standing, seconds: Option<f64>) -> Value {
    let name = named(opened, cell);
    json!({
        "id": cell.id,
        "cell": name.to_string(),
        "model": name.model,
        "method": name.method,
        "profile": name.profile,
        "fraction_removed": name.fraction_removed,
        "seed": name.seed,
        "calibration": name.calibration,
        "task": name.task,
        "work": cell.work,
        "seconds": seconds,
        "done": standing.state == State::Done,
        "record": standing.key.as_ref().map(ToString::to_string),
    })
}
