//! What a model that reads says of samples: which of them mean the same, and whether they bear the answer out.
//!
//! Only for tasks with `@sampled`. Beside the entry's own number there are then, each with the entry's name before it: by an NLI model
//! `_semantic_entropy`, `_semantic_entropy_discrete`, `_self_consistency` and `_selfcheck`, by `BERTScore` `_selfcheck`; and how well
//! each tells right answers from wrong ones (`_auroc`), where the task knows which are right. The same figures by rule are the task's own.

use std::cell::RefCell;
use std::rc::Rc;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::{Scoring, TaskSpec};
use secateur_evaluation::answer::{Answer, Sample, Scores};
use secateur_evaluation::engine::{Engine, EngineError};
use secateur_evaluation::judging::{
    AnswerScorer, MADE_UP, RIGHT, entropies, mean, question_and_samples, score_name, separates,
};
use secateur_evaluation::summary::Metric;
use secateur_judges::error::JudgeError;
use secateur_judges::scorer::{Reading, TextScorer};
use secateur_judges::scorers::ScorerSpec;
use secateur_judges::scorers::bert_score::BertScore;
use secateur_judges::scorers::clusters::{Equivalence, by_entailment};
use secateur_judges::scorers::nli::Nli;
use secateur_judges::scorers::self_check::{
    Order, SELF_CHECK_BERTSCORE, SELF_CHECK_NLI, Sampled, by_bert_score, by_nli,
};
use secateur_metrics::semantic_entropy as entropy;
use secateur_metrics::value::{Aspect, Definition, Direction, interned};

use super::meant_for;

/// AUROC of self-check for answers that are made up.
const SELF_CHECK_AUROC: Definition = Definition::new(
    "self_check_auroc",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);

/// A figure of every answer with samples.
struct Figure {
    /// After the entry's name.
    suffix: &'static str,
    definition: Definition,
    /// Its AUROC, the sign that makes it high where the label is 1, and the label.
    separation: (Definition, f64, &'static str),
}

const ENTROPIES: [Figure; 3] = [
    Figure {
        suffix: "semantic_entropy",
        definition: entropy::SEMANTIC_ENTROPY,
        separation: (entropy::SEMANTIC_ENTROPY_AUROC, -1.0, RIGHT),
    },
    Figure {
        suffix: "semantic_entropy_discrete",
        definition: entropy::DISCRETE_SEMANTIC_ENTROPY,
        separation: (entropy::DISCRETE_SEMANTIC_ENTROPY_AUROC, -1.0, RIGHT),
    },
    Figure {
        suffix: "self_consistency",
        definition: entropy::SELF_CONSISTENCY,
        separation: (entropy::SELF_CONSISTENCY_AUROC, 1.0, RIGHT),
    },
];

const fn self_check(definition: Definition) -> Figure {
    Figure {
        suffix: "selfcheck",
        definition,
        separation: (SELF_CHECK_AUROC, 1.0, MADE_UP),
    }
}

/// What both kinds have in common.
struct Entry {
    /// Of the entry: what its figures begin with.
    prefix: String,
    /// Of this scorer among all.
    name: String,
    tasks: Vec<String>,
    identity: String,
}

impl Entry {
    fn suits(&self, task: &TaskSpec) -> bool {
        meant_for(&self.tasks, &task.name) && matches!(task.scoring, Scoring::Sampled { .. })
    }

    fn metrics(&self, figures: &[Figure], answers: &[Answer]) -> Vec<Metric> {
        let labelled = |label: &str| answers.iter().any(|answer| answer.scores.contains_key(label));
        let mut metrics = Vec::new();
        for figure in figures {
            let named = format!("{}_{}", self.prefix, figure.suffix);
            metrics.push(mean(figure.definition, &named, &self.identity));
            let (definition, sign, label) = figure.separation;
            if labelled(label) {
                let definition = Definition {
                    name: interned(&format!("{named}_auroc")),
                    ..definition
                };
                let definition = definition.by(interned(&self.identity));
                metrics.push(separates(definition, score_name(&named), sign, label));
            }
        }
        metrics
    }

    fn keep(&self, answer: &mut Answer, suffix: &str, value: f64) {
        let name = score_name(&format!("{}_{suffix}", self.prefix)).to_owned();
        answer.scores.insert(name, value);
    }

    fn keep_readings(&self, answers: &mut [Answer], indices: &[usize], readings: &[Option<Reading>]) {
        for (&index, reading) in indices.iter().zip(readings) {
            if let Some(reading) = reading {
                self.keep(&mut answers[index], "selfcheck", reading.score);
            }
        }
    }
}

/// A question, the answer to it and further answers.
struct Asked {
    index: usize,
    question: String,
    answer: String,
    samples: Vec<Sample>,
}

impl Asked {
    fn sampled(&self) -> Sampled<'_> {
        Sampled {
            answer: &self.answer,
            samples: self.samples.iter().map(|sample| sample.text.as_str()).collect(),
        }
    }
}

