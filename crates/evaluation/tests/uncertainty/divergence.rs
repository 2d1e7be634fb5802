//! A bigram model and a pruned form of it on texts, questions and choices.

use std::collections::BTreeMap;

use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::spec::{Domain, Scoring, TaskSpec};
use secateur_evaluation::answer::{Answer, Flag, Output};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::engine::{Engine, EngineError, GenerateRequest, Generation, Score, ScoreRequest};
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, evaluate, outcome};
use secateur_evaluation::summary::Bootstrap;

fn task() -> TaskSpec {
    TaskSpec {
        scoring: Scoring::Divergence,
        ..TaskSpec::choice("t@divergence", "", Domain::General, &[])
    }
}

fn item(id: &str, body: Body) -> Item {
    Item {
        id: id.into(),
        body,
        fields: BTreeMap::new(),
    }
}

fn items() -> Vec<Item> {
    vec![
        item("text", Body::Text("my cat".into())),
        item(
            "question",
            Body::Generate(Generate::turn("my", vec!["cat".into(), "dog".into()])),
        ),
    ]
}

fn run(engine: &mut BigramEngine, items: &[Item]) -> Evaluation {
    evaluate(engine, &task(), items, &EvaluationOptions::default(), &mut ()).unwrap()
}

fn value(found: &Evaluation, name: &str) -> f64 {
    found
        .outcome
        .metrics
        .iter()
        .find(|metric| metric.name == name)
        .unwrap()
        .value
}

#[test]
fn a_mask_of_nothing_diverges_from_nothing() {
    let whole = BigramEngine::train("my cat", &[]);
    let found = run(&mut whole.clone().pruned_from(whole), &items());
    assert!(value(&found, "kl_divergence") == 0.0 && value(&found, "top1_agreement") == 1.0);
    assert!(value(&found, "log_probability_change") == 0.0);
    // 6 tokens of the text, 4 of ` cat`.
    let tokens: f64 = found.answers.iter().map(|answer| answer.scores["tokens"]).sum();
    assert_eq!(tokens, 10.0);
}

#[test]
fn long_texts_weigh_more_and_answers_can_be_read_back() {
    let whole = BigramEngine::train("my cat", &[]);
    let mut pruned = BigramEngine::train("my dog", &[]).pruned_from(whole);
    let found = run(&mut pruned, &items());
    let sum = |name: &str| found.answers.iter().map(|answer| answer.scores[name]).sum::<f64>();
    assert!((value(&found, "kl_divergence") - sum("kl_sum") / 10.0).abs() < 1e-12);
    assert!(value(&found, "kl_divergence") > 0.1);
    assert!((value(&found, "top1_agreement") - sum("top1_agreeing") / 10.0).abs() < 1e-12);
    let Output::Divergence(question) = &found.answers[1].output else {
        unreachable!()
    };
    assert_eq!(
        (found.answers[1].prompt.as_str(), question.text.as_str()),
        ("my", " cat")
    );
    let change = question.divergence.as_ref().unwrap();
    let expected = change.log_probability - change.unpruned_log_probability;
    assert!((found.answers[1].scores["log_probability_change"] - expected).abs() < 1e-12);
    let lines: Vec<String> = found
        .answers
        .iter()
        .map(|answer| serde_json::to_string(answer).unwrap())
        .collect();
    let back: Vec<Answer> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, found.answers);
    let again = outcome(&task(), &back, &Bootstrap::default()).unwrap();
    assert_eq!(again, found.outcome);
}

#[test]
fn windows_of_a_long_text_are_added_up() {
    let whole = BigramEngine::train("my cat", &[]).with_max_length(2);
    let mut short = BigramEngine::train("my dog", &[])
        .with_max_length(2)
        .pruned_from(whole.clone());
    let mut long = BigramEngine::train("my dog", &[]).pruned_from(whole.with_max_length(100));
    let (one, other) = (run(&mut short, &items()[..1]), run(&mut long, &items()[..1]));
    assert!((value(&one, "kl_divergence") - value(&other, "kl_divergence")).abs() < 1e-12);
}

#[test]
fn a_question_without_a_reference_has_nothing_to_compare() {
    let whole = BigramEngine::train("my cat", &[]);
    let mut items = items();
    items.push(item("open", Body::Generate(Generate::turn("my", vec![]))));
    let found = run(&mut whole.clone().pruned_from(whole), &items);
    assert!(found.answers[2].flags.contains(&Flag::Unscorable) && found.answers[2].scores.is_empty());
    assert_eq!(found.outcome.metrics[0].n, 2);
    assert_eq!(found.outcome.counts["unscorable"], 1);
}

/// An engine that is served elsewhere, and has one model alone.
struct Served(BigramEngine);

impl Engine for Served {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.0.encode(text, special)
    }

    fn chat(&self, _: &[secateur_datasets::item::Message]) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    fn prefix_token(&self) -> u32 {
        self.0.prefix_token()
    }

    fn max_length(&self) -> usize {
        self.0.max_length()
    }

    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        self.0.score(requests, progress)
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        self.0.generate(requests, progress)
    }
}

#[test]
fn an_engine_without_the_unpruned_model_says_so() {
    let mut served = Served(BigramEngine::train("my cat", &[]));
    let error = evaluate(&mut served, &task(), &items(), &EvaluationOptions::default(), &mut ()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("t@divergence") && message.contains("unpruned model"),
        "{message}"
    );
}
