//! Requests to one server: paced, repeated where that may help, given up for all once the server is gone.

use std::sync::{Mutex, PoisonError};

use secateur_endpoint::{Attempts, Failure, Line, Pace, Scope};
use serde_json::Value;

use super::reply;
use crate::engine::EngineError;

/// Sends requests and reads what comes back as JSON.
#[derive(Debug)]
pub struct Desk {
    /// Where requests go.
    pub line: Line,
    /// When.
    pub pace: Pace,
    /// How often.
    pub attempts: Attempts,
    /// Asked often, also while waiting.
    pub should_stop: fn() -> bool,
    /// Why nothing more is asked.
    gone: Mutex<Option<String>>,
}

/// Why a request has no reply.
#[derive(Debug)]
pub enum Unanswered {
    /// The server does not take this request; its words and what to do.
    Refused(String),
    /// Anything else.
    Failed(EngineError),
}

impl From<Unanswered> for EngineError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused(message) => Self(message),
            Unanswered::Failed(error) => error,
        }
    }
}

impl Desk {
    /// A desk at which nothing has been asked yet.
    #[must_use]
    pub fn new(line: Line, pace: Pace, attempts: Attempts, should_stop: fn() -> bool) -> Self {
        Self {
            line,
            pace,
            attempts,
            should_stop,
            gone: Mutex::new(None),
        }
    }

    /// Asks, again where that may help.
    ///
    /// # Errors
    /// [`Unanswered`]. Once the server could not be reached for all attempts, later requests fail at once.
    pub fn ask(&self, body: &Value) -> Result<Value, Unanswered> {
        let failed = |message: String| Err(Unanswered::Failed(EngineError(message)));
        if let Some(message) = self.gone() {
            return failed(message);
        }
        let body = body.to_string();
        let stop = || (self.should_stop)() || self.gone().is_some();
        match self.line.ask(&self.pace, self.attempts, body.as_bytes(), &body, &stop) {
            Ok(answered) => match answered.body {
                Some(bytes) => reply::json(&bytes).or_else(|reason| failed(self.told(&reason))),
                None => failed(self.told("the reply is larger than is read")),
            },
            Err(Failure::Stopped) => failed(self.gone().unwrap_or_else(|| "stopped".to_owned())),
            Err(Failure::Refused { message, scope }) => {
                self.note(scope, &message);
                Err(Unanswered::Refused(message))
            }
            Err(Failure::Unanswered { message, scope }) => {
                let message = format!("{message}; what was evaluated is kept, and the same command goes on from there");
                self.note(scope, &message);
                failed(message)
            }
        }
    }

    /// A problem with a reply, with the address it came from.
    #[must_use]
    pub fn told(&self, reason: &str) -> String {
        self.line.redacted(format!("POST {}: {reason}", self.line.address()))
    }

    fn note(&self, scope: Scope, message: &str) {
        if scope == Scope::Endpoint {
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.get_or_insert_with(|| message.to_owned());
        }
    }

    fn gone(&self) -> Option<String> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
