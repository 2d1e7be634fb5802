//! A checkpoint that runs in this process.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use secateur_datasets::item::Message;
use secateur_model::generate::GenerateOptions;
use secateur_model::layerwise::{KeptWaves, Visits};
use secateur_model::text::{TokenStream, Tokenizer};
use secateur_model::{Model, ModelError};

use crate::engine::{Divergence, Engine, EngineError, GenerateRequest, Generation, Score, ScoreRequest};
use crate::texts::{self, CheckpointTexts, error};

/// A loaded model with what its directory says about text. Masks are switched through [`LocalEngine::model_mut`].
#[derive(Debug)]
pub struct LocalEngine {
    model: Model,
    texts: CheckpointTexts,
}

impl LocalEngine {
    /// Reads tokenizer, templates and generation config of the model's directory.
    ///
    /// # Errors
    /// As [`CheckpointTexts::open`].
    pub fn new(model: Model, directory: &Path) -> Result<Self, EngineError> {
        let texts = CheckpointTexts::open(directory, model.vocabulary())?;
        Ok(Self { model, texts })
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
        self.texts.tokenizer()
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        self.texts.end_tokens()
    }

    /// The conversation in the model's chat template; `None` if the checkpoint has no template. `ask`: it ends where the
    /// assistant is to speak.
    ///
    /// # Errors
    /// If the template fails on these messages.
    pub fn render(&self, messages: &[Message], ask: bool) -> Result<Option<String>, EngineError> {
        self.texts.render(messages, ask)
    }

    fn options(&self, request: &GenerateRequest) -> GenerateOptions {
        GenerateOptions {
            prompt: request.prompt.clone(),
            max_new_tokens: request.max_new_tokens,
            end_tokens: self.texts.end_tokens().to_vec(),
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
        }
    }
}

impl Engine for LocalEngine {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.texts.encode(text, special)
    }

    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        self.render(messages, true)
    }

    fn prefix_token(&self) -> u32 {
        self.texts.prefix().id
    }

    fn prefix_text(&self) -> Option<String> {
        Some(self.texts.prefix().text.clone())
    }

    fn max_length(&self) -> usize {
        self.model.spec().max_positions
    }

    fn wants_large_calls(&self) -> bool {
        matches!(self.model.visits(), Visits::LayerByLayer { .. })
    }

    fn keep_waves(&mut self, waves: Option<KeptWaves>) {
        self.model.keep_waves(waves);
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
            .map(|_| Mutex::new(self.tokenizer().stream(false)))
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
        let finished = requests.iter().zip(&answers).map(|(request, answer)| {
            let generated = texts::Generated {
                tokens: &answer.tokens,
                log_probabilities: Some(&answer.log_probabilities),
                ended: answer.ended,
                end_log_probability: answer.end_log_probability,
                stopped: answer.stopped,
            };
            self.texts.answer(&request.stop, &generated)
        });
        finished.collect()
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
