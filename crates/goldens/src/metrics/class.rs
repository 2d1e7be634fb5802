//! `class_metrics.json`: classification, probabilities, ranking, bootstrap, correlation and `McNemar`'s test.

use std::convert::Infallible;

use secateur_metrics::calibration::{self, Binning};
use secateur_metrics::classification::{Classes, Confusion};
use secateur_metrics::error::Result as Measured;
use secateur_metrics::statistics::{self, bootstrap};
use secateur_metrics::{agreement, auroc, probability_scores};
use serde_json::{Map, Value};

use super::EXACT;
use super::tally::{Tally, count, counts, list, member, number, numbers, object};

pub(super) fn check(file: &Value, tally: &mut Tally) -> Result<(), String> {
    for (key, value) in object(file, "the file")? {
        match key.as_str() {
            "classification" => {
                each(value, key, tally, |case, place, tally| {
                    Case::read(case, place)?.check(case, place, tally)
                })?;
            }
            "auroc_ties" => check_ties(object(value, key)?, key, tally)?,
            "bootstrap" => check_bootstrap(object(value, key)?, key, tally)?,
            "correlation" => each(value, key, tally, check_correlation)?,
            "mcnemar" => each(value, key, tally, check_mcnemar)?,
            _ => tally.skip(key, "no check for this key"),
        }
    }
    Ok(())
}

fn each(
    value: &Value,
    key: &str,
    tally: &mut Tally,
    check: impl Fn(&Map<String, Value>, &str, &mut Tally) -> Result<(), String>,
) -> Result<(), String> {
    for (i, case) in list(value, key)?.iter().enumerate() {
        let place = format!("{key}[{i}]");
        check(object(case, &place)?, &place, tally)?;
    }
    Ok(())
}

/// The input of one classification case.
struct Case {
    labels: Vec<usize>,
    answers: Vec<usize>,
    rows: Vec<Vec<f64>>,
    confusion: Confusion,
    confidences: Vec<f64>,
    right: Vec<bool>,
}

impl Case {
    fn read(case: &Map<String, Value>, place: &str) -> Result<Self, String> {
        let get = |key: &str| member(case, key, place);
        let labels = counts(get("y_true")?, place)?;
        let answers = counts(get("y_pred")?, place)?;
        let classes = count(get("classes")?, place)?;
        let rows = list(get("probs")?, place)?
            .iter()
            .map(|row| numbers(row, place))
            .collect::<Result<Vec<_>, _>>()?;
        if rows.len() != labels.len() || rows.iter().any(|row| row.len() != classes) {
            return Err(format!("{place}: expected {classes} probabilities for each label"));
        }
        let confusion = Confusion::new(&labels, &answers, classes).map_err(|error| format!("{place}: {error}"))?;
        let highest = |row: &Vec<f64>| row.iter().copied().fold(0.0, f64::max);
        Ok(Self {
            confidences: rows.iter().map(highest).collect(),
            right: labels.iter().zip(&answers).map(|(a, b)| a == b).collect(),
            labels,
            answers,
            rows,
            confusion,
        })
    }

    fn check(&self, case: &Map<String, Value>, place: &str, tally: &mut Tally) -> Result<(), String> {
        for (key, value) in case {
            let family = format!("classification/{key}");
            let bins = key.strip_prefix("ece").and_then(|rest| rest.strip_suffix("_bins"));
            match key.as_str() {
                "kind" | "y_true" | "probs" | "classes" => {}
                // Not defined on this case.
                _ if value.is_null() => {}
                "n" => tally.exact(&family, &self.labels.len(), &count(value, place)?, place),
                "y_pred" => tally.exact(&family, &self.first_highest(), &self.answers, place),
                "confusion" => {
                    let expected = list(value, place)?
                        .iter()
                        .map(|row| Ok(counts(row, place)?.into_iter().map(|n| n as u64).collect()))
                        .collect::<Result<Vec<Vec<u64>>, String>>()?;
                    tally.exact(&family, &self.confusion.counts().to_vec(), &expected, place);
                }
                _ if let Some(bins) = bins.and_then(|bins| bins.parse().ok()) => {
                    self.check_bins(bins, value, &family, place, tally)?;
                }
                _ => match self.metric(key) {
                    Some(found) => tally.number(&family, found, number(value, place)?, EXACT),
                    None => tally.skip(&family, "no check for this key"),
                },
            }
        }
        Ok(())
    }

