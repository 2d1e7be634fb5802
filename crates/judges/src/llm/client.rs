//! A judge that can be asked: keys of questions, attempts, kept replies.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use secateur_endpoint::{Advice, Attempts, Failure, Line, LineSettings, Pace, Scope};
use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::endpoint::Endpoint;
use super::messages::{Message, Protocol, sha256};
use super::reply::{self, Reply};
use crate::error::JudgeError;

/// Largest answer that is read, in bytes.
const LARGEST_BODY: u64 = 8 << 20;
/// What to do about troubles.
const ADVICE: Advice = Advice {
    address: "endpoint",
    not_found: "check `endpoint`, which mostly ends in /v1, and `model`",
    refused: "see whether the model takes so long a text, `json`, `token_limit`, `temperature`, `seed` and `extra`",
};
/// Questions in a row that may be refused before the endpoint is given up; an unanswered one counts for several.
const MOST_IN_A_ROW: u32 = 20;
const UNANSWERED: u32 = 7;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Under which rules it is asked.
    pub protocol: Protocol,
    /// What is said.
    pub messages: Vec<Message>,
}

/// A judge behind an endpoint.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    line: Line,
    pace: Pace,
    attempts: Attempts,
    cache: Option<Cache>,
    in_a_row: AtomicU32,
}

/// An answer with a chat completion in it, or with something else.
#[derive(Debug)]
pub(super) struct Answered {
    pub reply: Result<Reply, Nonsense>,
    pub seconds: f64,
    pub attempts: u32,
}

/// An answer of status 200 that is no chat completion.
#[derive(Debug)]
pub(super) struct Nonsense {
    pub reason: String,
    /// The beginning of the body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The word to stop.
    Stopped,
    /// This question has no answer.
    Question(String),
    /// Nor would another have one.
    Endpoint(String),
}

impl Client {
    /// A client; `cache` is the folder of kept replies, without which nothing is kept.
    ///
    /// # Errors
    /// [`JudgeError::Setting`] or [`JudgeError::Cache`]. An absent API key is no error here: kept replies need none.
    pub fn new(endpoint: &Endpoint, cache: Option<&Path>) -> Result<Self, JudgeError> {
        let line = Line::new(LineSettings {
            url: endpoint.address()?,
            timeout: endpoint.timeout(),
            concurrency: endpoint.concurrency,
            api_key_env: endpoint.api_key_env.as_deref(),
            largest_body: LARGEST_BODY,
            advice: ADVICE,
        });
        Ok(Self {
            line: line.map_err(|proxy| JudgeError::Setting {
                judge: endpoint.name.clone(),
                setting: "the proxy of the environment",
                found: proxy.0,
                expected: "an address as http://host:port",
            })?,
            attempts: Attempts {
                most: endpoint.attempts,
                first_wait: Duration::from_secs_f64(endpoint.first_wait_s),
            },
            pace: Pace::new(endpoint.requests_per_minute),
            cache: cache.map(Cache::open).transpose()?,
            in_a_row: AtomicU32::new(0),
            endpoint: endpoint.clone(),
        })
    }

    /// What was configured.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Everything that decides verdicts besides the texts and the protocol: address, model and settings, as one line of JSON.
    #[must_use]
    pub fn identity(&self) -> String {
        json!({"endpoint": self.base(), "request": self.endpoint.request_fields()}).to_string()
    }

    /// Fails where a key is wanted and absent, before anything is asked.
    ///
    /// # Errors
    /// [`JudgeError::Unanswered`].
    pub fn check_ready(&self) -> Result<(), JudgeError> {
        self.line.check().map_err(|reason| JudgeError::Unanswered {
            judge: self.endpoint.name.clone(),
            reason,
        })
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    pub(super) fn base(&self) -> &str {
        self.endpoint.endpoint.trim_end_matches('/')
    }

    /// SHA-256 of all that decides the reply, and of the messages alone.
    pub(super) fn key(&self, question: &Question) -> (String, String) {
        let all = json!({
            "protocol": question.protocol.name,
            "version": question.protocol.version,
            "endpoint": self.base(),
            "request": self.endpoint.request_fields(),
            "messages": question.messages,
        });
        let messages = json!(question.messages);
        (
            sha256(all.to_string().as_bytes()),
            sha256(messages.to_string().as_bytes()),
        )
    }

    /// Asks, again where that may help.
    pub(super) fn ask(
        &self,
        question: &Question,
        key: &str,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answered, Trouble> {
        self.line
            .check()
            .map_err(|reason| Trouble::Endpoint(format!("judge {}: {reason}", self.endpoint.name)))?;
        let mut fields: Map<String, Value> = self.endpoint.request_fields();
        fields.insert("messages".into(), json!(question.messages));
        let body = Value::Object(fields).to_string();
        match self
            .line
            .ask(&self.pace, self.attempts, body.as_bytes(), key, should_stop)
        {
            Ok(answered) => {
                self.in_a_row.store(0, Ordering::Relaxed);
                let too_large = || Nonsense {
                    reason: "the endpoint's answer is larger than 8 MiB".into(),
                    body: String::new(),
                };
                Ok(Answered {
                    reply: answered.body.ok_or_else(too_large).and_then(|bytes| self.read(&bytes)),
                    seconds: (answered.took.as_secs_f64() * 1000.0).round() / 1000.0,
                    attempts: answered.attempts,
                })
            }
            Err(Failure::Stopped) => Err(Trouble::Stopped),
            Err(Failure::Refused { message, scope }) => Err(self.given_up(scope, 1, &message)),
            Err(Failure::Unanswered { message, scope }) => Err(self.given_up(scope, UNANSWERED, &message)),
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<Reply, Nonsense> {
        let mut reply = reply::read(bytes).map_err(|reason| Nonsense {
            reason: self.line.redacted(reason),
            body: self
                .line
                .redacted(String::from_utf8_lossy(bytes).chars().take(2000).collect()),
        })?;
        reply.content = self.line.redacted(reply.content);
        Ok(reply)
    }

    /// A question without an answer; after too many in a row there is no use in asking on.
    fn given_up(&self, scope: Scope, weight: u32, message: &str) -> Trouble {
        let message = format!("judge {}: {message}", self.endpoint.name);
        let in_a_row = self.in_a_row.fetch_add(weight, Ordering::Relaxed) + weight;
        match scope {
            Scope::Question if in_a_row < MOST_IN_A_ROW => Trouble::Question(message),
            _ => Trouble::Endpoint(message),
        }
    }
}
