//! Answers to questions that were put in several ways: scored as the form of the task, or not at all.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_datasets::forms;
use secateur_datasets::item::Item;
use secateur_datasets::tasks::harness::{Layout, Question};
use secateur_datasets::tasks::spec::{ChoiceMetric, Domain, TaskSpec};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, evaluate};
use secateur_evaluation::summary::Bootstrap;
use secateur_rescore::choice::{Wish, scorings};
use secateur_rescore::kept::from_sweep;
use secateur_rescore::score::rescore;

fn questions() -> Vec<Item> {
    let options = ["w", "x", "y", "z"].map(str::to_owned);
    let question = |i: usize| Question::lettered(format!("q{i}"), &format!("Question: why {i}?"), &options, i % 4);
    Layout::default().items(&[], (0..6).map(question).collect())
}

fn bootstrap() -> Bootstrap {
    Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    }
}

/// Answers to the questions in a form, and the file that keeps them.
fn answered(form: &str, folder: &Path) -> (Evaluation, std::path::PathBuf) {
    let form = forms::find(form).unwrap();
    let base = TaskSpec::choice(
        format!("letters@{}", form.name()),
        "",
        Domain::General,
        &[ChoiceMetric::Acc],
    );
    let task = TaskSpec {
        scoring: form.scoring(&base.scoring).unwrap(),
        ..base
    };
    let items: Vec<Item> = questions()
        .into_iter()
        .flat_map(|item| form.items(item, &[]).unwrap())
        .collect();
    let mut engine = BigramEngine::train("Answer: B\nAnswer: A\noption: C\nis D\nis D", &[]);
    let options = EvaluationOptions {
        bootstrap: bootstrap(),
        ..EvaluationOptions::default()
    };
    let evaluation = evaluate(&mut engine, &task, &items, &options, &mut ()).unwrap();
    let lines: Vec<String> = evaluation
        .answers
        .iter()
        .map(|answer| serde_json::to_string(answer).unwrap())
        .collect();
    let path = folder.join(format!("{}.jsonl", form.name()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    (evaluation, path)
}

#[test]
fn every_form_is_scored_anew_from_its_answers_alone() {
    let folder = tempfile::tempdir().unwrap();
    for form in ["option-order", "none-of-the-above", "paraphrase", "pushback"] {
        let (evaluation, path) = answered(form, folder.path());
        let batch = from_sweep(&path, "bigram", &format!("letters@{form}"), None, false).unwrap();
        let scorings = scorings(&batch, &Wish::default());
        let rescored = rescore(&batch, &scorings, &bootstrap(), false).unwrap();
        let found: Vec<_> = rescored.metrics.iter().map(|measured| measured.value.clone()).collect();
        assert_eq!(found, evaluation.outcome.metrics, "{form}");
        assert!(found.len() >= 4 && rescored.agreement.values().all(|scores| scores.different == 0));
    }
}

#[test]
fn answers_of_a_form_that_is_not_known_fit_no_scoring() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = answered("option-order", folder.path());
    let batch = from_sweep(&path, "bigram", "letters", None, false).unwrap();
    assert!(scorings(&batch, &Wish::default()).tasks.is_empty());
    let base = TaskSpec::choice("letters", "", Domain::General, &[ChoiceMetric::Acc]);
    let wish = Wish {
        task: Some(base),
        ..Wish::default()
    };
    let refused = rescore(&batch, &scorings(&batch, &wish), &bootstrap(), false)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("q0") && refused.contains("form of the task that asked it"),
        "{refused}"
    );
}
