//! The Secateur command line.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 some cells or checks failed, 130 interrupted.

mod commands;
mod doctor;
mod masks;
mod sweep;

use std::process::ExitCode;

use clap::Parser;

use commands::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
