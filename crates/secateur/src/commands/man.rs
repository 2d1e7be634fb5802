//! `secateur man`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap_mangen::Man;
use serde_json::json;

use super::{command, print_json};
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur man --out ~/.local/share/man/man1
  secateur man --out man && man man/secateur-sweep.1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Folder for the pages, one for each command; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the pages' names as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let folder = &arguments.out;
    let cannot = || format!("cannot write man pages to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let mut command = command().disable_help_subcommand(true);
    // Gives subcommands their full names.
    command.build();
    let mut written = Vec::new();
    pages(&command, folder, &mut written).with_context(cannot)?;
    if arguments.json {
        print_json(&json!({ "pages": written }))?;
        return Ok(Exit::Done);
    }
    for page in written {
        println!("{}", page.display());
    }
    Ok(Exit::Done)
}

/// The page of a command, and those of its subcommands.
fn pages(command: &clap::Command, folder: &Path, written: &mut Vec<PathBuf>) -> std::io::Result<()> {
    written.push(Man::new(command.clone()).generate_to(folder)?);
    for inner in command.get_subcommands() {
        pages(inner, folder, written)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        run(&Arguments {
            out: folder.path().join("man"),
            json: false,
        })
        .unwrap();
        for name in [
            "secateur",
            "secateur-sweep",
            "secateur-sweep-plan",
            "secateur-datasets-fetch",
        ] {
            let page = std::fs::read_to_string(folder.path().join("man").join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH NAME"), "{page}");
        }
    }
}
