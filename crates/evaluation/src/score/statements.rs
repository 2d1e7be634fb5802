//! K-QA: statements that an answer must have, may have, and must not contradict, by words alone (see `secateur_metrics::statements`).

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::spec::{GenerationMetric, Normalise};
use secateur_metrics::statements;

use super::generation::Generation;
use super::{Mismatch, Scorer, mismatch, support};
use crate::answer::{Answer, Output};
use crate::summary::Metric;

/// Scores of a long answer: its statements, and its overlap with the physicians' answer.
pub(super) struct Statements {
    overlap: Generation,
}

impl Statements {
    pub(super) fn new(items: &[Item]) -> Self {
        let overlap = Generation {
            metrics: vec![
                GenerationMetric::Rouge,
                GenerationMetric::Bleu,
                GenerationMetric::Chrf,
                GenerationMetric::Support,
            ],
            normalise: Normalise::default(),
            abstain_phrases: Vec::new(),
            names: support::names(items),
        };
        Self { overlap }
    }
}

impl Scorer for Statements {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        self.overlap.score(item, answer)?;
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let asked = question.messages.last().map_or("", |message| message.content.as_str());
        let (must, nice) = (list(item, "must_have")?, list(item, "nice_to_have")?);
        let text = &output.text;
        let contradicted = |statement: &&String| statements::contradicts(text, statement);
        let all = must.len() + nice.len();
        let wrong = must.iter().chain(&nice).filter(contradicted).count();
        if !must.is_empty() {
            let stated = must.iter().filter(|statement| {
                statements::states(text, statement, asked) && !statements::contradicts(text, statement)
            });
            let share = 100.0 * stated.count() as f64 / must.len() as f64;
            answer.scores.insert("comprehensiveness".into(), share);
        }
        if all > 0 {
            let share = 100.0 * wrong as f64 / all as f64;
            answer.scores.insert("hallucination".into(), share);
        }
        answer.scores.insert("contradicted_statements".into(), wrong as f64);
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::mean(statements::COMPREHENSIVENESS, "comprehensiveness"),
            Metric::mean(statements::HALLUCINATION, "hallucination"),
            Metric::mean(statements::CONTRADICTIONS, "contradicted_statements"),
        ];
        metrics.extend(self.overlap.metrics(answers));
        metrics
    }
}

/// The statements in a field that holds a JSON list.
fn list(item: &Item, name: &str) -> Result<Vec<String>, Mismatch> {
    let text = item.fields.get(name).map_or("", String::as_str);
    serde_json::from_str(text).map_err(|_| Mismatch {
        found: format!("`{name}` = {text:?}"),
        expected: "a JSON list of statements".into(),
    })
}
