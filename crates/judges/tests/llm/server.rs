//! A scripted server that is asked for verdicts.
#![allow(clippy::unwrap_used)]

use secateur_judges::llm::{Client, Endpoint, Watch};
use secateur_judges::scorer::Pair;
use serde_json::json;

pub use secateur_loopback::{Reply, Request};

/// What a request to judge asks.
pub trait Asked {
    /// The user's turn.
    fn asked(&self) -> &str;
}

impl Asked for Request {
    fn asked(&self) -> &str {
        self.body["messages"][1]["content"].as_str().unwrap()
    }
}

/// A chat completion.
pub fn saying(content: &str) -> Reply {
    finished(content, "stop")
}

/// A chat completion that ended for a reason.
pub fn finished(content: &str, reason: &str) -> Reply {
    Reply::json(&json!({
        "model": "scripted-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }))
}

/// A running server.
pub struct Server(secateur_loopback::Server);

impl Server {
    pub fn new(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self(secateur_loopback::Server::new(answer))
    }

    pub fn base(&self) -> String {
        self.0.url("/v1")
    }

    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// A judge that does not wait long.
    pub fn judge(&self) -> Endpoint {
        Endpoint {
            first_wait_s: 0.001,
            attempts: 3,
            timeout_s: 20.0,
            ..Endpoint::new("scripted", &self.base(), "m")
        }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.judge(), None).unwrap()
    }
}

/// Nobody looks on.
pub fn unwatched<T>(run: impl FnOnce(&mut Watch<'_>) -> T) -> T {
    run(&mut Watch {
        should_stop: &|| false,
        progress: &mut |_| {},
    })
}

/// Texts that are all different.
pub fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("text {i}")).collect()
}

pub fn pairs(texts: &[String]) -> Vec<Pair<'_>> {
    texts.iter().map(|text| Pair { source: "source", text }).collect()
}

pub const YES: &str = r#"{"verdict": "yes", "reason": "it agrees"}"#;
pub const NO: &str = r#"{"verdict": "no", "reason": "it does not"}"#;
