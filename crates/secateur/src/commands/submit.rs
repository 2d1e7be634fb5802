//! `secateur submit`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use secateur_model::DeviceKind;
use secateur_results::atomic;

use crate::cluster::coverage::default_tasks;
use crate::cluster::slurm::scheduler;
use crate::cluster::slurm::submission::{Submission, Submitted};
use crate::cluster::slurm::wait::{described, wait};
use crate::cluster::{Coverage, Resources, Work, kubernetes};
use crate::sweep::Sweep;

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
    /// cpu, ndarray or wgpu; instead of the sweep file's device.
    #[arg(long)]
    device: Option<DeviceKind>,
    /// At most so many items per task, as with `secateur sweep`.
    #[arg(long)]
    limit: Option<usize>,
    /// Leave unusable records of all tasks out and count them.
    #[arg(long)]
    skip_bad_items: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Executor {
    /// A job array, and a reducer that depends on it.
    Slurm,
    /// Manifests of an Indexed Job and of its reducer.
    Kubernetes,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sweep = Sweep::open(&arguments.file)?;
    let resources = Resources::check(&sweep.cluster).with_context(|| arguments.file.display().to_string())?;
    let mut here = local_work(arguments, &sweep)?;
    let before = Submitted::read(&here.folder()).map(|submitted| submitted.tasks);
    let asked = arguments.tasks.map(|tasks| tasks as usize);
    if let Some(tasks) = asked.or(resources.tasks).or(before) {
        here.tasks = tasks;
    } else {
        here.tasks = default_tasks(Coverage::read(&here)?.cells.total, None);
    }
    let coverage = Coverage::read(&here)?;
    match arguments.executor {
        Executor::Slurm => slurm(arguments, &resources, &here, &coverage),
        Executor::Kubernetes => manifests(arguments, &resources, &here, &coverage),
    }
}

fn slurm(arguments: &Arguments, resources: &Resources, here: &Work, coverage: &Coverage) -> anyhow::Result<ExitCode> {
    let submission = Submission::new(resources, here);
    if arguments.dry_run {
        print!("{}", submission.preview(coverage));
        return Ok(ExitCode::SUCCESS);
    }
    let queue = scheduler::queue(here)?;
    let step = submission.submit(coverage, &queue)?;
    println!("{}", described(&step, coverage));
    if !queue.shards.is_empty() {
        println!("left alone, since tasks are at them: {}", queue.summary());
    }
    if !arguments.wait {
        println!("output of tasks: {}", submission.logs().display());
        return Ok(ExitCode::SUCCESS);
    }
    println!("waiting; Ctrl-C leaves the jobs as they are, and the same command goes on from there");
    let pause = Duration::from_secs(u64::from(arguments.poll));
    let coverage = wait(&submission, here, pause, &mut |line| println!("{line}"))?;
    println!("{} of {} cells are done", coverage.cells.done, coverage.cells.total);
    println!("report: {}", here.folder().join("report/index.html").display());
    Ok(ExitCode::SUCCESS)
}

fn manifests(
    arguments: &Arguments,
    resources: &Resources,
    here: &Work,
    coverage: &Coverage,
) -> anyhow::Result<ExitCode> {
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
    let folder = here.folder().join("kubernetes");
    for (name, manifest) in &manifests {
        let text = format!("{}\n", serde_json::to_string_pretty(manifest)?);
        if arguments.dry_run {
            print!("{text}");
        } else {
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            atomic::write_over(&folder.join(name), text.as_bytes())?;
        }
    }
    if !arguments.dry_run {
        for (name, manifest) in &manifests {
            let job = manifest["metadata"]["name"].as_str().unwrap_or_default();
            println!("kubectl create -f {}", folder.join(name).display());
            println!("kubectl wait --for=condition=complete --timeout=-1s job/{job}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The sweep with absolute paths, as this machine and the nodes see them.
fn local_work(arguments: &Arguments, sweep: &Sweep) -> anyhow::Result<Work> {
    let absolute = |path: &Path| match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(path),
        other => other,
    };
    let resources = &sweep.cluster;
    let program = match &resources.program {
        Some(program) => program.clone(),
        None if resources.container.is_some() => "secateur".to_owned(),
        None => std::env::current_exe()
            .context("cannot find this program's own file")?
            .to_string_lossy()
            .into_owned(),
    };
    let mut options = Vec::new();
    if let Some(device) = arguments.device {
        options.extend(["--device".to_owned(), device.to_string()]);
    }
    if let Some(limit) = arguments.limit {
        options.extend(["--limit".to_owned(), limit.to_string()]);
    }
    if arguments.skip_bad_items {
        options.push("--skip-bad-items".to_owned());
    }
    Ok(Work {
        sweep: sweep.name.clone(),
        file: absolute(&arguments.file).with_context(|| arguments.file.display().to_string())?,
        results: absolute(&arguments.results).with_context(|| arguments.results.display().to_string())?,
        directory: std::env::current_dir().context("cannot tell the current directory")?,
        program,
        tasks: 1,
        options,
    })
}
