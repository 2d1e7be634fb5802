//! A judge that can be asked: keys of questions, attempts, kept replies.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::endpoint::Endpoint;
use super::http::{Answer, Line, Scope};
use super::messages::{Message, Protocol, sha256};
use super::pace::{Pace, backoff, wait_until};
use super::reply::{self, Reply};
use crate::error::JudgeError;

/// Longest wait that an endpoint is granted.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
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
        Ok(Self {
            line: Line::new(endpoint)?,
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
        let mut not_before = Instant::now();
        for attempt in 1..=self.endpoint.attempts {
            if !wait_until(self.pace.turn().max(not_before), should_stop) {
                return Err(Trouble::Stopped);
            }
            let begun = Instant::now();
            match self.line.post(body.as_bytes()) {
                Answer::Body(bytes) => return Ok(self.answered(self.read(&bytes), begun, attempt)),
                Answer::TooLarge => {
                    let reason = "the endpoint's answer is larger than 8 MiB".into();
                    let nonsense = Nonsense {
                        reason,
                        body: String::new(),
                    };
                    return Ok(self.answered(Err(nonsense), begun, attempt));
                }
                Answer::Refused { reason, advice, scope } => {
                    return Err(self.given_up(scope, 1, &self.told(&reason, &advice)));
                }
                Answer::Passing {
                    reason,
                    advice,
                    wait,
                    scope,
                } => {
                    if wait.is_some_and(|wait| wait > LONGEST_WAIT) {
                        let wait = wait.map_or(0, |wait| wait.as_secs());
                        let reason = format!("{reason}; it asks to wait {wait} seconds");
                        return Err(Trouble::Endpoint(
                            self.told(&reason, "start the same command again then"),
                        ));
                    }
                    if attempt == self.endpoint.attempts {
                        let reason = format!("{reason}, after {attempt} attempts");
                        return Err(self.given_up(scope, UNANSWERED, &self.told(&reason, advice)));
                    }
                    if let Some(wait) = wait {
                        self.pace.hold(wait);
                    }
                    let first = Duration::from_secs_f64(self.endpoint.first_wait_s);
                    not_before = Instant::now() + backoff(first, attempt, key).max(wait.unwrap_or_default());
                }
            }
        }
        Err(Trouble::Question(
            self.told("no attempt was made", "set `attempts` to at least 1"),
        ))
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

    fn answered(&self, reply: Result<Reply, Nonsense>, begun: Instant, attempts: u32) -> Answered {
        self.in_a_row.store(0, Ordering::Relaxed);
        Answered {
            reply,
            seconds: (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            attempts,
        }
    }

    /// A question without an answer; after too many in a row there is no use in asking on.
    fn given_up(&self, scope: Scope, weight: u32, message: &str) -> Trouble {
        let in_a_row = self.in_a_row.fetch_add(weight, Ordering::Relaxed) + weight;
        match scope {
            Scope::Question if in_a_row < MOST_IN_A_ROW => Trouble::Question(message.to_owned()),
            _ => Trouble::Endpoint(message.to_owned()),
        }
    }

    fn told(&self, reason: &str, advice: &str) -> String {
        format!(
            "judge {}: POST {} {reason}; {advice}",
            self.endpoint.name,
            self.line.address()
        )
    }
}
