//! One request: what goes out, and what the answer means for the next attempt.

use std::io::Read;
use std::time::{Duration, SystemTime};

use secateur_fetch::settings::Proxies;
use ureq::{Agent, AgentBuilder, ErrorKind, Proxy, Response};
use url::Url;

use super::endpoint::Endpoint;
use super::pace::retry_after;
use super::reply::words;
use crate::error::JudgeError;

/// Largest answer that is read, in bytes.
const LARGEST_BODY: u64 = 8 << 20;
/// Longest time until a connection stands.
const LONGEST_CONNECT: Duration = Duration::from_secs(30);

/// An API key, which does not show itself.
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What came of one request.
#[derive(Debug)]
pub enum Answer {
    /// Status 200.
    Body(Vec<u8>),
    /// Status 200 with more than [`LARGEST_BODY`].
    TooLarge,
    /// It may pass.
    Passing {
        /// In words.
        reason: String,
        /// What to do if it does not.
        advice: &'static str,
        /// The endpoint asks to wait so long.
        wait: Option<Duration>,
        /// Whom it concerns if it does not pass.
        scope: Scope,
    },
    /// It will not pass.
    Refused {
        /// In words.
        reason: String,
        /// What to do.
        advice: String,
        /// Whom it concerns.
        scope: Scope,
    },
}

/// Whether other questions would fare the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This question, for all one knows.
    Question,
    /// All of them.
    Endpoint,
}

/// The way to one endpoint.
#[derive(Debug)]
pub struct Line {
    url: Url,
    agent: Agent,
    variable: Option<String>,
    key: Option<Secret>,
}

