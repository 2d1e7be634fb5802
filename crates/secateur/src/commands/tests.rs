//! Help and error texts: every command says what it does and shows how, and no text changes unseen.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use clap::{Command, Parser};

use super::{Cli, command};
use crate::exit::Exit;

/// Columns.
const WIDEST: usize = 100;
/// Where it is set, snapshots are written instead of compared.
const UPDATE: &str = "SECATEUR_UPDATE_SNAPSHOTS";
/// Slips of the finger, and what is missing.
const MISTAKES: [&[&str]; 8] = [
    &["swep"],
    &["sweep"],
    &["sweep", "a.toml", "--limt", "3"],
    &["sweep", "a.toml", "--device", "cuda"],
    &["inspect", "run", "--items", "wrong"],
    &["datasets", "lst"],
    &["completions", "bsh"],
    &["compare", "a", "b", "--tolerance-time", "x"],
];

/// A command with its subcommands, each with its whole name, as help of so many columns.
fn commands() -> Vec<(String, Command)> {
    fn add(name: String, command: &Command, all: &mut Vec<(String, Command)>) {
        for inner in command.get_subcommands() {
            add(format!("{name} {}", inner.get_name()), inner, all);
        }
        all.push((name, command.clone()));
    }
    let mut root = command().disable_help_subcommand(true).term_width(WIDEST);
    root.build();
    let mut all = Vec::new();
    add("secateur".to_owned(), &root, &mut all);
    all
}

#[test]
fn definitions_are_sound() {
    command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_examples() {
    let commands = commands();
    assert!(commands.len() > 25, "{}", commands.len());
    for (name, command) in commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.split(' ').count() > 2, "{name}: `{about}` is no sentence");
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains("Example"), "{name} has no examples");
        let examples: Vec<&str> = after
            .lines()
            .filter(|line| line.trim().starts_with("secateur "))
            .collect();
        assert!(!examples.is_empty(), "{name} has no examples");
        for line in examples {
            assert!(
                line.chars().count() <= WIDEST,
                "{name}: the example is too long: {line}"
            );
        }
    }
}

#[test]
fn what_lists_or_reports_has_a_form_for_programs() {
    for (name, command) in commands() {
        let json = command
            .get_arguments()
            .any(|argument| argument.get_long() == Some("json"));
        // A group does nothing by itself; a shell reads what `completions` prints.
        let none = command.is_subcommand_required_set() || name == "secateur completions";
        assert_eq!(json, !none, "{name}");
        let global = ["quiet", "verbose"];
        let has = |wanted: &str| {
            command
                .get_arguments()
                .any(|argument| argument.get_long() == Some(wanted))
        };
        assert!(global.into_iter().all(has), "{name}");
    }
}

#[test]
fn exit_codes_are_in_help_and_in_the_book() {
    let commands = commands();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/command-line.md");
    let book = std::fs::read_to_string(path).unwrap();
    for exit in Exit::ALL {
        let names: Vec<&str> = exit.commands().collect();
        let whose = if names.is_empty() {
            "every command".to_owned()
        } else {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let row = format!("| {} | {} | {whose} |", exit.code(), exit.words());
        assert!(book.contains(&row), "docs/src/command-line.md has no row\n{row}");
        for name in names {
            let whole = format!("secateur {name}");
            let (_, command) = commands.iter().find(|(known, _)| *known == whole).unwrap();
            let help = command.get_after_help().unwrap().to_string();
            assert!(
                help.contains(&format!("\n  {:>3}  {}", exit.code(), exit.words())),
                "{whole}: {help}"
            );
        }
    }
}

#[test]
fn no_line_of_help_is_too_long() {
    for (name, mut command) in commands() {
        for text in [
            command.render_help().to_string(),
            command.render_long_help().to_string(),
        ] {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDEST, "{name}: {line}");
            }
        }
    }
}

#[test]
fn help_and_errors_are_as_they_were() {
    for (name, mut command) in commands() {
        compare(&name.replace(' ', "-"), &command.render_long_help().to_string());
    }
    let errors = MISTAKES.map(|words| {
        let line = std::iter::once("secateur").chain(words.iter().copied());
        let error = Cli::try_parse_from(line).unwrap_err();
        format!("$ secateur {}\n{error}\n", words.join(" "))
    });
    compare("errors", &errors.join("\n"));
}

fn compare(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let file = folder.join(format!("{name}.txt"));
    let lines = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, lines).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        kept,
        lines,
        "{} differs; if that is meant, run this test again with {UPDATE}=1 and look at the difference",
        file.display()
    );
}
