//! A model and a task's items in; answers, scores and metrics out.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::{Scoring, TaskSpec};
use secateur_metrics::value::MetricValue;

use crate::answer::{Answer, Flag, Scores};
use crate::divergence::Comparison;
use crate::engine::{Engine, EngineError};
use crate::error::EvaluationError;
use crate::judging::AnswerScorer;
use crate::requests::{PromptOptions, Sampling};
use crate::resume::{AnsweredChunk, Replies};
use crate::run::{Raw, Run};
use crate::score::{self, Scorer};
use crate::summary::{self, Bootstrap, Metric};

/// Chunks of items that are asked at once where the engine wants large calls.
pub const CHUNKS_PER_LARGE_CALL: usize = 16;

/// How a task is put to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationOptions {
    /// Template and limits.
    pub prompt: PromptOptions,
    /// Seed of sampled answers.
    pub seed: u64,
    /// Items per call of the engine: answers are handed over and kept after each. A resumed evaluation equals an uninterrupted one
    /// of the same chunk to the last bit.
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

    /// Called behind each chunk that was put to the model, with the tokens of its requests, read and written, and how long that took,
    /// scorers left out. Chunks of an earlier process and requests answered before count nothing.
    fn processed(&mut self, _tokens: u64, _took: Duration) {}

    /// Called once per item, in the task's order, as soon as its answer is there.
    ///
    /// # Errors
    /// Stops the evaluation: the answer could not be stored, or nobody wants the rest.
    fn answered(&mut self, _answer: &Answer) -> io::Result<()> {
        Ok(())
    }

    /// Called before that with the chunk whose answers follow, unless it was answered by an earlier process; `place` counts
    /// chunks from 0.
    ///
    /// # Errors
    /// As [`Observer::answered`].
    fn keep(&mut self, _place: usize, _chunk: &AnsweredChunk) -> io::Result<()> {
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
    /// Tokens of all requests, identical requests once. What others have in common counts in each, however often the model reads it.
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
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
///
/// use secateur_datasets::tasks::spec::{ChoiceMetric, Domain, TaskSpec};
/// use secateur_datasets::{Body, Choice, Item};
/// use secateur_evaluation::bigram::BigramEngine;
/// use secateur_evaluation::evaluate::{EvaluationOptions, evaluate};
///
/// let task = TaskSpec::choice("colours", "", Domain::General, &[ChoiceMetric::Acc]);
/// let choice = Choice {
///     context: "Q: grass".into(),
///     continuations: vec![" green".into(), " red".into()],
///     choices: vec!["green".into(), "red".into()],
///     gold: vec![0],
///     ..Choice::default()
/// };
/// let items = [Item { id: "1".into(), body: Body::Choice(choice), fields: BTreeMap::new() }];
///
/// // The smallest real language model; a checkpoint is a `local::LocalEngine`, a server a `served` one.
/// let mut engine = BigramEngine::train("Q: grass green\nQ: blood red\nQ: leaf green", &["green", "red"]);
/// let evaluation = evaluate(&mut engine, &task, &items, &EvaluationOptions::default(), &mut ())?;
/// let accuracy = &evaluation.outcome.metrics[0];
/// assert_eq!((accuracy.name.as_str(), accuracy.value, accuracy.n), ("accuracy", 1.0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate(
    engine: &mut dyn Engine,
    task: &TaskSpec,
    items: &[Item],
    options: &EvaluationOptions,
    observer: &mut dyn Observer,
) -> Result<Evaluation, EvaluationError> {
    evaluate_judged(engine, task, items, options, &mut [], Vec::new(), observer)
}

