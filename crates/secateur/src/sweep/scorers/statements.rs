//! What answers say of the statements that their items list (K-QA's must-haves and nice-to-haves), by an NLI model.

use std::cell::RefCell;
use std::rc::Rc;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::{Scoring, TaskSpec};
use secateur_evaluation::answer::{Answer, Output};
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::judging::{AnswerScorer, mean, score_name};
use secateur_evaluation::summary::Metric;
use secateur_judges::scorers::ScorerSpec;
use secateur_judges::scorers::nli::Nli;
use secateur_judges::scorers::statements::{Premises, Question, judge};
use secateur_metrics::value::Definition;
use secateur_metrics::verdicts::{self, Verdict};

use super::meant_for;

/// An `nli` entry of `[[scorers]]` on tasks with statements.
pub(super) struct Statements {
    name: String,
    tasks: Vec<String>,
    nli: Rc<RefCell<Nli>>,
    identity: String,
}

impl Statements {
    pub(super) fn new(spec: &ScorerSpec, nli: Rc<RefCell<Nli>>) -> Self {
        Self {
            name: format!("{}_statements", spec.name),
            tasks: spec.tasks.clone(),
            identity: format!("statements by nli 1 {}", nli.borrow().sha256()),
            nli,
        }
    }

    fn figure(&self, definition: &Definition) -> String {
        format!("{}_{}", self.name, definition.name)
    }

    fn judge(&mut self, items: &[Item], answers: &[Answer]) -> Result<Vec<Option<[Option<f64>; 3]>>, EngineError> {
        let lists = items.iter().map(lists).collect::<Result<Vec<_>, _>>()?;
        let asked = answers.iter().zip(&lists).map(|(answer, (must, nice))| Question {
            premise: text(answer),
            statements: must.iter().chain(nice).map(String::as_str).collect(),
        });
        let questions: Vec<Question<'_>> = asked.collect();
        let judged = judge(&mut self.nli.borrow_mut(), &questions, Premises::Sentences, &mut |_| {});
        let judged = judged.map_err(|error| EngineError(error.to_string()))?;
        let figures = judged.iter().zip(&lists).map(|(judged, (must, _))| {
            let said: Vec<Verdict> = judged.iter().map(|one| one.verdict).collect();
            (!said.is_empty()).then(|| {
                [
                    verdicts::comprehensiveness(&said[..must.len()]),
                    verdicts::hallucination(&said),
                    Some(verdicts::contradictions(&said) as f64),
                ]
            })
        });
        Ok(figures.collect())
    }
}

const FIGURES: [Definition; 3] = [
    verdicts::COMPREHENSIVENESS,
    verdicts::HALLUCINATION,
    verdicts::CONTRADICTIONS,
];

impl AnswerScorer for Statements {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let metric = |definition: &Definition| mean(*definition, &self.figure(definition), &self.identity);
        FIGURES.iter().map(metric).collect()
    }

    fn suits(&self, task: &TaskSpec, _: &[Item]) -> bool {
        meant_for(&self.tasks, &task.name) && task.scoring == Scoring::Statements
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let judged = self.judge(items, answers)?;
        for (answer, figures) in answers.iter_mut().zip(judged) {
            for (definition, figure) in FIGURES.iter().zip(figures.into_iter().flatten()) {
                if let Some(value) = figure {
                    let name = score_name(&self.figure(definition)).to_owned();
                    answer.scores.insert(name, value);
                }
            }
        }
        Ok(())
    }
}

fn text(answer: &Answer) -> &str {
    match &answer.output {
        Output::Text(output) => &output.text,
        _ => "",
    }
}

/// Must-have and nice-to-have statements.
fn lists(item: &Item) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let list = |name: &str| {
        let text = item.fields.get(name).map_or("[]", String::as_str);
        serde_json::from_str(text).map_err(|_| {
            EngineError(format!(
                "item `{}`: `{name}` is {text:?}, expected a JSON list of statements",
                item.id
            ))
        })
    };
    Ok((list("must_have")?, list("nice_to_have")?))
}
