//! `secateur submit`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use secateur_remote::Address;
use secateur_results::atomic;
use serde_json::{Value, json};

use super::print_json;
use super::terms::Terms;
use crate::cluster::coverage::default_tasks;
use crate::cluster::slurm::scheduler;
use crate::cluster::slurm::submission::{Submission, Submitted};
use crate::cluster::slurm::wait::{described, wait};
use crate::cluster::{Coverage, Resources, Work, kubernetes};
use crate::exit::Exit;
use crate::sweep::Sweep;
use crate::sweep::coverage::{self, Standing, State};
use crate::sweep::estimate::measured;
use crate::sweep::opened::{Opened, Place};
use crate::sweep::shards::shards;
use crate::talk;

const EXAMPLES: &str = "\
Examples:
  secateur submit sweep.toml --executor slurm --dry-run
  secateur submit sweep.toml --executor slurm --wait
  secateur submit sweep.toml --executor kubernetes --tasks 32

Only cells without a record are submitted, and none that a task is at: after a failure, or a job that was lost, give the same
command again. What a task asks for stands in the sweep file under [cluster].";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The sweep file.
    file: PathBuf,
    /// Who runs the tasks.
    #[arg(long, value_enum)]
    executor: Executor,
    /// Folder for results, on a file system that all nodes see; the sweep gets a folder of its name in it.
    #[arg(long, default_value = "results/sweeps")]
    results: PathBuf,
    /// Shards that the sweep is cut into, one task each; instead of the sweep file's, or the last submission's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tasks: Option<u32>,
    /// Print scripts or manifests, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Stay until the report is drawn, and submit again what is lost on the way (Slurm).
    #[arg(long)]
    wait: bool,
    /// How often to ask Slurm, with --wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    poll: u32,
    #[command(flatten)]
    terms: Terms,
    /// Print one JSON document: what is done, and what was submitted or written.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Executor {
    /// A job array, and a reducer that depends on it.
    Slurm,
    /// Manifests of an Indexed Job and of its reducer.
    Kubernetes,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let sweep = Sweep::open(&arguments.file)?;
    let resources = Resources::check(&sweep.cluster).map_err(|error| sweep.placed(error))?;
    ensure!(
        Address::parse(&arguments.results.to_string_lossy())?.is_none(),
        "{}: `submit` keeps scripts, logs and notes beside the results, so they must lie in a folder that all nodes see; to use an object \
         store, start `secateur sweep run --shard I/N --results {}` by a script of your own",
        arguments.results.display(),
        arguments.results.display()
    );
    let mut here = local_work(arguments, &sweep)?;
    let place = arguments.terms.place(&here.results);
    let before = Submitted::read(&here.folder()).map(|submitted| submitted.tasks);
    let asked = arguments.tasks.map(|tasks| tasks as usize);
    here.tasks = match asked.or(resources.tasks).or(before) {
        Some(tasks) => tasks,
        None => fitting_tasks(&sweep, &place)?,
    };
    let look = || look(&sweep, &place, here.tasks);
    let coverage = look()?;
    match arguments.executor {
        Executor::Slurm => slurm(arguments, &resources, &here, &coverage, &look),
        Executor::Kubernetes => manifests(arguments, &resources, &here, &coverage),
    }
}

fn slurm(
    arguments: &Arguments,
    resources: &Resources,
    here: &Work,
    coverage: &Coverage,
    look: &dyn Fn() -> anyhow::Result<Coverage>,
) -> anyhow::Result<Exit> {
    let submission = Submission::new(resources, here);
    if arguments.dry_run {
        let scripts = submission.preview(coverage);
        if arguments.json {
            print_json(&document(
                here,
                coverage,
                json!({ "executor": "slurm", "scripts": scripts }),
            ))?;
        } else {
            print!("{scripts}");
        }
        return Ok(Exit::Done);
    }
    let queue = scheduler::queue(here)?;
    let step = submission.submit(coverage, &queue)?;
    let logs = submission.logs();
    let submitted = json!({
        "executor": "slurm",
        "array": step.array.as_ref().map(|(job, indices)| json!({ "job": job, "indices": indices })),
        "reducer": step.reducer,
        "left_alone": queue.shards,
        "logs": logs,
    });
    if !arguments.json {
        println!("{}", described(&step, coverage));
        if !queue.shards.is_empty() {
            println!("left alone, since tasks are at them: {}", queue.summary());
        }
    }
    if !arguments.wait {
        if arguments.json {
            print_json(&document(here, coverage, submitted))?;
        } else {
            println!("output of tasks: {}", logs.display());
        }
        return Ok(Exit::Done);
    }
    talk::note("waiting; Ctrl-C leaves the jobs as they are, and the same command goes on from there");
    let pause = Duration::from_secs(u64::from(arguments.poll));
    let coverage = wait(&submission, here, look, pause, &mut |line| talk::note(line))?;
    let report = here.folder().join("report/index.html");
    if arguments.json {
        let mut document = document(here, &coverage, submitted);
        document["report"] = json!(report);
        print_json(&document)?;
    } else {
        println!("{} of {} cells are done", coverage.done, coverage.total);
        println!("report: {}", report.display());
    }
    Ok(Exit::Done)
}

