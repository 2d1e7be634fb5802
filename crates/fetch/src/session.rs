//! One GET with redirects, the token where it belongs, and a verdict on what came back.

use std::io::Read;
use std::time::Duration;

use ureq::{Agent, AgentBuilder, ErrorKind, Proxy, Response};
use url::Url;

use crate::error::FetchError;
use crate::settings::Settings;

const MOST_REDIRECTS: usize = 10;

/// A client.
#[derive(Debug)]
pub struct Session<'a> {
    /// Its settings.
    pub settings: &'a Settings,
}

/// What to go on from: bytes that are there, and what the server called that version of the file.
#[derive(Debug, Clone, Copy)]
pub struct Resume<'a> {
    /// Bytes that are there.
    pub from: u64,
    /// `ETag` or `Last-Modified`.
    pub validator: &'a str,
}

/// A body about to be read.
pub struct Body {
    /// The bytes.
    pub reader: Box<dyn Read + Send + Sync>,
    /// First byte of this body in the file; 0 where the server sends it whole.
    pub start: u64,
    /// Size of the file, where the server says it.
    pub size: Option<u64>,
    /// What the server calls this version, if it can be asked for a part of it.
    pub validator: Option<String>,
}

/// Why there is no body.
#[derive(Debug)]
pub enum Trouble {
    /// It may pass.
    Passing {
        /// In words.
        reason: String,
        /// The server asks to wait so long.
        wait: Option<Duration>,
    },
    /// The part asked for does not exist: start from the beginning.
    Range,
    /// It will not pass.
    Final(FetchError),
}

impl Session<'_> {
    /// Asks for a file, or for what is missing of it.
    ///
    /// # Errors
    /// What the server or the network said instead.
    pub fn get(&self, address: &str, resume: Option<Resume<'_>>) -> Result<Body, Trouble> {
        let asked = self.settings.mirrored(address);
        let mut url = parse(&asked).map_err(Trouble::Final)?;
        if self.settings.offline {
            return Err(Trouble::Final(FetchError::Offline { url: asked }));
        }
        let mut at_home = true;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&url, at_home, resume)?;
            let Some(target) = redirect(&response) else {
                return body(&url, response, resume);
            };
            let next = url
                .join(&target)
                .map_err(|error| Trouble::Final(redirected(&asked, format!("sent on to `{target}`: {error}"))))?;
            if !matches!(next.scheme(), "http" | "https") || (url.scheme() == "https" && next.scheme() == "http") {
                let reason = format!("sent on to {}, which is less safe; nothing was fetched", shown(&next));
                return Err(Trouble::Final(redirected(&asked, reason)));
            }
            // Once away from the hub, the token is not sent again, not even when sent back.
            at_home &= next.origin() == url.origin();
            url = next;
        }
        Err(Trouble::Final(redirected(
            &asked,
            format!("sent on more than {MOST_REDIRECTS} times"),
        )))
    }

    fn ask(&self, url: &Url, at_home: bool, resume: Option<Resume<'_>>) -> Result<Response, Trouble> {
        let mut request = self
            .agent(url)
            .map_err(Trouble::Final)?
            .request_url("GET", url)
            // Sizes and parts are of the file as it is.
            .set("Accept-Encoding", "identity");
        let token = self.settings.token_for(url).filter(|_| at_home);
        if let Some(token) = token {
            request = request.set("Authorization", &format!("Bearer {}", token.0));
        }
        if let Some(Resume { from, validator }) = resume {
            request = request
                .set("Range", &format!("bytes={from}-"))
                .set("If-Range", validator);
        }
        match request.call() {
            Ok(response) => Ok(response),
            Err(ureq::Error::Status(status, response)) => {
                Err(refused(url, status, &response, self.advice(url, token.is_some())))
            }
            Err(ureq::Error::Transport(error)) => Err(match error.kind() {
                ErrorKind::InvalidUrl | ErrorKind::UnknownScheme | ErrorKind::InvalidProxyUrl => {
                    Trouble::Final(address(url.as_str(), &error.to_string()))
                }
                ErrorKind::ProxyUnauthorized => Trouble::Final(address(url.as_str(), "the proxy wants a password")),
                _ => Trouble::Passing {
                    reason: without_address(&error, url),
                    wait: None,
                },
            }),
        }
    }

    /// What to do where a server wants to know who asks.
    fn advice(&self, url: &Url, with_token: bool) -> &'static str {
        let hub = Url::parse(&self.settings.endpoint);
        if with_token {
            "the token has no access: accept the terms on the page of the data set, or use another HF_TOKEN"
        } else if hub.is_ok_and(|hub| hub.origin() == url.origin()) {
            "accept the terms on the page of the data set, then set HF_TOKEN to a token of your account"
        } else {
            "it is not given to everybody: see `source` and `how_to_get` of the data card (`secateur datasets show`)"
        }
    }

    fn agent(&self, url: &Url) -> Result<Agent, FetchError> {
        let mut builder = AgentBuilder::new()
            .redirects(0)
            .timeout_connect(self.settings.timeout)
            .timeout_read(self.settings.timeout)
            .timeout_write(self.settings.timeout)
            .user_agent(concat!("secateur/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = self.settings.proxies.of(url) {
            let parsed = Proxy::new(proxy).map_err(|error| address(proxy, &format!("no proxy: {error}")))?;
            builder = builder.proxy(parsed);
        }
        Ok(builder.build())
    }
}

