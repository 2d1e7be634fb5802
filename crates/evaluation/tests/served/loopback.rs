//! An HTTP server on loopback that talks as one of the four servers does, with replies that are a function of the request. The tests
//! of sweeps use it too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A request to generate or score as it came in; header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub at: Instant,
    /// How many were under way, this one included.
    pub under_way: usize,
}

impl Request {
    /// The prompt's token ids.
    pub fn ids(&self) -> Vec<u32> {
        let prompt = &self.body["prompt"];
        let ids = prompt.as_array().unwrap().iter();
        ids.map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
    }
}

/// What goes out.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub header: Option<(&'static str, &'static str)>,
    pub body: String,
    /// Wait before anything is sent.
    pub after: Duration,
    /// Close the connection without a word.
    pub silent: bool,
}

impl Reply {
    pub fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            ..Self::default()
        }
    }

    pub fn ok(body: &Value) -> Self {
        Self::status(200, &body.to_string())
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
        return Reply::ok(&json!({"choices": [{"text": "", "finish_reason": "length", "prompt_logprobs": entries}]}));
    }
    let most = usize::try_from(request.body["max_tokens"].as_u64().unwrap()).unwrap();
    Reply::ok(&vllm(ids.len(), &ids[ids.len() - 1..], most))
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` is asked for requests to generate or score, with their numbers; pages are served by themselves.
    pub fn new(kind: &str, answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer, pages) = (Arc::clone(&requests), Arc::new(answer), Arc::new(pages(kind)));
        let under_way = Arc::new(Mutex::new(0usize));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer, pages) = (Arc::clone(&seen), Arc::clone(&answer), Arc::clone(&pages));
                let under_way = Arc::clone(&under_way);
                thread::spawn(move || {
                    let Some(mut request) = read(&stream) else { return };
                    if let Some(page) = pages.get(request.path.as_str()) {
                        return write(stream, &Reply::ok(page));
                    }
                    if request.body.is_null() {
                        return write(stream, &Reply::status(404, "{\"detail\": \"Not Found\"}"));
                    }
                    request.under_way = {
                        let mut count = under_way.lock().unwrap();
                        *count += 1;
                        *count
                    };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    let reply = answer(&request, number);
                    thread::sleep(reply.after);
                    *under_way.lock().unwrap() -= 1;
                    write(stream, &reply);
                });
            }
        });
        Self { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Its base address.
    pub fn address(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse())
        .ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        at: Instant::now(),
        under_way: 0,
    })
}

fn write(mut stream: TcpStream, reply: &Reply) {
    if reply.silent {
        return;
    }
    let more = reply
        .header
        .map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"));
    let head = format!(
        "HTTP/1.1 {} Whatever\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n",
        reply.status,
        reply.body.len()
    );
    let _ = stream.write_all((head + &reply.body).as_bytes());
    let _ = stream.flush();
}
