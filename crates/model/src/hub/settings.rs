//! Where the cache and the hub are: the environment variables that Hugging Face's own tools read.

use std::path::PathBuf;

/// How to reach the hub and its cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// Directory with `models--ORG--NAME` folders.
    pub cache: PathBuf,
    /// Address of the hub.
    pub endpoint: String,
    /// Access token, for gated and private models.
    pub token: Option<Token>,
    /// Never use the network.
    pub offline: bool,
    /// Show no progress of downloads.
    pub quiet: bool,
}

/// An access token, which does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl HubSettings {
    /// From `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH` and `HF_HUB_OFFLINE`.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    /// As [`HubSettings::from_env`], with another source of variables.
    #[must_use]
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = || {
            set("HOME")
                .or_else(|| set("USERPROFILE"))
                .map_or_else(|| PathBuf::from("."), PathBuf::from)
        };
        let hf_home = set("HF_HOME").map_or_else(
            || {
                set("XDG_CACHE_HOME")
                    .map_or_else(|| home().join(".cache"), PathBuf::from)
                    .join("huggingface")
            },
            PathBuf::from,
        );
        let cache = set("HF_HUB_CACHE")
            .or_else(|| set("HUGGINGFACE_HUB_CACHE"))
            .map_or_else(|| hf_home.join("hub"), PathBuf::from);
        let token_file = set("HF_TOKEN_PATH").map_or_else(|| hf_home.join("token"), PathBuf::from);
        let token = set("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        Self {
            cache,
            endpoint: set("HF_ENDPOINT")
                .unwrap_or_else(|| "https://huggingface.co".into())
                .trim_end_matches('/')
                .to_owned(),
            // A line break inside would end the header it is sent in.
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()))
                .map(Token),
            offline: set("HF_HUB_OFFLINE")
                .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")),
            quiet: false,
        }
    }
}
