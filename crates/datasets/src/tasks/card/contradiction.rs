//! What a card may not say: every contradiction is found here, before a data file is opened, with its place in the card.

use std::path::{Component, Path};

use serde::Serialize;

use super::file::{CardFile, CardKind, CardMetric};
use crate::tasks::spec::{ABSTAIN_PHRASES, ChoiceMetric, GenerationMetric, Scoring};
use crate::toml_place::Spot;

/// What a card says that cannot be: where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Where in the card.
    pub place: Spot,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A contradiction at a place, as an error.
pub(super) fn wrong<T>(place: Spot, message: impl Into<String>) -> Result<T, Contradiction> {
    let message = message.into();
    Err(Contradiction { place, message })
}

/// The place of a key of a section.
pub(super) fn of(section: &str, key: &str) -> Spot {
    Spot::key(section).then(key)
}

/// Refuses a card that contradicts itself.
pub(super) fn check(card: &CardFile) -> Result<(), Contradiction> {
    check_name(&card.name)?;
    check_sections(card)?;
    check_prompt(card)?;
    check_files(card)?;
    check_generation(card)
}

fn check_name(name: &str) -> Result<(), Contradiction> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        let found = crate::error::shorten(name);
        let message = format!("`name` is \"{found}\", expected letters, digits, `_` and `-`");
        return wrong(Spot::key("name"), message);
    }
    if crate::tasks::TASKS.iter().any(|entry| (entry.make)(name).is_some()) {
        let message = format!("`name` is \"{name}\", which is a built-in task: give the card another name");
        return wrong(Spot::key("name"), message);
    }
    Ok(())
}

/// Each kind has its own sections; one of another kind would be ignored, so it is refused.
fn check_sections(card: &CardFile) -> Result<(), Contradiction> {
    let choice = card.kind == CardKind::MultipleChoice;
    let generation = card.kind == CardKind::Generation;
    let asked = card.kind != CardKind::Perplexity;
    let section = |name: &str| (format!("[{name}]"), Spot::key(name));
    let prompt = |key: &str| (format!("`prompt.{key}`"), of("prompt", key));
    let sections = [
        (section("choices"), card.choices.is_some(), choice, choice),
        (section("answer"), card.answer.is_some(), generation, generation),
        (section("generation"), card.generation.is_some(), generation, false),
        (section("few_shot"), card.few_shot.is_some(), asked, false),
        (prompt("messages"), card.prompt.messages.is_some(), generation, false),
        (prompt("paraphrases"), card.prompt.paraphrases.is_some(), asked, false),
        (prompt("system"), card.prompt.system.is_some(), generation, false),
        (prompt("prefix"), card.prompt.prefix.is_some(), generation, false),
        (prompt("preamble"), !card.prompt.preamble.is_empty(), asked, false),
        (
            prompt("target_delimiter"),
            card.prompt.target_delimiter.is_some(),
            asked,
            false,
        ),
    ];
    let kind = format!("{:?}", card.kind);
    for ((name, place), present, allowed, required) in sections {
        if present && !allowed {
            return wrong(place, format!("{name} has no meaning for kind {kind}: remove it"));
        }
        if required && !present {
            let message = format!("{name} is missing, which kind {kind} needs");
            return wrong(Spot::key("kind"), message);
        }
    }
    let Some(choices) = &card.choices else {
        return Ok(());
    };
    match (&choices.field, &choices.texts) {
        (Some(_), None) => Ok(()),
        (None, Some(texts)) if texts.len() >= 2 && texts.iter().all(|text| !text.is_empty()) => Ok(()),
        (None, Some(_)) => wrong(
            of("choices", "texts"),
            "`choices.texts` needs at least two texts, none of them empty",
        ),
        _ => wrong(Spot::key("choices"), "[choices] needs either `field` or `texts`"),
    }
}

fn check_prompt(card: &CardFile) -> Result<(), Contradiction> {
    let prompt = &card.prompt;
    if prompt.paraphrases.is_some() && prompt.template.is_none() {
        return wrong(
            of("prompt", "paraphrases"),
            "`prompt.paraphrases` holds other wordings of `prompt.template`, which is missing",
        );
    }
    match (&prompt.template, &prompt.messages) {
        (Some(_), Some(_)) => wrong(
            of("prompt", "messages"),
            "`prompt.template` and `prompt.messages` exclude each other: keep one",
        ),
        (None, None) => wrong(
            Spot::key("prompt"),
            "`prompt.template` is missing: say how a question is put, e.g. \"{question}\"",
        ),
        (None, Some(_)) if card.few_shot.is_some() || !prompt.preamble.is_empty() || prompt.system.is_some() => wrong(
            of("prompt", "messages"),
            "with `prompt.messages` the record holds the whole conversation: remove [few_shot], `preamble` and `system`",
        ),
        _ => Ok(()),
    }
}

