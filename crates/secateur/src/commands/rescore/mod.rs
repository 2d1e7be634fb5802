//! `secateur rescore`: new metrics on kept answers, without a model.

mod inputs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use secateur_evaluation::summary::Bootstrap;
use secateur_rescore::choice::{Wish, check, scorings};
use secateur_rescore::harness::{Run, write};
use secateur_rescore::score::{Rescored, rescore};
use secateur_rescore::{Batch, SCORER_VERSION};
use serde_json::json;

use super::command_line;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  # All metrics that fit the answers of a finished sweep
  secateur rescore results/sweeps/demo

  # chrF and BLEU of what lm-evaluation-harness kept with --log_samples
  secateur rescore lm_eval_output --metrics chrf,bleu --out rescored

  # As a task of Secateur scores; support by a field of the documents
  secateur rescore samples_meqsum_2026-11-22T06-02-34.729711.jsonl --task meqsum
  secateur rescore lm_eval_output --metrics support --source abstract";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Results directories of sweeps; sample files of lm-evaluation-harness, or folders with them (the latest of each task).
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Score as this task does, and take only this task's answers of a sweep. By default, a sweep's answers are scored as its tasks do,
    /// others by all that fits.
    #[arg(long)]
    task: Option<String>,
    /// Only these metrics, from any scoring that fits.
    #[arg(long, value_delimiter = ',', conflicts_with = "task")]
    metrics: Vec<String>,
    /// Folders with cards of tasks of one's own.
    #[arg(long, value_name = "DIR")]
    cards: Vec<PathBuf>,
    /// Folder of the sets, for what the answers of a sweep do not hold: the texts that answers must be supported by.
    #[arg(long, default_value = "datasets/downloads", value_name = "DIR")]
    data: PathBuf,
    /// Field of the harness's documents with the text that answers must be supported by.
    #[arg(long, value_name = "FIELD")]
    source: Option<String>,
    /// Folder for the results, in the form of lm-evaluation-harness.
    #[arg(long, default_value = "results/rescored", value_name = "DIR")]
    out: PathBuf,
    /// Leave out lines that cannot be used, and count them.
    #[arg(long)]
    skip_bad_items: bool,
    /// Resamples of the bootstrap.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    bootstrap_samples: u32,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let found = inputs::read(arguments)?;
    let bootstrap = Bootstrap {
        resamples: arguments.bootstrap_samples as usize,
        ..Bootstrap::default()
    };
    let mut notes = found.notes;
    let mut models: BTreeMap<String, Vec<(Batch, Rescored)>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (batch, task) in found.batches {
        let wish = Wish {
            metrics: arguments.metrics.clone(),
            task,
        };
        chosen.push((scorings(&batch, &wish), batch));
    }
    check(
        &arguments.metrics,
        &chosen.iter().map(|(scorings, _)| scorings.clone()).collect::<Vec<_>>(),
    )?;
    for (scorings, batch) in chosen {
        if scorings.tasks.is_empty() {
            notes.push(format!(
                "{}, {}: its answers have none of these metrics",
                batch.model, batch.task
            ));
            continue;
        }
        let rescored = rescore(&batch, &scorings, &bootstrap, arguments.skip_bad_items)?;
        models.entry(batch.model.clone()).or_default().push((batch, rescored));
    }
    let run = Run {
        command: command_line(),
        program: format!("secateur {}", env!("CARGO_PKG_VERSION")),
        time: SystemTime::now(),
        inputs: found.hashes,
    };
    let mut written = Vec::new();
    for (model, batches) in &models {
        written.push(write(&arguments.out, model, batches, &run)?);
    }
    if arguments.json {
        let all = models.values().flatten().map(document);
        let files = written
            .iter()
            .map(|files| json!({ "results": files.results, "samples": files.samples }));
        let document = json!({
            "scorer_version": SCORER_VERSION,
            "scored": all.collect::<Vec<_>>(),
            "written": files.collect::<Vec<_>>(),
            "notes": notes,
        });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(Exit::Done);
    }
    models.values().flatten().for_each(print);
    for note in &notes {
        println!("{note}");
    }
    for files in &written {
        println!("{}", files.results.display());
    }
    Ok(Exit::Done)
}

fn document((batch, rescored): &(Batch, Rescored)) -> serde_json::Value {
    let metrics: Vec<_> = rescored.metrics.iter().map(|metric| &metric.value).collect();
    json!({
        "model": batch.model,
        "task": batch.task,
        "filter": batch.filter,
        "read_from": batch.path,
        "items": batch.kept.len(),
        "metrics": metrics,
        "counts": rescored.counts,
        "agreement_with_recorded_scores": rescored.agreement,
        "warnings": rescored.warnings,
        "notes": batch.notes,
    })
}

fn print((batch, rescored): &(Batch, Rescored)) {
    let filter = if batch.filter == "none" {
        String::new()
    } else {
        format!(", {}", batch.filter)
    };
    println!("{}, {}{filter}: {} answers", batch.model, batch.task, batch.kept.len());
    for metric in &rescored.metrics {
        let value = &metric.value;
        let (low, high) = value.interval;
        println!(
            "  {:<24} {:>10.4}  [{low:.4}, {high:.4}]  n {}  {}",
            value.name, value.value, value.n, value.unit
        );
    }
    for (name, agreement) in &rescored.agreement {
        if agreement.different > 0 {
            let first = agreement.first_different.as_deref().unwrap_or_default();
            println!("  recorded {name} differs on {} items; {first}", agreement.different);
        } else {
            println!("  recorded {name} is the same on all {} items", agreement.equal);
        }
    }
    for line in rescored.warnings.iter().chain(&batch.notes) {
        println!("  {line}");
    }
}
