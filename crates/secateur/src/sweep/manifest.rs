//! What a sweep was made with, for its report.

use std::collections::BTreeMap;

use secateur_results::report::MANIFEST_SAFE;
use serde_json::{Value, json};

use super::opened::Opened;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Command, program, device, and the hashes of models and tasks; `seconds` is the wall time of the last run.
#[must_use]
pub fn manifest(opened: &Opened<'_>, command: &str, seconds: u64) -> BTreeMap<String, Value> {
    let (sweep, device) = (opened.sweep, &opened.device);
    let models: BTreeMap<&str, Value> = opened.subjects.iter().map(|s| (s.name.as_str(), model(s))).collect();
    let tasks: BTreeMap<&str, Value> = opened.tasks.iter().map(|t| (t.spec.name.as_str(), task(t))).collect();
    let program = format!("secateur {}", env!("CARGO_PKG_VERSION"));
    let device_name = if device.kind() == opened.kind {
        format!("{} ({})", opened.kind, device.description())
    } else {
        format!("{} (on other machines)", opened.kind)
    };
    let entries = [
        (MANIFEST_SAFE, json!(opened.safe)),
        ("command", json!(command)),
        ("about", json!(sweep.about)),
        ("program", json!(program)),
        ("device", json!(device_name)),
        ("precision", json!(sweep.precision.name())),
        ("seconds_of_the_last_run", json!(seconds)),
        ("models", json!(models)),
        ("tasks", json!(tasks)),
    ];
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

fn model(subject: &Subject) -> Value {
    json!({
        "family": subject.family,
        "weights_sha256": subject.hash.weights,
        "tokenizer_sha256": subject.hash.tokenizer,
        "weight_bytes": subject.weight_bytes,
        "warnings": subject.warnings,
    })
}

fn task(task: &LoadedTask) -> Value {
    json!({
        "version": task.spec.version,
        "items": task.data.items.len(),
        "sha256": task.data.content_sha256,
        "notes": task.data.notes,
        "skipped": task.data.skipped,
    })
}
