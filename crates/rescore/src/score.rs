//! Scores and metrics of kept answers, on all cores. The order of items, scores and metrics does not depend on the cores.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use secateur_datasets::item::Item;
use secateur_datasets::tasks::spec::TaskSpec;
use secateur_evaluation::answer::{Answer, Flag, Scores};
use secateur_evaluation::error::EvaluationError;
use secateur_evaluation::judging::PREFIX;
use secateur_evaluation::score::{self, Scorer};
use secateur_evaluation::summary::{self, Bootstrap, Estimate};
use secateur_metrics::statistics::bootstrap::standard_error;
use secateur_metrics::value::MetricValue;

use crate::choice::Scorings;
use crate::error::RescoreError;
use crate::kept::{Batch, Kept};

/// Least answers that one core takes at a time, and pieces per core: a scorer may look at all items before it begins.
const CHUNK: usize = 512;
const PIECES: usize = 4;
/// Differences of scores that count as none: files round.
const TOLERANCE: f64 = 1e-9;

/// A metric, and what readers of the harness's form want beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The metric.
    pub value: MetricValue,
    /// Standard error of a mean over items; none for other statistics.
    pub standard_error: Option<f64>,
    /// Names of the scores of single items that it is made of.
    pub columns: Vec<String>,
}

/// A batch with its new scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Rescored {
    /// Answers with scores, in file order.
    pub answers: Vec<Answer>,
    /// Metrics, most important first.
    pub metrics: Vec<Measured>,
    /// Answers by what became of them.
    pub counts: BTreeMap<String, usize>,
    /// New scores held against those that the file has.
    pub agreement: BTreeMap<String, Agreement>,
    /// For the reader.
    pub warnings: Vec<String>,
}

/// How often a new score is the recorded one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// Items on which both are the same.
    pub equal: usize,
    /// Items on which they differ.
    pub different: usize,
    /// The first of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_different: Option<String>,
}

/// Scores a batch anew.
///
/// # Errors
/// If an answer does not suit a scoring, a score is not finite, or a metric cannot be computed from its scores. With
/// `skip_bad_items`, answers that suit no scoring are counted as unscorable instead.
pub fn rescore(
    batch: &Batch,
    scorings: &Scorings,
    bootstrap: &Bootstrap,
    skip_bad_items: bool,
) -> Result<Rescored, RescoreError> {
    let items: Vec<Item> = batch.kept.iter().map(|kept| kept.item.clone()).collect();
    let chunk = CHUNK.max(items.len().div_ceil(PIECES * rayon::current_num_threads()));
    let chunks: Vec<Vec<Answer>> = batch
        .kept
        .par_chunks(chunk)
        .map(|chunk| {
            let scorers: Vec<_> = scorings.tasks.iter().map(|task| score::scorer(task, &items)).collect();
            chunk
                .iter()
                .map(|kept| scored(batch, kept, &scorers, skip_bad_items))
                .collect()
        })
        .collect::<Result<_, RescoreError>>()?;
    let answers: Vec<Answer> = chunks.into_iter().flatten().collect();
    let (metrics, mut warnings) = measure(batch, scorings, &answers, bootstrap)?;
    let mut counts = BTreeMap::from([("evaluated".to_owned(), answers.len())]);
    counts.insert("skipped".to_owned(), batch.skipped.len());
    for flag in Flag::ALL {
        let n = answers.iter().filter(|answer| answer.flags.contains(&flag)).count();
        counts.insert(flag.name().into(), n);
    }
    let unscorable = counts[Flag::Unscorable.name()];
    if unscorable > 0 {
        warnings.push(format!(
            "{unscorable} of {} answers could not be scored and enter no metric",
            answers.len()
        ));
    }
    if !batch.skipped.is_empty() {
        warnings.push(format!(
            "{} lines could not be used and were left out",
            batch.skipped.len()
        ));
    }
    Ok(Rescored {
        agreement: agreement(&batch.kept, &answers),
        answers,
        metrics,
        counts,
        warnings,
    })
}

