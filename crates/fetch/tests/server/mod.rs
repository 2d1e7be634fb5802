//! An HTTP server on loopback that can misbehave: break off, lie about lengths, send elsewhere.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came in; header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// First byte asked for.
    pub fn range(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What goes out, right or wrong.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// In place of the body's length.
    pub declared: Option<usize>,
    /// No `Content-Length` at all.
    pub undeclared: bool,
    /// The connection breaks after so many bytes of the body.
    pub broken_after: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub fn ok(body: &[u8]) -> Self {
        Self {
            status: 200,
            body: body.to_vec(),
            ..Self::default()
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As a server with ranges does: the rest where `If-Range` names this version, else all of it.
    pub fn ranged(request: &Request, body: &[u8], tag: &str) -> Self {
        let same = request.header("if-range").is_none_or(|asked| asked == tag);
        match request.range().filter(|_| same) {
            Some(start) if start >= body.len() => Self::status(416),
            Some(start) => Self {
                status: 206,
                body: body[start..].to_vec(),
                ..Self::default()
            }
            .with(
                "Content-Range",
                &format!("bytes {start}-{}/{}", body.len() - 1, body.len()),
            )
            .with("ETag", tag),
            None => Self::ok(body).with("ETag", tag).with("Accept-Ranges", "bytes"),
        }
    }

    pub fn breaking(mut self, after: usize) -> Self {
        self.broken_after = Some(after);
        self
    }
}

/// A running server; requests are answered by a function of the request and its number from 0.
pub struct Server {
    pub address: SocketAddr,
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

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let target = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { target, headers })
}

fn write(mut stream: TcpStream, reply: &Reply) {
    let mut head = vec![
        format!("HTTP/1.1 {} Whatever", reply.status),
        "Connection: close".into(),
    ];
    if !reply.undeclared {
        head.push(format!(
            "Content-Length: {}",
            reply.declared.unwrap_or(reply.body.len())
        ));
    }
    head.extend(reply.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let head = head.join("\r\n") + "\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
    let sent = reply.broken_after.unwrap_or(reply.body.len()).min(reply.body.len());
    let _ = stream.write_all(&reply.body[..sent]);
    let _ = stream.flush();
}
