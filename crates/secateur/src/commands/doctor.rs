//! `secateur doctor`: what can be done with a checkpoint, without loading it, and on this machine.

use std::path::{Path, PathBuf};

use clap::Args;
use secateur_model::hub::{self, HubError, HubSettings};
use serde_json::{Value, json};

use crate::doctor::machine::{self, Machine, Places};
use crate::doctor::{Options, examine, print};
use crate::exit::Exit;
use crate::sweep::Sweep;

const EXAMPLES: &str = "\
Examples:
  secateur doctor                              # devices, memory, disk and caches
  secateur doctor --sweep sweep.toml           # also the models and judges that it names
  secateur doctor models/olmoe
  secateur doctor models/olmoe --machine --deep --json
  # From the hub's cache; nothing is downloaded
  secateur doctor allenai/OLMoE-1B-7B-0924 --ratios 0.3,0.6

Judges are connected to, and asked nothing.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id of a model in the hub's cache; without it, the machine is looked at.
    checkpoint: Option<String>,
    /// Shares of each layer's experts to remove; without it those of the reference experiment.
    #[arg(long, value_delimiter = ',', requires = "checkpoint")]
    ratios: Vec<f64>,
    /// Read all weights too, and check that they are finite.
    #[arg(long, requires = "checkpoint")]
    deep: bool,
    /// Look at the machine beside the checkpoint.
    #[arg(long)]
    machine: bool,
    /// Look at the machine, and at the models and judges of this sweep file.
    #[arg(long, value_name = "FILE")]
    sweep: Option<PathBuf>,
    /// Folder for results whose disk is looked at.
    #[arg(long, value_name = "DIR", default_value = "results/sweeps")]
    results: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let checkpoint = match &arguments.checkpoint {
        Some(checkpoint) => {
            let options = Options {
                ratios: arguments.ratios.clone(),
                deep: arguments.deep,
            };
            Some(examine(&local(checkpoint)?, &options))
        }
        None => None,
    };
    let wanted = arguments.machine || arguments.sweep.is_some() || checkpoint.is_none();
    let machine = if wanted { Some(look_around(arguments)?) } else { None };
    if arguments.json {
        let mut all = checkpoint.as_ref().map_or_else(|| json!({}), |found| json!(found));
        if let (Some(machine), Value::Object(all)) = (&machine, &mut all) {
            all.insert("machine".to_owned(), json!(machine));
        }
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        if let Some(found) = &checkpoint {
            print::print(found);
        }
        if let Some(machine) = &machine {
            if checkpoint.is_some() {
                println!();
            }
            machine::print::print(machine);
        }
    }
    let sound = checkpoint.is_none_or(|found| found.problems.is_empty());
    Ok(if sound && machine.is_none_or(|found| found.problems.is_empty()) {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn look_around(arguments: &Arguments) -> anyhow::Result<Machine> {
    let sweep = arguments.sweep.as_deref().map(Sweep::open).transpose()?;
    let data = sweep
        .as_ref()
        .map_or_else(|| PathBuf::from("datasets/downloads"), |sweep| sweep.data.clone());
    Ok(Machine::examine(&Places {
        results: &arguments.results,
        data: &data,
        sweep: sweep.as_ref(),
    }))
}

/// The directory itself, or the cached snapshot of a hub id. A diagnosis never downloads.
///
/// # Errors
/// If there is neither.
pub fn local(checkpoint: &str) -> anyhow::Result<PathBuf> {
    let path = Path::new(checkpoint);
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    let settings = HubSettings {
        offline: true,
        ..HubSettings::from_env()
    };
    hub::resolve(checkpoint, &settings).map_err(|error| match error {
        HubError::NotCached { model, cache, missing } => anyhow::anyhow!(
            "{model} is not complete in the cache {}: {missing}; nothing is downloaded for a look: name a directory, or a model that is there",
            cache.display()
        ),
        other => other.into(),
    })
}
