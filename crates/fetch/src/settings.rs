//! How to reach servers: the environment variables that Hugging Face's tools and other downloaders read.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// Home of the hub where `HF_ENDPOINT` names no mirror.
pub const HUB: &str = "https://huggingface.co";

/// How to reach servers, and how long to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Address of the hub, without a slash at the end.
    pub endpoint: String,
    /// Access token of the hub. Sent to the host of `endpoint` alone.
    pub token: Option<Token>,
    /// Never use the network.
    pub offline: bool,
    /// Proxies.
    pub proxies: Proxies,
    /// Attempts after the first that bring no byte before a file is given up.
    pub retries: u32,
    /// Wait before the first of them; doubled each time.
    pub backoff: Duration,
    /// Longest wait, whatever the server asks for.
    pub longest_wait: Duration,
    /// Silence after which a connection counts as broken.
    pub timeout: Duration,
    /// Largest file that is accepted where the card gives no size, in bytes.
    pub largest: u64,
}

/// An access token, which does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: HUB.to_owned(),
            token: None,
            offline: false,
            proxies: Proxies::default(),
            retries: 5,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_mins(2),
            timeout: Duration::from_secs(30),
            largest: 64 << 30,
        }
    }
}

impl Settings {
    /// From the environment of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// From `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_HUB_OFFLINE` and the proxy variables.
    #[must_use]
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = || {
            set("HOME")
                .or_else(|| set("USERPROFILE"))
                .map_or_else(PathBuf::new, PathBuf::from)
        };
        let cache = || set("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
        let hf_home = set("HF_HOME").map_or_else(|| cache().join("huggingface"), PathBuf::from);
        let token_file = set("HF_TOKEN_PATH").map_or_else(|| hf_home.join("token"), PathBuf::from);
        let token = set("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        let is_on = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
        Self {
            endpoint: set("HF_ENDPOINT").map_or_else(|| HUB.to_owned(), |text| text.trim_end_matches('/').to_owned()),
            // A line break inside would end the header it is sent in.
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()))
                .map(Token),
            offline: set("HF_HUB_OFFLINE").is_some_and(is_on),
            proxies: Proxies::from_variables(&set),
            ..Self::default()
        }
    }

    /// The address as asked: pages of the hub are asked of its mirror, if there is one.
    #[must_use]
    pub fn mirrored(&self, url: &str) -> String {
        match url.strip_prefix(HUB) {
            Some(rest) if rest.starts_with('/') => format!("{}{rest}", self.endpoint),
            _ => url.to_owned(),
        }
    }

    /// The token, where `url` is of the hub: same scheme, host and port.
    #[must_use]
    pub fn token_for(&self, url: &Url) -> Option<&Token> {
        let hub = Url::parse(&self.endpoint).ok()?;
        let token = self.token.as_ref()?;
        (hub.origin() == url.origin()).then_some(token)
    }
}

impl Proxies {
    /// From the environment of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(set: &dyn Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| set(&name.to_ascii_lowercase()).or_else(|| set(name));
        let all = either("ALL_PROXY");
        let except = either("NO_PROXY").unwrap_or_default();
        Self {
            http: either("HTTP_PROXY").or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            except: except
                .split(',')
                .map(|host| host.trim().trim_start_matches('.').to_ascii_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
        }
    }

    /// The proxy that `url` goes through.
    #[must_use]
    pub fn of(&self, url: &Url) -> Option<&str> {
        let host = url.host_str()?.to_ascii_lowercase();
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let excepted = self.except.iter().any(|name| {
            name == "*"
                || *name == host
                || with_port.as_ref() == Some(name)
                || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
        });
        if excepted {
            return None;
        }
        match url.scheme() {
            "https" => self.https.as_deref(),
            _ => self.http.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        let find = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::from_variables(&find)
    }

    #[test]
    fn the_token_goes_to_the_hub_alone() {
        let settings = with(&[("HF_TOKEN", " secret\n")]);
        let token = |url: &str| settings.token_for(&Url::parse(url).unwrap()).is_some();
        assert!(token("https://huggingface.co/datasets/a/b"));
        for other in [
            "http://huggingface.co/a",
            "https://huggingface.co:444/a",
            "https://huggingface.co.evil.org/a",
            "https://cdn-lfs.huggingface.co/a",
        ] {
            assert!(!token(other), "{other}");
        }
        assert_eq!(format!("{:?}", settings.token), "Some(Token(…))");
        assert_eq!(with(&[("HF_TOKEN", "two\nlines")]).token, None);
    }

    #[test]
    fn a_mirror_is_asked_for_pages_of_the_hub() {
        let settings = with(&[("HF_ENDPOINT", "http://mirror:8/"), ("HF_TOKEN", "t")]);
        assert_eq!(
            settings.mirrored("https://huggingface.co/datasets/x"),
            "http://mirror:8/datasets/x"
        );
        assert_eq!(
            settings.mirrored("https://huggingface.community/x"),
            "https://huggingface.community/x"
        );
        assert!(settings.token_for(&Url::parse("http://mirror:8/x").unwrap()).is_some());
        assert!(
            settings
                .token_for(&Url::parse("https://huggingface.co/x").unwrap())
                .is_none()
        );
    }

    #[test]
    fn the_token_file_is_read_where_the_variable_is_unset() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-file\n").unwrap();
        let settings = with(&[("HF_HOME", folder.path().to_str().unwrap())]);
        assert_eq!(settings.token, Some(Token("from-file".into())));
    }

    #[test]
    fn proxies_have_exceptions() {
        let proxies = with(&[
            ("https_proxy", "http://p:1"),
            ("HTTP_PROXY", "http://q:2"),
            ("NO_PROXY", "localhost, .example.org,10.0.0.1:80"),
        ])
        .proxies;
        let of = |url: &str| proxies.of(&Url::parse(url).unwrap()).map(str::to_owned);
        assert_eq!(of("https://a.org/x").as_deref(), Some("http://p:1"));
        assert_eq!(of("http://a.org/x").as_deref(), Some("http://q:2"));
        assert_eq!(of("http://localhost:9/x"), None);
        assert_eq!(of("https://deep.example.org/x"), None);
        assert_eq!(of("https://badexample.org/x").as_deref(), Some("http://p:1"));
    }
}
