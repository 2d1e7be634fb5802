//! What a worker finds when it begins: how much is done, and what the rest will take.

use std::collections::{BTreeMap, BTreeSet};

use secateur_results::store::{Store, StoredRecord};

use super::costs::Costs;
use super::coverage;
use super::keys::evaluation_key;
use super::opened::Opened;
use super::plan::CellIndex;
use super::progress::event::{Started, VERSION};
use super::progress::time_left::TimeLeft;

/// The first event of a run that goes through `cells`, and an estimate that knows `records`.
///
/// # Errors
/// If corpora or statistics cannot be read.
pub fn outset(
    opened: &Opened<'_>,
    store: &Store,
    records: &[StoredRecord],
    cells: &[CellIndex],
) -> anyhow::Result<(Started, TimeLeft)> {
    let answered = records.iter().filter(|stored| stored.answers.is_some());
    let answered = answered.map(|stored| evaluation_key(&stored.record.inputs)).collect();
    let mut left = TimeLeft::new(Costs::of_records(opened, records), answered, cells);
    let present: BTreeSet<&str> = records.iter().map(|stored| stored.record.key.as_str()).collect();
    // Damaged statistics are spoken of when they are made again.
    let keys = opened.plan.iter().zip(coverage::keys(opened, store, &mut |_| {})?);
    let keys: BTreeMap<CellIndex, _> = keys.filter_map(|(cell, keys)| Some((cell.index(), keys?))).collect();
    let mut done_before = 0;
    for cell in cells {
        let Some((key, evaluation)) = keys.get(cell) else {
            continue;
        };
        if present.contains(key.as_str()) {
            done_before += 1;
            left.settled(*cell, true);
        } else {
            left.named(*cell, evaluation);
        }
    }
    let started = Started {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        sweep: opened.sweep.name.clone(),
        directory: store.directory().display().to_string(),
        address: store.remote().map(|remote| remote.address().to_string()),
        cells: cells.len(),
        done_before,
        models: opened.subjects.iter().map(|subject| subject.name.clone()).collect(),
        tasks: opened.tasks.iter().map(|task| task.spec.name.clone()).collect(),
        device: opened.device.description().to_owned(),
        seconds_left: None,
    };
    Ok((started, left))
}
