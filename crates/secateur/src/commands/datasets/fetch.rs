//! `secateur datasets fetch`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secateur_fetch::set::{Outcome, fetch};
use secateur_fetch::{Settings, Watcher, state};

use super::{Place, bytes_in_words};
use crate::commands::SOME_FAILED;

const EXAMPLES: &str = "\
Examples:
  secateur datasets fetch pubmedqa mmlu
  secateur datasets fetch pubmedqa --force

Exit status: 0 if all files are here, 3 if some are not.";

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
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cards = arguments.place.named(&arguments.sets)?;
    let settings = Settings::from_environment();
    let root = &arguments.place.root;
    let mut lacking = 0;
    for card in &cards {
        println!("{}: {}; licence: {}", card.set, card.title, card.licence);
        let outcomes = fetch(card, root, &settings, arguments.force, &mut Progress::new());
        for (name, outcome) in outcomes {
            match outcome {
                Outcome::Present => println!("  {name}: already here"),
                Outcome::Fetched {
                    bytes,
                    sha256,
                    verified,
                } => {
                    let verdict = if verified {
                        "verified"
                    } else {
                        "no checksum in the card"
                    };
                    println!("  {name}: {}, sha256 {sha256} ({verdict})", bytes_in_words(bytes));
                }
                Outcome::ByHand(why) => {
                    lacking += 1;
                    let folder = state::folder(root, card);
                    println!("  {name}: not fetched: {why}; put it into {}", folder.display());
                }
                Outcome::Failed(error) => {
                    lacking += 1;
                    eprintln!("  {name}: error: {error}");
                }
            }
        }
    }
    if lacking > 0 {
        eprintln!("{lacking} files could not be fetched");
        return Ok(ExitCode::from(SOME_FAILED));
    }
    Ok(ExitCode::SUCCESS)
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
            let bar = self.bar.get_or_insert_with(|| {
                let bar = ProgressBar::new(0);
                bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar
            });
            bar.set_message(name.to_owned());
            bar.set_length(size.unwrap_or(there));
            bar.set_position(there);
            bar.reset_eta();
        } else if !began_before {
            let size = size.map_or_else(|| "size unknown".to_owned(), bytes_in_words);
            eprintln!("{name}: {size}");
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
            eprintln!("{}: {}{}", self.name, bytes_in_words(bytes), share.unwrap_or_default());
        }
    }

    fn note(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    fn ends(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.name.clear();
    }
}
