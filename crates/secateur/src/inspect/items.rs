//! The items of a cell: what was asked, what is right, and what the unpruned and the pruned model answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use secateur_evaluation::answer::{Answer, Flag, Output};
use secateur_metrics::regressions::Kind;
use secateur_metrics::value::{Aspect, Direction};
use secateur_results::key::RecordKey;
use secateur_results::record::Record;
use secateur_results::store::{Store, StoredRecord};
use serde::Serialize;

/// Scores that say whether an answer is right, where no metric has the name of one.
const RIGHT: [&str; 4] = ["accuracy", "exact_match", "right", "contains_reference"];

/// What became of an item. In the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Right before pruning, wrong now.
    RightToWrong,
    /// Wrong before, right now.
    WrongToRight,
    /// Wrong.
    Wrong,
    /// Right.
    Right,
    /// The task has no right and wrong, or the item could not be scored.
    Unjudged,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeenItem {
    /// Its id.
    pub item: String,
    /// What became of it.
    pub change: Change,
    /// As sent.
    pub prompt: String,
    /// What would have been right.
    pub gold: Vec<String>,
    /// The unpruned model's answer; absent in its own cell.
    pub unpruned: Option<String>,
    /// This cell's answer.
    pub answer: String,
    /// What else is known of this cell's answer.
    pub flags: BTreeSet<Flag>,
}

impl Change {
    /// As it is shown.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RightToWrong => "right → wrong",
            Self::WrongToRight => "wrong → right",
            Self::Wrong => "wrong",
            Self::Right => "right",
            Self::Unjudged => "not judged",
        }
    }

    fn of(before: Option<bool>, now: Option<bool>) -> Self {
        match (before, now) {
            (Some(true), Some(false)) => Self::RightToWrong,
            (Some(false), Some(true)) => Self::WrongToRight,
            (_, Some(false)) => Self::Wrong,
            (_, Some(true)) => Self::Right,
            (_, None) => Self::Unjudged,
        }
    }
}

/// The items of a cell, those first that pruning changed; each beside the answer of the unpruned model, if that has a record.
///
/// # Errors
/// If answers cannot be read.
pub fn items(store: &Store, all: &[StoredRecord], stored: &StoredRecord) -> anyhow::Result<Vec<SeenItem>> {
    let now = answers(store, stored)?;
    let before = match unpruned(all, &stored.record) {
        Some(unpruned) => answers(store, unpruned)?,
        None => Vec::new(),
    };
    let before: BTreeMap<&str, &Answer> = before.iter().map(|answer| (answer.item.as_str(), answer)).collect();
    let score = right(&stored.record, &now);
    let is_right = |answer: &Answer| Some(*answer.scores.get(score.as_deref()?)? > 0.5);
    let see = |answer: &Answer| {
        let unpruned = before.get(answer.item.as_str()).copied();
        SeenItem {
            item: answer.item.clone(),
            change: Change::of(unpruned.and_then(is_right), is_right(answer)),
            prompt: answer.prompt.clone(),
            gold: gold(&answer.output),
            unpruned: unpruned.map(|answer| said(&answer.output)),
            answer: said(&answer.output),
            flags: answer.flags.clone(),
        }
    };
    let mut seen: Vec<SeenItem> = now.iter().map(see).collect();
    // Stable: within a kind, the task's order stays.
    seen.sort_by_key(|item| item.change);
    Ok(seen)
}

/// The record of the unpruned model on the same task: of the same seed, or of the smallest.
fn unpruned<'a>(all: &'a [StoredRecord], of: &Record) -> Option<&'a StoredRecord> {
    of.cell.method.as_ref()?;
    all.iter()
        .filter(|stored| {
            let cell = &stored.record.cell;
            cell.method.is_none() && cell.model == of.cell.model && cell.task == of.cell.task
        })
        .min_by_key(|stored| (stored.record.cell.seed != of.cell.seed, stored.record.cell.seed))
}

fn answers(store: &Store, stored: &StoredRecord) -> anyhow::Result<Vec<Answer>> {
    let Some(kept) = &stored.answers else {
        return Ok(Vec::new());
    };
    let key = RecordKey::parse(&kept.key).with_context(|| format!("`{}` is not a key of answers", kept.key))?;
    read(&store.answers_path(&key))
}

fn read(path: &Path) -> anyhow::Result<Vec<Answer>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        let place = || format!("{}, line {}: not an answer", path.display(), number + 1);
        serde_json::from_str(line).with_context(place)
    };
    lines.map(parse).collect()
}

/// The score that says whether an answer is right: that of the record's changes, of its first metric that is one, or a usual one.
fn right(record: &Record, answers: &[Answer]) -> Option<String> {
    let changes = record.regressions.iter().flat_map(|all| &all.kinds);
    let changed = changes
        .filter(|change| change.kind == Kind::RightToWrong)
        .map(|change| &change.metric);
    let metrics = record.metrics.iter().filter(|metric| {
        metric.aspect == Aspect::Utility && metric.direction == Direction::HigherIsBetter && metric.unit == "fraction"
    });
    let usual = RIGHT.map(str::to_owned);
    let mut names = changed.chain(metrics.map(|metric| &metric.name)).chain(&usual);
    let outcome = |name: &&String| {
        let mut scores = answers.iter().filter_map(|answer| answer.scores.get(*name)).peekable();
        scores.peek().is_some() && scores.all(|score| [0.0, 1.0].contains(score))
    };
    names.find(outcome).cloned()
}

fn said(output: &Output) -> String {
    match output {
        Output::Choices(choices) => {
            let predicted = choices.predicted.and_then(|place| choices.continuations.get(place));
            predicted.map_or_else(|| "–".to_owned(), |choice| choice.text.trim().to_owned())
        }
        Output::Text(answer) => answer.text.trim().to_owned(),
        Output::Likelihood(text) => format!("ln p = {:.3} over {} tokens", text.log_probability, text.tokens),
        Output::Divergence(answer) => answer.text.trim().to_owned(),
    }
}

fn gold(output: &Output) -> Vec<String> {
    match output {
        Output::Choices(choices) => {
            let right = choices
                .gold
                .iter()
                .filter_map(|&place| choices.continuations.get(place));
            right.map(|choice| choice.text.trim().to_owned()).collect()
        }
        Output::Text(answer) => answer.references.clone(),
        Output::Likelihood(_) | Output::Divergence(_) => Vec::new(),
    }
}
