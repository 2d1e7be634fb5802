//! From records to safe fractions.

use std::collections::BTreeMap;

use secateur_metrics::statistics::Resampled;
use secateur_metrics::statistics::fixed_sequence::{Slack, furthest};
use secateur_metrics::statistics::noninferiority::slack;
use secateur_metrics::statistics::power::POWER;
use secateur_metrics::value::{Aspect, MetricValue};

use super::lines::{Compared, Gap, Line, Lines, Place, compared, higher_is_better};
use super::options::{Over, SafeOptions};
use super::{Criterion, End, Miss, SafeFraction};
use crate::record::Record;

/// A criterion of a place: a metric on one task, or on several of which the mean is taken.
struct Wanted<'a> {
    metric: &'a MetricValue,
    tasks: Vec<(&'a str, &'a MetricValue)>,
}

/// A criterion that was computed at a fraction.
struct Computed {
    criterion: Criterion,
    slack: Slack,
}

/// Safe fractions of every model, method and domain, in that order.
#[must_use]
pub fn safe_fractions(records: &[Record], options: &SafeOptions) -> Vec<SafeFraction> {
    let lines = Lines::new(records);
    let place = |(place, line): (&Place, &Line<'_>)| safe_fraction(&lines, place, line, options);
    lines.lines.iter().filter_map(place).collect()
}

fn safe_fraction(lines: &Lines<'_>, place: &Place, line: &Line<'_>, options: &SafeOptions) -> Option<SafeFraction> {
    let unpruned = lines.unpruned_in(&place.model, &place.domain);
    let wanted = criteria(&unpruned, options);
    let fractions: Vec<f64> = line.cells.keys().map(|bits| f64::from_bits(*bits)).collect();
    let largest = *fractions.last()?;
    let mut steps = Vec::new();
    let mut gap = None;
    for &fraction in &fractions {
        match step(line, fraction, &wanted, options) {
            Ok(step) => steps.push(step),
            Err(missing) => {
                gap = Some(End::Incomplete { fraction, missing });
                break;
            }
        }
    }
    let slacks: Vec<Vec<Slack>> = steps
        .iter()
        .map(|s| s.iter().map(|c| c.slack.clone()).collect())
        .collect();
    let found = furthest(&slacks, options.alpha);
    let at = |passed: usize| passed.checked_sub(1).map_or(0.0, |last| fractions[last]);
    let end = match found.failed {
        Some(failed) => missed(&steps[found.passed], failed, fractions[found.passed], options),
        None => gap.unwrap_or(End::Largest),
    };
    let kept = found.passed.checked_sub(1).map(|last| steps.swap_remove(last));
    Some(SafeFraction {
        model: place.model.clone(),
        method: place.method.clone(),
        domain: place.domain.clone(),
        in_domain: options.domain.as_ref().map(|domain| *domain == place.domain),
        fraction: at(found.passed),
        interval: (at(found.interval.0), at(found.interval.1)),
        largest,
        seeds: line.seeds().len(),
        criteria: wanted.len(),
        kept: kept.into_iter().flatten().map(|c| c.criterion).collect(),
        end,
    })
}

fn missed(step: &[Computed], failed: usize, fraction: f64, options: &SafeOptions) -> End {
    let Computed { criterion, slack } = &step[failed];
    let miss = if slack.observed() < 0.0 {
        Miss::Loss
    } else if criterion.confirmable > criterion.margin {
        Miss::TooFewItems
    } else {
        Miss::NotShown
    };
    End::Missed {
        fraction,
        criterion: criterion.clone(),
        miss,
        missed: step.iter().filter(|c| !c.slack.holds(options.alpha)).count(),
    }
}

/// What has to hold in a domain. A task counts with its first metric of an aspect, or with those of its metrics that were chosen.
fn criteria<'a>(unpruned: &[&'a Record], options: &SafeOptions) -> Vec<Wanted<'a>> {
    let mut all: Vec<(&str, &MetricValue)> = Vec::new();
    for (aspect, chosen) in [
        (Aspect::Utility, &options.utility),
        (Aspect::Reliability, &options.reliability),
    ] {
        for record in unpruned {
            let task = record.cell.task.as_str();
            let metrics = || record.metrics.iter();
            match chosen {
                None => all.extend(metrics().find(|m| m.aspect == aspect).map(|m| (task, m))),
                Some(names) => all.extend(metrics().filter(|m| names.contains(&m.name)).map(|m| (task, m))),
            }
        }
    }
    let mut wanted: Vec<Wanted<'a>> = Vec::new();
    for (task, metric) in all {
        let same = wanted
            .iter_mut()
            .find(|w| options.over == Over::Mean && w.metric.name == metric.name);
        match same {
            Some(criterion) => criterion.tasks.push((task, metric)),
            None => wanted.push(Wanted {
                metric,
                tasks: vec![(task, metric)],
            }),
        }
    }
    wanted
}

