//! `secateur sweep`.

mod plan;
mod reduce;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::command_line;
use super::terms::Terms;
use crate::exit::Exit;
use crate::interrupt;
use crate::sweep::Sweep;
use crate::sweep::opened::Place;
use crate::sweep::progress::Shown;
use crate::sweep::run::{self, Ending, Part, RunOptions};
use crate::sweep::shards::Shard;

const EXAMPLES: &str = "\
Examples:
  secateur sweep sweep.toml --dry-run             # cells, memory and time; nothing is evaluated
  secateur sweep sweep.toml
  secateur sweep sweep.toml --limit 20 --quiet    # a quick look, kept apart
  secateur sweep sweep.toml --json | jq .event";

const RUN_EXAMPLES: &str = "\
Examples:
  secateur sweep run sweep.toml --shard 0/4
  secateur sweep run sweep.toml --cell 3f2a91c0,77b1d2e4";

const WORKERS: &str = "\
Several workers may run on one results directory or address, on one machine or many: each cell is evaluated once. \
A sweep that was stopped or interrupted goes on from there by the same command.";

const EVENTS: &str = "\
Progress goes to stderr: bars on a terminal, one line per event elsewhere. The time left is what the cells that are left cost, by the \
measured time of finished cells of the same model and task, or by their planned work where there is none yet; \
loading, calibration and the report come on top.

--json prints events on stdout instead, each a JSON object on a line with `event` and `time` (RFC 3339, UTC), and `key` where it is \
about a cell. Pass over events and fields that you do not know.
  sweep_started         the first: version (of this layout, 1), sweep, directory, cells, done_before, models, tasks, device
  model_loaded          model, family, seconds
  calibration_begun     model, corpus, seed
  calibration_progress  and samples_done, samples, tokens
  calibration_done      and tokens, seconds
  cell_begun            cell, items, items_done (by an earlier run)
  cell_progress         cell, items_done, items, tokens, tokens_per_second, seconds_left; at most one a second
  cell_done             cell, how (evaluated, shared, found), seconds, tokens, tokens_per_second, n, cells_done, cells, seconds_left
  cell_failed           cell, message, cells_done, cells
  put_off               what, reason: another worker is at it
  warning               message
  interrupted           message; finished follows once the running batch is kept
  finished              the last: cells, evaluated, shared, found, failed, interrupted, seconds, report
  stopped               instead of finished: message of the error that ended it
What is not known is null. Errors before the sweep starts come on stderr alone.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{WORKERS}"), after_long_help = format!("{EXAMPLES}\n\n{EVENTS}\n\n{WORKERS}"))]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The sweep file.
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    whence: Whence,
    /// Print cells, memory and an estimate of time, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Print events on stdout, one JSON object a line, and nothing else there; with --dry-run one document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the cells with their ids, their estimated work and whether they are done; nothing is evaluated.
    Plan(plan::Arguments),
    /// Evaluate some cells, by id or by shard. What is done already is not done again.
    Run(RunArguments),
    /// Draw the report once all cells have records.
    Reduce(reduce::Arguments),
    /// Say what is done, running, failed and missing; nothing is evaluated.
    Status(status::Arguments),
}

#[derive(Debug, Args)]
#[command(after_help = format!("{RUN_EXAMPLES}\n\n{WORKERS}"), after_long_help = format!("{RUN_EXAMPLES}\n\n{EVENTS}\n\n{WORKERS}"))]
struct RunArguments {
    /// The sweep file.
    file: PathBuf,
    #[command(flatten)]
    part: PartArguments,
    #[command(flatten)]
    whence: Whence,
    /// Print events on stdout, one JSON object a line, and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PartArguments {
    /// Ids of cells, as `sweep plan` prints them.
    #[arg(long = "cell", value_name = "ID", value_delimiter = ',')]
    cells: Vec<String>,
    /// One of n parts of about equal work, counted from 0: `--shard 0/4` to `--shard 3/4`.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

/// What must be said alike to every command on one sweep.
#[derive(Debug, Args)]
struct Whence {
    /// Folder for results, or `s3://bucket/folder`, `gs://…` or `az://…` in an object store; the sweep gets a folder of its name in it.
    #[arg(long, default_value = "results/sweeps")]
    results: PathBuf,
    #[command(flatten)]
    terms: Terms,
}

impl Whence {
    fn place(&self) -> Place {
        self.terms.place(&self.results)
    }
}

fn shown(json: bool) -> Shown {
    if json { Shown::ToPrograms } else { Shown::ToPeople }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match (&arguments.command, &arguments.file) {
        (Some(Command::Plan(arguments)), _) => plan::run(arguments),
        (Some(Command::Run(arguments)), _) => part(arguments),
        (Some(Command::Reduce(arguments)), _) => reduce::run(arguments),
        (Some(Command::Status(arguments)), _) => status::run(arguments),
        (None, Some(file)) => whole(arguments, file),
        (None, None) => anyhow::bail!("name a sweep file"),
    }
}

fn whole(arguments: &Arguments, file: &std::path::Path) -> anyhow::Result<Exit> {
    let (sweep, place) = (Sweep::open(file)?, arguments.whence.place());
    if arguments.dry_run {
        run::dry_run(&sweep, &place, arguments.json)?;
        return Ok(Exit::Done);
    }
    evaluate(&sweep, &place, &Part::Whole, shown(arguments.json))
}

fn part(arguments: &RunArguments) -> anyhow::Result<Exit> {
    let sweep = Sweep::open(&arguments.file)?;
    let part = match arguments.part.shard {
        Some(shard) => Part::Shard(shard),
        None => Part::Cells(arguments.part.cells.clone()),
    };
    evaluate(&sweep, &arguments.whence.place(), &part, shown(arguments.json))
}

fn evaluate(sweep: &Sweep, place: &Place, part: &Part, shown: Shown) -> anyhow::Result<Exit> {
    // The second Ctrl-C does not wait for the end of a chunk.
    interrupt::listen()?;
    let options = RunOptions {
        shown,
        command: command_line(),
    };
    let ending = run::run(sweep, place, part, &options)?;
    // The last event says all of it.
    if shown != Shown::ToPrograms {
        print(&ending);
    }
    Ok(if ending.interrupted {
        Exit::Interrupted
    } else if ending.failed.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    })
}

fn print(ending: &Ending) {
    println!(
        "{} cells evaluated, {} shared with an equal mask, {} done before, {} failed",
        ending.evaluated,
        ending.shared,
        ending.found,
        ending.failed.len()
    );
    if ending.interrupted {
        println!("stopped; finished cells and answered items are kept, and the same command goes on from here");
        return;
    }
    for failure in &ending.failed {
        eprintln!("failed: {failure}");
    }
    if let Some(page) = &ending.report {
        println!("report: {}", page.display());
    }
}
