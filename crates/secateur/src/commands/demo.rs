//! `secateur demo`: makes what the repository ships.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secateur_datasets::error::nearest_hint;
use secateur_demo::train::{TrainError, recipe, steps};
use serde_json::json;

use super::print_json;
use crate::talk;

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur demo data
  secateur demo train --model demo-olmoe --steps 20 --output target/trial";

const DATA_EXAMPLES: &str = "\
Examples:
  secateur demo data
  secateur demo data --directory elsewhere/demo";

const TRAIN_EXAMPLES: &str = "\
Examples:
  secateur demo train
  secateur demo train --model demo-olmoe --steps 20 --output target/trial";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write tasks and calibration text from the knowledge files.
    #[command(after_help = DATA_EXAMPLES)]
    Data {
        /// The demo's folder.
        #[arg(long, default_value = "datasets/demo")]
        directory: PathBuf,
        /// Print the files' names as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Train the models from scratch, or go on where training stopped.
    #[command(after_help = TRAIN_EXAMPLES)]
    Train {
        /// Only this one.
        #[arg(long)]
        model: Option<String>,
        /// State and log of training.
        #[arg(long, default_value = "target/demo-training")]
        work: PathBuf,
        /// Where checkpoints are written.
        #[arg(long, default_value = "datasets/demo/models")]
        output: PathBuf,
        /// Stop after so many steps in all, for a trial.
        #[arg(long)]
        steps: Option<usize>,
        /// Print JSON: each model's checkpoint and number of steps.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Data { directory, json } => {
            let written = secateur_demo::tasks::write_all(directory)?;
            if *json {
                print_json(&json!({ "files": written }))?;
            } else {
                for path in written {
                    println!("{}", path.display());
                }
            }
        }
        Command::Train {
            model,
            work,
            output,
            steps,
            json,
        } => {
            let recipes = match model {
                Some(name) => vec![recipe::recipe(name).map_err(|error| suggest(name, &error))?],
                None => recipe::recipes(),
            };
            let mut trained = Vec::new();
            for mut recipe in recipes {
                recipe.steps = steps.unwrap_or(recipe.steps);
                let checkpoint = output.join(recipe.name);
                let state = work.join(recipe.name);
                steps::train(&recipe, &state, &checkpoint, &mut |line| talk::note(line))?;
                if !json {
                    println!("{}", checkpoint.display());
                }
                trained.push(json!({ "model": recipe.name, "checkpoint": checkpoint, "steps": recipe.steps }));
            }
            if *json {
                print_json(&json!({ "models": trained }))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The error, with the nearest name of a model.
fn suggest(name: &str, error: &TrainError) -> anyhow::Error {
    let hint = nearest_hint(name, recipe::recipes().iter().map(|recipe| recipe.name));
    anyhow::anyhow!("{error}{hint}")
}
