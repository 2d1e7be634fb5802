//! `secateur inspect`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use secateur_results::store::{Store, StoredRecord};
use serde_json::json;

use crate::exit::Exit;
use crate::inspect::{Change, Filter, ListedCell, Page, cells, items, print};

/// Cells on a page.
const CELLS: usize = 50;
/// Items on a page.
const ITEMS: usize = 10;

const EXAMPLES: &str = "\
Examples:
  secateur inspect results/sweeps/demo
  secateur inspect results/sweeps/demo --method reap,unpruned --task demo_bio_choice
  secateur inspect results/sweeps/demo --ratio 0.5 --json
  secateur inspect results/sweeps/demo 3f2a91c05e                         # a cell of the list
  secateur inspect results/sweeps/demo 3f2a91c05e --items right-to-wrong --page 2

Of a cell, items that were right in the unpruned model and are wrong now come first. --json prints all
pages unless --page names one, and prompts and answers whole.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A sweep's results directory, or its address: s3://…, gs://…, az://….
    run: PathBuf,
    /// Show this cell item by item: the beginning of its key, as the list prints it.
    #[arg(conflicts_with_all = ["model", "task", "method", "ratio"])]
    cell: Option<String>,
    /// Only cells of these models.
    #[arg(long, value_delimiter = ',')]
    model: Vec<String>,
    /// Only cells of these tasks.
    #[arg(long, value_delimiter = ',')]
    task: Vec<String>,
    /// Only cells of these methods: `reap`, `reap@paper`, `unpruned`.
    #[arg(long, value_delimiter = ',')]
    method: Vec<String>,
    /// Only cells with these shares removed; 0 is the unpruned model.
    #[arg(long, value_delimiter = ',')]
    ratio: Vec<f64>,
    /// Only items of the cell of which this became.
    #[arg(long, value_enum, value_delimiter = ',', requires = "cell")]
    items: Vec<Change>,
    /// The page, from 1.
    #[arg(long, value_name = "N")]
    page: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = Store::open_existing(&arguments.run)?;
    let all = super::records(&store)?;
    match &arguments.cell {
        Some(id) => one(arguments, &store, &all, id)?,
        None => list(arguments, &all)?,
    }
    Ok(Exit::Done)
}

fn list(arguments: &Arguments, all: &[StoredRecord]) -> anyhow::Result<()> {
    let filter = Filter {
        models: arguments.model.clone(),
        tasks: arguments.task.clone(),
        methods: arguments.method.clone(),
        ratios: arguments.ratio.clone(),
    };
    let chosen = filter.select(all)?;
    let listed = chosen.iter().map(|stored| ListedCell::brief(&stored.record)).collect();
    let page = arguments.paged(listed, CELLS)?;
    if arguments.json {
        let document = json!({ "total": page.total, "page": page.number, "pages": page.pages, "cells": page.entries });
        println!("{document:#}");
    } else {
        print::cells(&page);
    }
    Ok(())
}

fn one(arguments: &Arguments, store: &Store, all: &[StoredRecord], id: &str) -> anyhow::Result<()> {
    ensure!(!id.is_empty(), "name a cell by the beginning of its key");
    let stored = cells::named(all, id)?;
    let record = &stored.record;
    let mut seen = items::items(store, all, stored)?;
    seen.retain(|item| arguments.items.is_empty() || arguments.items.contains(&item.change));
    let page = arguments.paged(seen, ITEMS)?;
    let cell = ListedCell::whole(record);
    if arguments.json {
        let document = json!({
            "cell": cell,
            "counts": record.counts,
            "warnings": record.warnings,
            "cost": record.cost,
            "items": page,
        });
        println!("{document:#}");
        return Ok(());
    }
    let counts: Vec<_> = record.counts.iter().collect();
    print::cell(&cell, &record.cell.to_string(), &counts, &record.warnings);
    print::items(&page);
    Ok(())
}

impl Arguments {
    /// The page that is asked for. Programs get all pages unless they ask for one.
    fn paged<T>(&self, all: Vec<T>, size: usize) -> anyhow::Result<Page<T>> {
        let size = (!self.json || self.page.is_some()).then_some(size);
        Page::of(all, self.page.unwrap_or(1), size)
    }
}
