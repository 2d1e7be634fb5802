//! One question, asked again where that may help.

use std::time::{Duration, Instant};

use crate::line::{Answer, Line, Scope};
use crate::pace::{Pace, backoff, wait_until};

/// Longest wait that a server is granted.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// How often and how patiently a question is asked.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    /// The first included.
    pub most: u32,
    /// Wait before the second; doubled for each further one.
    pub first_wait: Duration,
}

/// An answer of status 200.
#[derive(Debug)]
pub struct Answered {
    /// What was said; none where it was larger than is read.
    pub body: Option<Vec<u8>>,
    /// Time of the attempt that was answered.
    pub took: Duration,
    /// Attempts, this one included.
    pub attempts: u32,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The word to stop.
    Stopped,
    /// The server does not take the question.
    Refused {
        /// What it said, and what to do.
        message: String,
        /// Whom it concerns.
        scope: Scope,
    },
    /// All attempts failed, or the server asks for more patience than it is granted.
    Unanswered {
        /// What happened last, and what to do.
        message: String,
        /// Whom it concerns.
        scope: Scope,
    },
}

impl Line {
    /// Posts a question until it is answered. `key` decides the jitter of the waits, so that a run can be repeated.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn ask(
        &self,
        pace: &Pace,
        attempts: Attempts,
        question: &[u8],
        key: &str,
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Answered, Failure> {
        let told = |reason: &str, advice: &str| format!("POST {} {reason}; {advice}", self.address());
        let mut not_before = Instant::now();
        for attempt in 1..=attempts.most {
            if !wait_until(pace.turn().max(not_before), should_stop) {
                return Err(Failure::Stopped);
            }
            let begun = Instant::now();
            let answered = |body| Answered {
                body,
                took: begun.elapsed(),
                attempts: attempt,
            };
            match self.post(question) {
                Answer::Body(bytes) => return Ok(answered(Some(bytes))),
                Answer::TooLarge => return Ok(answered(None)),
                Answer::Refused { reason, advice, scope } => {
                    return Err(Failure::Refused {
                        message: told(&reason, &advice),
                        scope,
                    });
                }
                Answer::Passing {
                    reason,
                    advice,
                    wait,
                    scope,
                } => {
                    if let Some(wait) = wait.filter(|&wait| wait > LONGEST_WAIT) {
                        let reason = format!("{reason}; it asks to wait {} seconds", wait.as_secs());
                        return Err(Failure::Unanswered {
                            message: told(&reason, "start the same command again then"),
                            scope: Scope::Endpoint,
                        });
                    }
                    if attempt == attempts.most {
                        let reason = format!("{reason}, after {attempt} attempts");
                        return Err(Failure::Unanswered {
                            message: told(&reason, advice),
                            scope,
                        });
                    }
                    if let Some(wait) = wait {
                        pace.hold(wait);
                    }
                    let wait = backoff(attempts.first_wait, attempt, key).max(wait.unwrap_or_default());
                    not_before = Instant::now() + wait;
                }
            }
        }
        Err(Failure::Unanswered {
            message: told("no attempt was made", "set `attempts` to at least 1"),
            scope: Scope::Question,
        })
    }
}
