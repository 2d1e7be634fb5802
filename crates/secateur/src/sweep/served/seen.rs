//! Which server answers for each served model: part of every key, so it must be known where nothing is asked, and where the
//! server is gone. `servers.json` in the results directory keeps what each was when it was last asked.

use std::collections::BTreeMap;
use std::path::Path;

use secateur_evaluation::served::ServedEngine;
use secateur_results::atomic;
use secateur_results::location::Location;
use secateur_results::store::Store;
use serde_json::json;

use crate::sweep::subject::Subject;

/// Model → server, as keys have it.
const SEEN: &str = "servers.json";

type Seen = BTreeMap<String, String>;

/// Asks the server of each served model what it is. One that cannot be reached is what it was when it was last asked: cells that are
/// done stay done, and those that are not fail when they are asked.
///
/// # Errors
/// If all models are served, and nothing is known of any server: there is nothing to do. Also if an object store cannot be read.
pub fn meet(subjects: &mut [Subject], place: &Path) -> anyhow::Result<()> {
    let seen = found(subjects, place)?;
    for subject in subjects.iter_mut() {
        let Some(served) = &mut subject.served else { continue };
        served.server = match ServedEngine::identify(&served.settings) {
            Ok(server) => Ok(server.to_string()),
            Err(error) => seen.get(&subject.name).cloned().ok_or_else(|| error.to_string()),
        };
    }
    let unknown = |subject: &Subject| {
        let reason = subject.served.as_ref()?.server.as_ref().err()?;
        Some(format!("model `{}`: {reason}", subject.name))
    };
    let unknown: Option<Vec<String>> = subjects.iter().map(unknown).collect();
    match unknown.unwrap_or_default().first() {
        Some(reason) => anyhow::bail!("{reason}"),
        None => Ok(()),
    }
}

/// Takes every server for what it was when it was last asked; asks none.
///
/// # Errors
/// If an object store cannot be read.
pub fn recall(subjects: &mut [Subject], place: &Path) -> anyhow::Result<()> {
    let mut seen = found(subjects, place)?;
    for subject in subjects {
        if let Some(served) = &mut subject.served
            && let Some(server) = seen.remove(&subject.name)
        {
            served.server = Ok(server);
        }
    }
    Ok(())
}

/// Keeps what is known; nothing where no model is served.
///
/// # Errors
/// If it cannot be written.
pub fn note(subjects: &[Subject], store: &Store) -> anyhow::Result<()> {
    let directory = store.directory();
    let known = subjects.iter().filter_map(|subject| {
        let server = subject.served.as_ref()?.server.as_ref().ok()?;
        Some((subject.name.clone(), server.clone()))
    });
    let known: Seen = known.collect();
    if !known.is_empty() && known != read(directory) {
        atomic::write_over(&directory.join(SEEN), format!("{:#}\n", json!(known)).as_bytes())?;
        store.send(SEEN)?;
    }
    Ok(())
}

/// What the results directory, or the object store that it is at, knows; nothing where no model is served.
fn found(subjects: &[Subject], place: &Path) -> anyhow::Result<Seen> {
    if subjects.iter().all(|subject| subject.served.is_none()) {
        return Ok(Seen::new());
    }
    let location = Location::find(place)?;
    if let Some(remote) = &location.remote {
        remote.bring(SEEN, &location.directory)?;
    }
    Ok(read(&location.directory))
}

/// What cannot be read is as if it were not there: the servers are asked again.
fn read(directory: &Path) -> Seen {
    let text = std::fs::read_to_string(directory.join(SEEN)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
