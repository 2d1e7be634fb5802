//! `secateur doctor`: what can be done with a checkpoint, without loading it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secateur_model::hub::{self, HubError, HubSettings};

use crate::doctor::{Options, examine, print};

const EXAMPLES: &str = "\
Examples:
  secateur doctor models/olmoe
  secateur doctor allenai/OLMoE-1B-7B-0924 --ratios 0.3,0.6     # from the hub's cache; nothing is downloaded
  secateur doctor models/olmoe --deep --json

Exit status: 0 if the checkpoint can be loaded, pruned and exported, 1 if something stops that.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Checkpoint directory, or id of a model in the hub's cache.
    checkpoint: String,
    /// Shares of each layer's experts to remove; without it those of the reference experiment.
    #[arg(long, value_delimiter = ',')]
    ratios: Vec<f64>,
    /// Read all weights too, and check that they are finite.
    #[arg(long)]
    deep: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = HubSettings {
        offline: true,
        ..HubSettings::from_env()
    };
    let path = std::path::Path::new(&arguments.checkpoint);
    let directory = if path.exists() {
        path.to_path_buf()
    } else {
        in_cache(&arguments.checkpoint, &settings)?
    };
    let options = Options {
        ratios: arguments.ratios.clone(),
        deep: arguments.deep,
    };
    let found = examine(&directory, &options);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print::print(&found);
    }
    Ok(if found.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The cached snapshot of a hub id. A diagnosis never downloads.
fn in_cache(id: &str, settings: &HubSettings) -> anyhow::Result<PathBuf> {
    hub::resolve(id, settings).map_err(|error| match error {
        HubError::NotCached { model, cache, missing } => anyhow::anyhow!(
            "{model} is not complete in the cache {}: {missing}; doctor downloads nothing: name a directory, or a model that is there",
            cache.display()
        ),
        other => other.into(),
    })
}