fn check_files(card: &CardFile) -> Result<(), Contradiction> {
    let data = ("data", &card.data.file, &card.data.sha256);
    let few_shot = card
        .few_shot
        .iter()
        .map(|section| ("few_shot", &section.file, &section.sha256));
    for (section, file, sha256) in std::iter::once(data).chain(few_shot) {
        let inside = |component: Component| matches!(component, Component::Normal(_) | Component::CurDir);
        if file.is_empty() || !Path::new(file).components().all(inside) {
            let message =
                format!("file \"{file}\" must lie in or below the card's folder: write a relative path without `..`");
            return wrong(of(section, "file"), message);
        }
        let hexadecimal = |sum: &String| sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
        if let Some(sum) = sha256.as_ref().filter(|sum| !hexadecimal(sum)) {
            let message = format!("sha256 \"{}\" is not 64 hexadecimal digits", crate::error::shorten(sum));
            return wrong(of(section, "sha256"), message);
        }
    }
    Ok(())
}

fn check_generation(card: &CardFile) -> Result<(), Contradiction> {
    let settings = card.generation.clone().unwrap_or_default();
    let at = |key| of("generation", key);
    if settings.max_new_tokens == 0 {
        let message = "`generation.max_new_tokens` is 0, expected at least 1";
        return wrong(at("max_new_tokens"), message);
    }
    if !(0.0..=100.0).contains(&settings.temperature) {
        let message = format!(
            "`generation.temperature` is {}, expected 0 (greedy) to 100",
            settings.temperature
        );
        return wrong(at("temperature"), message);
    }
    if !(settings.top_p > 0.0 && settings.top_p <= 1.0) {
        let message = format!(
            "`generation.top_p` is {}, expected more than 0 and at most 1",
            settings.top_p
        );
        return wrong(at("top_p"), message);
    }
    if settings.stop.iter().any(String::is_empty) {
        let message = "`generation.stop` holds an empty string, at which every answer would end";
        return wrong(at("stop").value(""), message);
    }
    Ok(())
}

/// A name as cards have it.
fn written(name: &impl Serialize) -> String {
    let name = serde_json::to_value(name).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

/// The metrics in their kind's own form, `usual` where none is named.
fn metrics<M>(card: &CardFile, of_kind: fn(CardMetric) -> Option<M>, usual: Vec<M>) -> Result<Vec<M>, Contradiction> {
    let mut found = Vec::new();
    for metric in &card.scoring.metrics {
        let Some(metric) = of_kind(*metric) else {
            let name = written(metric);
            let message = format!("metric `{name}` does not apply to kind `{}`", written(&card.kind));
            let place = of("scoring", "metrics").value(&name);
            return wrong(place, message);
        };
        found.push(metric);
    }
    Ok(if found.is_empty() { usual } else { found })
}

/// How answers are scored: the card's metrics, or the usual ones of its kind.
pub(super) fn scoring(card: &CardFile) -> Result<Scoring, Contradiction> {
    match card.kind {
        CardKind::MultipleChoice => {
            let usual = vec![ChoiceMetric::Acc, ChoiceMetric::AccNorm];
            let metrics = metrics(card, CardMetric::of_choice, usual)?;
            Ok(Scoring::LogLikelihood { metrics })
        }
        CardKind::Perplexity => {
            metrics::<()>(card, |_| None, Vec::new())?;
            Ok(Scoring::Perplexity)
        }
        CardKind::Generation => {
            let usual = vec![GenerationMetric::ExactMatch, GenerationMetric::TokenF1];
            let metrics = metrics(card, CardMetric::of_generation, usual)?;
            let unanswerable = card.answer.as_ref().is_some_and(|answer| answer.unanswerable.is_some());
            if metrics.contains(&GenerationMetric::Abstention) && !unanswerable {
                return wrong(
                    of("scoring", "metrics").value("abstention"),
                    "metric `abstention` needs `answer.unanswerable`, the field that says where abstaining is right",
                );
            }
            Ok(Scoring::Generation {
                metrics,
                normalise: card.scoring.normalise,
                abstain_phrases: abstain_phrases(card)?,
            })
        }
    }
}

/// In lower case.
fn abstain_phrases(card: &CardFile) -> Result<Vec<String>, Contradiction> {
    let default = || ABSTAIN_PHRASES.iter().map(|&phrase| phrase.to_owned()).collect();
    let phrases: Vec<String> = card.scoring.abstain_phrases.clone().unwrap_or_else(default);
    if phrases.iter().any(|phrase| phrase.trim().is_empty()) {
        let message = "`scoring.abstain_phrases` holds an empty phrase, which every answer contains";
        return wrong(of("scoring", "abstain_phrases"), message);
    }
    Ok(phrases.iter().map(|phrase| phrase.to_lowercase()).collect())
}