impl Line {
    /// Prepares the way; the key is read from the environment here, and its absence is said by [`Line::check`].
    ///
    /// # Errors
    /// [`JudgeError::Setting`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, JudgeError> {
        let url = endpoint.address()?;
        let timeout = endpoint.timeout();
        let mut builder = AgentBuilder::new()
            // A key and the texts go to the address that was configured, and to no other.
            .redirects(0)
            .timeout_connect(timeout.min(LONGEST_CONNECT))
            .timeout(timeout)
            .max_idle_connections_per_host(endpoint.concurrency)
            .user_agent(concat!("secateur/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = Proxies::from_environment().of(&url) {
            let parsed = Proxy::new(proxy).map_err(|error| JudgeError::Setting {
                judge: endpoint.name.clone(),
                setting: "the proxy of the environment",
                found: error.to_string(),
                expected: "an address as http://host:port",
            })?;
            builder = builder.proxy(parsed);
        }
        let variable = endpoint.api_key_env.clone();
        let key = variable.as_ref().and_then(|name| std::env::var(name).ok());
        Ok(Self {
            url,
            agent: builder.build(),
            variable,
            // A line break inside would end the header it is sent in.
            key: key
                .map(|key| key.trim().to_owned())
                .filter(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic()))
                .map(Secret),
        })
    }

    /// The address, which holds no secret.
    pub fn address(&self) -> &str {
        self.url.as_str()
    }

    /// Refuses to go on without a key that was said to be there.
    ///
    /// # Errors
    /// What to do.
    pub fn check(&self) -> Result<(), String> {
        match (&self.variable, &self.key) {
            (Some(name), None) => Err(format!(
                "the environment variable {name} holds no API key (`api_key_env`): set it, or leave `api_key_env` out"
            )),
            _ => Ok(()),
        }
    }

    /// The text without the key, should somebody have sent it back.
    pub fn redacted(&self, text: String) -> String {
        match &self.key {
            Some(Secret(key)) if text.contains(key.as_str()) => text.replace(key.as_str(), "[API key]"),
            _ => text,
        }
    }

    /// Sends one request.
    pub fn post(&self, body: &[u8]) -> Answer {
        let mut request = self
            .agent
            .request_url("POST", &self.url)
            .set("Content-Type", "application/json")
            .set("Accept", "application/json");
        if let Some(Secret(key)) = &self.key {
            request = request.set("Authorization", &format!("Bearer {key}"));
        }
        match request.send_bytes(body) {
            Ok(response) if response.status() == 200 => self.body(response),
            Ok(response) | Err(ureq::Error::Status(_, response)) => self.status(response),
            Err(ureq::Error::Transport(error)) => self.transport(&error),
        }
    }

    fn body(&self, response: Response) -> Answer {
        let mut bytes = Vec::new();
        match response.into_reader().take(LARGEST_BODY + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > LARGEST_BODY => Answer::TooLarge,
            Ok(_) => Answer::Body(bytes),
            Err(error) => Answer::Passing {
                reason: self.redacted(format!("the answer broke off ({error})")),
                advice: "see whether the server is well; raise `timeout_s` if it is slow",
                wait: None,
                scope: Scope::Question,
            },
        }
    }

    fn status(&self, response: Response) -> Answer {
        let status = response.status();
        let name = response.status_text().to_owned();
        let header = |name: &str| response.header(name).map(str::to_owned);
        let (wait, target) = (header("Retry-After"), header("Location"));
        let wait = wait.and_then(|text| retry_after(&text, SystemTime::now()));
        let mut start = Vec::new();
        // What cannot be read of an error is not needed.
        let _ = response.into_reader().take(64 << 10).read_to_end(&mut start);
        let said = words(&start);
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let reason = self.redacted(format!("answered {status} ({name}){said}"));
        match status {
            408 | 429 | 500..=599 => Answer::Passing {
                reason,
                advice: match status {
                    429 => "lower `concurrency` or set `requests_per_minute`, or see whether the quota is used up",
                    _ => "see the server's log",
                },
                wait,
                scope: if status == 429 { Scope::Endpoint } else { Scope::Question },
            },
            300..=399 => Answer::Refused {
                reason,
                advice: format!(
                    "requests are not sent on to other addresses; set `endpoint` to where the server wants them{}",
                    target.map_or_else(String::new, |target| format!(" ({})", shown(&target)))
                ),
                scope: Scope::Endpoint,
            },
            401 | 403 => Answer::Refused {
                reason,
                advice: self.advice_on_keys(),
                scope: Scope::Endpoint,
            },
            404 | 405 | 410 => Answer::Refused {
                reason,
                advice: "check `endpoint`, which mostly ends in /v1, and `model`".into(),
                scope: Scope::Endpoint,
            },
            _ => Answer::Refused {
                reason,
                advice: "see whether the model takes so long a text, `json`, `token_limit`, `temperature`, `seed` and `extra`".into(),
                scope: Scope::Question,
            },
        }
    }

    fn advice_on_keys(&self) -> String {
        match &self.variable {
            Some(name) => format!("see whether the key in {name} is right and may use this model"),
            None => "name the environment variable with the API key in `api_key_env`".into(),
        }
    }

    fn transport(&self, error: &ureq::Transport) -> Answer {
        let text = error.to_string();
        let text = text.strip_prefix(self.url.as_str()).unwrap_or(&text);
        let reason = self.redacted(text.trim_start_matches([':', ' ']).to_owned());
        let passing = |advice, scope| Answer::Passing {
            reason: reason.clone(),
            advice,
            wait: None,
            scope,
        };
        match error.kind() {
            ErrorKind::InvalidUrl
            | ErrorKind::UnknownScheme
            | ErrorKind::InvalidProxyUrl
            | ErrorKind::ProxyUnauthorized => Answer::Refused {
                reason,
                advice: "check `endpoint` and the proxy variables".into(),
                scope: Scope::Endpoint,
            },
            ErrorKind::Dns | ErrorKind::ConnectionFailed | ErrorKind::ProxyConnect => {
                passing("see whether the server is running at that address", Scope::Endpoint)
            }
            _ => passing(
                "see whether the server is well; raise `timeout_s` if it is slow",
                Scope::Question,
            ),
        }
    }
}

/// Without what may hold a secret.
fn shown(target: &str) -> String {
    target
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .filter(|c| !c.is_control())
        .collect()
}
