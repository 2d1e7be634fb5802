//! An HTTP server on loopback whose answers are a function of the request and its number. It can misbehave: break off, lie about
//! lengths, say nothing. For tests alone.
#![allow(clippy::unwrap_used, reason = "a server that cannot serve ends the test")]

mod wire;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query; the whole address where the server is asked as a proxy.
    pub target: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Null where there is none, or it is not JSON.
    pub body: Value,
    /// When it had come in.
    pub at: Instant,
    /// How many were being answered then, this one included.
    pub under_way: usize,
}

impl Request {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// First byte asked for, where the range is open.
    #[must_use]
    pub fn range(&self) -> Option<usize> {
        let range = self.header("range")?;
        range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What goes out, right or wrong.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// HTTP's status code.
    pub status: u16,
    /// Beside `Connection` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Bytes after the headers.
    pub body: Vec<u8>,
    /// Told in place of the body's length.
    pub declared: Option<usize>,
    /// No length is told.
    pub undeclared: bool,
    /// The connection breaks after so many bytes of the body.
    pub broken_after: Option<usize>,
    /// Wait before anything is sent.
    pub after: Duration,
    /// The connection is closed without a word.
    pub silent: bool,
}

impl Reply {
    /// A status and a text.
    #[must_use]
    pub fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// Bytes, as asked for.
    #[must_use]
    pub fn ok(body: &[u8]) -> Self {
        Self {
            status: 200,
            body: body.to_vec(),
            ..Self::default()
        }
    }

    /// A document, as asked for.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::status(200, &body.to_string())
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Breaks off after so many bytes of the body.
    #[must_use]
    pub fn breaking(mut self, after: usize) -> Self {
        self.broken_after = Some(after);
        self
    }

    /// As a server with ranges answers: the rest where `If-Range` names this version, else all of it.
    #[must_use]
    pub fn ranged(request: &Request, body: &[u8], tag: &str) -> Self {
        let same = request.header("if-range").is_none_or(|asked| asked == tag);
        match request.range().filter(|_| same) {
            Some(start) if start >= body.len() => Self::status(416, ""),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
                let rest = Self {
                    status: 206,
                    ..Self::ok(&body[start..])
                };
                rest.with("Content-Range", &range).with("ETag", tag)
            }
            None => Self::ok(body).with("ETag", tag).with("Accept-Ranges", "bytes"),
        }
    }
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Requests are answered by a function of the request and its number from 0.
    ///
    /// # Panics
    /// If loopback has no free port.
    pub fn new(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_pages(|_| None, answer)
    }

    /// What `pages` answers is neither kept nor counted; the rest is as in [`Self::new`].
    ///
    /// # Panics
    /// If loopback has no free port.
    pub fn with_pages(
        pages: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new((pages, answer, AtomicUsize::new(0)));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, shared) = (Arc::clone(&seen), Arc::clone(&shared));
                thread::spawn(move || {
                    let (pages, answer, under_way) = &*shared;
                    let Some(mut request) = wire::read(&stream) else {
                        return;
                    };
                    if let Some(page) = pages(&request) {
                        return wire::write(stream, &page);
                    }
                    request.under_way = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    let reply = answer(&request, number);
                    thread::sleep(reply.after);
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    wire::write(stream, &reply);
                });
            }
        });
        Self { address, requests }
    }

    /// An address on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far, in their order.
    ///
    /// # Panics
    /// If an answer has panicked.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}
