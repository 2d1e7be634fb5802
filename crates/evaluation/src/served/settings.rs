//! What a sweep file says of a served checkpoint: the table `engine` of a model.

use std::time::Duration;

use secateur_endpoint::{Limits, base_address};
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;

/// How a checkpoint is served. What decides answers is part of what is written back; where and how fast it is asked is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedSettings {
    /// Base address of the server, as `http://127.0.0.1:8000/v1`. Empty where it is read from what was written back.
    #[serde(default, skip_serializing)]
    pub openai: String,
    /// The model, as the server calls it.
    pub model: String,
    /// In what the server computes, in the user's words: `bf16`, `gptq-4bit`, `q4_k_m`. It becomes the record's dtype.
    pub dtype: String,
    /// Which server it is, where it does not say so itself: behind a gateway, for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerKind>,
    /// Environment variable that holds the API key; none where the server wants none. The key itself is never written anywhere.
    #[serde(default, skip_serializing)]
    pub api_key_env: Option<String>,
    /// Requests under way at the same time.
    #[serde(default = "concurrency", skip_serializing)]
    pub concurrency: usize,
    /// Most requests per minute; no limit where absent.
    #[serde(default, skip_serializing)]
    pub requests_per_minute: Option<f64>,
    /// Longest time for one request, in seconds.
    #[serde(default = "timeout_s", skip_serializing)]
    pub timeout_s: f64,
    /// Attempts per request, the first included.
    #[serde(default = "attempts", skip_serializing)]
    pub attempts: u32,
    /// Wait before the second attempt in seconds; doubled for each further one, up to a minute, with jitter.
    #[serde(default = "first_wait_s", skip_serializing)]
    pub first_wait_s: f64,
}

/// The servers that are known, by the names under which sweep files and records have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerKind {
    /// vLLM, 0.10.2 or newer: older ones do not return token ids.
    #[serde(rename = "vllm")]
    Vllm,
    /// `SGLang`.
    #[serde(rename = "sglang")]
    Sglang,
    /// llama.cpp's `llama-server`.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// `transformers serve`.
    #[serde(rename = "transformers")]
    Transformers,
}

impl ServerKind {
    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Transformers => "transformers",
        }
    }
}

const fn concurrency() -> usize {
    8
}
const fn timeout_s() -> f64 {
    600.0
}
const fn attempts() -> u32 {
    6
}
const fn first_wait_s() -> f64 {
    1.0
}

impl ServedSettings {
    /// An engine with defaults for all that is optional.
    #[must_use]
    pub fn new(openai: &str, model: &str, dtype: &str) -> Self {
        Self {
            openai: openai.to_owned(),
            model: model.to_owned(),
            dtype: dtype.to_owned(),
            server: None,
            api_key_env: None,
            concurrency: concurrency(),
            requests_per_minute: None,
            timeout_s: timeout_s(),
            attempts: attempts(),
            first_wait_s: first_wait_s(),
        }
    }

    /// Checks every field. A value that may hold a secret is not repeated.
    ///
    /// # Errors
    /// Names the field, what was found and what was expected.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.openai.is_empty() {
            return Err(refused(
                "openai",
                "missing",
                "the server's address, as http://127.0.0.1:8000/v1",
            ));
        }
        let expected = "an address that ends in /v1, as http://127.0.0.1:8000/v1, without a query or a password";
        base_address(&self.openai, "/completions").map_err(|found| refused("openai", &found, expected))?;
        if !self.openai.trim_end_matches('/').ends_with("/v1") {
            return Err(refused("openai", &format!("`{}`", self.openai), expected));
        }
        for (field, value, expected) in [
            ("model", &self.model, "the model's name at the server"),
            (
                "dtype",
                &self.dtype,
                "in what the server computes, as bf16, gptq-4bit or q4_k_m",
            ),
        ] {
            if value.trim().is_empty() {
                return Err(refused(field, "empty", expected));
            }
        }
        let limits = Limits {
            api_key_env: self.api_key_env.as_deref(),
            concurrency: self.concurrency,
            requests_per_minute: self.requests_per_minute,
            timeout_s: self.timeout_s,
            attempts: self.attempts,
            first_wait_s: self.first_wait_s,
        };
        limits.check().map_err(|it| refused(it.setting, &it.found, it.expected))
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_s)
    }

    pub(super) fn first_wait(&self) -> Duration {
        Duration::from_secs_f64(self.first_wait_s)
    }
}

fn refused(field: &str, found: &str, expected: &str) -> EngineError {
    EngineError(format!("engine: `{field}` is {found}; expected {expected}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let usual = ServedSettings::new("http://127.0.0.1:8000/v1/", "m", "bf16");
        usual.check().unwrap();
        let refused = |change: &dyn Fn(&mut ServedSettings), word: &str| {
            let mut settings = usual.clone();
            change(&mut settings);
            let message = settings.check().unwrap_err().to_string();
            assert!(message.contains(word) && !message.contains("secret"), "{message}");
        };
        refused(&|s| s.openai = "http://127.0.0.1:8000".into(), "ends in /v1");
        refused(&|s| s.openai = String::new(), "`openai` is missing");
        refused(&|s| s.openai = "http://me:secret@x/v1".into(), "openai");
        refused(&|s| s.model = " ".into(), "model");
        refused(&|s| s.dtype = String::new(), "gptq-4bit");
        refused(&|s| s.api_key_env = Some("sk-secret".into()), "api_key_env");
        refused(&|s| s.concurrency = 0, "concurrency");
        refused(&|s| s.timeout_s = f64::NAN, "timeout_s");
        refused(&|s| s.requests_per_minute = Some(0.0), "requests_per_minute");
    }

    #[test]
    fn where_and_how_fast_is_not_written_back() {
        let mut settings = ServedSettings::new("http://a/v1", "m", "bf16");
        let written = serde_json::to_string(&settings).unwrap();
        assert_eq!(written, r#"{"model":"m","dtype":"bf16"}"#);
        let read: ServedSettings = serde_json::from_str(&written).unwrap();
        assert_eq!((read.openai.as_str(), read.model.as_str()), ("", "m"));
        settings.openai = "http://b/v1".into();
        (settings.concurrency, settings.api_key_env) = (1, Some("KEY".into()));
        assert_eq!(serde_json::to_string(&settings).unwrap(), written);
        settings.server = Some(ServerKind::LlamaCpp);
        assert!(serde_json::to_string(&settings).unwrap().contains("llama.cpp"));
    }
}
