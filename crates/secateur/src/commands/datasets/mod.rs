//! `secateur datasets`: what public data there is, what of it is here, and how to get the rest.

mod check;
mod fetch;
mod list;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use secateur_datasets::data_cards::{self, DataCard};
use secateur_datasets::error::nearest_hint;
use secateur_fetch::state::{self, State};

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  # What there is, and what of it is here
  secateur datasets list

  # Licence, citation, files and tasks of one set
  secateur datasets show pubmedqa

  # Download two sets, go on with interrupted files, verify checksums
  secateur datasets fetch pubmedqa mmlu

  # Load every task of every set that is here
  secateur datasets check

Environment: HF_TOKEN (or ~/.cache/huggingface/token), HF_ENDPOINT, HF_HUB_OFFLINE, HTTP_PROXY, HTTPS_PROXY, NO_PROXY.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sets: domain, size, licence, who may have them, and what is here.
    List(list::Arguments),
    /// Show the card of a set, the tasks that use it, and where its files must lie.
    Show(show::Arguments),
    /// Download the files of sets: resumed where a download broke off, verified before they get their names.
    Fetch(fetch::Arguments),
    /// Verify files, and load every task of the sets: items, and bad ones with file, line and field.
    Check(check::Arguments),
}

/// Where the data is.
#[derive(Debug, Args)]
struct Place {
    /// Folder of the sets; each has a folder of its name in it.
    #[arg(long, default_value = "datasets/downloads", value_name = "DIR")]
    root: PathBuf,
    /// Folder with data cards of one's own, which come before the built-in ones.
    #[arg(long, value_name = "DIR")]
    data_cards: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Fetch(arguments) => fetch::run(arguments),
        Command::Check(arguments) => check::run(arguments),
    }
}

impl Place {
    /// All cards by set name; own ones in place of built-in ones.
    fn cards(&self) -> anyhow::Result<Vec<DataCard>> {
        let mut cards = data_cards::all();
        for folder in &self.data_cards {
            for card in data_cards::in_folder(folder)? {
                cards.retain(|other| other.set != card.set);
                cards.push(card);
            }
        }
        cards.sort_by(|a, b| a.set.cmp(&b.set));
        Ok(cards)
    }

    /// The cards of these sets.
    fn named(&self, sets: &[String]) -> anyhow::Result<Vec<DataCard>> {
        let cards = self.cards()?;
        let find = |set: &String| {
            cards.iter().find(|card| card.set == *set).cloned().ok_or_else(|| {
                let hint = nearest_hint(set, cards.iter().map(|card| card.set.as_str()));
                anyhow::anyhow!("unknown set `{set}`{hint}; `secateur datasets list` shows them all")
            })
        };
        sets.iter().map(find).collect()
    }

    /// The state of each file of a set.
    fn states(&self, card: &DataCard) -> anyhow::Result<Vec<State>> {
        let look = |file| Ok(state::look(&self.root, card, file)?);
        card.file.iter().map(look).collect()
    }
}

/// `1.2 MB`; powers of ten.
fn bytes_in_words(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = units.into_iter().find(|(_, size)| bytes >= *size);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, size)| format!("{:.1} {name}", bytes as f64 / size as f64),
    )
}

/// A unit variant as serde writes it, with blanks.
fn in_words(value: &impl serde::Serialize) -> String {
    let text = serde_json::json!(value);
    text.as_str().unwrap_or_default().replace('_', " ")
}
