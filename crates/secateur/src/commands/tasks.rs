//! `secateur tasks`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secateur_datasets::data_cards;
use secateur_datasets::forms;
use secateur_datasets::tasks;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Show this task: what it asks, how it is scored, where its data comes from.
    name: Option<String>,
    /// Folders with cards of tasks of one's own.
    #[arg(long)]
    cards: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(name) = &arguments.name else {
        for name in tasks::names() {
            println!("{name}");
        }
        for folder in &arguments.cards {
            for name in tasks::card::names_in(folder) {
                println!("{name}");
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let spec = tasks::find(name, &arguments.cards)?.spec();
    println!("{}", serde_json::to_string_pretty(&spec)?);
    for form in forms::of(&spec.scoring) {
        println!("{name}@{}: {}", form.name(), form.about());
    }
    if let Some(card) = data_cards::card(&spec.set) {
        println!("{card:#?}");
    }
    Ok(ExitCode::SUCCESS)
}
