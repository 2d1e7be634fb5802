//! A checkpoint that runs in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use secateur_datasets::item::Message;
use secateur_model::checkpoint::open_config;
use secateur_model::generate::{GenerateOptions, Generated};
use secateur_model::generation_config::GenerationConfig;
use secateur_model::text::{ChatTemplates, Message as Turn, SpecialToken, TokenStream, Tokenizer};
use secateur_model::{Model, ModelError};

use crate::engine::{Divergence, Engine, EngineError, Finish, GenerateRequest, Generation, Score, ScoreRequest};

/// A loaded model with what its directory says about text: tokenizer, chat template, end tokens. Masks are switched through
/// [`LocalEngine::model_mut`].
#[derive(Debug)]
pub struct LocalEngine {
    model: Model,
    tokenizer: Tokenizer,
    templates: Option<ChatTemplates>,
    end_tokens: Vec<u32>,
    prefix: SpecialToken,
}

impl LocalEngine {
    /// Reads tokenizer, templates and generation config of the model's directory.
    ///
    /// # Errors
    /// If one of them is malformed, the tokenizer has ids that the embedding has no row for, or neither a begin nor an end
    /// token.
    pub fn new(model: Model, directory: &Path) -> Result<Self, EngineError> {
        let tokenizer = Tokenizer::open(directory).map_err(error)?;
        tokenizer.check_ids(model.vocabulary()).map_err(error)?;
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
            model,
            tokenizer,
            templates,
            end_tokens: end_tokens.into_iter().collect(),
            prefix,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to switch its mask.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
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

    fn options(&self, request: &GenerateRequest) -> GenerateOptions {
        GenerateOptions {
            prompt: request.prompt.clone(),
            max_new_tokens: request.max_new_tokens,
            end_tokens: self.end_tokens.clone(),
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
        }
    }

    fn finished(&self, request: &GenerateRequest, generated: &Generated) -> Result<Generation, EngineError> {
        let mut text = self.tokenizer.decode(&generated.tokens, true).map_err(error)?;
        let stops = request.stop.iter().filter(|stop| !stop.is_empty());
        let cut = stops.filter_map(|stop| text.find(stop.as_str())).min();
        if let Some(cut) = cut {
            text.truncate(cut);
        }
        let n = generated.log_probabilities.len();
        let finish = match (generated.stopped || cut.is_some(), generated.ended) {
            (true, _) => Finish::StopText,
            (false, true) => Finish::EndToken,
            (false, false) => Finish::Length,
        };
        Ok(Generation {
            text,
            tokens: generated.tokens.len(),
            finish,
            mean_log_probability: (n > 0).then(|| generated.log_probabilities.iter().sum::<f64>() / n as f64),
            end_log_probability: generated.end_log_probability,
        })
    }
}

impl Engine for LocalEngine {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.tokenizer.encode(text, special).map_err(error)
    }

    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        self.render(messages, true)
    }

    fn prefix_token(&self) -> u32 {
        self.prefix.id
    }

    fn prefix_text(&self) -> Option<String> {
        Some(self.prefix.text.clone())
    }

    fn max_length(&self) -> usize {
        self.model.spec().max_positions
    }

    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        let scores = self.model.score(&pairs(requests), progress).map_err(error)?;
        let with_length = scores.iter().zip(requests).map(|(score, request)| Score {
            log_probability: score.log_probability(),
            is_greedy: score.is_greedy,
            tokens: request.continuation.len(),
        });
        Ok(with_length.collect())
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        let options: Vec<GenerateOptions> = requests.iter().map(|request| self.options(request)).collect();
        // Special tokens are kept here, so that a stop text can name one.
        let streams: Vec<Mutex<TokenStream<'_>>> = requests
            .iter()
            .map(|_| Mutex::new(self.tokenizer.stream(false)))
            .collect();
        let stop = |request: usize, tokens: &[u32]| {
            let Some(&last) = tokens.last() else {
                return Ok(false);
            };
            let mut stream = streams[request].lock().unwrap_or_else(PoisonError::into_inner);
            stream
                .push(last)
                .map_err(|error| ModelError::Tokens(error.to_string()))?;
            Ok(stream.stop_position(&requests[request].stop).is_some())
        };
        let answers = self.model.generate(&options, &stop, progress).map_err(error)?;
        requests
            .iter()
            .zip(&answers)
            .map(|(request, answer)| self.finished(request, answer))
            .collect()
    }

    fn token_log_probabilities(
        &mut self,
        requests: &[ScoreRequest],
        whole: bool,
    ) -> Result<Vec<Vec<f64>>, EngineError> {
        let pairs = pairs(requests);
        let ask = |model: &Model| model.score(&pairs, &mut |_| {});
        let scores = if whole {
            self.model.unmasked(ask)
        } else {
            ask(&self.model)
        };
        let scores = scores.map_err(error)?.into_iter();
        Ok(scores.map(|score| score.token_log_probabilities).collect())
    }

    fn divergence(
        &mut self,
        requests: &[ScoreRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Divergence>, EngineError> {
        let found = self.model.divergence(&pairs(requests), progress).map_err(error)?;
        let found = found.into_iter().map(|found| Divergence {
            tokens: found.tokens,
            kl_sum: found.kl_sum,
            largest_kl: found.largest_kl,
            top1_agreeing: found.top1_agreeing,
            log_probability: found.log_probability,
            unpruned_log_probability: found.unpruned_log_probability,
        });
        Ok(found.collect())
    }
}

fn pairs(requests: &[ScoreRequest]) -> Vec<(&[u32], &[u32])> {
    requests
        .iter()
        .map(|request| (&request.context[..], &request.continuation[..]))
        .collect()
}

#[allow(clippy::needless_pass_by_value)]
fn error(error: impl std::fmt::Display) -> EngineError {
    EngineError(error.to_string())
}