fn scored(
    batch: &Batch,
    kept: &Kept,
    scorers: &[Box<dyn Scorer>],
    skip_bad_items: bool,
) -> Result<Answer, RescoreError> {
    let mut answer = kept.answer.clone();
    if answer.flags.contains(&Flag::Unscorable) {
        return Ok(answer);
    }
    let mut scores = Scores::new();
    for scorer in scorers {
        // A scorer may replace the scores that it finds.
        answer.scores = Scores::new();
        if let Err(mismatch) = scorer.score(&kept.item, &mut answer) {
            if skip_bad_items {
                let mut answer = kept.answer.clone();
                answer.flags.insert(Flag::Unscorable);
                return Ok(answer);
            }
            return Err(RescoreError::Unsuited {
                path: batch.path.clone(),
                line: kept.line,
                item: kept.item.id.clone(),
                found: mismatch.found,
                expected: mismatch.expected,
            });
        }
        scores.append(&mut answer.scores);
    }
    // What a scorer that is a model gave stays: it cannot be made again from words alone.
    let given = kept.recorded.iter().filter(|(name, _)| name.starts_with(PREFIX));
    scores.extend(given.map(|(name, value)| (name.clone(), *value)));
    answer.scores = scores;
    match answer.scores.iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(answer),
        Some((name, value)) => Err(RescoreError::Unsuited {
            path: batch.path.clone(),
            line: kept.line,
            item: kept.item.id.clone(),
            found: format!("a score `{name}` of {value}"),
            expected: "a finite number".into(),
        }),
    }
}

type Measures = (Vec<Measured>, Vec<String>);

/// Every metric once, each on a core of its own: intervals take longer than scores.
fn measure(
    batch: &Batch,
    scorings: &Scorings,
    answers: &[Answer],
    bootstrap: &Bootstrap,
) -> Result<Measures, RescoreError> {
    let mut seen = BTreeSet::new();
    let mut jobs: Vec<(&TaskSpec, usize)> = Vec::new();
    for task in &scorings.tasks {
        for (index, metric) in score::metrics(task, answers).iter().enumerate() {
            let name = metric.definition.name;
            if scorings.metrics.contains(name) && seen.insert(name) {
                jobs.push((task, index));
            }
        }
    }
    let done: Vec<Measures> = jobs
        .into_par_iter()
        .map(|(task, index)| one_metric(batch, task, index, answers, bootstrap))
        .collect::<Result<_, EvaluationError>>()?;
    let (metrics, warnings): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    Ok((metrics.concat(), warnings.concat()))
}

fn one_metric(
    batch: &Batch,
    task: &TaskSpec,
    index: usize,
    answers: &[Answer],
    bootstrap: &Bootstrap,
) -> Result<Measures, EvaluationError> {
    let metrics = score::metrics(task, answers);
    let metric = std::slice::from_ref(&metrics[index]);
    let (values, warnings) = summary::summarise(&batch.task, metric, answers, bootstrap)?;
    let (columns, is_mean) = match &metric[0].estimate {
        Estimate::Proportion(name) | Estimate::Mean(name) => (vec![(*name).to_owned()], true),
        Estimate::Whole { needs, .. } => (needs.iter().map(ToString::to_string).collect(), false),
    };
    let rows = || answers.iter().filter_map(|answer| metric[0].estimate.row(answer));
    let error = is_mean.then(|| standard_error(&rows().map(|row| row[0]).collect::<Vec<_>>()));
    let measured = values.into_iter().map(|value| Measured {
        value,
        standard_error: error,
        columns: columns.clone(),
    });
    Ok((measured.collect(), warnings))
}

fn agreement(kept: &[Kept], answers: &[Answer]) -> BTreeMap<String, Agreement> {
    let mut found: BTreeMap<String, Agreement> = BTreeMap::new();
    for (kept, answer) in kept.iter().zip(answers) {
        for (name, recorded) in &kept.recorded {
            let Some(new) = answer.scores.get(name) else { continue };
            let entry = found.entry(name.clone()).or_default();
            if (new - recorded).abs() <= TOLERANCE * recorded.abs().max(1.0) {
                entry.equal += 1;
            } else {
                entry.different += 1;
                let place = || format!("item `{}`: recorded {recorded}, now {new}", answer.item);
                entry.first_different.get_or_insert_with(place);
            }
        }
    }
    found
}
