//! Requests and replies as bytes of HTTP/1.1, one a connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::{Reply, Request};

/// Reads a request; none where the connection breaks off or does not speak HTTP.
pub fn read(stream: &TcpStream) -> Option<Request> {
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
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse());
    let mut body = vec![0; length.ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        target,
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        at: Instant::now(),
        under_way: 0,
    })
}

/// Sends a reply as it is told to be; who asked may have gone.
pub fn write(mut stream: TcpStream, reply: &Reply) {
    if reply.silent {
        return;
    }
    let mut head = vec![
        format!("HTTP/1.1 {} Whatever", reply.status),
        "Connection: close".to_owned(),
    ];
    if !reply.undeclared {
        let length = reply.declared.unwrap_or(reply.body.len());
        head.push(format!("Content-Length: {length}"));
    }
    head.extend(reply.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let _ = stream.write_all((head.join("\r\n") + "\r\n\r\n").as_bytes());
    let sent = reply.broken_after.unwrap_or(reply.body.len()).min(reply.body.len());
    let _ = stream.write_all(&reply.body[..sent]);
    let _ = stream.flush();
}
