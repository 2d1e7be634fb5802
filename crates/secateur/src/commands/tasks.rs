//! `secateur tasks`.

use std::path::PathBuf;

use clap::Args;
use secateur_datasets::data_cards;
use secateur_datasets::forms;
use secateur_datasets::tasks;
use serde_json::{Value, json};

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur tasks
  secateur tasks --json --cards datasets/demo/tasks
  secateur tasks pubmedqa";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show this task: what it asks, how it is scored, where its data comes from.
    name: Option<String>,
    /// Folders with cards of tasks of one's own.
    #[arg(long)]
    cards: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.name {
        Some(name) => show(arguments, name)?,
        None => list(arguments)?,
    }
    Ok(Exit::Done)
}

fn list(arguments: &Arguments) -> anyhow::Result<()> {
    let own = arguments.cards.iter().flat_map(|folder| tasks::card::names_in(folder));
    let names: Vec<String> = tasks::names().into_iter().chain(own).collect();
    if !arguments.json {
        for name in names {
            println!("{name}");
        }
        return Ok(());
    }
    let entry = |name: &String| {
        let spec = tasks::find(name, &arguments.cards)?.spec();
        Ok(json!({ "name": name, "about": spec.about, "domain": spec.domain, "set": spec.set }))
    };
    let entries: Vec<Value> = names.iter().map(entry).collect::<anyhow::Result<_>>()?;
    println!("{:#}", json!({ "tasks": entries }));
    Ok(())
}

fn show(arguments: &Arguments, name: &str) -> anyhow::Result<()> {
    let spec = tasks::find(name, &arguments.cards)?.spec();
    let forms = forms::of(&spec.scoring);
    let card = data_cards::card(&spec.set);
    if arguments.json {
        let forms = forms
            .iter()
            .map(|form| json!({ "name": format!("{name}@{}", form.name()), "about": form.about() }));
        let forms: Vec<Value> = forms.collect();
        println!("{:#}", json!({ "task": spec, "forms": forms, "data_card": card }));
        return Ok(());
    }
    println!("{}", serde_json::to_string_pretty(&spec)?);
    for form in forms {
        println!("{name}@{}: {}", form.name(), form.about());
    }
    if let Some(card) = card {
        println!("{card:#?}");
    }
    Ok(())
}
