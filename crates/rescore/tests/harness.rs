//! Files that lm-evaluation-harness 0.4.13 wrote, from its own scores to ours.
//!
//! `harness_output` holds the samples of four small tasks, answered by the Mixtral fixture of the reference values: choices, a text's
//! likelihood, and generated answers with and without filters. The numbers below are those of its `results_*.json`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secateur_evaluation::summary::Bootstrap;
use secateur_rescore::choice::{Wish, check, scorings};
use secateur_rescore::harness::{ReadOptions, Run, SampleFile, read, sample_files, write};
use secateur_rescore::score::{Rescored, rescore};
use secateur_rescore::{Batch, RescoreError};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness_output")
}

fn files(path: &Path) -> Vec<SampleFile> {
    sample_files(path).unwrap().0
}

fn bootstrap() -> Bootstrap {
    Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    }
}

fn score(batch: Batch, metrics: &[&str]) -> Result<(Batch, Rescored), RescoreError> {
    let wish = Wish {
        metrics: metrics.iter().map(ToString::to_string).collect(),
        task: None,
    };
    let scorings = scorings(&batch, &wish);
    check(&wish.metrics, std::slice::from_ref(&scorings))?;
    let rescored = rescore(&batch, &scorings, &bootstrap(), false)?;
    Ok((batch, rescored))
}

fn all(path: &Path, metrics: &[&str]) -> Vec<(Batch, Rescored)> {
    let batches = files(path)
        .iter()
        .flat_map(|file| read(file, &ReadOptions::default()).unwrap())
        .collect::<Vec<_>>();
    batches
        .into_iter()
        .map(|batch| score(batch, metrics).unwrap())
        .collect()
}

fn value(scored: &[(Batch, Rescored)], task: &str, metric: &str) -> f64 {
    let (_, rescored) = scored.iter().find(|(batch, _)| batch.task == task).unwrap();
    let found = rescored.metrics.iter().find(|measured| measured.value.name == metric);
    found.unwrap_or_else(|| panic!("{task} has no {metric}")).value.value
}

#[test]
fn the_harness_and_we_come_to_the_same_numbers() {
    let scored = all(&folder(), &[]);
    for (task, metric, expected) in [
        ("tiny_mc", "accuracy", 0.45),
        ("tiny_mc", "accuracy_per_character", 0.3),
        ("tiny_ppl", "perplexity_per_word", 14_775_446_718.908_863),
        ("tiny_ppl", "perplexity_per_byte", 88.995_727_086_225_51),
        ("tiny_ppl", "bits_per_byte", 6.475_664_165_129_35),
        ("tiny_gen", "bleu", 0.425_370_614_831_328_15),
        ("tiny_gen", "exact_match", 0.0),
    ] {
        let found = value(&scored, task, metric);
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "{task} {metric}: {found}, not {expected}"
        );
    }
    let (_, choices) = scored.iter().find(|(batch, _)| batch.task == "tiny_mc").unwrap();
    let agreement = &choices.agreement;
    assert_eq!((agreement["accuracy"].equal, agreement["accuracy"].different), (40, 0));
    assert_eq!(
        (
            agreement["accuracy_per_character"].equal,
            agreement["accuracy_per_character"].different
        ),
        (40, 0)
    );
    let accuracy = &choices.metrics[0];
    assert!((accuracy.standard_error.unwrap() - 0.079_662_750_681_569_15).abs() < 1e-12);
}

#[test]
fn filters_are_kept_apart_and_what_is_not_known_is_left_out() {
    let scored = all(&folder(), &[]);
    let filters: Vec<&str> = scored
        .iter()
        .filter(|(batch, _)| batch.task == "tiny_regex")
        .map(|(batch, _)| batch.filter.as_str())
        .collect();
    assert_eq!(filters, ["strict-match", "flexible-extract"]);
    for (batch, rescored) in &scored {
        let has = |name: &str| rescored.metrics.iter().any(|measured| measured.value.name == name);
        // Why answers ended, and how many tokens a text has, is not in the file.
        assert!(
            !has("truncated_rate") && !has("perplexity_per_token") && !has("supported_mentions"),
            "{}",
            batch.task
        );
    }
}

