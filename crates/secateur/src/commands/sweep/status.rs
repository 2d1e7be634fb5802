//! `secateur sweep status`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Whence;
use crate::exit::Exit;
use crate::sweep::Sweep;
use crate::sweep::coverage::{Coverage, State, named};
use crate::sweep::opened::Opened;
use crate::sweep::shards::shards;

const EXAMPLES: &str = "\
Examples:
  secateur sweep status sweep.toml
  secateur sweep status sweep.toml --shards 8 --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The sweep file.
    file: PathBuf,
    #[command(flatten)]
    whence: Whence,
    /// Also say which of so many shards have cells without a record.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shards: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let sweep = Sweep::open(&arguments.file)?;
    let opened = Opened::to_look_at(&sweep, &arguments.whence.place())?;
    let coverage = match opened.store_if_started()? {
        Some(store) => Coverage::of(&opened, &store)?,
        None => Coverage::none(&opened),
    };
    let shards = arguments
        .shards
        .map(|count| unfinished(&opened, &coverage, count as usize));
    if arguments.json {
        println!("{:#}", as_json(&opened, &coverage, shards.as_ref()));
        return Ok(Exit::Done);
    }
    let (mut running, mut failed, mut missing) = (Vec::new(), Vec::new(), 0);
    for (cell, standing) in opened.plan.iter().zip(&coverage.cells) {
        let name = named(&opened, cell);
        match &standing.state {
            State::Done => {}
            State::Running(holder) => running.push(format!("running  {}  {name} ({holder})", cell.id)),
            State::Failed(message) => failed.push(format!("failed   {}  {name}: {message}", cell.id)),
            State::Missing => missing += 1,
        }
    }
    let done = opened.plan.len() - coverage.not_done().len();
    println!(
        "{}: {done} of {} cells done, {} running, {} failed, {missing} missing",
        sweep.name,
        opened.plan.len(),
        running.len(),
        failed.len()
    );
    for line in running.iter().chain(&failed) {
        println!("{line}");
    }
    for holder in &coverage.others {
        println!("running  {} ({holder})", holder.what);
    }
    if let Some(shards) = shards {
        let list: Vec<String> = shards.keys().map(ToString::to_string).collect();
        println!("shards with cells that are not done: {}", or_none(&list.join(",")));
    }
    Ok(Exit::Done)
}

/// Cells without a record by shard, for shards that have such.
fn unfinished(opened: &Opened<'_>, coverage: &Coverage, count: usize) -> BTreeMap<usize, usize> {
    let shards = shards(&opened.plan, count);
    let mut unfinished = BTreeMap::new();
    for place in coverage.not_done() {
        *unfinished.entry(shards[place]).or_default() += 1;
    }
    unfinished
}

fn or_none(list: &str) -> &str {
    if list.is_empty() { "none" } else { list }
}

fn as_json(opened: &Opened<'_>, coverage: &Coverage, shards: Option<&BTreeMap<usize, usize>>) -> Value {
    let (mut running, mut failed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, standing) in opened.plan.iter().zip(&coverage.cells) {
        let name = named(opened, cell).to_string();
        match &standing.state {
            State::Done => {}
            State::Running(holder) => {
                running.push(json!({ "id": cell.id, "cell": name, "host": holder.host, "pid": holder.pid }));
            }
            State::Failed(message) => failed.push(json!({ "id": cell.id, "cell": name, "message": message })),
            State::Missing => missing.push(json!({ "id": cell.id, "cell": name })),
        }
    }
    let other = |holder: &secateur_results::claims::Holder| json!({ "what": holder.what, "host": holder.host, "pid": holder.pid });
    let not_done = coverage.not_done().len();
    json!({
        "sweep": opened.sweep.name,
        "directory": opened.directory(),
        "cells": opened.plan.len(),
        "done": opened.plan.len() - not_done,
        "complete": not_done == 0,
        "running": running,
        "failed": failed,
        "missing": missing,
        "other_work": coverage.others.iter().map(other).collect::<Vec<_>>(),
        "shards_not_done": shards.map(|shards| shards.keys().copied().collect::<Vec<_>>()),
    })
}
