//! The Secateur command line. [`exit::Exit`] says how it ends, [`talk`] what goes to stderr; stdout holds data alone.

mod cluster;
mod commands;
mod exit;
mod interrupt;
mod doctor;
mod init;
mod inspect;
mod masks;
mod sweep;
mod talk;

use std::process::ExitCode;

use commands::{Cli, run};
use exit::Exit;

fn main() -> ExitCode {
    sigpipe::reset();
    let cli = Cli::read();
    talk::begin(cli.loudness());
    let result = run(cli);
    talk::detail(|| "end".to_owned());
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            talk::error(message(&error));
            Exit::Refused.into()
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
