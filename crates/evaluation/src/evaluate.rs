//! A model and a task's items in; answers, scores and metrics out.

use std::collections::BTreeMap;
use std::io;

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_metrics::value::MetricValue;

use crate::answer::{Answer, Flag, Scores};
use crate::engine::Engine;
use crate::error::EvaluationError;
use crate::requests::{PromptOptions, Sampling};
use crate::run::{Raw, Run};
use crate::score::{self, Scorer};
use crate::summary::{self, Bootstrap};

/// How a task is put to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationOptions {
    /// Template and limits.
    pub prompt: PromptOptions,
    /// Seed of sampled answers.
    pub seed: u64,
    /// Items per call of the engine: answers are handed over after each.
    pub chunk: usize,
    /// Of the intervals.
    pub bootstrap: Bootstrap,
    /// Whether code that the model wrote may be run, in the sandbox. Tasks that need it are refused otherwise.
    pub run_generated_code: bool,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            prompt: PromptOptions::default(),
            seed: 0,
            chunk: 128,
            bootstrap: Bootstrap::default(),
            run_generated_code: false,
        }
    }
}

/// Who looks on while a task is evaluated.
pub trait Observer {
    /// Called with the share of items answered so far, in items (not whole numbers while a chunk is running).
    fn progressed(&mut self, _items: f64, _of: usize) {}

    /// Called once per item, in the task's order, as soon as its answer is there.
    ///
    /// # Errors
    /// Stops the evaluation: the answer could not be stored, or nobody wants the rest.
    fn answered(&mut self, _answer: &Answer) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody.
impl Observer for () {}

/// Answers of a task and what they amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// In the task's order, one per item.
    pub answers: Vec<Answer>,
    /// Metrics and counts.
    pub outcome: Outcome,
    /// Tokens run through the model, identical requests once.
    pub tokens: u64,
}

/// What a list of answers amounts to; the metrics in the order of importance, utility and reliability each.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Each with n and interval. A metric that is undefined on these items is left out and named in `warnings`.
    pub metrics: Vec<MetricValue>,
    /// Items by what became of them: `evaluated`, and every [`Flag`].
    pub counts: BTreeMap<String, usize>,
    /// For the reader.
    pub warnings: Vec<String>,
}

/// Asks every item and scores the answers.
///
/// # Errors
/// If an item does not suit the task's scoring, the engine fails or returns what is not a number, or the observer stops it.
pub fn evaluate(
    engine: &mut dyn Engine,
    task: &TaskSpec,
    items: &[Item],
    options: &EvaluationOptions,
    observer: &mut dyn Observer,
) -> Result<Evaluation, EvaluationError> {
    if items.is_empty() {
        return Err(EvaluationError::NoItems {
            task: task.name.clone(),
        });
    }
    let scorer = score::permitted_scorer(task, items, options.run_generated_code)?;
    let sampling = sampling(engine, task, options)?;
    let mut run = Run::new(engine, &task.name, &options.prompt, sampling);
    let mut answers = Vec::with_capacity(items.len());
    for chunk in items.chunks(options.chunk.max(1)) {
        let done = answers.len() as f64;
        let raws = run.ask(chunk, &mut |share| {
            observer.progressed(done + share * chunk.len() as f64, items.len());
        })?;
        for (item, raw) in chunk.iter().zip(raws) {
            let answer = scored(task, scorer.as_ref(), item, raw)?;
            observer.answered(&answer).map_err(|source| EvaluationError::Sink {
                task: task.name.clone(),
                source,
            })?;
            answers.push(answer);
        }
        observer.progressed(answers.len() as f64, items.len());
    }
    let tokens = run.tokens;
    let outcome = outcome(task, &answers, &options.bootstrap)?;
    Ok(Evaluation {
        answers,
        outcome,
        tokens,
    })
}

/// Metrics and counts of answers, whether just given or read back from a file.
///
/// # Errors
/// If a stored score is not what the metric needs.
pub fn outcome(task: &TaskSpec, answers: &[Answer], bootstrap: &Bootstrap) -> Result<Outcome, EvaluationError> {
    let metrics = score::metrics(task, answers);
    let (metrics, mut warnings) = summary::summarise(&task.name, &metrics, answers, bootstrap)?;
    let mut counts = BTreeMap::from([("evaluated".to_string(), answers.len())]);
    for flag in Flag::ALL {
        let n = answers.iter().filter(|a| a.flags.contains(&flag)).count();
        counts.insert(flag.name().into(), n);
    }
    let unscorable = counts[Flag::Unscorable.name()];
    if unscorable > 0 {
        warnings.push(format!(
            "{unscorable} of {} items could not be put to the model and enter no metric",
            answers.len()
        ));
    }
    Ok(Outcome {
        metrics,
        counts,
        warnings,
    })
}

fn sampling(
    engine: &dyn Engine,
    task: &TaskSpec,
    options: &EvaluationOptions,
) -> Result<Option<Sampling>, EvaluationError> {
    let Some(settings) = &task.generation else {
        return Ok(None);
    };
    let limit = options.prompt.limit(engine);
    if settings.max_new_tokens >= limit {
        return Err(EvaluationError::NoRoomForPrompt {
            task: task.name.clone(),
            max_new_tokens: settings.max_new_tokens,
            max_length: limit,
        });
    }
    Ok(Some(Sampling {
        stop: settings.stop.clone(),
        max_new_tokens: settings.max_new_tokens,
        temperature: settings.temperature,
        top_p: settings.top_p,
        probe: task.scoring.probe().map(str::to_owned),
        seed: options.seed,
    }))
}

fn scored(task: &TaskSpec, scorer: &dyn Scorer, item: &Item, raw: Raw) -> Result<Answer, EvaluationError> {
    let mut answer = Answer {
        item: item.id.clone(),
        prompt: raw.prompt,
        output: raw.output,
        scores: Scores::new(),
        flags: raw.flags,
        unsupported: Vec::new(),
        fields: item.fields.clone(),
    };
    if !answer.flags.contains(&Flag::Unscorable) {
        scorer
            .score(item, &mut answer)
            .map_err(|mismatch| EvaluationError::Item {
                task: task.name.clone(),
                item: item.id.clone(),
                found: mismatch.found,
                expected: mismatch.expected,
            })?;
    }
    if let Some((name, value)) = answer.scores.iter().find(|(_, value)| !value.is_finite()) {
        return Err(EvaluationError::Unsound {
            task: task.name.clone(),
            found: format!("a score `{name}` of {value} on item `{}`", item.id),
            expected: "a finite number".into(),
        });
    }
    Ok(answer)
}
