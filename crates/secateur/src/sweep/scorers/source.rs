//! A scorer of texts against their sources, put to the answers of tasks whose items have a source.

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_evaluation::answer::Answer;
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::judging::{AnswerScorer, have_source, mean, score_name, text_and_source};
use secateur_evaluation::summary::Metric;
use secateur_judges::scorer::{Pair, TextScorer};
use secateur_judges::scorers::ScorerSpec;

use super::meant_for;

/// One entry of `[[scorers]]`.
pub(super) struct AgainstSource {
    name: String,
    tasks: Vec<String>,
    scorer: Box<dyn TextScorer>,
}

impl AgainstSource {
    pub(super) fn new(spec: &ScorerSpec, scorer: Box<dyn TextScorer>) -> Self {
        Self {
            name: spec.name.clone(),
            tasks: spec.tasks.clone(),
            scorer,
        }
    }
}

impl AnswerScorer for AgainstSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.scorer.identity()
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        vec![mean(self.scorer.definition(), &self.name, &self.identity())]
    }

    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool {
        meant_for(&self.tasks, &task.name) && have_source(items)
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let found: Vec<(usize, Pair<'_>)> = items
            .iter()
            .zip(answers.iter())
            .enumerate()
            .filter_map(|(index, (item, answer))| {
                let (text, source) = text_and_source(item, answer)?;
                Some((index, Pair { source, text }))
            })
            .collect();
        let pairs: Vec<Pair<'_>> = found.iter().map(|(_, pair)| *pair).collect();
        let readings = self
            .scorer
            .score(&pairs, &mut |_| {})
            .map_err(|error| EngineError(error.to_string()))?;
        let indices: Vec<usize> = found.iter().map(|(index, _)| *index).collect();
        for (index, reading) in indices.into_iter().zip(readings) {
            if let Some(reading) = reading {
                let name = score_name(&self.name).to_owned();
                answers[index].scores.insert(name, reading.score);
            }
        }
        Ok(())
    }
}