/// As [`evaluate`]; `scorers` add their scores to the answers of each chunk before these are handed over. `earlier` chunks, kept by
/// an earlier process ([`Observer::keep`]), are taken over and not asked again, up to the first that is not of the task's items.
///
/// # Errors
/// As [`evaluate`], and if a scorer fails.
pub fn evaluate_judged(
    engine: &mut dyn Engine,
    task: &TaskSpec,
    items: &[Item],
    options: &EvaluationOptions,
    scorers: &mut [Box<dyn AnswerScorer>],
    earlier: Vec<AnsweredChunk>,
    observer: &mut dyn Observer,
) -> Result<Evaluation, EvaluationError> {
    if items.is_empty() {
        return Err(EvaluationError::NoItems {
            task: task.name.clone(),
        });
    }
    let scorer = score::permitted_scorer(task, items, options.run_generated_code)?;
    let large = task.generation.is_none() && engine.wants_large_calls();
    let chunk_size = options.chunk.max(1) * if large { CHUNKS_PER_LARGE_CALL } else { 1 };
    let mut asking = Asking::new(engine, task, options)?;
    let mut answers = Vec::with_capacity(items.len());
    let mut earlier = earlier.into_iter();
    let stopped = |source| EvaluationError::Sink {
        task: task.name.clone(),
        source,
    };
    for (place, chunk) in items.chunks(chunk_size).enumerate() {
        let recalled = match earlier.next() {
            Some(kept) => recall(task, &mut asking, chunk, kept, scorers, items)?,
            None => None,
        };
        let given = if let Some(answers) = recalled {
            answers
        } else {
            // What follows a chunk that is of no use was made after it, and is of none either.
            earlier = Vec::new().into_iter();
            let done = answers.len() as f64;
            let (before, started) = (asking.tokens(), Instant::now());
            let raws = asking.ask(chunk, &mut |share| {
                observer.progressed(done + share * chunk.len() as f64, items.len());
            })?;
            observer.processed(asking.tokens() - before, started.elapsed());
            let pairs = chunk.iter().zip(raws);
            let mut given = pairs
                .map(|(item, raw)| scored(task, scorer.as_ref(), item, raw))
                .collect::<Result<Vec<_>, _>>()?;
            judge(task, asking.engine(), chunk, &mut given, scorers, items)?;
            let kept = AnsweredChunk {
                answers: given,
                replies: asking.replies(),
            };
            observer.keep(place, &kept).map_err(stopped)?;
            kept.answers
        };
        for answer in given {
            observer.answered(&answer).map_err(stopped)?;
            answers.push(answer);
        }
        observer.progressed(answers.len() as f64, items.len());
    }
    let tokens = asking.tokens();
    let mut outcome = outcome_of(
        task,
        &answers,
        &metrics(task, items, &answers, scorers),
        &options.bootstrap,
    )?;
    let suiting = scorers.iter_mut().filter(|scorer| scorer.suits(task, items));
    outcome.warnings.extend(suiting.flat_map(|scorer| scorer.remarks()));
    Ok(Evaluation {
        answers,
        outcome,
        tokens,
    })
}

