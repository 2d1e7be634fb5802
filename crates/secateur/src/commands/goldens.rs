//! `secateur goldens`.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::Args;
use secateur_datasets::error::nearest_hint;
use secateur_goldens::{Check, KINDS, Outcome};
use secateur_model::DeviceKind;
use serde_json::{Value, json};

use super::{device, print_json};
use crate::talk;

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur goldens crates/goldens/fixtures/core
  secateur goldens crates/goldens/fixtures --only olmoe,reap";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Directory in the layout of the reference values, or one that holds such directories.
    directory: PathBuf,
    /// Only checks whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What to run on.
    #[arg(long, default_value = "cpu", value_parser = device::parser())]
    device: DeviceKind,
    /// Print JSON: every check with its verdict.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    ensure!(
        arguments.directory.is_dir(),
        "{} is not a directory",
        arguments.directory.display()
    );
    let tell: fn(&Check) = if arguments.json {
        |check| talk::note(check)
    } else {
        |check| println!("{check}")
    };
    let report = secateur_goldens::check_all(&arguments.directory, &arguments.only, arguments.device, tell);
    let (passed, failed, skipped) = report.counts();
    if report.checks.is_empty() {
        let hint = arguments
            .only
            .iter()
            .map(|name| nearest_hint(name, KINDS))
            .find(|hint| !hint.is_empty());
        bail!(
            "{} holds nothing that can be checked{}",
            arguments.directory.display(),
            hint.unwrap_or_default()
        );
    }
    if arguments.json {
        let checks: Vec<Value> = report.checks.iter().map(entry).collect();
        print_json(&json!({ "passed": passed, "failed": failed, "skipped": skipped, "checks": checks }))?;
    } else {
        println!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::SomeFailed })
}

fn entry(check: &Check) -> Value {
    let (outcome, reason) = match &check.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(reason) => ("failed", Some(reason)),
        Outcome::Skipped(reason) => ("skipped", Some(reason)),
    };
    json!({
        "name": check.name,
        "outcome": outcome,
        "reason": reason,
        "compared": check.compared,
        "deviation": check.deviation.map(|(largest, _)| largest),
        "tolerance": check.deviation.map(|(_, tolerance)| tolerance),
    })
}
