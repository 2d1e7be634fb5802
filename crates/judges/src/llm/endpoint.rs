//! What is written of a judge: one `[[judges]]` entry.

use std::collections::BTreeMap;
use std::time::Duration;

use secateur_endpoint::{Limits, base_address};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use crate::error::JudgeError;

/// A judge behind an `OpenAI`-compatible endpoint, as a file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// How reports call it: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Base address, as `http://localhost:8000/v1`; `/chat/completions` is added.
    pub endpoint: String,
    /// The model, as the endpoint calls it.
    pub model: String,
    /// Environment variable that holds the API key; none where the endpoint wants none. The key itself is never written anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Requests under way at the same time.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Most requests per minute; no limit where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<f64>,
    /// Longest time for one request, in seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: f64,
    /// Attempts per question, the first included.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// Wait before the second attempt in seconds; doubled for each further one, up to a minute, with jitter.
    #[serde(default = "first_wait_s")]
    pub first_wait_s: f64,
    /// Longest reply in tokens. A reply that is cut off there is unparsable.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
    /// Name under which the endpoint takes `max_tokens`.
    #[serde(default)]
    pub token_limit: TokenLimit,
    /// Whether `temperature: 0` is sent; off for models that take no temperature.
    #[serde(default = "yes")]
    pub temperature: bool,
    /// Seed, for endpoints that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Ask for `response_format: json_object`, for endpoints that know it.
    #[serde(default)]
    pub json: bool,
    /// Further fields of the request, as they are: `{ reasoning_effort = "low" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
    /// Price of a million tokens read, in any currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_in: Option<f64>,
    /// Price of a million tokens written, in the same currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_out: Option<f64>,
}

/// Two names of one field: newer models of some providers refuse the older.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimit {
    /// `max_tokens`, which nearly all servers take.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

const fn concurrency() -> usize {
    4
}
const fn timeout_s() -> f64 {
    120.0
}
const fn attempts() -> u32 {
    6
}
const fn first_wait_s() -> f64 {
    1.0
}
const fn max_tokens() -> u32 {
    1024
}
const fn yes() -> bool {
    true
}

/// Fields that this program sets itself.
const OWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "response_format",
    "stream",
    "n",
];