fn asked(items: &[Item], answers: &[Answer]) -> Vec<Asked> {
    let pairs = items.iter().zip(answers).enumerate();
    let with_samples = pairs.filter_map(|(index, (item, answer))| {
        let (question, text, samples) = question_and_samples(item, answer)?;
        Some(Asked {
            index,
            question,
            answer: text.to_owned(),
            samples: samples.to_vec(),
        })
    });
    with_samples.collect()
}

#[allow(clippy::needless_pass_by_value)]
fn failed(error: JudgeError) -> EngineError {
    EngineError(error.to_string())
}

/// An `nli` entry of `[[scorers]]` on tasks with samples.
pub(super) struct ByNli {
    entry: Entry,
    equivalence: Equivalence,
    nli: Rc<RefCell<Nli>>,
    figures: Vec<Figure>,
}

impl ByNli {
    pub(super) fn new(spec: &ScorerSpec, nli: Rc<RefCell<Nli>>) -> Result<Self, JudgeError> {
        let equivalence = spec.equivalence()?;
        let mut figures = Vec::from(ENTROPIES);
        // A model of two classes tells what means the same, and not what contradicts.
        if nli.borrow().labels().contradiction.is_some() {
            figures.push(self_check(SELF_CHECK_NLI));
        }
        Ok(Self {
            entry: Entry {
                prefix: spec.name.clone(),
                name: format!("{}_samples", spec.name),
                tasks: spec.tasks.clone(),
                identity: format!("samples by {}, {equivalence:?} equivalence", TextScorer::identity(&nli)),
            },
            equivalence,
            nli,
            figures,
        })
    }
}

impl AnswerScorer for ByNli {
    fn name(&self) -> &str {
        &self.entry.name
    }

    fn identity(&self) -> String {
        self.entry.identity.clone()
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        self.entry.metrics(&self.figures, answers)
    }

    fn suits(&self, task: &TaskSpec, _: &[Item]) -> bool {
        self.entry.suits(task)
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let asked = asked(items, answers);
        let mut nli = self.nli.borrow_mut();
        // The answer comes first, so that its meaning is cluster 0.
        let texts: Vec<(&str, Vec<&str>)> = asked
            .iter()
            .map(|one| {
                let samples = one.samples.iter().map(|sample| sample.text.as_str());
                (
                    one.question.as_str(),
                    std::iter::once(one.answer.as_str()).chain(samples).collect(),
                )
            })
            .collect();
        let clusters = by_entailment(&mut nli, &texts, self.equivalence, &mut |_| {}).map_err(failed)?;
        for (one, clusters) in asked.iter().zip(&clusters) {
            let found: Scores = entropies(clusters, &one.samples)?;
            for figure in &ENTROPIES {
                if let Some(&value) = found.get(figure.suffix) {
                    self.entry.keep(&mut answers[one.index], figure.suffix, value);
                }
            }
        }
        if nli.labels().contradiction.is_some() {
            let sampled: Vec<Sampled<'_>> = asked.iter().map(Asked::sampled).collect();
            let readings = by_nli(&mut nli, &sampled, Order::default(), &mut |_| {}).map_err(failed)?;
            let indices: Vec<usize> = asked.iter().map(|one| one.index).collect();
            self.entry.keep_readings(answers, &indices, &readings);
        }
        Ok(())
    }
}

/// A `bertscore` entry of `[[scorers]]` on tasks with samples.
pub(super) struct ByBertScore {
    entry: Entry,
    model: Rc<RefCell<BertScore>>,
}

impl ByBertScore {
    pub(super) fn new(spec: &ScorerSpec, model: Rc<RefCell<BertScore>>) -> Self {
        Self {
            entry: Entry {
                prefix: spec.name.clone(),
                name: format!("{}_samples", spec.name),
                tasks: spec.tasks.clone(),
                identity: format!("samples by {}", TextScorer::identity(&model)),
            },
            model,
        }
    }
}

impl AnswerScorer for ByBertScore {
    fn name(&self) -> &str {
        &self.entry.name
    }

    fn identity(&self) -> String {
        self.entry.identity.clone()
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        self.entry.metrics(&[self_check(SELF_CHECK_BERTSCORE)], answers)
    }

    fn suits(&self, task: &TaskSpec, _: &[Item]) -> bool {
        self.entry.suits(task)
    }

    fn score(&mut self, _: &mut dyn Engine, items: &[Item], answers: &mut [Answer]) -> Result<(), EngineError> {
        let asked = asked(items, answers);
        let sampled: Vec<Sampled<'_>> = asked.iter().map(Asked::sampled).collect();
        let readings = by_bert_score(&mut self.model.borrow_mut(), &sampled, &mut |_| {}).map_err(failed)?;
        let indices: Vec<usize> = asked.iter().map(|one| one.index).collect();
        self.entry.keep_readings(answers, &indices, &readings);
        Ok(())
    }
}
