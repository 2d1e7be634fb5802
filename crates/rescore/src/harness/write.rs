//! Results in the harness's JSON form, so that its readers and viewers work on them.
//!
//! `OUT/<model>/results_<time>.json` and one `samples_<task>_<time>.jsonl` per task, all filters of a task in one file. Metrics that the
//! harness has under another name for the same number get that name; all others keep theirs. What the harness has no place for
//! (intervals, units, who scored) stands under `secateur`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secateur_datasets::item::Body;
use secateur_evaluation::answer::{Answer, Output};
use secateur_metrics::value::Direction;
use serde_json::{Map, Value, json};

use crate::SCORER_VERSION;
use crate::error::RescoreError;
use crate::kept::{Batch, Kept};
use crate::score::{Measured, Rescored};

/// Metrics that the harness knows under another name, with the same definition.
const NAMES: [(&str, &str); 5] = [
    ("accuracy", "acc"),
    ("accuracy_per_character", "acc_norm"),
    ("accuracy_per_byte", "acc_bytes"),
    ("perplexity_per_word", "word_perplexity"),
    ("perplexity_per_byte", "byte_perplexity"),
];

/// Who scored, from what.
#[derive(Debug, Clone)]
pub struct Run {
    /// The command as typed.
    pub command: String,
    /// Version of the program.
    pub program: String,
    /// When, for file names and the field `date`.
    pub time: SystemTime,
    /// SHA-256 of every file read, by path.
    pub inputs: BTreeMap<String, String>,
}

/// Files that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The results.
    pub results: PathBuf,
    /// The samples, one file per task.
    pub samples: Vec<PathBuf>,
}

/// Writes the batches of one model; files that exist are never replaced.
///
/// # Errors
/// If a file exists already or cannot be written.
pub fn write(out: &Path, model: &str, batches: &[(Batch, Rescored)], run: &Run) -> Result<Written, RescoreError> {
    let folder = out.join(sanitized(model));
    fs::create_dir_all(&folder).map_err(|source| RescoreError::io("make", &folder, source))?;
    let time = file_time(run.time);
    let mut tasks: BTreeMap<&str, Vec<&(Batch, Rescored)>> = BTreeMap::new();
    for batch in batches {
        tasks.entry(&batch.0.task).or_default().push(batch);
    }
    let mut samples = Vec::new();
    for (task, batches) in &tasks {
        let path = folder.join(format!("samples_{}_{time}.jsonl", file_name(task)));
        write_new(&path, |out| {
            for (batch, rescored) in batches.iter().copied() {
                for (kept, answer) in batch.kept.iter().zip(&rescored.answers) {
                    serde_json::to_writer(&mut *out, &sample(batch, rescored, kept, answer))?;
                    out.write_all(b"\n")?;
                }
            }
            Ok(())
        })?;
        samples.push(path);
    }
    let results = folder.join(format!("results_{time}.json"));
    let document = document(model, &tasks, run);
    write_new(&results, |out| Ok(serde_json::to_writer_pretty(out, &document)?))?;
    Ok(Written { results, samples })
}

