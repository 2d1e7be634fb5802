//! The commands of Slurm that we use.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::super::work::Work;
use super::queue::{FORMAT, Queue, endings};

/// The jobs of a sweep that are waiting or running.
///
/// # Errors
/// If Slurm is not there, or its controller does not answer.
pub fn queue(work: &Work) -> anyhow::Result<Queue> {
    let format = format!("--format={FORMAT}");
    Ok(Queue::read(
        &said("squeue", &["--me", "--noheader", "--array", &format])?,
        work,
    ))
}

/// Submits a script and returns the job's id.
///
/// # Errors
/// With sbatch's own message.
pub fn submit(script: &Path, options: &[String]) -> anyhow::Result<u64> {
    let script = script.to_string_lossy();
    let mut words = vec!["--parsable"];
    words.extend(options.iter().map(String::as_str));
    words.push(&script);
    let answer = said("sbatch", &words).map_err(|error| match error.to_string() {
        text if text.contains("Invalid job array specification") => anyhow::anyhow!(
            "{text}; the cluster takes no array so large (`scontrol show config`, MaxArraySize): ask for fewer --tasks"
        ),
        _ => error,
    })?;
    // `id` or `id;cluster`
    let id = answer.trim().split(';').next().unwrap_or_default();
    id.parse()
        .with_context(|| format!("sbatch answered {answer:?}; expected the id of a job"))
}

/// How the tasks of these jobs ended, where Slurm keeps accounts; empty where it does not, or nothing went wrong.
#[must_use]
pub fn ended(jobs: &BTreeSet<u64>) -> String {
    let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let list = format!("--jobs={}", jobs.join(","));
    let words = [
        list.as_str(),
        "--allocations",
        "--noheader",
        "--parsable2",
        "--format=JobID,State",
    ];
    said("sacct", &words).map_or(String::new(), |text| endings(&text))
}

fn said(program: &str, words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(words).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "there is no `{program}` here: run `secateur submit` where Slurm's commands are, or print the scripts with --dry-run"
        ),
        _ => anyhow::anyhow!("cannot start {program}: {error}"),
    })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message: Vec<&str> = message
            .lines()
            .map(|line| line.trim_start_matches(&format!("{program}: error: ")))
            .collect();
        bail!("{program}: {}", message.join("; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
