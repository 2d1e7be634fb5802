//! How alike masks are: tables, heat maps and a page from masks alone, without a sweep or a model.

mod figures;
mod page;
mod summary;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use secateur_metrics::error::MetricError;
use secateur_metrics::mask_grid::{MaskGrid, NestingStep, Pair, ScoringRuns};

use crate::atomic;
use crate::error::Error;
use crate::report::write_charts;

pub use summary::{Alike, ModelSummary, Steps, Violations, by_chance};

/// Every comparison of a set of masks.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparisons {
    /// Two methods.
    pub methods: Vec<Pair<String>>,
    /// Two seeds.
    pub seeds: Vec<Pair<u64>>,
    /// Two domains.
    pub domains: Vec<Pair<String>>,
    /// A fraction and the next.
    pub nesting: Vec<NestingStep>,
    /// Fractions that share a ranking.
    pub runs: Vec<ScoringRuns>,
}

impl Comparisons {
    /// Compares all.
    ///
    /// # Errors
    /// Those of the comparisons, none for a grid whose masks were inserted without one.
    pub fn new(grid: &MaskGrid) -> Result<Self, MetricError> {
        Ok(Self {
            methods: grid.method_pairs()?,
            seeds: grid.seed_pairs()?,
            domains: grid.domain_pairs()?,
            nesting: grid.nesting()?,
            runs: grid.scoring_runs()?,
        })
    }
}

/// What the page says about its own making.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Making {
    /// The command, for the reader who wants to make it again.
    pub command: String,
    /// What was read, and what the reader must know about it.
    pub notes: Vec<String>,
}

/// Files that were written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// `index.html`.
    pub page: PathBuf,
    /// CSV files.
    pub tables: Vec<PathBuf>,
    /// SVG and PNG files.
    pub charts: Vec<PathBuf>,
}

/// Writes `index.html`, `tables/*.csv` and `charts/*.{svg,png}` into a directory, over older ones.
///
/// # Errors
/// Trouble with files, fonts or the page's template.
pub fn write(grid: &MaskGrid, found: &Comparisons, making: &Making, directory: &Path) -> Result<Written, Error> {
    let (tables, charts) = (directory.join("tables"), directory.join("charts"));
    for folder in [&tables, &charts] {
        fs::create_dir_all(folder).map_err(|e| Error::io("write", folder, e))?;
    }
    let summaries = ModelSummary::all(grid, found);
    let figures = figures::draw(grid, &summaries)?;
    let page = page::html(&summaries, &figures, grid, found, making)?;
    let written = Written {
        page: directory.join("index.html"),
        tables: tables::write(&tables, grid, found)?,
        charts: write_charts(&charts, &figures)?,
    };
    atomic::write_over(&written.page, page.as_bytes())?;
    Ok(written)
}
