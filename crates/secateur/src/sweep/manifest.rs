//! What a sweep was made with, for its report.

use std::collections::BTreeMap;

use secateur_datasets::corpora::CorpusSpec;
use secateur_datasets::source::sha256_hex;
use secateur_evaluation::evaluate::EvaluationOptions;
use secateur_evaluation::summary::Bootstrap;
use secateur_results::report::MANIFEST_SAFE;
use secateur_results::store::Store;
use serde_json::{Value, json};

use super::definition::Sweep;
use super::environment::{environment, versions};
use super::git::git;
use super::opened::Opened;
use super::subject::Subject;
use super::tasks::LoadedTask;

/// Command, configuration, seeds, program, machine, state of git, and the hashes of models, corpora and tasks. The same state gives the
/// same bytes, but for `seconds`, the wall time of the last run.
#[must_use]
pub fn manifest(opened: &Opened<'_>, store: &Store, command: &str, seconds: u64) -> BTreeMap<String, Value> {
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
        ("versions", versions()),
        ("configuration", configuration(sweep, store)),
        ("seeds", seeds(sweep)),
        ("environment", environment()),
        ("git", git(sweep.base())),
        ("device", json!(device_name)),
        ("precision", json!(sweep.precision.name())),
        ("seconds_of_the_last_run", json!(seconds)),
        ("models", json!(models)),
        ("corpora", corpora(sweep)),
        ("tasks", json!(tasks)),
    ];
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What the run was asked for, with the sweep's own text in `sweep.json`. The path is as it was given, so that a checkout elsewhere says
/// the same.
fn configuration(sweep: &Sweep, store: &Store) -> Value {
    let identity = store.identity();
    let file = std::fs::read(&sweep.file);
    let asked: Value = serde_json::from_str(&identity.definition).unwrap_or_default();
    json!({
        "file": sweep.file,
        "file_sha256": file.ok().map(|bytes| sha256_hex(&bytes)),
        "definition_sha256": identity.definition_sha256,
        "limit": asked["limit"],
        "device": asked["device"],
        "bootstrap_samples": sweep.bootstrap_samples.unwrap_or(Bootstrap::default().resamples),
    })
}

/// Every seed that a number depends on. `corpora` draw by their own where they name one, else by those of `calibration`.
fn seeds(sweep: &Sweep) -> Value {
    let own = sweep
        .corpora
        .iter()
        .filter_map(|corpus| Some((&corpus.name, corpus.seed?)));
    json!({
        "calibration": sweep.seeds,
        "corpora": own.collect::<BTreeMap<_, _>>(),
        "evaluation": EvaluationOptions::default().seed,
        "bootstrap": Bootstrap::default().seed,
    })
}

fn corpora(sweep: &Sweep) -> Value {
    let hash = |corpus: &CorpusSpec| {
        let bytes = std::fs::read(sweep.base().join(&corpus.file)).ok()?;
        Some(sha256_hex(&bytes))
    };
    let all = sweep
        .corpora
        .iter()
        .map(|corpus| (&corpus.name, json!({ "sha256": hash(corpus) })));
    json!(all.collect::<BTreeMap<_, _>>())
}

fn model(subject: &Subject) -> Value {
    let mut model = json!({
        "family": subject.family,
        "weights_sha256": subject.hash.weights,
        "tokenizer_sha256": subject.hash.tokenizer,
        "weight_bytes": subject.weight_bytes,
        "warnings": subject.warnings,
    });
    if let Some(served) = &subject.served {
        model["served"] = json!(served.inputs());
    }
    model
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
