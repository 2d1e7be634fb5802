//! Answers to numbers: per item by the task's scoring, and what the task reports of them.
//!
//! A scoring is one file here and one line in [`scorer`]. The first utility metric and the first reliability metric of a list
//! are the task's primary ones, the ones that charts draw.

mod confidence;
mod choice;
mod variants;
mod option_order;
mod none_of_the_above;
mod paraphrases;
mod paraphrased_answers;
mod pushback;
mod truthfulqa;
mod letter;
mod words;
mod generation;
mod overlap;
mod support;
mod abstention;
mod medhalt;
mod reply_fields;
mod medinst;
mod micro;
mod entities;
mod evidence;
mod medec;
mod statements;
mod gsm8k;
pub mod ifeval;
pub mod unit_tests;
mod halueval;
mod selfaware;
mod short_answer;
mod squad2;
mod truthfulqa_gen;
mod perplexity;
pub(crate) mod sampled;
mod divergence;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::{self, Scoring, TaskSpec};
use secateur_metrics::value::{Aspect, Definition};
use secateur_metrics::{degeneration, refusal};

use crate::answer::{Answer, Flag, Output};
use crate::engine::Finish;
use crate::error::EvaluationError;
use crate::summary::Metric;

/// What a scoring does. Implementations look at one answer at a time and keep nothing.
pub trait Scorer {
    /// Adds scores and flags, and the parsed answer where there is one. A score that is undefined on the item is left out.
    ///
    /// # Errors
    /// If the item is not of the kind that this scoring is for.
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch>;

    /// What is reported of these answers, most important first.
    fn metrics(&self, answers: &[Answer]) -> Vec<Metric>;
}

/// An item that does not suit its task's scoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What the item is.
    pub found: String,
    /// What it should be.
    pub expected: String,
}

/// The scoring of a task. `items` may be empty where only metrics are asked for.
#[must_use]
pub fn scorer(task: &TaskSpec, items: &[Item]) -> Box<dyn Scorer> {
    by(&task.scoring, items)
}

fn by(scoring: &Scoring, items: &[Item]) -> Box<dyn Scorer> {
    match scoring {
        Scoring::LogLikelihood { metrics } => Box::new(choice::LogLikelihood {
            metrics: metrics.clone(),
        }),
        Scoring::TruthfulQaMc2 => Box::new(truthfulqa::TruthfulQaMc2),
        Scoring::Perplexity => Box::new(perplexity::Perplexity),
        Scoring::LetterAnswer { answers, style } => Box::new(letter::LetterAnswer {
            answers: answers.clone(),
            style: *style,
        }),
        Scoring::Generation {
            metrics,
            normalise,
            abstain_phrases,
        } => Box::new(generation::Generation {
            metrics: metrics.clone(),
            normalise: *normalise,
            abstain_phrases: abstain_phrases.clone(),
            names: support::names(items),
        }),
        Scoring::ClaimEvidence => Box::new(evidence::ClaimEvidence),
        Scoring::Entities { types } => Box::new(entities::Entities { types: types.clone() }),
        Scoring::ErrorCorrection => Box::new(medec::ErrorCorrection),
        Scoring::MedHalt { asked } => Box::new(medhalt::MedHalt { asked: *asked }),
        Scoring::MedHaltFake => Box::new(medhalt::MedHaltFake),
        Scoring::MedInst { answers } => Box::new(medinst::MedInst::new(*answers, items)),
        Scoring::Statements => Box::new(statements::Statements::new(items)),
        Scoring::Gsm8k => Box::new(gsm8k::Gsm8k),
        Scoring::IfEval => Box::new(ifeval::IfEval),
        Scoring::UnitTests { until_fence } => Box::new(unit_tests::UnitTests::reader(*until_fence)),
        Scoring::HaluEval => Box::new(halueval::HaluEval),
        Scoring::SelfAware => Box::new(selfaware::SelfAware),
        Scoring::ShortAnswer => Box::new(short_answer::ShortAnswer),
        Scoring::Squad2 => Box::new(squad2::Squad2),
        Scoring::TruthfulQaGen => Box::new(truthfulqa_gen::TruthfulQaGen),
        Scoring::Sampled { base } => Box::new(sampled::Sampled { base: by(base, items) }),
        Scoring::Divergence => Box::new(divergence::Divergence),
        Scoring::OptionOrder => Box::new(option_order::OptionOrder),
        Scoring::NoneOfTheAbove => Box::new(none_of_the_above::NoneOfTheAbove),
        Scoring::Paraphrases => Box::new(paraphrases::Paraphrases),
        Scoring::ParaphrasedAnswers { of } => Box::new(paraphrased_answers::ParaphrasedAnswers(by(of, items))),
        Scoring::Pushback => Box::new(pushback::Pushback),
    }
}

