//! `secateur completions`.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use super::command;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur completions bash > ~/.local/share/bash-completion/completions/secateur
  secateur completions zsh > ~/.zfunc/_secateur        # a folder in $fpath
  secateur completions fish > ~/.config/fish/completions/secateur.fish";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    // In memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "secateur", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
