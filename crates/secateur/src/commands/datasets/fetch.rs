//! `secateur datasets fetch`.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use secateur_fetch::set::{Outcome, fetch};
use secateur_fetch::{Settings, Watcher, state};
use serde_json::{Value, json};

use super::{Place, bytes_in_words};
use crate::commands::print_json;
use crate::exit::Exit;
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur datasets fetch pubmedqa mmlu
  secateur datasets fetch pubmedqa --force";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Sets.
    #[arg(required = true, value_name = "SET")]
    sets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Fetch files again that are here already.
    #[arg(long)]
    force: bool,
    /// Print JSON: what became of every file.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let cards = arguments.place.named(&arguments.sets)?;
    let settings = Settings::from_environment();
    let root = &arguments.place.root;
    let mut lacking = 0;
    let mut sets = Vec::new();
    for card in &cards {
        if !arguments.json {
            println!("{}: {}; licence: {}", card.set, card.title, card.licence);
        }
        let folder = state::folder(root, card);
        let mut files = Vec::new();
        for (name, outcome) in fetch(card, root, &settings, arguments.force, &mut Progress::new()) {
            lacking += usize::from(matches!(outcome, Outcome::ByHand(_) | Outcome::Failed(_)));
            if arguments.json {
                files.push(entry(&name, &outcome));
            } else {
                print(&name, &outcome, &folder);
            }
        }
        sets.push(json!({ "set": card.set, "licence": card.licence, "folder": folder, "files": files }));
    }
    if arguments.json {
        print_json(&json!({ "complete": lacking == 0, "sets": sets }))?;
    }
    if lacking > 0 {
        talk::warning(format!("{lacking} files could not be fetched"));
        return Ok(Exit::SomeFailed);
    }
    Ok(Exit::Done)
}

fn print(name: &str, outcome: &Outcome, folder: &Path) {
    match outcome {
        Outcome::Present => println!("  {name}: already here"),
        Outcome::Fetched {
            bytes,
            sha256,
            verified,
        } => {
            let verdict = if *verified {
                "verified"
            } else {
                "no checksum in the card"
            };
            println!("  {name}: {}, sha256 {sha256} ({verdict})", bytes_in_words(*bytes));
        }
        Outcome::ByHand(why) => println!("  {name}: not fetched: {why}; put it into {}", folder.display()),
        Outcome::Failed(error) => talk::error(format!("{name}: {error}")),
    }
}

fn entry(name: &str, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Present => json!({ "name": name, "outcome": "present" }),
        Outcome::Fetched {
            bytes,
            sha256,
            verified,
        } => json!({ "name": name, "outcome": "fetched", "bytes": bytes, "sha256": sha256, "verified": verified }),
        Outcome::ByHand(why) => json!({ "name": name, "outcome": "by_hand", "message": why }),
        Outcome::Failed(error) => json!({ "name": name, "outcome": "failed", "message": error.to_string() }),
    }
}

/// A bar per file; a line now and then where nobody watches.
struct Progress {
    bar: Option<ProgressBar>,
    watched: bool,
    name: String,
    size: Option<u64>,
    last_line: Instant,
}

impl Progress {
    fn new() -> Self {
        Self {
            bar: None,
            watched: std::io::stderr().is_terminal(),
            name: String::new(),
            size: None,
            last_line: Instant::now(),
        }
    }
}

impl Watcher for Progress {
    fn begins(&mut self, name: &str, size: Option<u64>, there: u64) {
        let began_before = self.name == name;
        name.clone_into(&mut self.name);
        self.size = size;
        if self.watched {
            let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let bar = self.bar.get_or_insert_with(|| talk::bar(0, template));
            bar.set_message(name.to_owned());
            bar.set_length(size.unwrap_or(there));
            bar.set_position(there);
            bar.reset_eta();
        } else if !began_before {
            let size = size.map_or_else(|| "size unknown".to_owned(), bytes_in_words);
            talk::note(format!("{name}: {size}"));
        }
    }

    fn reached(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        } else if self.last_line.elapsed() > Duration::from_secs(10) {
            self.last_line = Instant::now();
            let share = self
                .size
                .filter(|size| *size > 0)
                .map(|size| format!(", {} %", bytes * 100 / size));
            let reached = bytes_in_words(bytes);
            talk::note(format!("{}: {reached}{}", self.name, share.unwrap_or_default()));
        }
    }

    fn note(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => talk::note(line),
        }
    }

    fn ends(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.name.clear();
    }
}
