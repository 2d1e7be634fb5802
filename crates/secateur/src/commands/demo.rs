//! `secateur demo`: makes what the repository ships.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use secateur_demo::train::{recipe, steps};

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
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Data { directory } => {
            for path in secateur_demo::tasks::write_all(directory)? {
                println!("{}", path.display());
            }
        }
        Command::Train {
            model,
            work,
            output,
            steps,
        } => {
            let recipes = match model {
                Some(name) => vec![recipe::recipe(name)?],
                None => recipe::recipes(),
            };
            for mut recipe in recipes {
                recipe.steps = steps.unwrap_or(recipe.steps);
                steps::train(
                    &recipe,
                    &work.join(recipe.name),
                    &output.join(recipe.name),
                    &mut |line| println!("{line}"),
                )?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