fn write_new(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<(), RescoreError> {
    let failed = |source| RescoreError::io("write", path, source);
    let mut out = BufWriter::new(File::create_new(path).map_err(failed)?);
    fill(&mut out).and_then(|()| out.flush()).map_err(failed)?;
    out.get_ref().sync_all().map_err(failed)
}

/// `2026-11-22T06-02-34.729711`, as the harness writes it.
fn file_time(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_micros(time).to_string();
    text.trim_end_matches('Z').replace(':', "-")
}

/// As `sanitize_model_name` of the harness: what could lead elsewhere becomes `__`.
fn sanitized(model: &str) -> String {
    let mut name = String::new();
    let mut inside = false;
    for c in model.chars() {
        let strange = "\"<>:/\\|?*[]".contains(c) || c.is_control();
        if !strange {
            name.push(c);
        } else if !inside {
            name.push_str("__");
        }
        inside = strange;
    }
    if name.chars().all(|c| c == '.') {
        name.insert_str(0, "model");
    }
    name
}

/// As `sanitize_task_name` of the harness: letters, digits and `_`.
fn file_name(task: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    task.chars().map(plain).collect()
}

/// The harness's name of a metric.
fn name_there(metric: &str) -> &str {
    NAMES
        .iter()
        .find(|(ours, _)| *ours == metric)
        .map_or(metric, |(_, theirs)| theirs)
}

/// An entry for a task.
type PerTask<'a> = dyn Fn(&str, &[&(Batch, Rescored)]) -> Value + 'a;

fn document(model: &str, tasks: &BTreeMap<&str, Vec<&(Batch, Rescored)>>, run: &Run) -> Value {
    let of = |make: &PerTask| -> Map<String, Value> {
        tasks
            .iter()
            .map(|(task, batches)| ((*task).to_owned(), make(task, batches)))
            .collect()
    };
    let seconds = run
        .time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64());
    json!({
        "results": of(&results),
        "group_subtasks": {},
        "configs": of(&config),
        "versions": of(&|_, _| json!(SCORER_VERSION)),
        "n-shot": of(&|_, _| json!(0)),
        "higher_is_better": of(&higher_is_better),
        "n-samples": of(&|_, batches| {
            let n = batches.iter().map(|(batch, _)| batch.kept.len()).max().unwrap_or(0);
            json!({ "original": n, "effective": n })
        }),
        "config": {
            "model": "secateur-rescore",
            "model_args": format!("pretrained={model}"),
            "batch_size": null,
            "device": null,
            "limit": null,
            "gen_kwargs": null,
        },
        "git_hash": null,
        "date": seconds,
        "lm_eval_version": null,
        "task_hashes": {},
        "model_source": "secateur-rescore",
        "model_name": model,
        "model_name_sanitized": sanitized(model),
        "chat_template": null,
        "system_instruction": null,
        "secateur": {
            "about": "scored again from kept answers; no model was run",
            "command": run.command,
            "program": run.program,
            "scorer_version": SCORER_VERSION,
            "inputs": run.inputs,
            "tasks": of(&own),
        },
    })
}

/// `metric,filter` and its standard error, as tables of the harness are made from.
fn results(task: &str, batches: &[&(Batch, Rescored)]) -> Value {
    let mut results = Map::from_iter([("alias".to_owned(), json!(task))]);
    for (batch, rescored) in batches {
        results.insert("sample_len".into(), json!(batch.kept.len()));
        for metric in &rescored.metrics {
            let (name, filter) = (name_there(&metric.value.name), &batch.filter);
            let error = metric.standard_error.map_or_else(|| json!("N/A"), |error| json!(error));
            results.insert(format!("{name},{filter}"), json!(metric.value.value));
            results.insert(format!("{name}_stderr,{filter}"), error);
        }
    }
    Value::Object(results)
}

fn all_metrics<'a>(batches: &'a [&(Batch, Rescored)]) -> BTreeMap<&'a str, &'a Measured> {
    let metrics = batches.iter().flat_map(|(_, rescored)| &rescored.metrics);
    metrics.map(|metric| (name_there(&metric.value.name), metric)).collect()
}

fn higher_is_better(_: &str, batches: &[&(Batch, Rescored)]) -> Value {
    let is_higher = |metric: &Measured| json!(metric.value.direction == Direction::HigherIsBetter);
    Value::Object(
        all_metrics(batches)
            .into_iter()
            .map(|(name, metric)| (name.to_owned(), is_higher(metric)))
            .collect(),
    )
}

fn config(task: &str, batches: &[&(Batch, Rescored)]) -> Value {
    let first = batches.first().and_then(|(batch, _)| batch.kept.first());
    let output_type = match first.map(|kept| &kept.answer.output) {
        Some(Output::Choices(_)) => "multiple_choice",
        Some(Output::Likelihood(_)) => "loglikelihood_rolling",
        Some(Output::Divergence(_)) => "loglikelihood",
        _ => "generate_until",
    };
    let metrics = all_metrics(batches).into_iter().map(|(name, metric)| {
        let aggregation = if metric.standard_error.is_some() {
            "mean"
        } else {
            "secateur"
        };
        let higher = metric.value.direction == Direction::HigherIsBetter;
        json!({ "metric": name, "aggregation": aggregation, "higher_is_better": higher })
    });
    json!({
        "task": task,
        "output_type": output_type,
        "metric_list": metrics.collect::<Vec<_>>(),
        "num_fewshot": 0,
        "repeats": 1,
        "metadata": { "version": SCORER_VERSION, "scored_by": "secateur rescore" },
    })
}

