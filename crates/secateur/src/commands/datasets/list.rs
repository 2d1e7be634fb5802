//! `secateur datasets list`.

use std::collections::BTreeSet;

use clap::Args;
use secateur_datasets::data_cards::{self, Access, DataCard};
use secateur_fetch::state::State;
use serde::Serialize;

use super::{Place, bytes_in_words, in_words};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur datasets list
  secateur datasets list --json --root /data/sets";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Row {
    set: String,
    title: String,
    domains: Vec<String>,
    tasks: usize,
    files: usize,
    /// Files that can be used.
    present: usize,
    /// Sum of the sizes that the card knows, bytes.
    bytes_known: u64,
    /// Files whose size the card does not know.
    sizes_unknown: usize,
    access: Access,
    licence: String,
    state: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let cards = arguments.place.cards()?;
    let row = |card: &DataCard| Ok(Row::new(card, &arguments.place.states(card)?));
    let rows: Vec<Row> = cards.iter().map(row).collect::<anyhow::Result<_>>()?;
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&serde_json::json!({ "sets": rows }))?
        );
    } else {
        table(&rows);
    }
    Ok(Exit::Done)
}

impl Row {
    fn new(card: &DataCard, states: &[State]) -> Self {
        let tasks = data_cards::tasks_of(&card.set);
        let domains: BTreeSet<String> = tasks.iter().map(|spec| in_words(&spec.domain)).collect();
        Self {
            set: card.set.clone(),
            title: card.title.clone(),
            domains: domains.into_iter().collect(),
            tasks: tasks.len(),
            files: card.file.len(),
            present: states.iter().filter(|state| state.is_usable()).count(),
            bytes_known: card.file.iter().filter_map(|file| file.bytes).sum(),
            sizes_unknown: card.file.iter().filter(|file| file.bytes.is_none()).count(),
            access: card.access,
            licence: card.licence.clone(),
            state: summary(states),
        }
    }

    fn size(&self) -> String {
        match (self.bytes_known, self.sizes_unknown) {
            (0, _) => "?".to_owned(),
            (bytes, 0) => bytes_in_words(bytes),
            (bytes, _) => format!(">{}", bytes_in_words(bytes)),
        }
    }
}

/// The state of a set: the worst of its files, or how many are here.
fn summary(states: &[State]) -> String {
    let count = |wanted: fn(&State) -> bool| states.iter().filter(|state| wanted(state)).count();
    let wrong = states
        .iter()
        .find(|state| matches!(state, State::WrongSize { .. } | State::WrongChecksum { .. }));
    if let Some(wrong) = wrong {
        return wrong.words().to_owned();
    }
    let usable = count(State::is_usable);
    if count(|state| matches!(state, State::Partial { .. })) > 0 {
        return format!("interrupted, {usable} of {}", states.len());
    }
    match usable {
        0 => "missing".to_owned(),
        n if n < states.len() => format!("{n} of {}", states.len()),
        _ if count(|state| matches!(state, State::Complete { .. })) == states.len() => "complete".to_owned(),
        _ => "present".to_owned(),
    }
}

fn table(rows: &[Row]) {
    let titles = ["set", "domain", "tasks", "size", "access", "here", "licence"].map(str::to_owned);
    let licence = |row: &Row| {
        let first = row.licence.split([';', ',']).next().unwrap_or_default();
        first.chars().take(40).collect::<String>()
    };
    let cells = rows.iter().map(|row| {
        [
            row.set.clone(),
            row.domains.join(", "),
            row.tasks.to_string(),
            row.size(),
            in_words(&row.access),
            row.state.clone(),
            licence(row),
        ]
    });
    let lines: Vec<[String; 7]> = std::iter::once(titles).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_file_speaks_for_the_set() {
        let complete = || State::Complete { bytes: 1 };
        assert_eq!(summary(&[complete(), complete()]), "complete");
        assert_eq!(summary(&[complete(), State::Unverified { bytes: 1 }]), "present");
        assert_eq!(summary(&[complete(), State::Missing]), "1 of 2");
        assert_eq!(summary(&[State::Missing]), "missing");
        assert_eq!(
            summary(&[complete(), State::Partial { bytes: 1 }]),
            "interrupted, 1 of 2"
        );
        let wrong = State::WrongSize { bytes: 1, expected: 2 };
        assert_eq!(summary(&[complete(), wrong]), "wrong size");
    }
}
