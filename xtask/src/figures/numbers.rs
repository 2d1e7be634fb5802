//! The numbers that README and the book show, as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use super::rows::{Comparison, Measured, read};

/// Models in the order of the sweep file.
const MODELS: [&str; 3] = ["demo-qwen3-moe", "demo-olmoe", "demo-deepseek-v3"];
/// Methods in the order of the sweep file.
const METHODS: [&str; 6] = ["random", "frequency", "gating", "ean", "reap", "easy-ep"];
/// Task, metric, its name in words, what guessing gives.
const SKILLS: [(&str, &str, &str, &str); 8] = [
    ("demo_bio_choice", "accuracy", "accuracy", "25 %"),
    ("demo_general_choice", "accuracy", "accuracy", "25 %"),
    ("demo_bio_recall", "contains_reference", "contains reference", "≈ 0"),
    ("demo_general_recall", "contains_reference", "contains reference", "≈ 0"),
    ("demo_bio_passages", "supported_mentions", "supported mentions", "–"),
    ("demo_general_passages", "supported_mentions", "supported mentions", "–"),
    ("demo_bio_unanswerable", "abstention_recall", "abstention recall", "–"),
    (
        "demo_general_unanswerable",
        "abstention_recall",
        "abstention recall",
        "–",
    ),
];
const CHOICE: (&str, &str) = ("demo_bio_choice", "accuracy");
const RECALL: (&str, &str) = ("demo_bio_recall", "contains_reference");
const OUTSIDE: (&str, &str) = ("demo_general_recall", "contains_reference");

/// What a run found.
pub(super) struct Numbers {
    unpruned: Vec<Measured>,
    comparisons: Vec<Comparison>,
}

impl Numbers {
    /// # Errors
    /// If a table of the run cannot be read.
    pub(super) fn read(run: &Path) -> anyhow::Result<Self> {
        let mut unpruned: Vec<Measured> = read(run, "metrics")?;
        unpruned.retain(|row| row.fraction_removed == 0.0);
        let comparisons = read(run, "comparisons")?;
        Ok(Self { unpruned, comparisons })
    }

    /// What the unpruned models can do, with intervals.
    pub(super) fn skills(&self) -> anyhow::Result<String> {
        let mut text = format!("| task | metric | chance | {} | n |\n", MODELS.join(" | "));
        text.push_str("|---|---|---|---|---|---|---|\n");
        for (task, metric, words, chance) in SKILLS {
            let _ = write!(text, "| `{task}` | {words} | {chance} |");
            let mut n = None;
            for model in MODELS {
                let row = self.skill(model, task, metric)?;
                let ends = row.interval_low.zip(row.interval_high);
                let (low, high) = ends.with_context(|| format!("{metric} of {model} on {task} has no interval"))?;
                let value = row
                    .value
                    .with_context(|| format!("{metric} of {model} on {task} is undefined"))?;
                let _ = write!(text, " {} % ({}–{}) |", percent(value), percent(low), percent(high));
                n = row.n;
            }
            let n = n.with_context(|| format!("{metric} on {task} has no n"))?;
            let _ = writeln!(text, " {n} |");
        }
        Ok(text)
    }

    fn skill(&self, model: &str, task: &str, metric: &str) -> anyhow::Result<&Measured> {
        let mut rows = self.unpruned.iter();
        rows.find(|row| row.model == model && row.task == task && row.metric == metric)
            .with_context(|| format!("tables/metrics.csv has no {metric} of the unpruned {model} on {task}"))
    }

    /// What a quarter less costs, in a sentence.
    pub(super) fn quarter(&self) -> anyhow::Result<String> {
        let both = |what| {
            anyhow::Ok((
                self.pruned("demo-olmoe", "reap", 0.25, what)?,
                self.before("demo-olmoe", what)?,
            ))
        };
        let ((choice, choice_before), (recall, recall_before)) = (both(CHOICE)?, both(RECALL)?);
        let (outside, outside_before) = both(OUTSIDE)?;
        Ok(format!(
            "With a quarter of the experts removed by REAP, demo-olmoe still picks the right one of four answers in biomedicine in {choice} % of \
             cases, before in {choice_before} %;\nbut when it answers freely it states the right fact in {recall} % instead of {recall_before} %, \
             and outside its domain in {outside} % instead of {outside_before} %.\n"
        ))
    }

