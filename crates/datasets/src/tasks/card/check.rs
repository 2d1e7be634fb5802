//! From the card as written to a card that can be run: every contradiction is found here, before a data file is opened.

use std::path::{Component, Path, PathBuf};

use super::file::{CardFile, CardKind, CardMetric};
use crate::tasks::harness::Layout;
use crate::tasks::spec::{
    ABSTAIN_PHRASES, ChoiceMetric, FileSpec, GenerationMetric, GenerationSettings, Scoring, TaskKind, TaskSpec,
};
use crate::template::Template;

/// A checked card.
#[derive(Debug, Clone)]
pub struct CardTask {
    card: CardFile,
    directory: PathBuf,
    template: Option<Template>,
    prefix: Option<Template>,
    scoring: Scoring,
}

impl CardTask {
    /// Checks a card whose data lie in `directory`.
    ///
    /// # Errors
    /// What contradicts what, and what to write instead.
    pub fn new(card: CardFile, directory: PathBuf) -> Result<Self, String> {
        check_name(&card.name)?;
        check_sections(&card)?;
        check_prompt(&card)?;
        check_files(&card)?;
        check_generation(&card)?;
        let parse = |text: &Option<String>| text.as_deref().map(Template::parse).transpose();
        let (template, prefix) = (parse(&card.prompt.template)?, parse(&card.prompt.prefix)?);
        let scoring = scoring(&card)?;
        Ok(Self {
            card,
            directory,
            template,
            prefix,
            scoring,
        })
    }

    /// The card as written.
    #[must_use]
    pub fn card(&self) -> &CardFile {
        &self.card
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    pub(super) fn prefix(&self) -> Option<&Template> {
        self.prefix.as_ref()
    }

    pub(super) fn layout(&self) -> Layout {
        let default = Layout::default();
        let delimiter = self
            .card
            .few_shot
            .as_ref()
            .and_then(|section| section.delimiter.clone());
        Layout {
            description: self.card.prompt.preamble.clone(),
            target_delimiter: self
                .card
                .prompt
                .target_delimiter
                .clone()
                .unwrap_or(default.target_delimiter),
            few_shot_delimiter: delimiter.unwrap_or(default.few_shot_delimiter),
        }
    }

    pub(super) fn task_spec(&self) -> TaskSpec {
        let card = &self.card;
        let generation = card.generation.clone().unwrap_or_default();
        let settings = GenerationSettings {
            max_new_tokens: generation.max_new_tokens,
            stop: generation.stop,
            temperature: generation.temperature,
            top_p: generation.top_p,
            samples: None,
        };
        let mut files = vec![FileSpec::items(&card.data.file)];
        files.extend(card.few_shot.iter().map(|section| FileSpec::few_shot(&section.file)));
        TaskSpec {
            name: card.name.clone(),
            version: card.version,
            about: card.about.clone(),
            domain: card.domain,
            kind: match card.kind {
                CardKind::MultipleChoice => TaskKind::Classification,
                CardKind::Generation => TaskKind::Generation,
                CardKind::Perplexity => TaskKind::Perplexity,
            },
            aspect: card.aspect,
            set: String::new(),
            files,
            scoring: self.scoring.clone(),
            generation: (card.kind == CardKind::Generation).then_some(settings),
            few_shot: card.few_shot.as_ref().map_or(0, |section| section.count),
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "`name` is \"{}\", expected letters, digits, `_` and `-`",
            crate::error::shorten(name)
        ));
    }
    if crate::tasks::TASKS.iter().any(|entry| (entry.make)(name).is_some()) {
        return Err(format!(
            "`name` is \"{name}\", which is a built-in task: give the card another name"
        ));
    }
    Ok(())
}

/// Each kind has its own sections; one of another kind would be ignored, so it is refused.
fn check_sections(card: &CardFile) -> Result<(), String> {
    let choice = card.kind == CardKind::MultipleChoice;
    let generation = card.kind == CardKind::Generation;
    let sections = [
        ("[choices]", card.choices.is_some(), choice, choice),
        ("[answer]", card.answer.is_some(), generation, generation),
        ("[generation]", card.generation.is_some(), generation, false),
        (
            "[few_shot]",
            card.few_shot.is_some(),
            card.kind != CardKind::Perplexity,
            false,
        ),
        ("`prompt.messages`", card.prompt.messages.is_some(), generation, false),
        (
            "`prompt.paraphrases`",
            card.prompt.paraphrases.is_some(),
            card.kind != CardKind::Perplexity,
            false,
        ),
        ("`prompt.system`", card.prompt.system.is_some(), generation, false),
        ("`prompt.prefix`", card.prompt.prefix.is_some(), generation, false),
        (
            "`prompt.preamble`",
            !card.prompt.preamble.is_empty(),
            card.kind != CardKind::Perplexity,
            false,
        ),
        (
            "`prompt.target_delimiter`",
            card.prompt.target_delimiter.is_some(),
            card.kind != CardKind::Perplexity,
            false,
        ),
    ];
    let kind = format!("{:?}", card.kind);
    for (name, present, allowed, required) in sections {
        if present && !allowed {
            return Err(format!("{name} has no meaning for kind {kind}: remove it"));
        }
        if required && !present {
            return Err(format!("{name} is missing, which kind {kind} needs"));
        }
    }
    let Some(choices) = &card.choices else {
        return Ok(());
    };
    match (&choices.field, &choices.texts) {
        (Some(_), None) => Ok(()),
        (None, Some(texts)) if texts.len() >= 2 && texts.iter().all(|text| !text.is_empty()) => Ok(()),
        (None, Some(_)) => Err("`choices.texts` needs at least two texts, none of them empty".to_owned()),
        _ => Err("[choices] needs either `field` or `texts`".to_owned()),
    }
}

