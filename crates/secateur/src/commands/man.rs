//! `secateur man`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::Cli;

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
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.out;
    let cannot = || format!("cannot write man pages to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives subcommands their full names.
    command.build();
    let mut written = Vec::new();
    pages(&command, folder, &mut written).with_context(cannot)?;
    for page in written {
        println!("{}", page.display());
    }
    Ok(ExitCode::SUCCESS)
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