    /// demo-olmoe pruned by REAP, share by share.
    pub(super) fn shares(&self) -> anyhow::Result<String> {
        let mut text = "| removed | picks the right one of four answers (`demo_bio_choice`) | states the right fact (`demo_bio_recall`) \
                        | outside the domain (`demo_general_recall`) |\n|---|---|---|---|\n"
            .to_owned();
        for share in [0.0, 0.125, 0.25, 0.5] {
            let _ = write!(text, "| {}{} |", share * 100.0, if share > 0.0 { " %" } else { "" });
            for what in [CHOICE, RECALL, OUTSIDE] {
                let value = if share > 0.0 {
                    self.pruned("demo-olmoe", "reap", share, what)?
                } else {
                    self.before("demo-olmoe", what)?
                };
                let _ = write!(text, " {value} % |");
            }
            text.push('\n');
        }
        Ok(text)
    }

    /// Exact matches with a quarter removed, a row per model, a column per method.
    pub(super) fn methods(&self) -> anyhow::Result<String> {
        let mut text = "| model | unpruned |".to_owned();
        for method in METHODS {
            let _ = write!(text, " `{method}` |");
        }
        text.push_str("\n|---|---|---|---|---|---|---|---|\n");
        let what = ("demo_bio_recall", "exact_match");
        for model in ["demo-olmoe", "demo-qwen3-moe", "demo-deepseek-v3"] {
            let _ = write!(text, "| {model} | {} % |", self.before(model, what)?);
            for method in METHODS {
                let _ = write!(text, " {} % |", self.pruned(model, method, 0.25, what)?);
            }
            text.push('\n');
        }
        Ok(text)
    }

    /// A share of the unpruned model, in percent.
    fn before(&self, model: &str, (task, metric): (&str, &str)) -> anyhow::Result<String> {
        let row = self.skill(model, task, metric)?;
        let value = row
            .value
            .with_context(|| format!("{metric} of {model} on {task} is undefined"))?;
        Ok(percent(value))
    }

    /// A share of a pruned model, in percent.
    fn pruned(&self, model: &str, method: &str, share: f64, (task, metric): (&str, &str)) -> anyhow::Result<String> {
        let mut rows = self.comparisons.iter();
        let row = rows.find(|row| {
            (row.model.as_str(), row.method.as_str()) == (model, method)
                && (row.task.as_str(), row.metric.as_str()) == (task, metric)
                && (row.fraction_removed - share).abs() < 1e-9
        });
        let value = row.and_then(|row| row.unpruned.zip(row.difference));
        let (unpruned, difference) = value.with_context(|| {
            format!("tables/comparisons.csv has no {metric} of {model} by {method} at {share} on {task}")
        })?;
        Ok(percent(unpruned + difference))
    }
}

/// A share in whole percent; a half goes up, also where a sum has left it a hair below.
fn percent(share: f64) -> String {
    format!("{:.0}", (share * 100.0 + 1e-9).round() + 0.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn metric(model: &str, task: &str, metric: &str) -> Measured {
        Measured {
            model: model.to_owned(),
            fraction_removed: 0.0,
            task: task.to_owned(),
            metric: metric.to_owned(),
            value: Some(0.5),
            n: Some(40),
            interval_low: Some(0.352),
            interval_high: Some(0.648),
        }
    }

    #[test]
    fn a_skill_has_its_interval_and_a_missing_one_is_named() {
        let mut numbers = Numbers {
            unpruned: Vec::new(),
            comparisons: Vec::new(),
        };
        let missing = numbers.skills().unwrap_err().to_string();
        assert_eq!(
            missing,
            "tables/metrics.csv has no accuracy of the unpruned demo-qwen3-moe on demo_bio_choice"
        );
        for (task, name, _, _) in SKILLS {
            numbers.unpruned.extend(MODELS.map(|model| metric(model, task, name)));
        }
        let table = numbers.skills().unwrap();
        let row = "| `demo_bio_choice` | accuracy | 25 % | 50 % (35–65) | 50 % (35–65) | 50 % (35–65) | 40 |";
        assert_eq!(table.lines().nth(2), Some(row));
    }

    #[test]
    fn a_pruned_share_is_the_unpruned_one_and_the_difference() {
        let row = Comparison {
            model: "demo-olmoe".to_owned(),
            method: "reap".to_owned(),
            fraction_removed: 0.25,
            task: "demo_bio_choice".to_owned(),
            metric: "accuracy".to_owned(),
            scorer: "probabilities".to_owned(),
            unpruned: Some(0.5),
            difference: Some(-0.124),
            n: Some(40),
        };
        let numbers = Numbers {
            unpruned: Vec::new(),
            comparisons: vec![row],
        };
        assert_eq!(numbers.pruned("demo-olmoe", "reap", 0.25, CHOICE).unwrap(), "38");
        assert!(numbers.pruned("demo-olmoe", "reap", 0.5, CHOICE).is_err());
        assert_eq!(percent(0.666_666_666_666_666_6 - 0.141_666_666_666_666_66), "53");
    }
}
