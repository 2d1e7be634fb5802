//! From the card as written to a card that can be run.

use std::path::{Path, PathBuf};

use super::contradiction::{Contradiction, check, of, scoring, wrong};
use super::file::{CardFile, CardKind};
use crate::tasks::harness::Layout;
use crate::tasks::spec::{FileSpec, GenerationSettings, Scoring, TaskKind, TaskSpec};
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
    pub fn new(card: CardFile, directory: PathBuf) -> Result<Self, Contradiction> {
        check(&card)?;
        let parse = |key: &str, text: &Option<String>| match text.as_deref().map(Template::parse).transpose() {
            Ok(template) => Ok(template),
            Err(message) => wrong(of("prompt", key), message),
        };
        let template = parse("template", &card.prompt.template)?;
        let prefix = parse("prefix", &card.prompt.prefix)?;
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
