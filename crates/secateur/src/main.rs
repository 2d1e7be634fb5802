//! The Secateur command line.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 some cells or checks failed, 4 a run is worse than another, 5 cells are
//! missing (`compare`, `reproduce`, `sweep reduce`), 130 interrupted.

mod cluster;
mod commands;
mod interrupt;
mod doctor;
mod init;
mod inspect;
mod masks;
mod sweep;

use std::process::ExitCode;

use clap::Parser;

use commands::{Cli, run};

fn main() -> ExitCode {
    sigpipe::reset();
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", message(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes on one line; many messages name their cause themselves.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_cause_is_named_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write a.json: disk full");
        assert_eq!(message(&error), "cannot write a.json: disk full");
        let error = anyhow::anyhow!("disk full").context("cannot write a.json");
        assert_eq!(message(&error), "cannot write a.json: disk full");
    }
}
