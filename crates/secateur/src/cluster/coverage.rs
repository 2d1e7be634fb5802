//! What of a sweep is done, told by its records alone. A scheduler may forget a job; records stay.

use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::work::Work;

/// What `secateur sweep status --json` says, as far as a submission needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Coverage {
    /// Shards with cells that have no record, ascending.
    pub missing_shards: Vec<usize>,
    /// Cells in all, and those with a record.
    pub cells: Cells,
}

/// Counts of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Cells {
    /// With a record.
    pub done: usize,
    /// Of the sweep.
    pub total: usize,
}

impl Coverage {
    /// Asks this program about a sweep.
    ///
    /// # Errors
    /// With the command's own message, if it fails.
    pub fn read(work: &Work) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let words = &work.status()[1..];
        let output = Command::new(&program)
            .args(words)
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        // An incomplete sweep may have an exit status of its own; what counts is what was said.
        match Self::parse(&output.stdout, work.tasks) {
            Ok(coverage) => Ok(coverage),
            Err(_) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr);
                bail!("{}", said.trim().trim_start_matches("error: "));
            }
            Err(error) => Err(error.context(format!("`secateur {}`", words.join(" ")))),
        }
    }

    fn parse(text: &[u8], tasks: usize) -> anyhow::Result<Self> {
        let coverage: Self = serde_json::from_slice(text)?;
        if let Some(shard) = coverage.missing_shards.iter().find(|&&shard| shard >= tasks) {
            bail!("names the shard {shard}, and there are {tasks}, counted from 0");
        }
        Ok(coverage)
    }

    /// Cells without a record.
    #[must_use]
    pub fn missing_cells(&self) -> usize {
        self.cells.total.saturating_sub(self.cells.done)
    }
}

/// Cells that a task should at least have, where nothing else says: a task costs a scheduler a second or two, and each opens
/// the sweep's models anew.
const CELLS_PER_TASK: usize = 8;
/// More tasks than that are for the user to ask for.
const MOST_TASKS: usize = 64;
/// What a task should at least take, in seconds, where times are known.
const SECONDS_PER_TASK: usize = 300;

/// How many tasks a sweep of so many cells is cut into; `seconds` is the estimate for all of it, where there is one.
#[must_use]
pub fn default_tasks(cells: usize, seconds: Option<usize>) -> usize {
    let wanted = seconds.map_or(cells / CELLS_PER_TASK, |seconds| seconds / SECONDS_PER_TASK);
    wanted.min(MOST_TASKS).min(cells).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_shard_that_cannot_be_is_refused() {
        let text = br#"{"missing_shards": [0, 3], "cells": {"done": 5, "total": 24, "failed": 0}, "more": 1}"#;
        let coverage = Coverage::parse(text, 4).unwrap();
        assert_eq!(
            (coverage.missing_shards.as_slice(), coverage.missing_cells()),
            (&[0, 3][..], 19)
        );
        assert!(Coverage::parse(text, 3).is_err());
        assert!(Coverage::parse(b"no json", 3).is_err());
    }

    #[test]
    fn small_cells_are_bundled() {
        assert_eq!(default_tasks(24, None), 3);
        assert_eq!(default_tasks(3, None), 1);
        assert_eq!(default_tasks(0, None), 1);
        assert_eq!(default_tasks(10_000, None), 64);
        // Ten hours at five minutes a task; a minute is one task.
        assert_eq!(default_tasks(500, Some(36_000)), 64);
        assert_eq!(default_tasks(500, Some(3_000)), 10);
        assert_eq!(default_tasks(500, Some(60)), 1);
    }
}
