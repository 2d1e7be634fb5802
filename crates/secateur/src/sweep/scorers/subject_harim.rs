//! `kind = "harim-subject"`: HaRiM⁺ with the sweep's own unpruned model as language model. Needs no other weights.

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_evaluation::answer::Answer;
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::judging::{AnswerScorer, have_source, mean, score_name, text_and_source};
use secateur_evaluation::subject_harim::{Sourced, subject_harim};
use secateur_evaluation::summary::Metric;
use secateur_judges::scorers::{SUBJECT_KIND, ScorerSpec};
use secateur_metrics::harim::{HARIM, HARIM_PLUS, LAMBDA};

use super::meant_for;

/// One entry of `[[scorers]]` of this kind.
pub(super) struct SubjectHarim {
    name: String,
    risk: String,
    tasks: Vec<String>,
}

impl SubjectHarim {
    pub(super) fn new(spec: &ScorerSpec) -> Self {
        Self {
            name: spec.name.clone(),
            risk: format!("{}_risk", spec.name),
            tasks: spec.tasks.clone(),
        }
    }
}

impl AnswerScorer for SubjectHarim {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("{SUBJECT_KIND} 1 lambda={LAMBDA}, the unpruned subject")
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let identity = self.identity();
        vec![
            mean(HARIM_PLUS, &self.name, &identity),
            mean(HARIM, &self.risk, &identity),
        ]
    }

    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool {
        meant_for(&self.tasks, &task.name) && have_source(items)
    }

    fn score(&mut self, engine: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let mut indices = Vec::new();
        let mut sourced = Vec::new();
        for (index, (item, answer)) in items.iter().zip(answers.iter()).enumerate() {
            if let Some((answer, source)) = text_and_source(item, answer) {
                indices.push(index);
                sourced.push(Sourced { source, answer });
            }
        }
        let found = subject_harim(engine, &sourced)?;
        for (index, harim) in indices.into_iter().zip(found) {
            if let Some(harim) = harim {
                let scores = &mut answers[index].scores;
                scores.insert(score_name(&self.name).to_owned(), harim.plus);
                scores.insert(score_name(&self.risk).to_owned(), harim.risk);
            }
        }
        Ok(())
    }
}
