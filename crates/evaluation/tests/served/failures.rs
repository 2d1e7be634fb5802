//! What can go wrong on the way, one by one.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use secateur_evaluation::engine::{Engine, ScoreRequest};
use secateur_evaluation::served::ServerKind;
use serde_json::json;

use crate::server::{Reply, Request, Server, greedy, open, vllm, well_behaved};

/// A server that opens well and then answers as `later` says.
fn after_opening(later: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
    // One request to generate and one to score.
    Server::new("vllm", move |request, number| match number {
        0 | 1 => well_behaved(request),
        _ => later(request, number - 2),
    })
}

fn failure(server: &Server) -> String {
    let mut engine = server.open().unwrap();
    engine
        .generate(&[greedy(&[5, 6])], &mut |_| {})
        .unwrap_err()
        .to_string()
}

#[test]
fn what_passes_is_tried_again() {
    for status in [408, 429, 500, 502, 503] {
        let server = after_opening(move |request, number| match number {
            0 => Reply::status(status, "busy"),
            _ => well_behaved(request),
        });
        let mut engine = server.open().unwrap();
        engine.generate(&[greedy(&[5, 6])], &mut |_| {}).unwrap();
        assert_eq!(server.requests().len(), 4, "{status}");
    }
}

#[test]
fn a_wait_that_is_asked_for_is_kept() {
    let server = after_opening(|request, number| match number {
        0 => Reply::status(429, "slowly").with("Retry-After", "1"),
        _ => well_behaved(request),
    });
    let mut engine = server.open().unwrap();
    engine.generate(&[greedy(&[5, 6])], &mut |_| {}).unwrap();
    let times: Vec<Instant> = server.requests().iter().map(|request| request.at).collect();
    assert!(times[3] - times[2] >= Duration::from_millis(990));
}

#[test]
fn requests_per_minute_are_kept() {
    let server = Server::new("vllm", |request, _| well_behaved(request));
    let mut settings = server.settings();
    settings.requests_per_minute = Some(1200.0);
    let mut engine = open(&settings).unwrap();
    let requests: Vec<_> = (10..16).map(|id| greedy(&[id])).collect();
    engine.generate(&requests, &mut |_| {}).unwrap();
    let times: Vec<Instant> = server.requests().iter().map(|request| request.at).collect();
    assert!(
        times[7] - times[0] >= Duration::from_millis(340),
        "{:?}",
        times[7] - times[0]
    );
}

#[test]
fn a_server_that_went_away_is_said_and_not_asked_for_ever() {
    let server = after_opening(|_, _| Reply {
        silent: true,
        ..Reply::default()
    });
    let message = failure(&server);
    assert!(
        message.contains("after 3 attempts") && message.contains("same command goes on"),
        "{message}"
    );
    // Nobody listens at all: said once, and at once from then on.
    let server = Server::new("vllm", |request, _| well_behaved(request));
    let mut settings = server.settings();
    settings.openai = "http://127.0.0.1:1/v1".into();
    let message = open(&settings).unwrap_err().to_string();
    assert!(
        message.contains("127.0.0.1:1") && message.contains("running at that address"),
        "{message}"
    );
}

#[test]
fn replies_that_are_none_are_one_clear_error() {
    for (reply, word) in [
        (Reply::status(200, "<html><body>gateway</body></html>"), "not JSON"),
        (Reply::json(&json!({"choices": []})), "0 `choices`"),
        (
            Reply::json(&json!({"error": {"message": "out of memory"}})),
            "out of memory",
        ),
        (Reply::json(&vllm(3, &[7], 8)), "read the prompt as 3 tokens"),
        (Reply::json(&vllm(2, &[7; 20], 30)), "21 tokens, 8 were asked for"),
        (Reply::status(400, r#"{"detail": "too long"}"#), "too long"),
        (
            Reply::status(404, r#"{"error": {"message": "no such model"}}"#),
            "`model`",
        ),
        (Reply::status(401, "no"), "api_key_env"),
    ] {
        let server = after_opening(move |_, _| reply.clone());
        let message = failure(&server);
        assert!(
            message.contains(word) && message.contains("/v1/completions"),
            "{message}"
        );
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(server.requests().len(), 3, "{message}");
    }
}

#[test]
fn a_server_that_does_not_tell_log_probabilities_is_asked_for_answers_alone() {
    let server = Server::new("vllm", |request, _| match request.body.get("prompt_logprobs") {
        Some(_) => Reply::status(400, r#"{"error": {"message": "prompt_logprobs are switched off"}}"#),
        None => well_behaved(request),
    });
    let mut engine = server.open().unwrap();
    engine.generate(&[greedy(&[5, 6])], &mut |_| {}).unwrap();
    let before = server.requests().len();
    let score = ScoreRequest {
        context: vec![5],
        continuation: vec![6],
    };
    let message = engine.score(&[score], &mut |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("needs log-probabilities") && message.contains("switched off"),
        "{message}"
    );
    assert_eq!(server.requests().len(), before);
}

#[test]
fn an_unknown_server_is_refused_unless_the_file_says_what_it_is() {
    let server = Server::new("somebody's", |request, _| well_behaved(request));
    let message = server.open().unwrap_err().to_string();
    assert!(message.contains("server = \"vllm\""), "{message}");
    let mut settings = server.settings();
    settings.server = Some(ServerKind::Vllm);
    assert_eq!(open(&settings).unwrap().server().to_string(), "vllm");
}

#[test]
fn a_key_comes_from_the_environment_and_is_never_shown() {
    let key = std::env::var("CARGO_PKG_NAME").unwrap();
    let echo = key.clone();
    let server = after_opening(move |_, _| Reply::status(400, &format!("wrong key {echo}")));
    let mut settings = server.settings();
    settings.api_key_env = Some("CARGO_PKG_NAME".into());
    let mut engine = open(&settings).unwrap();
    assert_eq!(server.requests()[0].headers["authorization"], format!("Bearer {key}"));
    let message = engine.generate(&[greedy(&[5])], &mut |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("wrong key [API key]") && !format!("{engine:?}").contains(&key),
        "{message}"
    );
    settings.api_key_env = Some("SECATEUR_NO_SUCH_VARIABLE".into());
    let message = open(&settings).unwrap_err().to_string();
    assert!(message.contains("SECATEUR_NO_SUCH_VARIABLE"), "{message}");
}
