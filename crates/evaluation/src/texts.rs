//! What a checkpoint's directory says about text: tokenizer, chat templates, end tokens. The same for every engine, so that a
//! served checkpoint is asked exactly what the same checkpoint in this process is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secateur_datasets::item::Message;
use secateur_model::checkpoint::open_config;
use secateur_model::generation_config::GenerationConfig;
use secateur_model::text::{ChatTemplates, Message as Turn, SpecialToken, Tokenizer};

use crate::engine::{EngineError, Finish, Generation};

/// The text side of a checkpoint.
#[derive(Debug)]
pub struct CheckpointTexts {
    tokenizer: Tokenizer,
    templates: Option<ChatTemplates>,
    end_tokens: Vec<u32>,
    prefix: SpecialToken,
}

/// Tokens that a model generated, and why it ended there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Generated<'a> {
    /// The end token left out.
    pub tokens: &'a [u32],
    /// ln p of each of them, where they are known.
    pub log_probabilities: Option<&'a [f64]>,
    /// An end token came.
    pub ended: bool,
    /// ln p of that token.
    pub end_log_probability: Option<f64>,
    /// A stop text was seen, special tokens included.
    pub stopped: bool,
}

impl CheckpointTexts {
    /// Reads tokenizer, templates and generation config of a model's directory. `vocabulary`: rows of its embedding.
    ///
    /// # Errors
    /// If one of them is malformed, the tokenizer has ids that the embedding has no row for, or neither a begin nor an end
    /// token.
    pub fn open(directory: &Path, vocabulary: usize) -> Result<Self, EngineError> {
        let tokenizer = Tokenizer::open(directory).map_err(error)?;
        tokenizer.check_ids(vocabulary).map_err(error)?;
        let special = tokenizer.special().clone();
        let templates = ChatTemplates::open(directory, &special.texts).map_err(error)?;
        let config = open_config(directory).map_err(error)?;
        let config = GenerationConfig::open(directory, &config).map_err(error)?;
        // The harness ends an answer at the tokenizer's end token as well as at those of generation_config.json.
        let own_end = special.eos.iter().map(|token| token.id);
        let end_tokens: BTreeSet<u32> = config.eos_token_ids.iter().copied().chain(own_end).collect();
        let prefix = special.bos.or(special.eos).ok_or_else(|| {
            EngineError(format!(
                "{}: found neither `bos_token` nor `eos_token` in tokenizer_config.json; one of them must stand before a text \
                 without context",
                directory.display()
            ))
        })?;
        Ok(Self {
            tokenizer,
            templates,
            end_tokens: end_tokens.into_iter().collect(),
            prefix,
        })
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// The token that stands before a text scored with an empty context.
    #[must_use]
    pub fn prefix(&self) -> &SpecialToken {
        &self.prefix
    }

    /// Token ids of a text. `special` adds what the tokenizer's post-processor adds.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.tokenizer.encode(text, special).map_err(error)
    }

    /// The conversation in the model's chat template; `None` if the checkpoint has no template. `ask`: it ends where the
    /// assistant is to speak.
    ///
    /// # Errors
    /// If the template fails on these messages.
    pub fn render(&self, messages: &[Message], ask: bool) -> Result<Option<String>, EngineError> {
        let Some(templates) = &self.templates else {
            return Ok(None);
        };
        let turns: Vec<Turn> = messages
            .iter()
            .map(|m| Turn::new(m.role.clone(), m.content.clone()))
            .collect();
        let template = templates.get("default").map_err(error)?;
        template.render(&turns, ask, &BTreeMap::new()).map(Some).map_err(error)
    }

    /// An answer from its tokens: decoded without special ones, cut at the first stop text.
    pub(crate) fn answer(&self, stop: &[String], generated: &Generated<'_>) -> Result<Generation, EngineError> {
        let mut text = self.tokenizer.decode(generated.tokens, true).map_err(error)?;
        let cut = cut_at_stop(&mut text, stop);
        let known = generated.log_probabilities.filter(|known| !known.is_empty());
        Ok(Generation {
            text,
            tokens: generated.tokens.len(),
            finish: match (generated.stopped || cut, generated.ended) {
                (true, _) => Finish::StopText,
                (false, true) => Finish::EndToken,
                (false, false) => Finish::Length,
            },
            mean_log_probability: known.map(|known| known.iter().sum::<f64>() / known.len() as f64),
            end_log_probability: generated.end_log_probability,
        })
    }
}

/// Cuts a text at the first of the stop texts in it, and says whether one was there.
pub(crate) fn cut_at_stop(text: &mut String, stop: &[String]) -> bool {
    let stops = stop.iter().filter(|stop| !stop.is_empty());
    let cut = stops.filter_map(|stop| text.find(stop.as_str())).min();
    if let Some(cut) = cut {
        text.truncate(cut);
    }
    cut.is_some()
}

#[allow(clippy::needless_pass_by_value)]
pub(crate) fn error(error: impl std::fmt::Display) -> EngineError {
    EngineError(error.to_string())
}