#[test]
fn metrics_are_chosen_by_name() {
    let file = &files(&folder().join("tiny"))
        .into_iter()
        .find(|file| file.task == "tiny_gen")
        .unwrap();
    let batch = || read(file, &ReadOptions::default()).unwrap().remove(0);
    let (_, rescored) = score(batch(), &["rougeL", "chrf"]).unwrap();
    let names: Vec<&str> = rescored
        .metrics
        .iter()
        .map(|measured| measured.value.name.as_str())
        .collect();
    assert_eq!(names, ["rouge_l", "chrf"]);
    let message = score(batch(), &["rouge_x"]).unwrap_err().to_string();
    assert!(
        message.contains("unknown metric `rouge_x`: did you mean `rouge_1`?"),
        "{message}"
    );
}

#[test]
fn what_we_write_we_read_and_nothing_is_replaced() {
    let scored = all(&folder(), &[]);
    let out = tempfile::tempdir().unwrap();
    let run = Run {
        command: "secateur rescore".into(),
        program: "secateur 0".into(),
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_327_354),
        inputs: BTreeMap::new(),
    };
    let written = write(out.path(), "org/model", &scored, &run).unwrap();
    assert_eq!(written.samples.len(), 4);
    assert!(
        written
            .results
            .ends_with("org__model/results_2026-11-22T06-02-34.000000.json")
    );
    let results: Value = serde_json::from_slice(&fs::read(&written.results).unwrap()).unwrap();
    assert_eq!(results["results"]["tiny_mc"]["acc,none"], json!(0.45));
    assert_eq!(results["results"]["tiny_regex"]["alias"], json!("tiny_regex"));
    assert!(results["results"]["tiny_regex"]["exact_match,strict-match"].is_number());
    assert_eq!(results["higher_is_better"]["tiny_ppl"]["bits_per_byte"], json!(false));
    assert_eq!(results["n-samples"]["tiny_mc"]["effective"], json!(40));
    assert_eq!(
        results["secateur"]["scorer_version"],
        json!(secateur_rescore::SCORER_VERSION)
    );
    // The same answers give the same numbers a second time round.
    let again = all(out.path(), &[]);
    for (batch, rescored) in &scored {
        let other = again
            .iter()
            .find(|(other, _)| other.task == batch.task && other.filter == batch.filter)
            .unwrap();
        for (one, two) in rescored.metrics.iter().zip(&other.1.metrics) {
            assert_eq!(
                (&one.value.name, one.value.value),
                (&two.value.name, two.value.value),
                "{}",
                batch.task
            );
        }
        assert_eq!(rescored.metrics.len(), other.1.metrics.len());
    }
    let error = write(out.path(), "org/model", &scored, &run).unwrap_err().to_string();
    assert!(error.contains("cannot write"), "{error}");
}

/// A sample file of these lines.
fn written(lines: &[Value]) -> (tempfile::TempDir, SampleFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples_t_2026-11-22T06-02-34.000000.jsonl");
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    fs::write(&path, text.join("\n")).unwrap();
    let file = files(&path).remove(0);
    (folder, file)
}

fn choice(id: usize, target: &str, choices: [&str; 3], right: bool) -> Value {
    let argument = |choice: &str| json!({ "arg_0": "Q", "arg_1": format!(" {choice}") });
    json!({
        "doc_id": id, "doc": {}, "target": target, "filter": "none", "acc": f64::from(u8::from(right)),
        "arguments": { "gen_args_0": argument(choices[0]), "gen_args_1": argument(choices[1]), "gen_args_2": argument(choices[2]) },
        "filtered_resps": [["-1.0", "False"], [-2.0, false], ["-3.0", "True"]],
    })
}

