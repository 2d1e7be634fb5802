//! Per-item scores to metrics with an interval.
//!
//! A metric is an expression over the scores of single items, so that it can be computed again on any resample of them.

use std::collections::BTreeMap;

use rayon::prelude::*;
use secateur_metrics::error::MetricError;
pub use secateur_metrics::statistics::Bootstrap;
use secateur_metrics::statistics::Clusters;
use secateur_metrics::value::{Definition, MetricValue, Paired};
use secateur_metrics::{measure, measure_paired};

use crate::answer::Answer;
use crate::design;
use crate::error::EvaluationError;

/// A function of the scores of several items: one row per item, one column per score asked for.
type Whole = dyn Fn(&[&[f64]]) -> Option<f64> + Send + Sync;

/// What is reported and how it is computed.
pub struct Metric {
    /// Name, unit, direction and aspect.
    pub definition: Definition,
    /// From scores to the value.
    pub estimate: Estimate,
}

/// From scores of items to one value. Items without the scores asked for do not enter; n says how many did.
pub enum Estimate {
    /// Share of items whose score is 1; all are 0 or 1.
    Proportion(&'static str),
    /// Mean of a score.
    Mean(&'static str),
    /// Anything else.
    Whole {
        /// Scores that an item must have to enter, in the order of the columns.
        needs: Vec<&'static str>,
        /// The value; `None` where it is undefined.
        value: Box<Whole>,
    },
}

impl Metric {
    /// Share of items whose score is 1.
    #[must_use]
    pub fn proportion(definition: Definition, score: &'static str) -> Self {
        Self {
            definition,
            estimate: Estimate::Proportion(score),
        }
    }

    /// Mean of a score.
    #[must_use]
    pub fn mean(definition: Definition, score: &'static str) -> Self {
        Self {
            definition,
            estimate: Estimate::Mean(score),
        }
    }
}

impl Estimate {
    /// A function of several scores of all items.
    pub fn whole(needs: Vec<&'static str>, value: impl Fn(&[&[f64]]) -> Option<f64> + Send + Sync + 'static) -> Self {
        Self::Whole {
            needs,
            value: Box::new(value),
        }
    }

    /// The scores of an item that the estimate is made of; `None` if it lacks one.
    #[must_use]
    pub fn row(&self, answer: &Answer) -> Option<Vec<f64>> {
        let get = |name: &&str| answer.scores.get(*name).copied();
        match self {
            Self::Proportion(name) | Self::Mean(name) => get(name).map(|value| vec![value]),
            Self::Whole { needs, .. } => needs.iter().map(get).collect(),
        }
    }

    /// The value on these rows; `None` if there are none or it is undefined or not finite on them.
    #[must_use]
    pub fn value(&self, rows: &[&[f64]]) -> Option<f64> {
        if rows.is_empty() {
            return None;
        }
        let value = match self {
            Self::Proportion(_) | Self::Mean(_) => Some(rows.iter().map(|row| row[0]).sum::<f64>() / rows.len() as f64),
            Self::Whole { value, .. } => value(rows),
        };
        value.filter(|value| value.is_finite())
    }
}

/// The scores that a metric is made of, one row per item that has them all.
pub(crate) struct Rows(pub(crate) Vec<Vec<f64>>);

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first column of scores that are 0 or 1.
    fn outcomes(&self) -> Result<Vec<bool>, Unmeasured> {
        let outcome = |row: &Vec<f64>| match row[0] {
            0.0 => Ok(false),
            1.0 => Ok(true),
            other => Err(Unmeasured::Broken(format!("a score of {other}, expected 0 or 1"))),
        };
        self.0.iter().map(outcome).collect()
    }

    fn first_column(&self) -> Vec<f64> {
        self.0.iter().map(|row| row[0]).collect()
    }

    fn at(&self, indices: &[usize]) -> Vec<&[f64]> {
        indices.iter().map(|&i| self.0[i].as_slice()).collect()
    }
}

/// Values of all metrics with their intervals, and a warning for each that is undefined on these answers.
///
/// # Errors
/// If a proportion has a score other than 0 and 1, or an option of the bootstrap is out of range.
pub fn summarise(
    task: &str,
    metrics: &[Metric],
    answers: &[Answer],
    options: &Bootstrap,
) -> Result<(Vec<MetricValue>, Vec<String>), EvaluationError> {
    let options = design::of_task(task, options);
    let clusters = design::clusters(answers);
    let mut values = Vec::with_capacity(metrics.len());
    let mut warnings = Vec::new();
    // (items without a value, items asked) → metrics: answers that lack one score mostly lack others.
    let mut partly: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    // Intervals take longer than scores, and are made on all cores.
    let measured: Vec<_> = metrics
        .par_iter()
        .map(|metric| {
            let rows: Vec<Option<Vec<f64>>> = answers.iter().map(|answer| metric.estimate.row(answer)).collect();
            let entered: Vec<bool> = rows.iter().map(Option::is_some).collect();
            let asked = design::asked(answers, &entered);
            let rows = Rows(rows.into_iter().flatten().collect());
            (
                rows.len(),
                asked,
                metric.value(&rows, &clusters.restricted(&entered), &options),
            )
        })
        .collect();
    for (metric, (rows, asked, value)) in metrics.iter().zip(measured) {
        match value {
            Ok(value) => {
                if rows < asked {
                    let missing = partly.entry((asked - rows, asked)).or_default();
                    missing.push(format!("`{}`", metric.definition.name));
                }
                if value.interval_method == measure::NO_INTERVAL {
                    let name = &metric.definition.name;
                    warnings.push(format!("`{name}` has no interval: all its items are of one document"));
                }
                values.push(MetricValue { items: asked, ..value });
            }
            Err(Unmeasured::Undefined(reason)) => warnings.push(format!(
                "`{}` is left out: {reason} ({} of {} items enter it)",
                metric.definition.name,
                rows,
                answers.len()
            )),
            Err(Unmeasured::Broken(found)) => return Err(broken(task, metric, found)),
        }
    }
    warnings.extend(partly.into_iter().map(|((missing, asked), names)| {
        let are = if names.len() > 1 { "are" } else { "is" };
        format!("{} {are} undefined on {missing} of {asked} items", names.join(", "))
    }));
    Ok((values, warnings))
}

pub(crate) fn broken(task: &str, metric: &Metric, found: String) -> EvaluationError {
    EvaluationError::Metric {
        task: task.into(),
        metric: metric.definition.name.into(),
        found,
    }
}

/// Why a metric has no value.
pub(crate) enum Unmeasured {
    /// It is undefined on these items; said, not hidden.
    Undefined(String),
    /// Something is wrong.
    Broken(String),
}

impl From<MetricError> for Unmeasured {
    fn from(error: MetricError) -> Self {
        match error {
            MetricError::Empty { .. } | MetricError::Undefined { .. } => Self::Undefined(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl Metric {
    /// Value and interval on `rows`, whose items are those of `clusters`.
    fn value(&self, rows: &Rows, clusters: &Clusters, options: &Bootstrap) -> Result<MetricValue, Unmeasured> {
        let definition = &self.definition;
        if rows.len() == 0 {
            return Err(Unmeasured::Undefined("no item has what it needs".into()));
        }
        Ok(match &self.estimate {
            Estimate::Proportion(_) => measure::proportion(definition, &rows.outcomes()?, clusters, options)?,
            Estimate::Mean(_) => measure::mean(definition, &rows.first_column(), clusters, options)?,
            Estimate::Whole { .. } => {
                let of = |indices: &[usize]| self.estimate.value(&rows.at(indices));
                measure::statistic(definition, clusters, options, &of)?
            }
        })
    }

    /// The difference of `pruned` rows to `unpruned` ones of the same items in the same order.
    pub(crate) fn difference(
        &self,
        (unpruned, pruned): (&Rows, &Rows),
        clusters: &Clusters,
        options: &Bootstrap,
    ) -> Result<Paired, Unmeasured> {
        let definition = &self.definition;
        Ok(match &self.estimate {
            Estimate::Proportion(_) => {
                let (before, after) = (unpruned.outcomes()?, pruned.outcomes()?);
                measure_paired::proportion(definition, &before, &after, clusters, options)?
            }
            Estimate::Mean(_) => {
                let (before, after) = (unpruned.first_column(), pruned.first_column());
                measure_paired::mean(definition, &before, &after, clusters, options)?
            }
            Estimate::Whole { .. } => {
                let before = |indices: &[usize]| self.estimate.value(&unpruned.at(indices));
                let after = |indices: &[usize]| self.estimate.value(&pruned.at(indices));
                measure_paired::statistic(definition, clusters, options, &before, &after)?
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::answer::{LikelihoodAnswer, Output, Scores};
    use secateur_metrics::classification::ACCURACY;
    use secateur_metrics::perplexity::BITS_PER_BYTE;

    pub(crate) fn answer(item: &str, scores: &[(&str, f64)]) -> Answer {
        let scores = scores.iter().map(|(name, value)| ((*name).to_string(), *value));
        Answer {
            item: item.into(),
            prompt: String::new(),
            output: Output::Likelihood(LikelihoodAnswer {
                log_probability: 0.0,
                tokens: 0,
            }),
            scores: scores.collect::<Scores>(),
            flags: std::collections::BTreeSet::new(),
            unsupported: Vec::new(),
            fields: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn items_without_the_score_do_not_enter() {
        let answers = [
            answer("a", &[("right", 1.0)]),
            answer("b", &[("right", 0.0)]),
            answer("c", &[]),
        ];
        let metrics = [Metric::proportion(ACCURACY, "right")];
        let (values, warnings) = summarise("t", &metrics, &answers, &Bootstrap::default()).unwrap();
        assert_eq!((values[0].n, values[0].value), (2, 0.5));
        assert_eq!((values[0].items, values[0].coverage()), (3, Some(2.0 / 3.0)));
        assert_eq!(values[0].interval_method, "wilson");
        assert_eq!(warnings, ["`accuracy` is undefined on 1 of 3 items"]);
    }

    #[test]
    fn items_of_one_document_are_one_observation() {
        let mut answers: Vec<Answer> = (0..8)
            .map(|i| answer(&i.to_string(), &[("right", f64::from(i / 4))]))
            .collect();
        let metrics = [Metric::proportion(ACCURACY, "right")];
        let measured = |answers: &[Answer]| {
            summarise("t", &metrics, answers, &Bootstrap::default())
                .unwrap()
                .0
                .remove(0)
        };
        let alone = measured(&answers);
        for (i, answer) in answers.iter_mut().enumerate() {
            answer.fields.insert(design::CLUSTER.into(), (i / 2).to_string());
        }
        let shared = measured(&answers);
        assert_eq!((alone.clusters, shared.clusters, shared.n), (8, 4, 8));
        assert!(shared.interval.0 < alone.interval.0);
    }

    #[test]
    fn what_is_undefined_is_said_and_what_is_broken_stops() {
        let answers = [answer("a", &[("right", 0.3), ("bytes", 0.0)])];
        let undefined = Metric {
            definition: BITS_PER_BYTE,
            estimate: Estimate::whole(vec!["bytes"], |rows| Some(1.0 / rows[0][0])),
        };
        let missing = Metric::mean(ACCURACY, "no_such_score");
        let options = Bootstrap::default();
        let (values, warnings) = summarise("t", &[undefined, missing], &answers, &options).unwrap();
        assert!(values.is_empty());
        assert_eq!(warnings.len(), 2);
        let broken = summarise("t", &[Metric::proportion(ACCURACY, "right")], &answers, &options);
        assert!(broken.unwrap_err().to_string().contains("a score of 0.3"));
    }
}
