//! `secateur reproduce`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use secateur_datasets::error::nearest_hint;
use secateur_model::DeviceKind;
use secateur_results::compare_runs::{Settings, compare_runs};
use secateur_results::report::written_section;
use secateur_results::store::Store;
use serde::Deserialize;
use serde_json::Value;

use super::command_line;
use super::compare;
use crate::exit::Exit;
use crate::interrupt;
use crate::sweep::Sweep;
use crate::sweep::definition::ModelEntry;
use crate::sweep::opened::Place;
use crate::sweep::progress::Shown;
use crate::sweep::run::{self, Part, RunOptions};

const AFTER: &str = "\
The sweep runs again from `sweep.json` and `manifest.json` of RUN: same definition, device, limit
and left-out records. Paths in it are relative to the folder that the sweep file lay in, so run this
where that command ran, or say with --base where the folder is now. What the run keeps (records,
answers, metrics and their intervals) is compared number by number; times are not.

Example:
  secateur reproduce results/sweeps/demo";

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Arguments {
    /// The results directory of a finished run.
    run: PathBuf,
    /// Folder for the new results, which must not hold this sweep yet [default: RUN with `-reproduced` behind it].
    #[arg(long)]
    results: Option<PathBuf>,
    /// Folder that the sweep file lay in, if it has moved.
    #[arg(long)]
    base: Option<PathBuf>,
    /// Where a served model is served now; once for each. Results do not depend on it, so runs do not keep it.
    #[arg(long = "at", value_name = "MODEL=ADDRESS", value_parser = address)]
    at: Vec<(String, String)>,
    /// Print JSON, as `secateur compare --exact --json` does.
    #[arg(long)]
    json: bool,
}

/// `definition` of `sweep.json`.
#[derive(Debug, Deserialize)]
struct Definition {
    /// The sweep, as JSON text.
    sweep: String,
    limit: Option<usize>,
    device: DeviceKind,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = Store::open_existing(&arguments.run)?;
    let written = arguments.run.join("sweep.json");
    let definition: Definition = serde_json::from_str(&store.identity().definition).with_context(|| {
        format!(
            "{}: the definition is not one that this program wrote",
            written.display()
        )
    })?;
    let manifest = store.manifest()?;
    if manifest.is_empty() {
        bail!(
            "{} has no manifest.json, which a sweep writes when it ends; finish the sweep first",
            arguments.run.display()
        );
    }
    let file = sweep_file(arguments, manifest.get("configuration"))?;
    let mut sweep = Sweep::from_definition(&definition.sweep, &file)
        .with_context(|| format!("the definition in {}", written.display()))?;
    sweep.safe = written_section(&store)?;
    tell_addresses(&mut sweep.models, &arguments.at)?;
    let place = Place {
        results: new_folder(arguments, &sweep.name)?,
        device: Some(definition.device),
        limit: definition.limit,
        skip_bad_items: skipped(manifest.get("tasks")),
    };
    let options = RunOptions {
        shown: Shown::ToPeople,
        command: command_line(),
    };
    // The second Ctrl-C does not wait for the end of a chunk.
    interrupt::listen()?;
    let ending = run::run(&sweep, &place, &Part::Whole, &options)?;
    for failure in &ending.failed {
        eprintln!("failed: {failure}");
    }
    if ending.interrupted {
        eprintln!("stopped; finished cells are in {}", place.results.display());
        return Ok(Exit::Interrupted);
    }
    let again = Store::open_existing(&place.results.join(&sweep.name))?;
    let settings = Settings {
        exact: true,
        ..Settings::default()
    };
    let found = compare_runs(&store, &again, &settings)?;
    compare::print(&store, &again, &found, arguments.json)?;
    Ok(if ending.failed.is_empty() {
        compare::code(found.outcome)
    } else {
        Exit::SomeFailed
    })
}

fn address(text: &str) -> Result<(String, String), String> {
    let (model, address) = text
        .split_once('=')
        .ok_or("expected MODEL=ADDRESS, as in `large=http://127.0.0.1:8000/v1`")?;
    Ok((model.to_owned(), address.to_owned()))
}

/// Gives every served model the address that it has now.
fn tell_addresses(models: &mut [ModelEntry], told: &[(String, String)]) -> anyhow::Result<()> {
    for (name, address) in told {
        let model = models.iter_mut().find(|model| model.name == *name);
        if let Some(engine) = model.and_then(|model| model.engine.as_mut()) {
            engine.openai.clone_from(address);
            continue;
        }
        let served = models.iter().filter(|model| model.engine.is_some());
        let hint = nearest_hint(name, served.map(|model| model.name.as_str()));
        bail!("--at {name}=…: the sweep has no served model of this name{hint}");
    }
    let without = |model: &&ModelEntry| model.engine.as_ref().is_some_and(|engine| engine.openai.is_empty());
    match models.iter().find(without) {
        Some(model) => bail!(
            "model `{0}` was served, and runs do not keep addresses: say `--at {0}=http://…/v1`, where it is served now",
            model.name
        ),
        None => Ok(()),
    }
}

/// Where the sweep file lay. It need not be there any more; its folder must.
fn sweep_file(arguments: &Arguments, configuration: Option<&Value>) -> anyhow::Result<PathBuf> {
    let recorded = configuration.and_then(|all| all["file"].as_str()).map(Path::new);
    let name = recorded.and_then(Path::file_name).unwrap_or("sweep.toml".as_ref());
    let file = match (&arguments.base, recorded) {
        (Some(base), _) => base.join(name),
        (None, Some(recorded)) => recorded.to_path_buf(),
        (None, None) => bail!(
            "{}: the manifest does not name the sweep file, as those of older programs do not; say with --base which folder it lies in",
            arguments.run.display()
        ),
    };
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "{} does not exist, where the sweep file lay; run this in the directory where the sweep was run, or say with --base where the \
             folder is now",
            folder.display()
        );
    }
    Ok(file)
}

/// A folder in which nothing of this sweep has been run: found records would only be compared with themselves.
fn new_folder(arguments: &Arguments, sweep: &str) -> anyhow::Result<PathBuf> {
    let results = arguments.results.clone().unwrap_or_else(|| {
        let mut beside = arguments.run.components().as_path().as_os_str().to_owned();
        beside.push("-reproduced");
        PathBuf::from(beside)
    });
    let directory = results.join(sweep);
    if directory.exists() {
        bail!(
            "{} exists; reproducing needs a new directory: name another with --results, or remove this one",
            directory.display()
        );
    }
    Ok(results)
}

/// Whether records were left out. Where none were, leaving them out changes nothing.
fn skipped(tasks: Option<&Value>) -> bool {
    let tasks = tasks.and_then(Value::as_object);
    let left_out = |task: &Value| task["skipped"].as_array().is_some_and(|all| !all.is_empty());
    tasks.is_some_and(|tasks| tasks.values().any(left_out))
}