#[test]
fn a_target_that_can_be_read_in_two_ways_is_read_as_the_accuracies_say() {
    // The first choice is likeliest: its text is "1", its index 0.
    for (right, reading) in [(true, [0, 0]), (false, [1, 1])] {
        let (_keep, file) = written(&[
            choice(0, "1", ["1", "2", "0"], right),
            choice(1, "1", ["1", "2", "0"], right),
        ]);
        let batch = read(&file, &ReadOptions::default()).unwrap().remove(0);
        let gold = batch.kept.iter().map(|kept| match &kept.item.body {
            secateur_datasets::item::Body::Choice(choice) => choice.gold[0],
            other => panic!("{other:?}"),
        });
        assert_eq!(gold.collect::<Vec<_>>(), reading);
    }
    // Wrong either way: nothing tells.
    let (_keep, file) = written(&[choice(0, "1", ["2", "0", "1"], false)]);
    let message = read(&file, &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("both an index and the text"), "{message}");
}

#[test]
fn bad_lines_stop_or_are_counted() {
    let good = choice(0, "0", ["a", "b", "c"], true);
    let edit = |pointer: &str, value: Value| {
        let mut line = choice(1, "0", ["a", "b", "c"], true);
        *line.pointer_mut(pointer).unwrap() = value;
        line
    };
    for (line, words) in [
        (json!([1]), "field `(line)`: found [1], expected a JSON object"),
        (edit("/arguments", json!({})), "field `arguments`"),
        (edit("/arguments/gen_args_1/arg_0", json!(3)), "field `arguments`"),
        (
            edit("/filtered_resps", json!([["-1.0", "False"]])),
            "field `filtered_resps`",
        ),
        (edit("/filtered_resps/1/0", json!("nan")), "field `filtered_resps`"),
        (edit("/filtered_resps/1/0", json!("-inf")), "field `filtered_resps`"),
        (edit("/target", json!("7")), "field `target`: found 7"),
        (json!({ "doc_id": 1 }), "field `arguments`: found nothing"),
    ] {
        let (_keep, file) = written(&[good.clone(), line]);
        let message = read(&file, &ReadOptions::default()).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains(words), "{message}");
        let options = ReadOptions {
            skip_bad_items: true,
            ..ReadOptions::default()
        };
        let batch = read(&file, &options).unwrap().remove(0);
        assert_eq!((batch.kept.len(), batch.skipped.len()), (1, 1));
        let (_, rescored) = score(batch, &[]).unwrap();
        assert_eq!(rescored.counts["skipped"], 1);
    }
    let (_keep, file) = written(&[good.clone(), good]);
    let message = read(&file, &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("also that of line 1"), "{message}");
}

#[test]
fn answers_that_name_a_letter_are_known_by_their_references() {
    let said = |id: usize, target: &str, text: &str| {
        json!({
            "doc_id": id, "doc": { "abstract": ["One.", "Two."] }, "target": target, "filter": "none",
            "arguments": { "gen_args_0": { "arg_0": "Q", "arg_1": { "until": [] } } }, "filtered_resps": [text],
        })
    };
    let (_keep, file) = written(&[
        said(0, "A", "A. Yes"),
        said(1, "C", "b"),
        said(2, "B", "Bacteria do it"),
    ]);
    let batch = || read(&file, &ReadOptions::default()).unwrap().remove(0);
    let (_, rescored) = score(batch(), &["accuracy", "accuracy_paper", "unparsable_rate"]).unwrap();
    let values: Vec<f64> = rescored.metrics.iter().map(|measured| measured.value.value).collect();
    let third = 1.0 / 3.0;
    assert_eq!(values, [third, 2.0 * third, third]);
    // A source makes support a metric.
    let options = ReadOptions {
        source_field: Some("abstract".into()),
        ..ReadOptions::default()
    };
    let batch = read(&file, &options).unwrap().remove(0);
    assert!(score(batch, &["support"]).is_ok());
    let missing = ReadOptions {
        source_field: Some("text".into()),
        ..ReadOptions::default()
    };
    assert!(
        read(&file, &missing)
            .unwrap_err()
            .to_string()
            .contains("field `doc.text`: found nothing")
    );
}