/// All criteria at a fraction, or what is missing.
fn step(line: &Line<'_>, fraction: f64, wanted: &[Wanted<'_>], options: &SafeOptions) -> Result<Vec<Computed>, String> {
    if wanted.is_empty() {
        return Err("none of the chosen metrics is reported by a task of the domain".to_owned());
    }
    let empty = BTreeMap::new();
    let cells = line.cells.get(&fraction.to_bits()).unwrap_or(&empty);
    let seeds = line.seeds();
    let computed = |criterion: &Wanted<'_>| {
        let mut parts = Vec::new();
        for (task, metric) in &criterion.tasks {
            let part = compared(metric, cells.get(task), &seeds).map_err(|gap| reason(&gap, &metric.name, task))?;
            parts.push(part);
        }
        put_together(criterion, &parts, options)
    };
    wanted.iter().map(computed).collect()
}

fn reason(gap: &Gap, metric: &str, task: &str) -> String {
    match gap {
        Gap::NotEvaluated => format!("{task} has no record of every seed"),
        Gap::Undefined => format!("{metric} on {task} is undefined"),
        Gap::NoResamples => {
            format!("the record of {task} is of layout 1, which keeps no resamples: run the sweep again")
        }
    }
}

fn put_together(wanted: &Wanted<'_>, parts: &[Compared<'_>], options: &SafeOptions) -> Result<Computed, String> {
    let metric = wanted.metric;
    let higher = higher_is_better(metric);
    let differences: Vec<&Resampled> = parts.iter().map(|part| &part.difference.both).collect();
    let bases: Vec<&Resampled> = parts.iter().map(|part| &part.base).collect();
    let (difference, base) = (mean(&differences), mean(&bases));
    let margin = options.margin(metric);
    let slack = slack(&difference, &base, margin, higher).map_err(|error| format!("{}: {error}", metric.name))?;
    let margin_here = margin.at(base.observed);
    let sign = if higher { 1.0 } else { -1.0 };
    let task = match &wanted.tasks[..] {
        [(task, _)] => (*task).to_owned(),
        tasks => format!("mean of {} tasks", tasks.len()),
    };
    let between = parts.iter().map(|part| part.difference.between);
    let criterion = Criterion {
        metric: metric.name.clone(),
        scorer: metric.scorer.clone(),
        task,
        aspect: metric.aspect,
        higher_is_better: higher,
        unpruned: base.observed,
        difference: difference.observed,
        bound: sign * (slack.lower(options.alpha) - margin_here),
        margin: margin_here,
        confirmable: slack.confirmable(options.alpha, POWER),
        n: parts.iter().map(|part| part.n).sum(),
        coverage: least(parts.iter().map(|part| part.coverage)),
        between_seeds: mean_of(between),
    };
    Ok(Computed { criterion, slack })
}

