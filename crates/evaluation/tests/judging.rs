//! Scorers beside a task's own scoring: who is asked, what is kept, what is refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::spec::{Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec};
use secateur_evaluation::answer::Answer;
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::error::EvaluationError;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, evaluate_judged};
use secateur_evaluation::judging::{AnswerScorer, have_source, mean, score_name, text_and_source};
use secateur_evaluation::summary::Metric;
use secateur_metrics::value::{Aspect, Definition, Direction};

/// Share of the answer's words that the source holds, times `factor`.
struct Overlap {
    factor: f64,
}

impl AnswerScorer for Overlap {
    fn name(&self) -> &'static str {
        "overlap"
    }

    fn identity(&self) -> String {
        format!("overlap 1, factor {}", self.factor)
    }

    fn metrics(&self) -> Vec<Metric> {
        let definition = Definition::new("overlap", "fraction", Direction::HigherIsBetter, Aspect::Reliability);
        vec![mean(definition, self.name(), &self.identity())]
    }

    fn suits(&self, _: &TaskSpec, items: &[Item]) -> bool {
        have_source(items)
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        for (item, answer) in items.iter().zip(answers) {
            let Some((text, source)) = text_and_source(item, answer) else {
                continue;
            };
            let words: Vec<&str> = text.split_whitespace().collect();
            let held = words.iter().filter(|word| source.contains(**word)).count();
            let share = self.factor * held as f64 / words.len() as f64;
            answer.scores.insert(score_name("overlap").into(), share);
        }
        Ok(())
    }
}

fn items(sources: &[Option<&str>]) -> Vec<Item> {
    let item = |(i, source): (usize, Option<&str>)| {
        let mut question = Generate::turn("Abaca is", vec!["jute".into()]);
        question.source = source.map(String::from);
        Item {
            id: i.to_string(),
            body: Body::Generate(question),
            fields: BTreeMap::new(),
        }
    };
    sources.iter().copied().enumerate().map(item).collect()
}

fn evaluated(factor: f64, items: &[Item]) -> Result<Evaluation, EvaluationError> {
    let scoring = Scoring::Generation {
        metrics: vec![GenerationMetric::ExactMatch],
        normalise: Normalise::default(),
        abstain_phrases: Vec::new(),
    };
    let task = TaskSpec::generated(
        "answers",
        "",
        Domain::General,
        scoring,
        GenerationSettings::greedy(8, &["\n"]),
    );
    let mut engine = BigramEngine::train("Abaca is jute and hemp", &[]);
    let mut options = EvaluationOptions {
        chunk: 2,
        ..EvaluationOptions::default()
    };
    options.bootstrap.resamples = 200;
    let mut scorers: Vec<Box<dyn AnswerScorer>> = vec![Box::new(Overlap { factor })];
    evaluate_judged(&mut engine, &task, items, &options, &mut scorers, Vec::new(), &mut ())
}

#[test]
fn scores_are_kept_with_the_answers_and_reported_with_who_made_them() {
    let all = "Abaca is jute and hemp";
    let evaluation = evaluated(1.0, &items(&[Some(all), None, Some(all)])).unwrap();
    let scored = evaluation
        .answers
        .iter()
        .map(|a| a.scores.contains_key("scorer.overlap"));
    assert_eq!(scored.collect::<Vec<_>>(), [true, false, true]);
    let overlap = evaluation.outcome.metrics.iter().find(|m| m.name == "overlap").unwrap();
    assert_eq!((overlap.n, overlap.items), (2, 3));
    assert_eq!(overlap.scorer, "overlap 1, factor 1");
    let own = evaluation
        .outcome
        .metrics
        .iter()
        .find(|m| m.name == "exact_match")
        .unwrap();
    assert_eq!(own.scorer, "rules");
    assert!(
        evaluation
            .outcome
            .warnings
            .iter()
            .any(|w| w == "`overlap` is undefined on 1 of 3 items")
    );
}

#[test]
fn a_task_without_sources_is_not_scored() {
    let evaluation = evaluated(1.0, &items(&[None, None])).unwrap();
    assert!(evaluation.outcome.metrics.iter().all(|m| m.name != "overlap"));
    assert!(evaluation.outcome.warnings.iter().all(|w| !w.contains("overlap")));
}

#[test]
fn a_score_that_is_not_a_number_stops_the_cell() {
    let message = evaluated(f64::NAN, &items(&[Some("jute")])).unwrap_err().to_string();
    assert!(message.contains("`scorer.overlap` of NaN on item `0`"), "{message}");
}