/// What is asked of the model: answers, or how far it is from the unpruned one.
enum Asking<'a> {
    Answers(Box<Run<'a>>),
    Divergence(Comparison<'a>),
}

impl<'a> Asking<'a> {
    fn new(
        engine: &'a mut dyn Engine,
        task: &'a TaskSpec,
        options: &'a EvaluationOptions,
    ) -> Result<Self, EvaluationError> {
        if task.scoring == Scoring::Divergence {
            return Ok(Self::Divergence(Comparison::new(engine, &task.name, &options.prompt)));
        }
        let sampling = sampling(engine, task, options)?;
        let run = Run::new(engine, &task.name, &options.prompt, sampling);
        Ok(Self::Answers(Box::new(run)))
    }

    fn ask(&mut self, items: &[Item], progress: &mut dyn FnMut(f64)) -> Result<Vec<Raw>, EvaluationError> {
        match self {
            Self::Answers(run) => run.ask(items, progress),
            Self::Divergence(comparison) => comparison.ask(items, progress),
        }
    }

    /// As if `items` had been asked and `replies` were the answers; `false` if they are none.
    fn recall(&mut self, items: &[Item], replies: Replies) -> Result<bool, EvaluationError> {
        match self {
            Self::Answers(run) => run.recall(items, replies),
            Self::Divergence(comparison) => comparison.recall(items).map(|()| true),
        }
    }

    /// What the last chunk was answered with.
    fn replies(&mut self) -> Replies {
        match self {
            Self::Answers(run) => std::mem::take(&mut run.replies),
            Self::Divergence(_) => Replies::default(),
        }
    }

    fn engine(&mut self) -> &mut dyn Engine {
        match self {
            Self::Answers(run) => run.engine(),
            Self::Divergence(comparison) => comparison.engine(),
        }
    }

    fn tokens(&self) -> u64 {
        match self {
            Self::Answers(run) => run.tokens,
            Self::Divergence(comparison) => comparison.tokens,
        }
    }
}

/// Metrics and counts of answers, whether just given or read back from a file.
///
/// # Errors
/// If a stored score is not what the metric needs.
pub fn outcome(task: &TaskSpec, answers: &[Answer], bootstrap: &Bootstrap) -> Result<Outcome, EvaluationError> {
    outcome_of(task, answers, &score::metrics(task, answers), bootstrap)
}

/// The metrics of a task on these answers, then those of the scorers that suit its items.
#[must_use]
pub fn metrics(task: &TaskSpec, items: &[Item], answers: &[Answer], scorers: &[Box<dyn AnswerScorer>]) -> Vec<Metric> {
    let mut metrics = score::metrics(task, answers);
    let suiting = scorers.iter().filter(|scorer| scorer.suits(task, items));
    metrics.extend(suiting.flat_map(|scorer| scorer.metrics(answers)));
    metrics
}

fn outcome_of(
    task: &TaskSpec,
    answers: &[Answer],
    metrics: &[Metric],
    bootstrap: &Bootstrap,
) -> Result<Outcome, EvaluationError> {
    let (metrics, mut warnings) = summary::summarise(&task.name, metrics, answers, bootstrap)?;
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
        samples: settings.samples,
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
    finite(task, &answer)?;
    Ok(answer)
}

fn finite(task: &TaskSpec, answer: &Answer) -> Result<(), EvaluationError> {
    match answer.scores.iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((name, value)) => Err(EvaluationError::Unsound {
            task: task.name.clone(),
            found: format!("a score `{name}` of {value} on item `{}`", answer.item),
            expected: "a finite number".into(),
        }),
    }
}

/// The answers of a chunk that an earlier process has kept; `None` if they are not those of `chunk`.
fn recall(
    task: &TaskSpec,
    asking: &mut Asking<'_>,
    chunk: &[Item],
    kept: AnsweredChunk,
    scorers: &mut [Box<dyn AnswerScorer>],
    all: &[Item],
) -> Result<Option<Vec<Answer>>, EvaluationError> {
    if !kept.is_of(chunk) || !asking.recall(chunk, kept.replies)? {
        return Ok(None);
    }
    for scorer in scorers.iter_mut().filter(|scorer| scorer.suits(task, all)) {
        scorer
            .recall(asking.engine(), chunk, &kept.answers)
            .map_err(|source| of_scorer(task, scorer.name(), source))?;
    }
    Ok(Some(kept.answers))
}

fn of_scorer(task: &TaskSpec, scorer: &str, source: EngineError) -> EvaluationError {
    EvaluationError::Engine {
        task: task.name.clone(),
        stage: format!("scorer `{scorer}`"),
        source,
    }
}

/// Lets the scorers that suit the task's items (`all`) score the answers of a chunk.
fn judge(
    task: &TaskSpec,
    engine: &mut dyn Engine,
    chunk: &[Item],
    answers: &mut [Answer],
    scorers: &mut [Box<dyn AnswerScorer>],
    all: &[Item],
) -> Result<(), EvaluationError> {
    for scorer in scorers.iter_mut().filter(|scorer| scorer.suits(task, all)) {
        scorer
            .score(engine, chunk, answers)
            .map_err(|source| of_scorer(task, scorer.name(), source))?;
    }
    answers.iter().try_for_each(|answer| finite(task, answer))
}
