//! A scripted server that talks as one of the four servers does. The tests of sweeps use it too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use secateur_loopback::{Reply, Request};

/// What a request to generate or score holds.
pub trait Prompted {
    /// The prompt's token ids.
    fn ids(&self) -> Vec<u32>;
}

impl Prompted for Request {
    fn ids(&self) -> Vec<u32> {
        let prompt = &self.body["prompt"];
        let ids = prompt.as_array().unwrap().iter();
        ids.map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
    }
}

/// The pages by which a server says what it is.
pub fn pages(kind: &str) -> BTreeMap<&'static str, Value> {
    let models = |owner: &str, more: Value| {
        let mut entry = json!({"id": "m", "object": "model", "owned_by": owner});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"object": "list", "data": [entry]})
    };
    let paths = json!({"paths": {"/v1/completions": {}, "/load_model": {}, "/reset": {}}});
    let pages = match kind {
        "vllm" => vec![
            ("/v1/models", models("vllm", json!({"max_model_len": 64}))),
            ("/version", json!({"version": "0.32.0"})),
        ],
        "llama.cpp" => vec![
            ("/v1/models", models("llamacpp", json!({"meta": {}}))),
            (
                "/props",
                json!({"build_info": "b1-abc", "default_generation_settings": {"n_ctx": 128}}),
            ),
        ],
        "sglang" => vec![
            ("/v1/models", models("sglang", json!({}))),
            ("/get_server_info", json!({"version": "0.5.23"})),
        ],
        "transformers" => vec![("/openapi.json", paths)],
        _ => vec![("/v1/models", models("somebody", json!({})))],
    };
    pages.into_iter().collect()
}

/// As vLLM answers: the tokens, then the end token of the demo's models where there is room.
pub fn vllm(prompt: usize, tokens: &[u32], most: usize) -> Value {
    let mut ids = tokens.to_vec();
    ids.push(2);
    ids.truncate(most);
    let values = vec![-0.5; ids.len()];
    let reason = if ids.len() < most || ids.last() == Some(&2) {
        "stop"
    } else {
        "length"
    };
    json!({"choices": [{"text": "", "finish_reason": reason, "token_ids": ids, "logprobs": {"token_logprobs": values}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": ids.len()}})
}

/// Answers every request with the last token of its prompt, once; every token of a prompt has ln p = −1.
pub fn well_behaved(request: &Request) -> Reply {
    let ids = request.ids();
    if request.body.get("prompt_logprobs").is_some() {
        let entry = |id: &u32| json!({id.to_string(): {"logprob": -1.0, "rank": 1}});
        let mut entries: Vec<Value> = ids.iter().map(entry).collect();
        entries[0] = Value::Null;
        return Reply::json(&json!({"choices": [{"text": "", "finish_reason": "length", "prompt_logprobs": entries}]}));
    }
    let most = usize::try_from(request.body["max_tokens"].as_u64().unwrap()).unwrap();
    Reply::json(&vllm(ids.len(), &ids[ids.len() - 1..], most))
}

/// A running server.
pub struct Server(secateur_loopback::Server);

impl Server {
    /// `answer` is asked for requests to generate or score, with their numbers; pages are served by themselves.
    pub fn new(kind: &str, answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let known = pages(kind);
        let page = move |request: &Request| {
            let unknown = || {
                request
                    .body
                    .is_null()
                    .then(|| Reply::status(404, "{\"detail\": \"Not Found\"}"))
            };
            known.get(request.target.as_str()).map(Reply::json).or_else(unknown)
        };
        Self(secateur_loopback::Server::with_pages(page, answer))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// Its base address.
    pub fn address(&self) -> String {
        self.0.url("/v1")
    }
}
