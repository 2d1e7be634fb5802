//! Subcommands, one file each.

mod agreement;
mod bench;
mod calibrate;
mod choice;
mod compare;
mod completions;
mod datasets;
mod demo;
mod device;
mod devices;
mod doctor;
mod goldens;
mod init;
mod inspect;
mod judge;
mod logits;
mod man;
mod prune;
mod rank;
mod report;
mod reproduce;
mod rescore;
mod safe;
mod scorers;
mod submit;
mod sweep;
mod tasks;
mod terms;
#[cfg(test)]
mod tests;

use std::io::Write;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use secateur_results::store::{Store, StoredRecord};
use serde::Serialize;

use crate::exit::{self, Exit};
use crate::talk::{self, Loudness};

const AFTER: &str = "\
Examples:
  secateur init models/olmoe                  # looks at a checkpoint and writes olmoe.toml
  secateur sweep olmoe.toml                   # runs it
  secateur safe results/sweeps/olmoe          # how far can it be pruned?
  secateur inspect results/sweeps/olmoe       # what came out, cell by cell
  secateur sweep --help                       # each command has examples

Data goes to stdout, progress and messages to stderr; NO_COLOR turns colours off, CLICOLOR_FORCE on.
With --json, which every command has that lists or reports something, stdout holds JSON alone.";

/// Which experts can I remove for my domain, by which method, and how many, before the model starts to make things up?
#[derive(Debug, Parser)]
#[command(name = "secateur", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say no more on stderr than warnings and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Also say on stderr what is read, found and made, and when.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

impl Cli {
    /// Reads the command line; ends the program where it makes no sense, or asks for help.
    pub fn read() -> Self {
        let mut command = command();
        let mut found = command.clone().get_matches();
        let read = Self::from_arg_matches_mut(&mut found).unwrap_or_else(|error| error.format(&mut command).exit());
        // Not seen by the parser where one stands before the command and one behind it.
        if read.quiet && read.verbose {
            let message = "the argument '--quiet' cannot be used with '--verbose'";
            command.error(ErrorKind::ArgumentConflict, message).exit();
        }
        read
    }

    /// How much is said.
    pub fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Usual,
        }
    }
}

/// The command line, each command with its exit codes.
pub fn command() -> clap::Command {
    exit::told(Cli::command(), "")
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a checkpoint and write a commented sweep file for it.
    Init(init::Arguments),
    /// Say whether a checkpoint can be pruned, without loading it, or what can be done on this machine.
    Doctor(doctor::Arguments),
    /// Run a sweep file: calibrate, prune, evaluate, report.
    Sweep(sweep::Arguments),
    /// Run a sweep on a cluster: a Slurm job array with its reducer, or the manifests of a Kubernetes Indexed Job.
    Submit(submit::Arguments),
    /// Draw the report of a results directory again, from its records alone.
    Report(report::Arguments),
    /// Browse the records of a run: its cells with their metrics, or one cell item by item.
    Inspect(inspect::Arguments),
    /// Compare two runs of a sweep: counts and greedy answers exactly, metrics by paired tests, times within a tolerance.
    Compare(compare::Arguments),
    /// Run a finished sweep again as its results directory says, and list every number that differs.
    Reproduce(reproduce::Arguments),
    /// Compute metrics anew on kept answers, of sweeps or of lm-evaluation-harness, without a model.
    Rescore(rescore::Arguments),
    /// Print how far each method can prune each model before a loss cannot be ruled out, from a results directory's records.
    Safe(safe::Arguments),
    /// Let language models behind chat endpoints judge texts against their sources, or two texts against each other.
    Judge(judge::Arguments),
    /// Measure scorers of texts against their sources: correlation and error rates on labelled sets.
    Scorers(scorers::Arguments),
    /// Collect the statistics of a model on a corpus, and rank its experts.
    Calibrate(calibrate::Arguments),
    /// Rank experts by saved statistics, or read the mask or ranking of another tool; write either for other tools.
    Rank(rank::Arguments),
    /// Compare masks: methods, seeds, fractions, domains; tables, heat maps and a page.
    Agreement(agreement::Arguments),
    /// Write a pruned checkpoint.
    Prune(prune::Arguments),
    /// Write the logits of a model, masked or not, for given tokens.
    Logits(logits::Arguments),
    /// List public data sets, fetch them, and check what is here.
    Datasets(datasets::Arguments),
    /// List tasks, or show one.
    Tasks(tasks::Arguments),
    /// Measure a checkpoint on this machine: prefill, decoding, calibration, memory.
    Bench(bench::Arguments),
    /// Show which devices this build can use here.
    Devices(devices::Arguments),
    /// Check Secateur against a directory of reference values.
    Goldens(goldens::Arguments),
    /// Make the demo's data, or train its models.
    Demo(demo::Arguments),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Arguments),
    /// Write man pages.
    Man(man::Arguments),
}

/// Runs a command.
///
/// # Errors
/// What stopped it, in one message.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Submit(arguments) => submit::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Rescore(arguments) => rescore::run(&arguments),
        Command::Safe(arguments) => safe::run(&arguments),
        Command::Judge(arguments) => judge::run(&arguments),
        Command::Scorers(arguments) => scorers::run(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Rank(arguments) => rank::run(&arguments),
        Command::Agreement(arguments) => agreement::run(&arguments),
        Command::Prune(arguments) => prune::run(&arguments),
        Command::Logits(arguments) => logits::run(&arguments),
        Command::Datasets(arguments) => datasets::run(&arguments),
        Command::Tasks(arguments) => tasks::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Goldens(arguments) => goldens::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// The command as the user would type it again.
fn command_line() -> String {
    let quoted = |word: String| {
        if word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word
        }
    };
    let words: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("secateur {}", words.join(" "))
}

/// Prints the one document of a command on stdout.
///
/// # Errors
/// If stdout cannot be written.
fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)?;
    Ok(())
}

/// The records of a results directory or address. Warns of those that cannot be read.
///
/// # Errors
/// If it holds no sweep.
fn records(store: &Store) -> anyhow::Result<Vec<StoredRecord>> {
    let (records, messages) = store.read_all()?;
    for message in messages {
        talk::warning(message);
    }
    talk::detail(|| format!("{} records in {}", records.len(), store.place().display()));
    Ok(records)
}
