//! The engine: requests of a task to requests of a server, and back.

use std::path::Path;

use secateur_datasets::item::Message;
use secateur_endpoint::line::ProxyRefused;
use secateur_endpoint::{Advice, Attempts, Line, LineSettings, Pace, base_address};

use super::desk::{Desk, Unanswered};
use super::dialect::{self, Ask, Dialect, Prompt, Scoring};
use super::in_order::in_order;
use super::prompt::text_of;
use super::reply::{Completion, Said, TokenScore};
use super::server::Server;
use super::settings::ServedSettings;
use crate::engine::{Engine, EngineError, Finish, GenerateRequest, Generation, Score, ScoreRequest};
use crate::texts::{CheckpointTexts, Generated, cut_at_stop};

/// Largest reply that is read, in bytes: a vocabulary with its log-probabilities fits.
const LARGEST_BODY: u64 = 128 << 20;
/// Likeliest tokens that are asked for first, where a continuation is scored token by token.
const FEW: usize = 64;
/// What to do about troubles.
const ADVICE: Advice = Advice {
    address: "openai",
    not_found: "check `openai`, which ends in /v1, and `model`",
    refused: "see whether the server takes so long a prompt, and whether it serves this checkpoint",
};

/// The checkpoint that is served, as its directory and config tell.
#[derive(Debug, Clone, Copy)]
pub struct ServedCheckpoint<'a> {
    /// Where its tokenizer and templates are.
    pub directory: &'a Path,
    /// Rows of its embedding.
    pub vocabulary: usize,
    /// Positions it was made for, in tokens.
    pub max_positions: usize,
}

/// A checkpoint behind a server.
#[derive(Debug)]
pub struct ServedEngine {
    model: String,
    server: Server,
    dialect: &'static dyn Dialect,
    desk: Desk,
    concurrency: usize,
    texts: CheckpointTexts,
    vocabulary: usize,
    max_length: usize,
    /// Why it scores nothing.
    unscored: Option<String>,
}

impl ServedEngine {
    /// Opens the checkpoint's text side, asks the server what it is, and tries with a token or two whether it answers and whether it
    /// tells log-probabilities. `should_stop` is asked often, also while waiting.
    ///
    /// # Errors
    /// If a setting makes no sense, the directory's text side is malformed, the server cannot be reached, is of an unknown kind, does
    /// not serve the model, or reads a token as something else.
    pub fn open(
        settings: &ServedSettings,
        checkpoint: ServedCheckpoint<'_>,
        should_stop: fn() -> bool,
    ) -> Result<Self, EngineError> {
        let (line, root) = way(settings)?;
        let server = Server::identify(settings, &line, &root)?;
        let dialect = dialect::of(server.kind);
        let url = base_address(root.as_str(), dialect.path()).map_err(EngineError)?;
        let attempts = Attempts {
            most: settings.attempts,
            first_wait: settings.first_wait(),
        };
        let pace = Pace::new(settings.requests_per_minute);
        let served = server.max_length.unwrap_or(usize::MAX);
        let mut engine = Self {
            model: settings.model.clone(),
            dialect,
            desk: Desk::new(line.to(url), pace, attempts, should_stop),
            concurrency: settings.concurrency,
            texts: CheckpointTexts::open(checkpoint.directory, checkpoint.vocabulary)?,
            vocabulary: checkpoint.vocabulary,
            max_length: checkpoint.max_positions.min(served),
            server,
            unscored: None,
        };
        engine.try_out()?;
        Ok(engine)
    }

    /// What answers at the address, asked alone: the checkpoint is not opened.
    ///
    /// # Errors
    /// As [`ServedEngine::open`].
    pub fn identify(settings: &ServedSettings) -> Result<Server, EngineError> {
        let (line, root) = way(settings)?;
        Server::identify(settings, &line, &root)
    }

    /// What answers.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The checkpoint's text side.
    #[must_use]
    pub fn texts(&self) -> &CheckpointTexts {
        &self.texts
    }

    /// Why log-probabilities are refused, where they are.
    #[must_use]
    pub fn unscored(&self) -> Option<&str> {
        self.unscored.as_deref()
    }

