//! One request: what goes out, and what the answer means for the next attempt.

use std::io::Read;
use std::time::{Duration, SystemTime};

use secateur_fetch::settings::Proxies;
use ureq::{Agent, AgentBuilder, ErrorKind, Proxy, Request, Response};
use url::Url;

use crate::pace::retry_after;
use crate::words::words;

/// Longest time until a connection stands.
const LONGEST_CONNECT: Duration = Duration::from_secs(30);

/// An API key, which does not show itself.
#[derive(Clone)]
struct Secret(String);

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
    /// Status 200 with more than [`LineSettings::largest_body`].
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

/// What to do about troubles, in the words of the file that configures the endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    /// The setting that holds the address.
    pub address: &'static str,
    /// The server knows no such address or model.
    pub not_found: &'static str,
    /// The server does not take the request.
    pub refused: &'static str,
}

/// How a server is reached.
#[derive(Debug)]
pub struct LineSettings<'a> {
    /// Where requests go.
    pub url: Url,
    /// Longest time for one of them.
    pub timeout: Duration,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// Environment variable that holds the API key.
    pub api_key_env: Option<&'a str>,
    /// Largest answer that is read, in bytes.
    pub largest_body: u64,
    /// What to do about troubles.
    pub advice: Advice,
}

/// The way to one address.
#[derive(Debug, Clone)]
pub struct Line {
    url: Url,
    agent: Agent,
    variable: Option<String>,
    key: Option<Secret>,
    largest_body: u64,
    advice: Advice,
}

impl Line {
    /// Prepares the way; the key is read from the environment here, and its absence is said by [`Line::check`].
    ///
    /// # Errors
    /// If the environment names a proxy that is no address.
    pub fn new(settings: LineSettings<'_>) -> Result<Self, ProxyRefused> {
        let mut builder = AgentBuilder::new()
            // A key and the texts go to the address that was configured, and to no other.
            .redirects(0)
            .timeout_connect(settings.timeout.min(LONGEST_CONNECT))
            .timeout(settings.timeout)
            .max_idle_connections_per_host(settings.concurrency)
            .user_agent(concat!("secateur/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = Proxies::from_environment().of(&settings.url) {
            builder = builder.proxy(Proxy::new(proxy).map_err(|error| ProxyRefused(error.to_string()))?);
        }
        let variable = settings.api_key_env.map(str::to_owned);
        let key = variable.as_ref().and_then(|name| std::env::var(name).ok());
        Ok(Self {
            url: settings.url,
            agent: builder.build(),
            variable,
            // A line break inside would end the header it is sent in.
            key: key
                .map(|key| key.trim().to_owned())
                .filter(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic()))
                .map(Secret),
            largest_body: settings.largest_body,
            advice: settings.advice,
        })
    }

    /// The same way to another address of the same server.
    #[must_use]
    pub fn to(&self, url: Url) -> Self {
        Self { url, ..self.clone() }
    }

    /// The address, which holds no secret.
    #[must_use]
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
    #[must_use]
    pub fn redacted(&self, text: String) -> String {
        match &self.key {
            Some(Secret(key)) if text.contains(key.as_str()) => text.replace(key.as_str(), "[API key]"),
            _ => text,
        }
    }

    /// Sends one request.
    #[must_use]
    pub fn post(&self, body: &[u8]) -> Answer {
        let request = self.request("POST").set("Content-Type", "application/json");
        self.read(request.send_bytes(body))
    }

    /// Reads what is there.
    #[must_use]
    pub fn get(&self) -> Answer {
        self.read(self.request("GET").call())
    }

    fn request(&self, method: &str) -> Request {
        let request = self
            .agent
            .request_url(method, &self.url)
            .set("Accept", "application/json");
        match &self.key {
            Some(Secret(key)) => request.set("Authorization", &format!("Bearer {key}")),
            None => request,
        }
    }

    // ureq's own result, as it comes.
    #[allow(clippy::result_large_err)]
    fn read(&self, result: Result<Response, ureq::Error>) -> Answer {
        match result {
            Ok(response) if response.status() == 200 => self.body(response),
            Ok(response) | Err(ureq::Error::Status(_, response)) => self.status(response),
            Err(ureq::Error::Transport(error)) => self.transport(&error),
        }
    }

    fn body(&self, response: Response) -> Answer {
        let mut bytes = Vec::new();
        let most = self.largest_body;
        match response.into_reader().take(most + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > most => Answer::TooLarge,
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
                scope: if status == 429 {
                    Scope::Endpoint
                } else {
                    Scope::Question
                },
            },
            300..=399 => Answer::Refused {
                reason,
                advice: format!(
                    "requests are not sent on to other addresses; set `{}` to where the server wants them{}",
                    self.advice.address,
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
                advice: self.advice.not_found.into(),
                scope: Scope::Endpoint,
            },
            _ => Answer::Refused {
                reason,
                advice: self.advice.refused.into(),
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
                advice: format!("check `{}` and the proxy variables", self.advice.address),
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

/// The environment names a proxy that is no address; what was found.
#[derive(Debug)]
pub struct ProxyRefused(pub String);

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
