//! An HTTP server on loopback whose answers are a function of the request and its number.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use secateur_judges::llm::{Client, Endpoint, Watch};
use secateur_judges::scorer::Pair;
use serde_json::{Value, json};

/// A request as it came in; header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub at: Instant,
}

impl Request {
    /// The user's turn.
    pub fn asked(&self) -> &str {
        self.body["messages"][1]["content"].as_str().unwrap()
    }
}

/// What goes out.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// In place of the body's length.
    pub declared: Option<usize>,
    /// Wait before anything is sent.
    pub after: Duration,
    /// Close the connection without a word.
    pub silent: bool,
}

impl Reply {
    pub fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// A chat completion.
    pub fn saying(content: &str) -> Self {
        Self::finished(content, "stop")
    }

    pub fn finished(content: &str, reason: &str) -> Self {
        let body = json!({
            "model": "scripted-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        });
        Self::status(200, &body.to_string())
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn new(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    write(stream, &answer(&request, number));
                });
            }
        });
        Self { address, requests }
    }

    pub fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
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

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        target,
        headers,
        body: serde_json::from_slice(&body).ok()?,
        at: Instant::now(),
    })
}

fn write(mut stream: TcpStream, reply: &Reply) {
    thread::sleep(reply.after);
    if reply.silent {
        return;
    }
    let length = reply.declared.unwrap_or(reply.body.len());
    let mut head = format!(
        "HTTP/1.1 {} Whatever\r\nConnection: close\r\nContent-Length: {length}\r\n",
        reply.status
    );
    for (name, value) in &reply.headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    let _ = stream.write_all((head + "\r\n").as_bytes());
    let _ = stream.write_all(&reply.body);
    let _ = stream.flush();
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
