//! Judges: is their key set, and does anybody listen at their address. Nothing is asked, so nothing is paid.

use std::net::TcpStream;
use std::time::Duration;

use secateur_judges::llm::{Client, Endpoint};
use serde::Serialize;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// Variables that send requests elsewhere first: whether the address itself answers says nothing then.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// A judge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundJudge {
    /// How reports call it.
    pub name: String,
    /// Base address.
    pub endpoint: String,
    /// The model, as the endpoint calls it.
    pub model: String,
    /// Whether somebody listens there; absent where that was not tried.
    pub reachable: Option<bool>,
    /// What has to be mended.
    pub problem: Option<String>,
}

impl FoundJudge {
    /// Looks at a judge.
    #[must_use]
    pub fn ask(endpoint: &Endpoint) -> Self {
        let ready = Client::new(endpoint, None).and_then(|client| client.check_ready());
        let mut problem = ready.err().map(|error| error.to_string());
        let proxied = PROXIES
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let reached = (!proxied && problem.is_none()).then(|| connect(endpoint));
        if let Some(Err(reason)) = &reached {
            let (name, address) = (&endpoint.name, &endpoint.endpoint);
            problem = Some(format!("judge `{name}`: {address} cannot be reached: {reason}"));
        }
        Self {
            name: endpoint.name.clone(),
            endpoint: endpoint.endpoint.clone(),
            model: endpoint.model.clone(),
            reachable: reached.map(|reached| reached.is_ok()),
            problem,
        }
    }
}

fn connect(endpoint: &Endpoint) -> Result<(), String> {
    let url = endpoint.address().map_err(|error| error.to_string())?;
    let addresses = url.socket_addrs(|| None).map_err(|error| error.to_string())?;
    let mut reason = "its name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn judge(address: &str, more: &str) -> Endpoint {
        let text = format!(r#"{{"name": "a", "endpoint": "{address}", "model": "m" {more}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_closed_port_and_a_missing_key_are_problems() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = format!("http://{}/v1", listener.local_addr().unwrap());
        assert_eq!(connect(&judge(&open, "")), Ok(()));
        drop(listener);
        assert!(connect(&judge(&open, "")).is_err());
        let keyless = FoundJudge::ask(&judge(&open, r#", "api_key_env": "SECATEUR_TEST_NO_SUCH_KEY""#));
        assert_eq!(keyless.reachable, None);
        assert!(keyless.problem.unwrap().contains("SECATEUR_TEST_NO_SUCH_KEY"));
    }
}
