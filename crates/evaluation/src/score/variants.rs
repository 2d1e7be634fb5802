//! What a model chose in each variant of a question that was put in several ways ([`secateur_datasets::forms`]).

use secateur_datasets::forms::variants::{self, FIELD, Variant};
use secateur_datasets::item::{Body, Item};
use secateur_metrics::value::interned;

use super::choice::{log_probabilities, softmax};
use super::{Mismatch, first_largest, mismatch};
use crate::answer::{Answer, Output};

/// The answer to one variant.
pub(super) struct Said {
    /// Name of the variant.
    pub(super) name: String,
    /// The option chosen: the likeliest continuation's, the first among equals.
    pub(super) option: usize,
    /// Softmax over the variant's continuations, by option.
    pub(super) probabilities: Vec<f64>,
    /// Position of the right option among the variant's continuations.
    pub(super) gold_position: usize,
}

/// The answers to all variants of a question.
pub(super) struct Answers {
    /// In the order of asking.
    pub(super) said: Vec<Said>,
    /// The right option.
    pub(super) gold: usize,
}

impl Answers {
    /// Whether each variant was answered right.
    pub(super) fn right(&self) -> Vec<bool> {
        self.said.iter().map(|said| said.option == self.gold).collect()
    }

    /// The options chosen.
    pub(super) fn options(&self) -> Vec<usize> {
        self.said.iter().map(|said| said.option).collect()
    }

    /// The variant of that name, and the number after it where the name goes on with one (`hint-2`).
    pub(super) fn named(&self, name: &str) -> Option<(&Said, Option<usize>)> {
        self.said.iter().find_map(|said| {
            let rest = said.name.strip_prefix(name)?;
            let number = rest.strip_prefix('-').and_then(|rest| rest.parse().ok());
            (rest.is_empty() || number.is_some()).then_some((said, number))
        })
    }
}

/// Reads an item's variants and what the model chose in them.
pub(super) fn read(item: &Item, answer: &Answer) -> Result<Answers, Mismatch> {
    let (Body::Choice(choice), Output::Choices(output)) = (&item.body, &answer.output) else {
        return Err(mismatch(item, "a choice put in several ways"));
    };
    let variants = of_fields(&item.fields).map_err(|found| Mismatch {
        found,
        expected: "a question put in several ways, as a form of a task puts it".into(),
    })?;
    let sums = log_probabilities(output);
    let bad = |found: String| Mismatch {
        found: format!("{found} in the variants `{}`", variants::write(&variants)),
        expected: "the same options in each, all continuations among them, one right".into(),
    };
    let total: usize = variants.iter().map(|variant| variant.options.len()).sum();
    if total != sums.len() {
        return Err(bad(format!("{} continuations", sums.len())));
    }
    let mut start = 0;
    let mut read = Answers {
        said: Vec::with_capacity(variants.len()),
        gold: usize::MAX,
    };
    for variant in &variants {
        let end = start + variant.options.len();
        let gold = choice.gold.iter().filter(|&&gold| (start..end).contains(&gold));
        let gold: Vec<usize> = gold.map(|gold| gold - start).collect();
        let [gold_position] = gold[..] else {
            return Err(bad(format!("{} right options of `{}`", gold.len(), variant.name)));
        };
        let gold_option = variant.options[gold_position];
        if read.gold != usize::MAX && read.gold != gold_option {
            return Err(bad(format!("another right option of `{}`", variant.name)));
        }
        read.gold = gold_option;
        let said = said(variant, &sums[start..end], gold_position);
        read.said
            .push(said.ok_or_else(|| bad(format!("other options of `{}`", variant.name)))?);
        start = end;
    }
    Ok(read)
}

fn said(variant: &Variant, sums: &[f64], gold_position: usize) -> Option<Said> {
    let (shares, _) = softmax(sums);
    let mut probabilities = vec![f64::NAN; sums.len()];
    for (&option, share) in variant.options.iter().zip(shares) {
        *probabilities.get_mut(option)? = share;
    }
    if probabilities.iter().any(|share| share.is_nan()) {
        return None;
    }
    Some(Said {
        name: variant.name.clone(),
        option: variant.options[first_largest(sums)?],
        probabilities,
        gold_position,
    })
}

fn of_fields(fields: &std::collections::BTreeMap<String, String>) -> Result<Vec<Variant>, String> {
    let text = fields.get(FIELD).ok_or("a question put in one way only")?;
    variants::parse(text)
}

/// (variants, options) of every answer, where all have the same number of both.
pub(super) fn common_shape(answers: &[Answer]) -> Option<(usize, usize)> {
    let shape = |answer: &Answer| {
        let variants = of_fields(&answer.fields).ok()?;
        Some((variants.len(), variants.first()?.options.len()))
    };
    let first = shape(answers.first()?)?;
    answers
        .iter()
        .all(|answer| shape(answer) == Some(first))
        .then_some(first)
}

/// Names of numbered scores: `right_in_0`, `right_in_1`, …
pub(super) fn numbered(name: &str, count: usize) -> Vec<&'static str> {
    (0..count).map(|i| interned(&format!("{name}_{i}"))).collect()
}

/// Mean of each column.
pub(super) fn column_means(rows: &[&[f64]]) -> Vec<f64> {
    let columns = rows.first().map_or(0, |row| row.len());
    let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
    (0..columns).map(mean).collect()
}