    /// The class of highest probability per item, the first of equals.
    fn first_highest(&self) -> Vec<usize> {
        let highest = |row: &Vec<f64>| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        self.rows.iter().map(highest).collect()
    }

    fn metric(&self, key: &str) -> Option<Measured<f64>> {
        let matrix = &self.confusion;
        Some(match key {
            "accuracy" | "micro_f1" => Ok(matrix.accuracy()),
            "mcc" => Ok(matrix.matthews_correlation()),
            "macro_f1_present_labels" => Ok(matrix.macro_average(Classes::Present).f1),
            "macro_f1_all_labels" => Ok(matrix.macro_average(Classes::All).f1),
            "weighted_f1" => Ok(matrix.weighted_average().f1),
            "macro_precision_all_labels" => Ok(matrix.macro_average(Classes::All).precision),
            "macro_recall_all_labels" => Ok(matrix.macro_average(Classes::All).recall),
            "balanced_accuracy" => Ok(matrix.balanced_accuracy()),
            "cohen_kappa" => matrix.cohen_kappa(),
            "nll" => probability_scores::negative_log_likelihood(&self.rows, &self.labels),
            "brier_multiclass_sum" => probability_scores::brier(&self.rows, &self.labels),
            "auroc_ovr_macro" => auroc::one_versus_rest(&self.rows, &self.labels),
            "auroc_ovo_macro" => auroc::one_versus_one(&self.rows, &self.labels),
            "auroc" | "average_precision" | "brier_binary" => self.binary(key)?,
            _ => {
                let bins = key.strip_prefix("ece")?.parse().ok()?;
                calibration::expected_calibration_error(&self.confidences, &self.right, bins)
            }
        })
    }

    fn binary(&self, key: &str) -> Option<Measured<f64>> {
        let scores = self
            .rows
            .iter()
            .map(|row| row.get(1).copied())
            .collect::<Option<Vec<f64>>>()?;
        let positive: Vec<bool> = self.labels.iter().map(|&label| label == 1).collect();
        Some(match key {
            "auroc" => auroc::auroc(&scores, &positive),
            "average_precision" => auroc::average_precision(&scores, &positive),
            _ => probability_scores::brier_binary(&scores, &positive),
        })
    }

    /// Rows of (bin, items, accuracy, confidence).
    fn check_bins(
        &self,
        bins: usize,
        value: &Value,
        family: &str,
        place: &str,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let found = calibration::reliability_diagram(&self.confidences, &self.right, bins, Binning::EqualWidth)
            .map_err(|error| format!("{place}: {error}"))?;
        let expected = list(value, place)?;
        if found.len() != expected.len() {
            let (found, expected) = (found.len(), expected.len());
            return Err(format!(
                "{place}.{family}: {found} bins have items, expected {expected}"
            ));
        }
        for (found, expected) in found.iter().zip(expected) {
            let expected = numbers(expected, place)?;
            let found = [found.index as f64, found.count as f64, found.accuracy, found.confidence];
            if expected.len() != found.len() {
                return Err(format!("{place}.{family}: expected [bin, items, accuracy, confidence]"));
            }
            for (found, expected) in found.into_iter().zip(expected) {
                tally.number(family, Ok::<_, Infallible>(found), expected, EXACT);
            }
        }
        Ok(())
    }
}

fn check_ties(case: &Map<String, Value>, place: &str, tally: &mut Tally) -> Result<(), String> {
    let scores = numbers(member(case, "scores", place)?, place)?;
    let labels = counts(member(case, "y", place)?, place)?;
    let positive: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
    for (key, value) in case {
        let family = format!("{place}/{key}");
        let found = match key.as_str() {
            "scores" | "y" => continue,
            "auroc" => auroc::auroc(&scores, &positive),
            "average_precision" => auroc::average_precision(&scores, &positive),
            _ => {
                tally.skip(&family, "no check for this key");
                continue;
            }
        };
        tally.number(&family, found, number(value, place)?, EXACT);
    }
    Ok(())
}

