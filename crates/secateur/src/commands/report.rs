//! `secateur report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secateur_results::report::{ReportOptions, report, written_section};
use secateur_results::store::Store;

use super::command_line;
use super::safe::Rule;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A sweep's results directory.
    directory: PathBuf,
    #[command(flatten)]
    rule: Rule,
    /// Fraction removed at which kept sets are compared.
    #[arg(long, default_value_t = 0.5)]
    agreement_at: f64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(&arguments.directory)?;
    let options = ReportOptions {
        safe: Some(arguments.rule.over(written_section(&store)?)?),
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
