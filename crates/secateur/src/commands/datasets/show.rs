//! `secateur datasets show`.

use clap::Args;
use secateur_datasets::data_cards::{self, DataCard};
use secateur_fetch::Settings;
use secateur_fetch::set::obstacle;
use secateur_fetch::state;

use super::{Place, bytes_in_words, in_words};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur datasets show pubmedqa
  secateur datasets show pubmedqa --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The set.
    set: String,
    #[command(flatten)]
    place: Place,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    for card in place.named(std::slice::from_ref(&arguments.set))? {
        if arguments.json {
            let document = serde_json::json!({
                "card": card,
                "folder": state::folder(&place.root, &card),
                "files": place.states(&card)?,
                "tasks": data_cards::tasks_of(&card.set),
            });
            println!("{}", serde_json::to_string_pretty(&document)?);
        } else {
            print(&card, place)?;
        }
    }
    Ok(Exit::Done)
}

fn print(card: &DataCard, place: &Place) -> anyhow::Result<()> {
    println!("{}: {}", card.set, card.title);
    for (label, text) in [
        ("source", card.source.as_str()),
        ("licence", &card.licence),
        ("access", &in_words(&card.access)),
        ("cite", &card.citation),
        ("how to get", &card.how_to_get),
        ("loader tested on real data", &card.loader_tested_on_real_data),
    ] {
        println!("  {label}: {text}");
    }
    println!("\nfiles, in {}:", state::folder(&place.root, card).display());
    let settings = Settings::from_environment();
    for (file, state) in card.file.iter().zip(place.states(card)?) {
        println!("  {}: {}", file.name, state.words());
        let size = file.bytes.map(bytes_in_words);
        let records = file.records.map(|records| format!("{records} records"));
        let known: Vec<String> = size.into_iter().chain(records).collect();
        if !known.is_empty() {
            println!("    {}", known.join(", "));
        }
        if !file.sha256.is_empty() {
            println!("    sha256 {}", file.sha256);
        }
        match obstacle(card, file, &settings) {
            None if file.member.is_empty() => println!("    {}", file.url),
            None => println!("    `{}` in {}", file.member, file.url),
            Some(_) => println!("    by hand"),
        }
    }
    println!("\ntasks:");
    for spec in data_cards::tasks_of(&card.set) {
        println!("  {}: {}", spec.name, spec.about);
    }
    Ok(())
}
