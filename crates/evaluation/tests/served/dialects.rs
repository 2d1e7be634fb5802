//! What each server is asked, and what becomes of its replies.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use secateur_evaluation::engine::{Engine, Finish, ScoreRequest};
use serde_json::json;

use crate::server::{Prompted, Reply, Server, greedy, vllm, well_behaved};

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let slow = |request: &crate::server::Request, _| Reply {
        after: Duration::from_micros(u64::from(request.ids()[0]) * 7919 % 20_000),
        ..well_behaved(request)
    };
    let server = Server::new("vllm", slow);
    let mut engine = server.open().unwrap();
    assert_eq!(engine.server().to_string(), "vllm 0.32.0");
    assert_eq!((engine.max_length(), engine.max_scored_length()), (64, 62));
    let before = server.requests().len();
    let requests: Vec<_> = (100..160).map(|id| greedy(&[id, id + 1])).collect();
    let answers = engine.generate(&requests, &mut |_| {}).unwrap();
    for (answer, id) in answers.iter().zip(100..) {
        assert_eq!(answer.text, engine.decoded(id + 1), "{id}");
        assert_eq!((answer.tokens, answer.finish), (1, Finish::EndToken));
        assert_eq!(
            (answer.mean_log_probability, answer.end_log_probability),
            (Some(-0.5), Some(-0.5))
        );
    }
    let seen = server.requests().split_off(before);
    let most = seen.iter().map(|request| request.under_way).max().unwrap();
    assert!((2..=8).contains(&most), "{most} at the same time");
    let body = &seen[0].body;
    assert_eq!((&body["temperature"], &body["top_k"]), (&json!(0.0), &json!(-1)));
    assert_eq!(body["stop_token_ids"], json!([0, 2]));
}

#[test]
fn scores_are_sums_over_the_continuation() {
    let server = Server::new("vllm", |request, _| well_behaved(request));
    let mut engine = server.open().unwrap();
    let request = |context: &[u32], continuation: &[u32]| ScoreRequest {
        context: context.to_vec(),
        continuation: continuation.to_vec(),
    };
    let requests = [request(&[5, 6], &[7, 8, 9]), request(&[5], &[6])];
    let scores = engine.score(&requests, &mut |_| {}).unwrap();
    let sums: Vec<_> = scores
        .iter()
        .map(|s| (s.log_probability, s.tokens, s.is_greedy))
        .collect();
    assert_eq!(sums, [(-3.0, 3, true), (-1.0, 1, true)]);
    let tokens = engine.token_log_probabilities(&requests, false).unwrap();
    assert_eq!(tokens, [vec![-1.0; 3], vec![-1.0]]);
    assert!(engine.token_log_probabilities(&requests, true).is_err());
}

#[test]
fn a_stop_text_cuts_the_answer() {
    let server = Server::new("vllm", |request, _| {
        let ids = request.ids();
        match request.body["max_tokens"].as_u64() {
            Some(8) => Reply::json(&vllm(ids.len(), &[340, 361, 406], 3)),
            _ => well_behaved(request),
        }
    });
    let mut engine = server.open().unwrap();
    let whole: String = engine.decoded_all(&[340, 361, 406]);
    let mut request = greedy(&[5]);
    request.stop = vec![whole[whole.len() - 3..].to_owned()];
    let answers = engine.generate(&[request.clone()], &mut |_| {}).unwrap();
    assert_eq!(
        (answers[0].finish, answers[0].text.as_str()),
        (Finish::StopText, &whole[..whole.len() - 3])
    );
    assert_eq!(answers[0].tokens, 3);
    // Three tokens of eight, no end token, no stop text: the server ended it for a reason of its own.
    request.stop.clear();
    let message = engine.generate(&[request], &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("after 3 of 8 tokens"), "{message}");
}

#[test]
fn a_server_of_text_is_sent_text_that_has_the_same_tokens() {
    let server = Server::new("transformers", |request, _| {
        assert!(request.body["prompt"].is_string());
        let tokens = request.body["prompt"].as_str().unwrap().len().div_ceil(2);
        Reply::json(
            &json!({"choices": [{"index": 0, "text": "so.\nQ", "finish_reason": "stop"}],
            "usage": {"prompt_tokens": if tokens == 1 { 1 } else { 3 }, "completion_tokens": 1, "total_tokens": 4}}),
        )
    });
    let mut engine = server.open().unwrap();
    assert_eq!(engine.server().to_string(), "transformers");
    let mut request = greedy(&engine.encode("a b c", true).unwrap());
    request.stop = vec!["\n".into()];
    let answers = engine.generate(&[request], &mut |_| {}).unwrap();
    assert_eq!((answers[0].text.as_str(), answers[0].finish), ("so.", Finish::StopText));
    assert_eq!(answers[0].mean_log_probability, None);
    let score = ScoreRequest {
        context: vec![5],
        continuation: vec![6],
    };
    let message = engine.score(&[score], &mut |_| {}).unwrap_err().to_string();
    assert!(
        message.contains("does not tell them") && message.contains("vLLM"),
        "{message}"
    );
}

#[test]
fn llama_cpp_is_asked_token_by_token_and_for_more_where_few_do_not_hold_the_token() {
    let server = Server::new("llama.cpp", |request, _| {
        assert_eq!(request.target, "/completion");
        let likeliest = request.body["n_probs"].as_u64().unwrap();
        if likeliest == 1 {
            return Reply::json(
                &json!({"tokens": [2], "tokens_evaluated": request.ids().len(), "truncated": false, "stop_type": "eos",
                "completion_probabilities": [{"id": 2, "logprob": -0.5, "top_logprobs": []}]}),
            );
        }
        // Token n is the n-th likeliest.
        let top: Vec<_> = (0..likeliest)
            .map(|id| json!({"id": id, "logprob": -0.01 * id as f64}))
            .collect();
        Reply::json(&json!({"completion_probabilities": [{"id": 0, "logprob": 0.0, "top_logprobs": top}]}))
    });
    let mut engine = server.open().unwrap();
    assert_eq!(engine.server().to_string(), "llama.cpp b1-abc");
    let before = server.requests().len();
    let request = ScoreRequest {
        context: vec![5, 6],
        continuation: vec![0, 100],
    };
    let scores = engine.score(&[request], &mut |_| {}).unwrap();
    assert!((scores[0].log_probability + 1.0).abs() < 1e-12 && !scores[0].is_greedy);
    let asked: Vec<_> = server.requests()[before..]
        .iter()
        .map(|request| (request.ids(), request.body["n_probs"].as_u64().unwrap()))
        .collect();
    assert_eq!(asked, [(vec![5, 6], 64), (vec![5, 6, 0], 64), (vec![5, 6, 0], 2048)]);
}

/// Text of tokens, by the engine's own tokenizer.
trait Decoded {
    fn decoded(&self, id: u32) -> String;
    fn decoded_all(&self, ids: &[u32]) -> String;
}

impl Decoded for secateur_evaluation::served::ServedEngine {
    fn decoded(&self, id: u32) -> String {
        self.decoded_all(&[id])
    }

    fn decoded_all(&self, ids: &[u32]) -> String {
        self.texts().tokenizer().decode(ids, true).unwrap()
    }
}