/// What the harness has no place for.
fn own(_: &str, batches: &[&(Batch, Rescored)]) -> Value {
    let per_filter = batches.iter().map(|(batch, rescored)| {
        let metrics: Vec<_> = rescored.metrics.iter().map(|metric| &metric.value).collect();
        let document = json!({
            "read_from": batch.path,
            "metrics": metrics,
            "counts": rescored.counts,
            "agreement_with_recorded_scores": rescored.agreement,
            "warnings": rescored.warnings,
            "notes": batch.notes,
            "skipped_lines": batch.skipped,
        });
        (batch.filter.clone(), document)
    });
    Value::Object(per_filter.collect())
}

fn sample(batch: &Batch, rescored: &Rescored, kept: &Kept, answer: &Answer) -> Value {
    let (arguments, responses) = request(kept, answer);
    let names: Vec<&str> = rescored
        .metrics
        .iter()
        .map(|metric| name_there(&metric.value.name))
        .collect();
    let mut sample = json!({
        "doc_id": doc_id(&kept.item.id),
        "doc": kept.doc.clone().unwrap_or_else(|| json!({ "id": kept.item.id, "fields": kept.item.fields })),
        "target": target(kept),
        "arguments": arguments,
        "resps": responses.iter().map(|response| json!([response])).collect::<Vec<_>>(),
        "filtered_resps": responses,
        "filter": batch.filter,
        "metrics": names,
        "flags": answer.flags,
    });
    if let Value::Object(fields) = &mut sample {
        for metric in &rescored.metrics {
            let columns: Option<Vec<f64>> = metric
                .columns
                .iter()
                .map(|name| answer.scores.get(name).copied())
                .collect();
            let value = columns.map(|columns| match columns[..] {
                [one] => json!(one),
                _ => json!(columns),
            });
            fields.insert(name_there(&metric.value.name).to_owned(), value.unwrap_or(Value::Null));
        }
    }
    sample
}

/// A number where it is one, as the harness counts documents.
fn doc_id(id: &str) -> Value {
    id.parse::<u64>()
        .ok()
        .filter(|number| number.to_string() == id)
        .map_or_else(|| json!(id), |number| json!(number))
}

/// As `str` of Python would write it.
fn target(kept: &Kept) -> String {
    match &kept.item.body {
        Body::Choice(choice) => match choice.gold.as_slice() {
            [one] => one.to_string(),
            several => format!("{several:?}"),
        },
        Body::Generate(question) => match question.references.as_slice() {
            [one] => one.clone(),
            several => json!(several).to_string(),
        },
        Body::Text(text) => text.clone(),
    }
}

fn request(kept: &Kept, answer: &Answer) -> (Value, Vec<Value>) {
    match &answer.output {
        Output::Choices(output) => {
            let numbered = output.continuations.iter().enumerate();
            let arguments: Map<String, Value> = numbered
                .map(|(n, one)| {
                    (
                        format!("gen_args_{n}"),
                        json!({ "arg_0": answer.prompt, "arg_1": one.text }),
                    )
                })
                .collect();
            let truth = |greedy: bool| if greedy { "True" } else { "False" };
            let response = |score: &Option<secateur_evaluation::engine::Score>| match score {
                Some(score) => json!([score.log_probability.to_string(), truth(score.is_greedy)]),
                None => Value::Null,
            };
            let responses = output.continuations.iter().map(|one| response(&one.score));
            (Value::Object(arguments), responses.collect())
        }
        Output::Text(output) => (
            json!({ "gen_args_0": { "arg_0": answer.prompt, "arg_1": {} } }),
            vec![json!(output.text)],
        ),
        Output::Likelihood(output) => {
            let text = match &kept.item.body {
                Body::Text(text) => text,
                _ => &answer.prompt,
            };
            (
                json!({ "gen_args_0": { "arg_0": text } }),
                vec![json!(output.log_probability.to_string())],
            )
        }
        Output::Divergence(output) => {
            let found = output.divergence.as_ref();
            (
                json!({ "gen_args_0": { "arg_0": answer.prompt, "arg_1": output.text } }),
                vec![json!(found.map(|found| found.log_probability.to_string()))],
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_are_those_of_the_harness() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_327_354_729_711);
        assert_eq!(file_time(time), "2026-11-22T06-02-34.729711");
        assert_eq!(sanitized("org/model:v1"), "org__model__v1");
        assert_eq!(sanitized("a://b"), "a__b");
        assert_eq!(sanitized(".."), "model..");
        assert_eq!(file_name("a/b-c"), "a_b_c");
        assert_eq!(name_there("accuracy"), "acc");
        assert_eq!(doc_id("7"), json!(7));
        assert_eq!(doc_id("007"), json!("007"));
    }
}
