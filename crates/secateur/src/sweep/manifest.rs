//! What a sweep was made with, for its report.

use std::collections::BTreeMap;

use secateur_results::report::MANIFEST_SAFE;
use secateur_results::safe::SafeSection;
use serde_json::{Value, json};

use super::cell::Setting;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Command, program, device, and the hashes of models and tasks; `seconds` is the wall time of the last run.
#[must_use]
pub fn manifest(
    setting: &Setting<'_>,
    command: &str,
    subjects: &[Subject],
    tasks: &[LoadedTask],
    safe: &SafeSection,
    seconds: u64,
) -> BTreeMap<String, Value> {
    let device = setting.device;
    let models: BTreeMap<&str, Value> = subjects.iter().map(|s| (s.name.as_str(), model(s))).collect();
    let tasks: BTreeMap<&str, Value> = tasks.iter().map(|t| (t.spec.name.as_str(), task(t))).collect();
    let program = format!("secateur {}", env!("CARGO_PKG_VERSION"));
    let device_name = format!("{} ({})", device.kind(), device.description());
    let entries = [
        (MANIFEST_SAFE, json!(safe)),
        ("command", json!(command)),
        ("about", json!(setting.sweep.about)),
        ("program", json!(program)),
        ("device", json!(device_name)),
        ("precision", json!(device.precision().name())),
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
