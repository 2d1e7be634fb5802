//! An evaluation that goes on behind what an earlier process has kept equals one that was never interrupted.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;

use secateur_datasets::item::{Body, Choice, Generate, Item};
use secateur_datasets::tasks::spec::{
    ChoiceMetric, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec,
};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::error::EvaluationError;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, Observer, evaluate_judged};
use secateur_evaluation::resume::AnsweredChunk;

const CHUNK: usize = 2;

/// Keeps chunks as lines of JSON, and stops after `limit` of them.
struct Keeps {
    lines: Vec<String>,
    limit: usize,
}

impl Observer for Keeps {
    fn keep(&mut self, place: usize, chunk: &AnsweredChunk) -> io::Result<()> {
        self.lines.truncate(place);
        self.lines.push(serde_json::to_string(chunk)?);
        if self.lines.len() == self.limit {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        Ok(())
    }
}

fn engine() -> BigramEngine {
    BigramEngine::train("Q: x yes\nQ: y no\nQ: z yes yes\nAbaca is jute.", &["yes", "no"])
}

fn item(id: usize, body: Body) -> Item {
    Item {
        id: id.to_string(),
        body,
        fields: BTreeMap::new(),
    }
}

/// Seven questions; the sixth is the first once more.
fn choices() -> (TaskSpec, Vec<Item>) {
    let task = TaskSpec::choice("choices", "", Domain::General, &[ChoiceMetric::Acc]);
    let item = |(id, context): (usize, &str)| {
        let labels = ["yes", "no", "maybe"];
        let choice = Choice {
            context: (*context).to_owned(),
            continuations: labels.iter().map(|label| format!(" {label}")).collect(),
            choices: labels.iter().map(ToString::to_string).collect(),
            gold: vec![id % 3],
            ..Choice::default()
        };
        item(id, Body::Choice(choice))
    };
    let contexts = ["Q: x", "Q: y", "Q: z", "x", "y", "Q: x", "z"];
    (task, contexts.into_iter().enumerate().map(item).collect())
}

fn words() -> (TaskSpec, Vec<Item>) {
    let scoring = Scoring::Generation {
        metrics: vec![GenerationMetric::ExactMatch],
        normalise: Normalise::default(),
        abstain_phrases: Vec::new(),
    };
    let settings = GenerationSettings::greedy(8, &["\n"]);
    let task = TaskSpec::generated("words", "", Domain::General, scoring, settings);
    let prompts = ["Abaca is", "Q:", "Q: y", "Abaca is", "ju"];
    let item =
        |(id, prompt): (usize, &str)| item(id, Body::Generate(Generate::turn(prompt, vec![" jute.".to_owned()])));
    (task, prompts.into_iter().enumerate().map(item).collect())
}

fn run(
    engine: &mut BigramEngine,
    (task, items): &(TaskSpec, Vec<Item>),
    kept: &[String],
    limit: usize,
) -> (Result<Evaluation, EvaluationError>, Vec<String>) {
    let mut options = EvaluationOptions {
        chunk: CHUNK,
        ..EvaluationOptions::default()
    };
    options.bootstrap.resamples = 100;
    let mut observer = Keeps {
        lines: kept.to_vec(),
        limit,
    };
    let earlier = kept.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let result = evaluate_judged(engine, task, items, &options, &mut [], earlier, &mut observer);
    (result, observer.lines)
}

#[test]
fn every_place_to_go_on_from_gives_the_same_evaluation() {
    for task in [choices(), words()] {
        let (whole, all) = run(&mut engine(), &task, &[], usize::MAX);
        let whole = whole.unwrap();
        assert_eq!(all.len(), task.1.len().div_ceil(CHUNK));
        for limit in 1..=all.len() {
            let (stopped, kept) = run(&mut engine(), &task, &[], limit);
            assert!(matches!(stopped, Err(EvaluationError::Sink { .. })));
            assert_eq!(kept, all[..limit]);
            let (resumed, lines) = run(&mut engine(), &task, &kept, usize::MAX);
            assert_eq!(resumed.unwrap(), whole, "after {limit} chunks");
            assert_eq!(lines, all);
        }
    }
}

#[test]
fn only_what_is_missing_is_asked() {
    let task = choices();
    let (_, kept) = run(&mut engine(), &task, &[], 2);
    let mut model = engine();
    run(&mut model, &task, &kept, usize::MAX).0.unwrap();
    // Of items 5 to 7, the sixth was answered as the first.
    assert_eq!(model.scored, 2 * 3);
}

#[test]
fn what_was_kept_of_other_items_is_asked_again() {
    let task = choices();
    let (whole, all) = run(&mut engine(), &task, &[], usize::MAX);
    let whole = whole.unwrap();
    let mut foreign: AnsweredChunk = serde_json::from_str(&all[1]).unwrap();
    foreign.answers[0].item = "another".to_owned();
    let mut short: AnsweredChunk = serde_json::from_str(&all[1]).unwrap();
    short.replies.scores.pop();
    for bad in [foreign, short] {
        let kept = [all[0].clone(), serde_json::to_string(&bad).unwrap(), all[2].clone()];
        let (resumed, lines) = run(&mut engine(), &task, &kept, usize::MAX);
        assert_eq!(resumed.unwrap(), whole);
        assert_eq!(lines, all);
    }
}
