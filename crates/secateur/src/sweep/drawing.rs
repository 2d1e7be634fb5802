//! The report of a sweep, drawn by one worker when the cells are there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use secateur_results::atomic;
use secateur_results::claims::{Claiming, Claims};
use secateur_results::key::RecordKey;
use secateur_results::report::{ITEMS, Report, ReportOptions, report};
use secateur_results::store::Store;
use serde_json::json;

use super::definition::Sweep;
use super::manifest::manifest;
use super::opened::Opened;
use crate::interrupt::{Pause, interrupted};
use crate::masks::agreement_page;

/// Name of the claim.
const CLAIM: &str = "report";

/// File that says which records the report was drawn from.
const DRAWN: &str = ".drawn";

/// What is drawn.
pub const FOLDERS: &[&str] = &["report", "tables"];

/// Draws the report of the records under `keys`, unless it stands there already, and returns its page; `None` if a signal came
/// while another worker was drawing.
///
/// # Errors
/// If records or files cannot be read or written.
pub fn draw_once(
    opened: &Opened<'_>,
    store: &Store,
    command: &str,
    keys: &BTreeSet<String>,
    took: Duration,
) -> anyhow::Result<Option<PathBuf>> {
    let present = |key: &&String| RecordKey::parse(key).is_some_and(|key| store.has(&key));
    let keys: BTreeSet<String> = keys.iter().filter(present).cloned().collect();
    let page = store.directory().join("report").join("index.html");
    let stamp = store.directory().join(DRAWN);
    let content = json!([keys, opened.safe, env!("CARGO_PKG_VERSION")]).to_string();
    let stands = || -> anyhow::Result<bool> {
        if !store.bring(DRAWN)? || !std::fs::read_to_string(&stamp).is_ok_and(|drawn| drawn == content) {
            return Ok(false);
        }
        for folder in FOLDERS {
            store.bring_all(folder)?;
        }
        Ok(page.exists())
    };
    if stands()? {
        return Ok(Some(page));
    }
    let claims = Claims::of(store)?;
    let mut pause = Pause::default();
    let _claim = loop {
        match claims.claim(CLAIM, "drawing the report")? {
            Claiming::Ours(claim) => break claim,
            Claiming::Theirs(_) if interrupted() => return Ok(None),
            Claiming::Theirs(_) => pause.wait(),
        }
    };
    if stands()? {
        return Ok(Some(page));
    }
    store.bring_all("rankings")?;
    store.write_manifest(&manifest(opened, store, command, took.as_secs()))?;
    let drawn = draw(store, opened.sweep, command, Some(keys))?;
    for folder in FOLDERS {
        store.send_all(folder)?;
    }
    atomic::write_over(&stamp, content.as_bytes())?;
    store.send(DRAWN)?;
    Ok(drawn.pages.last().cloned())
}

/// Draws the report of a results directory.
///
/// # Errors
/// If records or files cannot be read or written.
fn draw(store: &Store, sweep: &Sweep, command: &str, only: Option<BTreeSet<String>>) -> anyhow::Result<Report> {
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
        items: ITEMS,
        figures: false,
    };
    Ok(report(store, &options)?)
}