/// The mean of statistics of different tasks, draw by draw; their draws are independent.
fn mean(parts: &[&Resampled]) -> Resampled {
    let count = parts.len() as f64;
    let draws = parts.iter().map(|part| part.draws.len()).min().unwrap_or(0);
    let draw = |draw: usize| parts.iter().map(|part| part.draws[draw]).sum::<f64>() / count;
    Resampled {
        observed: parts.iter().map(|part| part.observed).sum::<f64>() / count,
        draws: (0..draws).map(draw).collect(),
        units: parts.iter().map(|part| part.units).min().unwrap_or(0),
        bounded: parts.iter().all(|part| part.bounded),
        plain: parts.iter().all(|part| part.plain),
    }
}

fn least(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    values.reduce(|a, b| a.zip(b).map(|(a, b)| a.min(b))).flatten()
}

fn mean_of(values: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let count = values.len() as f64;
    values.sum::<Option<f64>>().map(|sum| sum / count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{metric, paired, record};
    use crate::safe::words;
    use secateur_metrics::statistics::noninferiority::Margin;
    use secateur_metrics::value::Direction;

    const A: (&str, &str, &str) = ("a", "biomedical", "generation");
    const B: (&str, &str, &str) = ("b", "biomedical", "classification");

    /// Accuracy and ECE of task `a` by fraction; unpruned 0.8 and 0.2, half-widths 0.02.
    fn records(points: &[(f64, f64, f64)]) -> Vec<Record> {
        let mut records = vec![record(None, 0.0, 0, A, (0.8, 0.2))];
        for (fraction, accuracy, ece) in points {
            records.push(record(Some("reap"), *fraction, 0, A, (*accuracy, *ece)));
        }
        records
    }

    fn safe(records: &[Record], margin: f64) -> SafeFraction {
        let options = SafeOptions {
            default: Some(Margin::Absolute(margin)),
            ..SafeOptions::default()
        };
        safe_fractions(records, &options).pop().unwrap()
    }

    #[test]
    fn a_recovery_after_a_loss_does_not_count() {
        let found = safe(&records(&[(0.25, 0.8, 0.2), (0.5, 0.4, 0.2), (0.75, 0.8, 0.2)]), 0.05);
        assert_eq!((found.fraction, found.largest, found.criteria), (0.25, 0.75, 2));
        assert_eq!(found.interval, (0.25, 0.25));
        assert_eq!(found.kept.len(), 2);
        let End::Missed {
            fraction,
            criterion,
            miss,
            missed,
        } = found.end
        else {
            panic!("{:?}", found.end)
        };
        assert_eq!((fraction, miss, missed), (0.5, Miss::Loss, 1));
        assert_eq!((criterion.metric.as_str(), criterion.task.as_str()), ("accuracy", "a"));
        assert!((criterion.difference + 0.4).abs() < 1e-6 && criterion.bound < -0.4 && criterion.bound > -0.43);
    }

    #[test]
    fn the_interval_and_not_the_value_decides() {
        // A difference of −0.01 with its lower end near −0.028.
        let found = safe(&records(&[(0.5, 0.79, 0.2)]), 0.03);
        assert_eq!((found.fraction, found.end), (0.5, End::Largest));
        let found = safe(&records(&[(0.5, 0.79, 0.2)]), 0.02);
        assert_eq!((found.fraction, found.interval), (0.0, (0.0, 0.5)));
        assert!(matches!(
            found.end,
            End::Missed {
                miss: Miss::TooFewItems,
                ..
            }
        ));
    }

    #[test]
    fn reliability_can_end_it_and_less_error_is_better() {
        let found = safe(&records(&[(0.25, 0.8, 0.6), (0.5, 0.1, 0.6)]), 0.05);
        let End::Missed { criterion, .. } = found.end else {
            panic!("{:?}", found.end)
        };
        assert_eq!((found.fraction, criterion.aspect), (0.0, Aspect::Reliability));
        assert!(criterion.difference > 0.39 && criterion.bound > criterion.difference);
        assert_eq!(safe(&records(&[(0.25, 0.8, 0.05)]), 0.05).fraction, 0.25);
    }

    #[test]
    fn any_reliability_metric_decides_in_its_unit_and_says_what_made_it() {
        let mut all = records(&[(0.25, 0.8, 0.2), (0.5, 0.8, 0.2)]);
        for (record, nats) in all.iter_mut().zip([1.0, 1.02, 1.4]) {
            let mut entropy = metric("entropy", "nats", Direction::LowerIsBetter, Aspect::Reliability, nats);
            entropy.scorer = "clusters by a model".to_owned();
            entropy.paired = (nats > 1.0).then(|| paired(nats - 1.0, (nats - 1.02, nats - 0.98)));
            record.metrics.push(entropy);
        }
        let mut options = SafeOptions {
            reliability: Some(vec!["entropy".to_owned()]),
            ..SafeOptions::default()
        };
        // The usual margin is 5 % of the unpruned value; then one in nats.
        for margin in [None, Some(Margin::Absolute(0.06))] {
            options
                .margins
                .extend(margin.map(|margin| ("entropy".to_owned(), margin)));
            let found = safe_fractions(&all, &options).pop().unwrap();
            let End::Missed { criterion, .. } = &found.end else {
                panic!("{:?}", found.end)
            };
            assert_eq!((found.fraction, criterion.metric.as_str()), (0.25, "entropy"));
            assert!(words::end(&found.end).contains("entropy (clusters by a model) on a +0.4"));
        }
    }

    #[test]
    fn every_task_must_hold_unless_the_mean_was_asked_for() {
        let mut all = records(&[(0.5, 0.8, 0.2)]);
        all.push(record(None, 0.0, 0, B, (0.8, 0.2)));
        all.push(record(Some("reap"), 0.5, 0, B, (0.72, 0.2)));
        assert_eq!(safe(&all, 0.07).fraction, 0.0);
        let options = SafeOptions {
            default: Some(Margin::Absolute(0.07)),
            over: Over::Mean,
            ..SafeOptions::default()
        };
        let found = safe_fractions(&all, &options).pop().unwrap();
        assert_eq!((found.fraction, found.criteria), (0.5, 2));
        assert_eq!(found.kept[0].task, "mean of 2 tasks");
    }

    #[test]
    fn what_was_not_evaluated_ends_it_and_says_so() {
        let mut all = records(&[(0.25, 0.8, 0.2), (0.5, 0.8, 0.2)]);
        all.push(record(None, 0.0, 0, B, (0.8, 0.2)));
        all.push(record(Some("reap"), 0.25, 0, B, (0.8, 0.2)));
        let found = safe(&all, 0.05);
        let End::Incomplete { fraction, missing } = found.end else {
            panic!("{:?}", found.end)
        };
        assert_eq!((found.fraction, fraction), (0.25, 0.5));
        assert!(missing.contains('b'), "{missing}");
        let mut old = records(&[(0.5, 0.8, 0.2)]);
        old[1].metrics[0].paired.as_mut().unwrap().resamples = secateur_metrics::value::Resamples::default();
        assert!(matches!(safe(&old, 0.05).end, End::Incomplete { missing, .. } if missing.contains("layout 1")));
    }

    #[test]
    fn seeds_that_differ_add_doubt() {
        let with = |values: [f64; 3]| {
            let mut all = records(&[]);
            for (seed, accuracy) in values.into_iter().enumerate() {
                let mut record = record(Some("reap"), 0.5, seed as u64, A, (accuracy, 0.2));
                record.metrics[0].paired = Some(paired(accuracy - 0.8, (accuracy - 0.81, accuracy - 0.79)));
                all.push(record);
            }
            safe(&all, 0.05)
        };
        let alike = with([0.79, 0.79, 0.79]);
        assert_eq!((alike.fraction, alike.seeds), (0.5, 3));
        let apart = with([0.70, 0.79, 0.88]);
        assert_eq!(apart.fraction, 0.0);
        let End::Missed { criterion, .. } = apart.end else {
            panic!("{:?}", apart.end)
        };
        assert!((criterion.between_seeds.unwrap() - 0.09).abs() < 1e-6);
    }
}