    fn try_out(&mut self) -> Result<(), EngineError> {
        let word = self.texts.encode("a", true)?;
        let prompt = if word.is_empty() {
            vec![self.texts.prefix().id]
        } else {
            word
        };
        let request = GenerateRequest {
            prompt: prompt.clone(),
            stop: Vec::new(),
            max_new_tokens: 1,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
        };
        self.generate_one(&request)?;
        self.unscored = if let Scoring::Never(reason) = self.dialect.scoring() {
            Some(reason.to_owned())
        } else {
            let request = ScoreRequest {
                context: vec![self.texts.prefix().id],
                continuation: prompt,
            };
            match self.score_one(&request) {
                Ok(_) => None,
                Err(Unanswered::Refused(message)) => Some(message),
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        };
        Ok(())
    }

    fn generate_one(&self, request: &GenerateRequest) -> Result<Generation, EngineError> {
        let prompt = if self.dialect.takes_text() {
            Prompt::Text(text_of(&self.texts, &request.prompt)?)
        } else {
            Prompt::Tokens(request.prompt.clone())
        };
        let body = self.dialect.generate(&Ask {
            model: &self.model,
            prompt,
            end_tokens: self.texts.end_tokens(),
            stop: &request.stop,
            max_new_tokens: request.max_new_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: seed(request.seed),
        });
        let reply = self.desk.ask(&body)?;
        let completion = self.dialect.completion(&reply);
        let completion = completion.map_err(|reason| EngineError(self.desk.told(&reason)))?;
        if completion.prompt_tokens != request.prompt.len() {
            let found = completion.prompt_tokens;
            return Err(EngineError(self.desk.told(&format!(
                "the server read the prompt as {found} tokens, the checkpoint's own tokenizer makes {} of it: serve the directory \
                 that `path` names, with its tokenizer",
                request.prompt.len()
            ))));
        }
        self.generation(request, &completion)
            .map_err(|error| EngineError(self.desk.told(&error.0)))
    }

    fn generation(&self, request: &GenerateRequest, completion: &Completion) -> Result<Generation, EngineError> {
        match &completion.said {
            Said::Tokens { ids, log_probabilities } => {
                self.told_in_tokens(request, completion, ids, log_probabilities.as_deref())
            }
            Said::Text { text, tokens } => self.told_in_text(request, completion, text.clone(), *tokens),
        }
    }

    fn told_in_tokens(
        &self,
        request: &GenerateRequest,
        completion: &Completion,
        ids: &[u32],
        log_probabilities: Option<&[f64]>,
    ) -> Result<Generation, EngineError> {
        check_length(request, ids.len())?;
        let ended = ids.last().is_some_and(|last| self.texts.end_tokens().contains(last));
        let tokens = &ids[..ids.len() - usize::from(ended)];
        // Special tokens are kept here, so that a stop text can name one.
        let mut stream = self.texts.tokenizer().stream(false);
        for &token in ids {
            stream.push(token).map_err(crate::texts::error)?;
        }
        stream.finish().map_err(crate::texts::error)?;
        let stopped = stream.stop_position(&request.stop).is_some();
        if !ended && !stopped && ids.len() < request.max_new_tokens {
            return Err(EngineError(format!(
                "the answer ended (`{}`) after {} of {} tokens, without an end token of the checkpoint and without a stop text",
                completion.finish,
                ids.len(),
                request.max_new_tokens
            )));
        }
        let end_log_probability = log_probabilities
            .filter(|_| ended)
            .and_then(|known| known.last())
            .copied();
        let generated = Generated {
            tokens,
            log_probabilities: log_probabilities.and_then(|known| known.get(..tokens.len())),
            ended,
            end_log_probability,
            stopped,
        };
        self.texts.answer(&request.stop, &generated)
    }

    /// From text without special tokens: an end token is what was counted and cannot be seen.
    fn told_in_text(
        &self,
        request: &GenerateRequest,
        completion: &Completion,
        mut text: String,
        tokens: usize,
    ) -> Result<Generation, EngineError> {
        check_length(request, tokens)?;
        let full = tokens == request.max_new_tokens;
        let hidden = !full || self.texts.encode(&text, false)?.len() + 1 == tokens;
        let stopped = cut_at_stop(&mut text, &request.stop);
        let ended = !stopped && hidden;
        if !full && completion.finish != "stop" {
            return Err(EngineError(format!(
                "the answer ended (`{}`) after {tokens} of {} tokens",
                completion.finish, request.max_new_tokens
            )));
        }
        Ok(Generation {
            text,
            tokens: tokens.saturating_sub(usize::from(ended)),
            finish: match (stopped, ended) {
                (true, _) => Finish::StopText,
                (false, true) => Finish::EndToken,
                (false, false) => Finish::Length,
            },
            mean_log_probability: None,
            end_log_probability: None,
        })
    }

    fn score_one(&self, request: &ScoreRequest) -> Result<Vec<TokenScore>, Unanswered> {
        let tokens: Vec<u32> = request.context.iter().chain(&request.continuation).copied().collect();
        let from = request.context.len();
        if self.dialect.scoring() == Scoring::Stepwise {
            return (from..tokens.len())
                .map(|at| self.score_next(&tokens[..at], tokens[at]))
                .collect();
        }
        let reply = self.desk.ask(&self.dialect.score(&self.model, &tokens, 0))?;
        let scores = self.dialect.scores(&reply, &tokens, from);
        scores.map_err(|reason| Unanswered::Failed(EngineError(self.desk.told(&reason))))
    }

    fn score_next(&self, before: &[u32], token: u32) -> Result<TokenScore, Unanswered> {
        let failed = |reason: &str| Unanswered::Failed(EngineError(self.desk.told(reason)));
        for likeliest in [FEW.min(self.vocabulary), self.vocabulary] {
            let reply = self.desk.ask(&self.dialect.score(&self.model, before, likeliest))?;
            if let Some(score) = self
                .dialect
                .next_score(&reply, token)
                .map_err(|reason| failed(&reason))?
            {
                return Ok(score);
            }
        }
        Err(failed(&format!(
            "token {token} is not among the log-probabilities of the whole vocabulary: the server's model has other tokens"
        )))
    }

    fn token_scores(
        &self,
        requests: &[ScoreRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<TokenScore>>, EngineError> {
        if let Some(reason) = &self.unscored {
            return Err(EngineError(format!(
                "this task needs log-probabilities, and the server does not tell them ({reason})"
            )));
        }
        let work = |request: &ScoreRequest| Ok(self.score_one(request)?);
        in_order(requests, self.concurrency, &work, progress)
    }
}

/// The way to the server, and its root: the address without `/v1`.
fn way(settings: &ServedSettings) -> Result<(Line, url::Url), EngineError> {
    settings.check()?;
    let root = settings.openai.trim_end_matches('/');
    let root = root.strip_suffix("/v1").unwrap_or(root).trim_end_matches('/');
    let root = base_address(root, "/").map_err(EngineError)?;
    let line = Line::new(LineSettings {
        url: root.clone(),
        timeout: settings.timeout(),
        concurrency: settings.concurrency,
        api_key_env: settings.api_key_env.as_deref(),
        largest_body: LARGEST_BODY,
        advice: ADVICE,
    });
    let line = line.map_err(|ProxyRefused(found)| {
        EngineError(format!(
            "the proxy of the environment is {found}, expected an address as http://host:port"
        ))
    })?;
    line.check().map_err(EngineError)?;
    Ok((line, root))
}

/// All 64 bits in 31: what every server takes.
fn seed(seed: u64) -> u32 {
    ((seed ^ (seed >> 33)) & 0x7fff_ffff) as u32
}

impl Engine for ServedEngine {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.texts.encode(text, special)
    }

    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        self.texts.render(messages, true)
    }

    fn prefix_token(&self) -> u32 {
        self.texts.prefix().id
    }

    fn prefix_text(&self) -> Option<String> {
        Some(self.texts.prefix().text.clone())
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    /// Servers read the last token as well, and generate one after it.
    fn max_scored_length(&self) -> usize {
        self.max_length.saturating_sub(2).max(1)
    }

    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        let scores = self.token_scores(requests, progress)?;
        let sums = scores.iter().map(|tokens| Score {
            log_probability: tokens.iter().map(|token| token.log_probability).sum(),
            is_greedy: tokens.iter().all(|token| token.greedy),
            tokens: tokens.len(),
        });
        Ok(sums.collect())
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        let sampled = requests.iter().any(|request| request.temperature > 0.0);
        let threads = if sampled && self.dialect.shares_its_generator() {
            1
        } else {
            self.concurrency
        };
        in_order(requests, threads, &|request| self.generate_one(request), progress)
    }

    fn token_log_probabilities(
        &mut self,
        requests: &[ScoreRequest],
        whole: bool,
    ) -> Result<Vec<Vec<f64>>, EngineError> {
        if whole {
            return Err(EngineError(
                "this needs the unpruned model beside the pruned one; a checkpoint that runs in this process has both"
                    .to_owned(),
            ));
        }
        let scores = self.token_scores(requests, &mut |_| {})?.into_iter();
        Ok(scores
            .map(|tokens| tokens.iter().map(|token| token.log_probability).collect())
            .collect())
    }
}

fn check_length(request: &GenerateRequest, tokens: usize) -> Result<(), EngineError> {
    if tokens <= request.max_new_tokens {
        return Ok(());
    }
    Err(EngineError(format!(
        "the answer has {tokens} tokens, {} were asked for",
        request.max_new_tokens
    )))
}