fn check_prompt(card: &CardFile) -> Result<(), String> {
    if card.prompt.paraphrases.is_some() && card.prompt.template.is_none() {
        return Err("`prompt.paraphrases` holds other wordings of `prompt.template`, which is missing".to_owned());
    }
    match (&card.prompt.template, &card.prompt.messages) {
        (Some(_), Some(_)) => Err("`prompt.template` and `prompt.messages` exclude each other: keep one".to_owned()),
        (None, None) => Err("`prompt.template` is missing: say how a question is put, e.g. \"{question}\"".to_owned()),
        (None, Some(_)) if card.few_shot.is_some() || !card.prompt.preamble.is_empty() || card.prompt.system.is_some() => {
            Err("with `prompt.messages` the record holds the whole conversation: remove [few_shot], `preamble` and `system`".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_files(card: &CardFile) -> Result<(), String> {
    let few_shot = card.few_shot.iter().map(|section| (&section.file, &section.sha256));
    for (file, sha256) in std::iter::once((&card.data.file, &card.data.sha256)).chain(few_shot) {
        let inside = |component: Component| matches!(component, Component::Normal(_) | Component::CurDir);
        if file.is_empty() || !Path::new(file).components().all(inside) {
            return Err(format!(
                "file \"{file}\" must lie in or below the card's folder: write a relative path without `..`"
            ));
        }
        let hexadecimal = |sum: &String| sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
        if let Some(sum) = sha256.as_ref().filter(|sum| !hexadecimal(sum)) {
            return Err(format!(
                "sha256 \"{}\" is not 64 hexadecimal digits",
                crate::error::shorten(sum)
            ));
        }
    }
    Ok(())
}

fn check_generation(card: &CardFile) -> Result<(), String> {
    let settings = card.generation.clone().unwrap_or_default();
    if settings.max_new_tokens == 0 {
        return Err("`generation.max_new_tokens` is 0, expected at least 1".to_owned());
    }
    if !(0.0..=100.0).contains(&settings.temperature) {
        return Err(format!(
            "`generation.temperature` is {}, expected 0 (greedy) to 100",
            settings.temperature
        ));
    }
    if !(settings.top_p > 0.0 && settings.top_p <= 1.0) {
        return Err(format!(
            "`generation.top_p` is {}, expected more than 0 and at most 1",
            settings.top_p
        ));
    }
    if settings.stop.iter().any(String::is_empty) {
        return Err("`generation.stop` holds an empty string, at which every answer would end".to_owned());
    }
    Ok(())
}

fn scoring(card: &CardFile) -> Result<Scoring, String> {
    let section = &card.scoring;
    let misplaced = |metric: &CardMetric| format!("metric `{metric:?}` does not apply to kind {:?}", card.kind);
    match card.kind {
        CardKind::MultipleChoice => {
            let metrics = section
                .metrics
                .iter()
                .map(|metric| metric.of_choice().ok_or_else(|| misplaced(metric)));
            let mut metrics = metrics.collect::<Result<Vec<_>, _>>()?;
            if metrics.is_empty() {
                metrics = vec![ChoiceMetric::Acc, ChoiceMetric::AccNorm];
            }
            Ok(Scoring::LogLikelihood { metrics })
        }
        CardKind::Perplexity => section
            .metrics
            .first()
            .map_or(Ok(Scoring::Perplexity), |metric| Err(misplaced(metric))),
        CardKind::Generation => {
            let metrics = section
                .metrics
                .iter()
                .map(|metric| metric.of_generation().ok_or_else(|| misplaced(metric)));
            let mut metrics = metrics.collect::<Result<Vec<_>, _>>()?;
            if metrics.is_empty() {
                metrics = vec![GenerationMetric::ExactMatch, GenerationMetric::TokenF1];
            }
            let unanswerable = card.answer.as_ref().is_some_and(|answer| answer.unanswerable.is_some());
            if metrics.contains(&GenerationMetric::Abstention) && !unanswerable {
                return Err(
                    "metric `abstention` needs `answer.unanswerable`, the field that says where abstaining is right"
                        .to_owned(),
                );
            }
            let default = || ABSTAIN_PHRASES.iter().map(|&phrase| phrase.to_owned()).collect();
            let phrases: Vec<String> = section.abstain_phrases.clone().unwrap_or_else(default);
            if phrases.iter().any(|phrase| phrase.trim().is_empty()) {
                return Err("`scoring.abstain_phrases` holds an empty phrase, which every answer contains".to_owned());
            }
            let abstain_phrases = phrases.iter().map(|phrase| phrase.to_lowercase()).collect();
            Ok(Scoring::Generation {
                metrics,
                normalise: section.normalise,
                abstain_phrases,
            })
        }
    }
}