/// Confidence in an answer, and whether it is right, where it has both.
pub(crate) fn confidence_of(answer: &Answer) -> Option<(f64, bool)> {
    confidence::of(answer)
}

/// As [`scorer`], allowed to run code that the model wrote if the caller says so.
///
/// # Errors
/// If the scoring runs generated code, and it is not allowed, or cannot be shut in on this machine.
pub fn permitted_scorer(
    task: &TaskSpec,
    items: &[Item],
    run_generated_code: bool,
) -> Result<Box<dyn Scorer>, EvaluationError> {
    match &task.scoring {
        Scoring::UnitTests { until_fence } => {
            let tests = unit_tests::UnitTests::runner(&task.name, *until_fence, run_generated_code)?;
            Ok(Box::new(tests))
        }
        _ => Ok(scorer(task, items)),
    }
}

/// Metrics that a task reports or not, as its answers decide: [`metrics`] of no answers does not name them.
pub const BY_ANSWERS: &[Definition] = &[abstention::FALSE_ABSTENTION_RATE, medhalt::JUDGEMENT_ACCURACY];

/// The metrics of a task on these answers. On a task of the reliability axis, doing it well is being reliable.
#[must_use]
pub fn metrics(task: &TaskSpec, answers: &[Answer]) -> Vec<Metric> {
    let mut metrics = scorer(task, &[]).metrics(answers);
    if task.aspect == spec::Aspect::Reliability {
        for metric in &mut metrics {
            if metric.definition.aspect == Aspect::Utility {
                metric.definition.aspect = Aspect::Reliability;
            }
        }
    }
    metrics
}

/// Index of the largest value, the first among equals; `None` for no values.
#[must_use]
pub fn first_largest(values: &[f64]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, &value) in values.iter().enumerate() {
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

/// Flags and scores of any answer in words.
fn flag_text(answer: &mut Answer) {
    let Output::Text(output) = &answer.output else {
        return;
    };
    let states = [
        (Flag::Empty, degeneration::is_empty(&output.text)),
        (Flag::Looping, degeneration::is_looping(&output.text)),
        (Flag::Truncated, output.finish == Finish::Length),
        (Flag::Refused, refusal::is_refusal(&output.text)),
    ];
    for (flag, holds) in states {
        if holds {
            answer.flags.insert(flag);
        }
        // `refused` is a score of Med-HALT's fake questions.
        let score = if flag == Flag::Refused { "declined" } else { flag.name() };
        answer.scores.insert(score.into(), from_bool(holds));
    }
}

/// What is reported of any answers in words, after the task's own metrics.
fn text_metrics() -> [Metric; 4] {
    [
        Metric::proportion(degeneration::EMPTY_RATE, "empty"),
        Metric::proportion(degeneration::LOOPING_RATE, "looping"),
        Metric::proportion(degeneration::TRUNCATED_RATE, "truncated"),
        Metric::proportion(refusal::DECLINED_RATE, "declined"),
    ]
}

fn from_bool(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// A score that is a count or an index.
#[expect(clippy::cast_sign_loss, reason = "written as a usize, so never negative")]
fn index(value: f64) -> usize {
    value as usize
}

fn mismatch(item: &Item, expected: &str) -> Mismatch {
    use secateur_datasets::item::Body;
    let found = match item.body {
        Body::Choice(_) => "a choice between continuations",
        Body::Generate(_) => "a question to be answered in words",
        Body::Text(_) => "a text without a question",
    };
    Mismatch {
        found: found.into(),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(first_largest(&[-2.0, -1.0, -1.0]), Some(1));
        assert_eq!(first_largest(&[f64::NEG_INFINITY]), Some(0));
        assert_eq!(first_largest(&[]), None);
    }
}