fn parse(text: &str) -> Result<Url, FetchError> {
    let url = Url::parse(text).map_err(|error| address(text, &error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(address(text, &format!("`{other}` is neither http nor https"))),
    }
}

fn address(url: &str, reason: &str) -> FetchError {
    FetchError::Address {
        url: url.to_owned(),
        reason: reason.to_owned(),
    }
}

fn redirected(url: &str, reason: String) -> FetchError {
    FetchError::Redirect {
        url: url.to_owned(),
        reason,
    }
}

/// Without the query, which may hold a signature.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.to_string()
}

fn without_address(error: &ureq::Transport, url: &Url) -> String {
    let text = error.to_string();
    let text = text.strip_prefix(url.as_str()).unwrap_or(&text);
    text.trim_start_matches([':', ' ']).to_owned()
}

fn redirect(response: &Response) -> Option<String> {
    let moved = matches!(response.status(), 301 | 302 | 303 | 307 | 308);
    response.header("Location").filter(|_| moved).map(str::to_owned)
}

fn refused(url: &Url, status: u16, response: &Response, advice: &str) -> Trouble {
    let place = shown(url);
    let words = response.status_text();
    match status {
        401 | 403 => Trouble::Final(FetchError::Denied {
            url: place,
            status,
            advice: advice.to_owned(),
        }),
        416 => Trouble::Range,
        408 | 425 | 429 | 500..=599 => Trouble::Passing {
            reason: format!("the server answered {status} {words}"),
            wait: response
                .header("Retry-After")
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
        },
        _ => Trouble::Final(FetchError::Refused {
            url: place,
            status,
            reason: if words.is_empty() {
                String::new()
            } else {
                format!(" ({words})")
            },
            advice: match status {
                404 | 410 => {
                    "the file has moved: see `source` and `how_to_get` of the data card (`secateur datasets show`)"
                }
                _ => "the server does not want to give it",
            },
        }),
    }
}

fn body(url: &Url, response: Response, resume: Option<Resume<'_>>) -> Result<Body, Trouble> {
    let passing = |reason: String| Trouble::Passing { reason, wait: None };
    let length: Option<u64> = response.header("Content-Length").and_then(|text| text.parse().ok());
    let (start, size) = match (response.status(), resume) {
        (200, _) => (0, length),
        (206, Some(asked)) => {
            let range = response.header("Content-Range").unwrap_or_default();
            let (start, size) = content_range(range)
                .ok_or_else(|| passing(format!("the server sent a part it calls `{range}`, which is no range")))?;
            if start != asked.from {
                return Err(Trouble::Range);
            }
            (start, size)
        }
        (status, _) => return Err(refused_status(url, status, &response)),
    };
    let ranges = response.header("Accept-Ranges") != Some("none");
    // A weak tag says "much the same": not enough to join two halves.
    let tag = response.header("ETag").filter(|tag| !tag.starts_with("W/"));
    let validator = tag
        .or(response.header("Last-Modified"))
        .filter(|_| ranges)
        .map(str::to_owned);
    Ok(Body {
        reader: response.into_reader(),
        start,
        size,
        validator,
    })
}

fn refused_status(url: &Url, status: u16, response: &Response) -> Trouble {
    Trouble::Final(FetchError::Refused {
        url: shown(url),
        status,
        reason: format!(" ({})", response.status_text()),
        advice: "expected the file (200) or the rest of it (206)",
    })
}

/// `bytes 5-9/10` → 5 and 10; the size may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let size = match size.trim() {
        "*" => None,
        digits => Some(digits.parse().ok()?),
    };
    (start <= end && size.is_none_or(|size| end < size)).then_some((start, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for wrong in [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "5-9/10",
            "bytes 5-/10",
        ] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