impl Endpoint {
    /// An endpoint with defaults for all that is optional.
    #[must_use]
    pub fn new(name: &str, endpoint: &str, model: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            model: model.to_owned(),
            api_key_env: None,
            concurrency: concurrency(),
            requests_per_minute: None,
            timeout_s: timeout_s(),
            attempts: attempts(),
            first_wait_s: first_wait_s(),
            max_tokens: max_tokens(),
            token_limit: TokenLimit::default(),
            temperature: true,
            seed: None,
            json: false,
            extra: BTreeMap::new(),
            price_in: None,
            price_out: None,
        }
    }

    /// The fields of a request that decide the reply, besides the messages.
    #[must_use]
    pub fn request_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("model".into(), json!(self.model));
        if self.temperature {
            fields.insert("temperature".into(), json!(0));
        }
        let limit = match self.token_limit {
            TokenLimit::MaxTokens => "max_tokens",
            TokenLimit::MaxCompletionTokens => "max_completion_tokens",
        };
        fields.insert(limit.into(), json!(self.max_tokens));
        if let Some(seed) = self.seed {
            fields.insert("seed".into(), json!(seed));
        }
        if self.json {
            fields.insert("response_format".into(), json!({"type": "json_object"}));
        }
        fields.extend(self.extra.clone());
        fields
    }

    /// Price of so many tokens; none where no prices are configured.
    #[must_use]
    pub fn cost(&self, tokens_in: u64, tokens_out: u64) -> Option<f64> {
        let price = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
        Some(price(tokens_in, self.price_in?) + price(tokens_out, self.price_out?))
    }

    /// Checks every field and gives the address of the chat completions.
    ///
    /// # Errors
    /// [`JudgeError::Setting`].
    pub fn address(&self) -> Result<Url, JudgeError> {
        self.check_names()?;
        self.check_numbers()?;
        if let Some(name) = self.extra.keys().find(|name| OWN_FIELDS.contains(&name.as_str())) {
            return Err(self.refused("extra", format!("`{name}`"), "fields that no other setting sets"));
        }
        let expected = "an address as http://localhost:8000/v1, without `/chat/completions`, a query or a password";
        base_address(&self.endpoint, "/chat/completions").map_err(|found| self.refused("endpoint", found, expected))
    }

    fn check_names(&self) -> Result<(), JudgeError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(self.refused("name", format!("`{}`", self.name), "letters, digits, `.`, `_` and `-`"));
        }
        if self.model.trim().is_empty() {
            return Err(self.refused("model", "nothing".into(), "the model's name at the endpoint"));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), JudgeError> {
        let limits = Limits {
            api_key_env: self.api_key_env.as_deref(),
            concurrency: self.concurrency,
            requests_per_minute: self.requests_per_minute,
            timeout_s: self.timeout_s,
            attempts: self.attempts,
            first_wait_s: self.first_wait_s,
        };
        limits
            .check()
            .map_err(|it| self.refused(it.setting, it.found, it.expected))?;
        let number = |setting, found: f64, allowed: bool, expected| {
            if allowed {
                Ok(())
            } else {
                Err(self.refused(setting, found.to_string(), expected))
            }
        };
        let longest = (1..=1 << 20).contains(&self.max_tokens);
        number("max_tokens", f64::from(self.max_tokens), longest, "1 to 1048576")?;
        for (setting, price) in [("price_in", self.price_in), ("price_out", self.price_out)] {
            if let Some(price) = price {
                number(
                    setting,
                    price,
                    price >= 0.0 && price.is_finite(),
                    "a price per million tokens",
                )?;
            }
        }
        if self.price_in.is_some() != self.price_out.is_some() {
            return Err(self.refused("price_in and price_out", "one of them".into(), "both or neither"));
        }
        Ok(())
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_s)
    }

    fn refused(&self, setting: &'static str, found: String, expected: &'static str) -> JudgeError {
        JudgeError::Setting {
            judge: self.name.clone(),
            setting,
            found,
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plain() -> Endpoint {
        Endpoint::new("a", "http://localhost:8000/v1/", "m")
    }

    #[test]
    fn a_slash_more_or_less_is_the_same_address() {
        assert_eq!(
            plain().address().unwrap().as_str(),
            "http://localhost:8000/v1/chat/completions"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |change: &dyn Fn(&mut Endpoint), word: &str| {
            let mut endpoint = plain();
            change(&mut endpoint);
            let message = endpoint.address().unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        };
        refused(&|e| e.endpoint = "ftp://x".into(), "endpoint");
        refused(&|e| e.endpoint = "localhost:8000".into(), "endpoint");
        refused(
            &|e| e.endpoint = "http://x/v1/chat/completions".into(),
            "without `/chat/completions`",
        );
        refused(&|e| e.endpoint = "https://x/v1?key=1".into(), "endpoint");
        refused(&|e| e.name = "a b".into(), "name");
        refused(&|e| e.model = " ".into(), "model");
        refused(&|e| e.concurrency = 0, "concurrency");
        refused(&|e| e.timeout_s = f64::NAN, "timeout_s");
        refused(&|e| e.requests_per_minute = Some(0.0), "requests_per_minute");
        refused(&|e| e.price_in = Some(1.0), "both or neither");
        refused(&|e| e.extra = [("stream".to_owned(), json!(true))].into(), "extra");
    }

    #[test]
    fn secrets_are_not_repeated() {
        let mut endpoint = plain();
        endpoint.api_key_env = Some("sk-very-secret".into());
        let message = endpoint.address().unwrap_err().to_string();
        assert!(message.contains("api_key_env") && !message.contains("secret"));
        let mut endpoint = plain();
        endpoint.endpoint = "https://me:hidden@x/v1".into();
        assert!(!endpoint.address().unwrap_err().to_string().contains("hidden"));
    }

    #[test]
    fn costs_need_prices() {
        let mut endpoint = plain();
        assert_eq!(endpoint.cost(1, 1), None);
        (endpoint.price_in, endpoint.price_out) = (Some(0.5), Some(2.0));
        assert!((endpoint.cost(2_000_000, 500_000).unwrap() - 2.0).abs() < 1e-12);
    }
}
