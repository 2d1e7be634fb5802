//! Scores that something besides the task's own scoring gives to answers: a model that reads text and source, a judge elsewhere.
//!
//! They are given right after a chunk of items is answered, and kept with the answers, so that every later figure is made from what
//! is on disk. The names of such scores begin with [`PREFIX`], which no scoring of a task uses.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_metrics::value::{Definition, MetricValue, interned};

use crate::answer::{Answer, Output};
use crate::engine::{Engine, EngineError};
use crate::summary::Metric;

/// What the names of scores given here begin with.
pub const PREFIX: &str = "scorer.";

/// Gives scores to answers.
pub trait AnswerScorer {
    /// Name in the sweep file, and of its metric.
    fn name(&self) -> &str;

    /// Everything that decides its numbers besides the answers; part of a record's key.
    fn identity(&self) -> String;

    /// What is reported of answers that it has scored.
    fn metrics(&self) -> Vec<Metric>;

    /// Whether it is meant for this task, and the items have what it needs. Where not, it is not asked, and no metric is reported.
    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool;

    /// Adds scores to the answers, which are those of `items` in their order. An answer on which a score is undefined (an empty
    /// text, mostly) is left without it: it lowers coverage.
    ///
    /// # Errors
    /// If the model behind it fails, or yields a value that is not finite.
    fn score(&mut self, engine: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError>;

    /// Told of answers that an earlier process has scored, before the answers that follow them are scored. Their scores are kept;
    /// a scorer whose remarks speak of all answers of a task looks at these again.
    ///
    /// # Errors
    /// As [`AnswerScorer::score`].
    fn recall(&mut self, engine: &mut dyn Engine, items: &[Item], answers: &[Answer]) -> Result<(), EngineError> {
        let _ = (engine, items, answers);
        Ok(())
    }

    /// What the reader must know of the scores given since the last call: verdicts that could not be read, what was spent.
    fn remarks(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Compares a pruned model's answers with the unpruned one's, pair by pair.
pub trait PairScorer {
    /// Name in the sweep file.
    fn name(&self) -> &str;

    /// As [`AnswerScorer::identity`].
    fn identity(&self) -> String;

    /// As [`AnswerScorer::suits`].
    fn suits(&self, task: &TaskSpec, items: &[Item]) -> bool;

    /// Figures with their intervals, and what the reader must know. The two sides are answers to `items`, in their order.
    ///
    /// # Errors
    /// If the judge fails.
    fn compare(
        &mut self,
        items: &[Item],
        pruned: &[Answer],
        unpruned: &[Answer],
    ) -> Result<(Vec<MetricValue>, Vec<String>), EngineError>;
}

/// Name of the score that scorer `name` gives.
#[must_use]
pub fn score_name(name: &str) -> &'static str {
    interned(&format!("{PREFIX}{name}"))
}

/// The mean of what a scorer named `name` gave, reported as `definition` says and as made by `identity`.
#[must_use]
pub fn mean(definition: Definition, name: &str, identity: &str) -> Metric {
    let definition = Definition {
        name: interned(name),
        ..definition
    };
    Metric::mean(definition.by(interned(identity)), score_name(name))
}

/// As [`mean`], of scores that are 0 or 1.
#[must_use]
pub fn proportion(definition: Definition, name: &str, identity: &str) -> Metric {
    let definition = Definition {
        name: interned(name),
        ..definition
    };
    Metric::proportion(definition.by(interned(identity)), score_name(name))
}

/// The text of an answer and the source that it has to be supported by; `None` where there is no source, or nothing was said.
#[must_use]
pub fn text_and_source<'a>(item: &'a Item, answer: &'a Answer) -> Option<(&'a str, &'a str)> {
    let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
        return None;
    };
    let source = question.source.as_deref()?;
    (!output.text.trim().is_empty()).then_some((output.text.as_str(), source))
}

/// Whether any item has a source.
#[must_use]
pub fn have_source(items: &[Item]) -> bool {
    items
        .iter()
        .any(|item| matches!(&item.body, Body::Generate(question) if question.source.is_some()))
}