fn check_bootstrap(case: &Map<String, Value>, place: &str, tally: &mut Tally) -> Result<(), String> {
    let values = numbers(member(case, "values", place)?, place)?;
    let resamples = list(member(case, "resample_indices", place)?, place)?
        .iter()
        .map(|indices| counts(indices, place))
        .collect::<Result<Vec<_>, _>>()?;
    let mut means = Vec::new();
    let estimate = statistics::bootstrap_over(values.len(), &resamples, 0.95, |indices| {
        let mean = indices.iter().map(|&i| values[i]).sum::<f64>() / indices.len() as f64;
        means.push(mean);
        Some(mean)
    })
    .map_err(|error| format!("{place}: {error}"))?;
    // The first is that of the items themselves.
    means.remove(0);
    for (key, value) in case {
        let family = format!("{place}/{key}");
        let found = match key.as_str() {
            "values" | "resample_indices" => continue,
            "means" => means.clone(),
            "mean" => vec![estimate.value],
            "std_ddof1" => vec![estimate.standard_error],
            "ci95_percentile_linear" => vec![estimate.interval.0, estimate.interval.1],
            "stderr_analytic" => vec![bootstrap::standard_error(&values)],
            "wilson95" => {
                let successes = values.iter().filter(|&&value| value > 0.5).count();
                let interval =
                    statistics::wilson(successes, values.len(), 0.95).map_err(|error| format!("{place}: {error}"))?;
                vec![interval.0, interval.1]
            }
            _ => {
                tally.skip(&family, "no check for this key");
                continue;
            }
        };
        let expected = match value {
            Value::Array(_) => numbers(value, place)?,
            _ => vec![number(value, place)?],
        };
        if found.len() != expected.len() {
            return Err(format!("{family}: {} values, expected {}", expected.len(), found.len()));
        }
        for (found, expected) in found.into_iter().zip(expected) {
            tally.number(&family, Ok::<_, Infallible>(found), expected, EXACT);
        }
    }
    Ok(())
}

fn check_correlation(case: &Map<String, Value>, place: &str, tally: &mut Tally) -> Result<(), String> {
    let a = numbers(member(case, "a", place)?, place)?;
    let b = numbers(member(case, "b", place)?, place)?;
    let round = |list: &[f64]| -> Vec<f64> { list.iter().map(|x| x.round_ties_even()).collect() };
    for (key, value) in case {
        if key == "a" || key == "b" || value.is_null() {
            continue;
        }
        let family = format!("correlation/{key}");
        let (name, a, b) = match key.strip_prefix("rounded_") {
            Some(name) => (name, round(&a), round(&b)),
            None => (key.as_str(), a.clone(), b.clone()),
        };
        let found = match name {
            "pearson" => agreement::pearson(&a, &b),
            "spearman" => agreement::spearman(&a, &b),
            "kendall_tau_b" => agreement::kendall_tau_b(&a, &b),
            _ => {
                let Some(found) = jaccard_of(name, &a, &b) else {
                    tally.skip(&family, "no check for this key");
                    continue;
                };
                found
            }
        };
        tally.number(&family, found, number(value, place)?, EXACT);
    }
    Ok(())
}

fn jaccard_of(name: &str, a: &[f64], b: &[f64]) -> Option<Measured<f64>> {
    let k = name.strip_prefix("jaccard_top")?.parse().ok()?;
    let tops = agreement::top(a, k).and_then(|a| Ok((a, agreement::top(b, k)?)));
    match tops {
        Ok((a, b)) => agreement::jaccard(&a, &b).map(Ok),
        Err(error) => Some(Err(error)),
    }
}

fn check_mcnemar(case: &Map<String, Value>, place: &str, tally: &mut Tally) -> Result<(), String> {
    let flips = |key: &str| count(member(case, key, place)?, place);
    let found = statistics::mcnemar_exact(flips("n10")?, flips("n01")?);
    for (key, value) in case {
        let family = format!("mcnemar/{key}");
        match key.as_str() {
            "n01" | "n10" => {}
            "mcnemar_exact_p" => {
                let expected = number(value, place)?;
                tally.number(&family, Ok::<_, Infallible>(found), expected, EXACT);
            }
            _ => tally.skip(&family, "no check for this key"),
        }
    }
    Ok(())
}
