//! `secateur datasets check`.

use clap::Args;
use secateur_datasets::data_cards::{self, DataCard};
use secateur_datasets::error::{BadItem, DatasetError};
use secateur_datasets::tasks::{self, LoadOptions, TaskSpec};
use secateur_fetch::state::State;
use serde::Serialize;

use super::Place;
use crate::exit::Exit;

/// Bad items that the table shows of a task; JSON has them all.
const SHOWN: usize = 10;

const EXAMPLES: &str = "\
Examples:
  secateur datasets check
  secateur datasets check pubmedqa mmlu --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Sets; all of which something is here where none is named.
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Count unusable records, but do not fail because of them.
    #[arg(long)]
    skip_bad_items: bool,
    /// One JSON document, with every unusable record.
    #[arg(long)]
    json: bool,
}

/// What was found of a set.
#[derive(Debug, Serialize)]
struct Checked {
    set: String,
    files: Vec<CheckedFile>,
    tasks: Vec<CheckedTask>,
    sound: bool,
}

#[derive(Debug, Serialize)]
struct CheckedFile {
    name: String,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize)]
struct CheckedTask {
    name: String,
    version: u32,
    items: usize,
    bad: Vec<BadItem>,
    notes: Vec<String>,
    /// Its files are not here.
    absent: bool,
    error: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let named = !arguments.sets.is_empty();
    let cards = if named {
        arguments.place.named(&arguments.sets)?
    } else {
        arguments.place.cards()?
    };
    let mut checked = Vec::new();
    for card in &cards {
        let states = arguments.place.states(card)?;
        if named || states.iter().any(|state| *state != State::Missing) {
            checked.push(check(arguments, card, states));
        }
    }
    let sound = checked.iter().all(|set| set.sound);
    if arguments.json {
        let document = serde_json::json!({ "sound": sound, "sets": checked });
        println!("{}", serde_json::to_string_pretty(&document)?);
    } else if checked.is_empty() {
        let root = arguments.place.root.display();
        println!("no set is in {root}; `secateur datasets fetch SET` brings one");
    } else {
        checked.iter().for_each(print);
    }
    Ok(if sound { Exit::Done } else { Exit::SomeFailed })
}

/// Sound is a set whose files are not wrong and whose tasks load. A missing file that no task misses does no harm (examples); where
/// no set is named, neither does a task whose files are not here, as long as another one loads.
fn check(arguments: &Arguments, card: &DataCard, states: Vec<State>) -> Checked {
    let load = |spec: TaskSpec| load(arguments, &spec);
    let tasks: Vec<CheckedTask> = data_cards::tasks_of(&card.set).into_iter().map(load).collect();
    let wrong = |state: &State| matches!(state, State::WrongSize { .. } | State::WrongChecksum { .. });
    let lenient = arguments.sets.is_empty() && tasks.iter().any(|task| task.error.is_none());
    let bad = |task: &CheckedTask| {
        let failed = task.error.is_some() && !(task.absent && lenient);
        failed || (!task.bad.is_empty() && !arguments.skip_bad_items)
    };
    let used = !tasks.is_empty() || states.iter().all(State::is_usable);
    Checked {
        set: card.set.clone(),
        sound: used && !states.iter().any(wrong) && !tasks.iter().any(bad),
        files: card
            .file
            .iter()
            .zip(states)
            .map(|(file, state)| CheckedFile {
                name: file.name.clone(),
                state,
            })
            .collect(),
        tasks,
    }
}

fn load(arguments: &Arguments, spec: &TaskSpec) -> CheckedTask {
    let options = LoadOptions {
        skip_bad_items: true,
        ..LoadOptions::default()
    };
    let folder = tasks::data_directory(&arguments.place.root, spec);
    let loaded = tasks::find(&spec.name, &[]).and_then(|task| task.load(&folder, &options));
    let (name, version) = (spec.name.clone(), spec.version);
    match loaded {
        Ok(data) => CheckedTask {
            name,
            version,
            items: data.items.len(),
            bad: data.skipped,
            notes: data.notes,
            absent: false,
            error: None,
        },
        Err(error) => CheckedTask {
            name,
            version,
            items: 0,
            bad: Vec::new(),
            notes: Vec::new(),
            absent: matches!(error, DatasetError::MissingFile { .. }),
            error: Some(error.to_string()),
        },
    }
}

fn print(set: &Checked) {
    println!("{}: {}", set.set, if set.sound { "sound" } else { "NOT SOUND" });
    for file in &set.files {
        match &file.state {
            State::WrongSize { bytes, expected } => {
                println!("  {}: {bytes} bytes, but the card says {expected}", file.name);
            }
            State::WrongChecksum { sha256, expected } => {
                println!("  {}: sha256 {sha256}, but the card says {expected}", file.name);
            }
            state => println!("  {}: {}", file.name, state.words()),
        }
    }
    for task in &set.tasks {
        match &task.error {
            Some(_) if task.absent && set.sound => continue,
            Some(error) => println!("  task {}: {error}", task.name),
            None => println!("  task {}: {} items, {} bad", task.name, task.items, task.bad.len()),
        }
        for item in task.bad.iter().take(SHOWN) {
            println!("    {item}");
        }
        if task.bad.len() > SHOWN {
            println!("    … and {} more (--json shows them all)", task.bad.len() - SHOWN);
        }
        for note in &task.notes {
            println!("    {note}");
        }
    }
}