/// What programs read: how far the sweep is, and what was done about the rest.
fn document(here: &Work, coverage: &Coverage, done: Value) -> Value {
    let mut all = json!({
        "sweep": here.sweep,
        "tasks": here.tasks,
        "cells": coverage.total,
        "done": coverage.done,
        "failures": coverage.failures,
        "shards_not_done": coverage.missing_shards,
    });
    if let (Some(all), Value::Object(done)) = (all.as_object_mut(), done) {
        all.extend(done);
    }
    all
}

fn manifests(arguments: &Arguments, resources: &Resources, here: &Work, coverage: &Coverage) -> anyhow::Result<Exit> {
    if arguments.wait {
        bail!("--wait is for Slurm; with Kubernetes use `kubectl wait --for=condition=complete job/…`");
    }
    // Pods see the paths of the command line from the volume's mount.
    let pods = Work {
        file: arguments.file.clone(),
        results: arguments.results.clone(),
        program: resources.program.clone().unwrap_or_else(|| "secateur".to_owned()),
        ..here.clone()
    };
    let mut manifests = Vec::new();
    if !coverage.missing_shards.is_empty() {
        manifests.push((
            "shards.json",
            kubernetes::shards(resources, &pods, &coverage.missing_shards)?,
        ));
    }
    manifests.push(("reduce.json", kubernetes::reduce(resources, &pods)?));
    if arguments.dry_run {
        if arguments.json {
            let manifests: Vec<&Value> = manifests.iter().map(|(_, manifest)| manifest).collect();
            let done = json!({ "executor": "kubernetes", "manifests": manifests });
            print_json(&document(here, coverage, done))?;
        } else {
            for (_, manifest) in &manifests {
                print_json(manifest)?;
            }
        }
        return Ok(Exit::Done);
    }
    let folder = here.folder().join("kubernetes");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (mut files, mut commands) = (Vec::new(), Vec::new());
    for (name, manifest) in &manifests {
        let file = folder.join(name);
        let text = format!("{}\n", serde_json::to_string_pretty(manifest)?);
        atomic::write_over(&file, text.as_bytes())?;
        let job = manifest["metadata"]["name"].as_str().unwrap_or_default();
        commands.push(format!("kubectl create -f {}", file.display()));
        commands.push(format!("kubectl wait --for=condition=complete --timeout=-1s job/{job}"));
        files.push(file);
    }
    if arguments.json {
        let done = json!({ "executor": "kubernetes", "files": files, "commands": commands });
        print_json(&document(here, coverage, done))?;
    } else {
        for command in commands {
            println!("{command}");
        }
    }
    Ok(Exit::Done)
}

/// What is done; nothing is written.
fn look(sweep: &Sweep, place: &Place, tasks: usize) -> anyhow::Result<Coverage> {
    let opened = Opened::to_look_at(sweep, place)?;
    let standing = match opened.store_if_started()? {
        Some(store) => coverage::Coverage::of(&opened, &store)?,
        None => coverage::Coverage::none(&opened),
    };
    let (shards, missing) = (shards(&opened.plan, tasks), standing.not_done());
    let failed = |cell: &Standing| match &cell.state {
        State::Failed(message) => Some(message.clone()),
        _ => None,
    };
    let unfinished: BTreeSet<usize> = missing.iter().map(|&cell| shards[cell]).collect();
    Ok(Coverage {
        missing_shards: unfinished.into_iter().collect(),
        done: opened.plan.len() - missing.len(),
        total: opened.plan.len(),
        failures: standing.cells.iter().filter_map(failed).collect(),
    })
}

/// How many tasks suit the sweep: by time where every cell's is known from finished ones, by cells where it is not.
fn fitting_tasks(sweep: &Sweep, place: &Place) -> anyhow::Result<usize> {
    let opened = Opened::to_look_at(sweep, place)?;
    let seconds = match opened.store_if_started()? {
        Some(store) => measured(&opened, &store)?.into_iter().sum::<Option<f64>>(),
        None => None,
    };
    Ok(default_tasks(opened.plan.len(), seconds))
}

/// The sweep with absolute paths, as this machine and the nodes see them.
fn local_work(arguments: &Arguments, sweep: &Sweep) -> anyhow::Result<Work> {
    let resources = &sweep.cluster;
    let program = match &resources.program {
        Some(program) => program.clone(),
        None if resources.container.is_some() => "secateur".to_owned(),
        None => std::env::current_exe()
            .context("cannot find this program's own file")?
            .to_string_lossy()
            .into_owned(),
    };
    Ok(Work {
        sweep: sweep.name.clone(),
        file: real(&arguments.file)?,
        results: real(&arguments.results)?,
        directory: real(Path::new("."))?,
        program,
        tasks: 1,
        options: arguments.terms.options(),
    })
}

/// The path without links, the same before and after what it names is made.
fn real(path: &Path) -> anyhow::Result<PathBuf> {
    let found = match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == ErrorKind::NotFound => {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            real(parent)?.join(name)
        }
        (found, ..) => found.with_context(|| path.display().to_string())?,
    };
    match found.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(found),
        _ => bail!(
            "{}: a script cannot hold this path; use one of printable characters",
            found.to_string_lossy().escape_debug()
        ),
    }
}
