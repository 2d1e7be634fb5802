//! What `secateur rescore` reads: sweeps and sample files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secateur_datasets::error::nearest_hint;
use secateur_datasets::item::Item;
use secateur_datasets::source::sha256_hex;
use secateur_datasets::tasks::{self, LoadOptions, TaskSpec};
use secateur_rescore::harness::{ReadOptions, read as read_samples, sample_files};
use secateur_rescore::{Batch, kept};
use secateur_results::key::RecordKey;
use secateur_results::record::Record;
use secateur_results::store::Store;

use super::Arguments;

/// What was read.
#[derive(Default)]
pub struct Found {
    /// Answers, and the task to score as where one is known.
    pub batches: Vec<(Batch, Option<TaskSpec>)>,
    /// SHA-256 of every file read.
    pub hashes: BTreeMap<String, String>,
    /// For the reader.
    pub notes: Vec<String>,
    /// Tasks of the sweeps that were read.
    tasks: BTreeSet<String>,
}

/// A task, and its items by id where its data is at hand.
type Known = (TaskSpec, Option<BTreeMap<String, Item>>);

/// Reads all inputs.
///
/// # Errors
/// If an input is neither a sweep nor holds sample files, or cannot be read; if the task is unknown.
pub fn read(arguments: &Arguments) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for input in &arguments.inputs {
        if !input.exists() {
            bail!("{}: there is no such file or folder", input.display());
        }
        if input.join("sweep.json").is_file() {
            sweep(arguments, input, &mut found)?;
        } else {
            harness(arguments, input, &mut found)?;
        }
    }
    if found.batches.is_empty() {
        let inputs: Vec<String> = arguments.inputs.iter().map(|path| path.display().to_string()).collect();
        bail!(
            "{}: no kept answers{}; expected the results directory of a sweep (with sweep.json), or samples_*.jsonl of \
             lm-evaluation-harness (--log_samples)",
            inputs.join(", "),
            arguments.task.as_ref().map_or_else(String::new, |task| {
                let hint = nearest_hint(task, found.tasks.iter().map(String::as_str));
                format!(" of task `{task}`{hint}")
            })
        );
    }
    Ok(found)
}

fn harness(arguments: &Arguments, input: &Path, found: &mut Found) -> anyhow::Result<()> {
    let task = match &arguments.task {
        Some(name) => Some(tasks::find(name, &arguments.cards)?.spec()),
        None => None,
    };
    let options = ReadOptions {
        source_field: arguments.source.clone(),
        skip_bad_items: arguments.skip_bad_items,
    };
    let (files, older) = sample_files(input)?;
    if older > 0 {
        found.notes.push(format!(
            "{}: {older} older sample files were passed over",
            input.display()
        ));
    }
    for file in files {
        found.hash(&file.path)?;
        let batches = read_samples(&file, &options)?;
        found
            .batches
            .extend(batches.into_iter().map(|batch| (batch, task.clone())));
    }
    Ok(())
}

fn sweep(arguments: &Arguments, input: &Path, found: &mut Found) -> anyhow::Result<()> {
    let store = Store::open_existing(input)?;
    let (records, messages) = store.read_all()?;
    found.notes.extend(messages);
    let mut known: BTreeMap<String, Option<Known>> = BTreeMap::new();
    for stored in records {
        let record = &stored.record;
        found.tasks.insert(record.cell.task.clone());
        let (Some(answers), true) = (
            &stored.answers,
            arguments.task.as_ref().is_none_or(|task| *task == record.cell.task),
        ) else {
            continue;
        };
        let key = RecordKey::parse(&answers.key)
            .with_context(|| format!("record {}: its answers have no key", record.key))?;
        let path = store.answers_path(&key);
        let hash = found.hash(&path)?;
        if hash != answers.sha256 {
            bail!(
                "{} has sha256 {hash}, but its record says {}: the answers have changed since",
                path.display(),
                answers.sha256
            );
        }
        let task = known
            .entry(record.cell.task.clone())
            .or_insert_with_key(|name| known_task(arguments, name));
        let items = task.as_ref().and_then(|(_, items)| items.as_ref());
        let mut batch = kept::from_sweep(
            &path,
            &model_of(record),
            &record.cell.task,
            items,
            arguments.skip_bad_items,
        )?;
        batch.notes.extend(notes(record, task.as_ref()));
        // Metrics asked for by name come from any scoring that fits.
        let spec = task.as_ref().map(|(spec, _)| spec.clone());
        found
            .batches
            .push((batch, spec.filter(|_| arguments.metrics.is_empty())));
    }
    Ok(())
}

/// The task of that name, and its items if its data can be loaded here.
fn known_task(arguments: &Arguments, name: &str) -> Option<Known> {
    let task = tasks::find(name, &arguments.cards).ok()?;
    let spec = task.spec();
    let options = LoadOptions {
        skip_bad_items: true,
        ..LoadOptions::default()
    };
    let data = task.load(&tasks::data_directory(&arguments.data, &spec), &options).ok();
    let items = data.map(|data| data.items.into_iter().map(|item| (item.id.clone(), item)).collect());
    Some((spec, items))
}

fn notes(record: &Record, task: Option<&Known>) -> Vec<String> {
    let name = &record.cell.task;
    let Some((spec, items)) = task else {
        return vec![format!(
            "task `{name}` is not known here (--cards names the folder of its card): scored by all that fits its answers"
        )];
    };
    let mut notes = Vec::new();
    let then = record.inputs.get("task.version").map_or("?", String::as_str);
    if then != spec.version.to_string() {
        notes.push(format!(
            "answered as version {then} of the task, scored as version {}",
            spec.version
        ));
    }
    if items.is_none() {
        notes.push(
            "the task's data is not here (--data): what the answers hold is all that is known of its items".into(),
        );
    }
    notes
}

/// A folder name that tells the cells of a sweep apart.
fn model_of(record: &Record) -> String {
    let cell = &record.cell;
    let Some(method) = &cell.method else {
        return cell.model.clone();
    };
    let mut name = format!("{}-{method}", cell.model);
    if let Some(profile) = cell.profile.as_ref().filter(|profile| *profile != "reference") {
        name = format!("{name}@{profile}");
    }
    name = format!("{name}-{}-s{}", cell.fraction_removed, cell.seed);
    if !cell.calibration.is_empty() {
        name = format!("{name}-{}", cell.calibration);
    }
    name
}

impl Found {
    fn hash(&mut self, path: &PathBuf) -> anyhow::Result<String> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let hash = sha256_hex(&bytes);
        self.hashes.insert(path.display().to_string(), hash.clone());
        Ok(hash)
    }
}
