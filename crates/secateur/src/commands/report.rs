//! `secateur report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secateur_results::report::{ReportOptions, report};
use secateur_results::store::Store;

use super::command_line;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A sweep's results directory.
    directory: PathBuf,
    /// Share of retention that may be lost while a model still counts as safe.
    #[arg(long, default_value_t = 0.05)]
    margin: f64,
    /// Fraction removed at which kept sets are compared.
    #[arg(long, default_value_t = 0.5)]
    agreement_at: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(&arguments.directory)?;
    let options = ReportOptions {
        margin: arguments.margin,
        agreement_fraction: arguments.agreement_at,
        command: command_line(),
        only: None,
    };
    let written = report(&store, &options)?;
    for path in written.pages.iter().chain(&written.charts).chain(&written.tables) {
        println!("{}", path.display());
    }
    if !written.warnings.is_empty() {
        eprintln!("{} warnings; the report lists them", written.warnings.len());
    }
    Ok(ExitCode::SUCCESS)
}
