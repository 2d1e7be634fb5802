//! What can go wrong on the way, one by one.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use secateur_judges::llm::absolute::{Agreement, judge};
use secateur_judges::llm::{Client, Endpoint, Run, Unjudged, Watch};

use crate::server::{Asked, Reply, Server, YES, finished, pairs, saying, texts, unwatched};

fn judged(client: &Client, n: usize) -> Run<Agreement> {
    let texts = texts(n);
    unwatched(|watch| judge(client, &pairs(&texts), watch)).unwrap()
}

fn one(server: &Server) -> Result<Agreement, Unjudged> {
    judged(&server.client(), 1)
        .verdicts
        .remove(0)
        .map(|verdict| verdict.value)
}

fn failure(server: &Server) -> String {
    match one(server).unwrap_err() {
        Unjudged::Failed { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_passes_is_tried_again() {
    for status in [408, 429, 500, 502, 503] {
        let server = Server::new(move |_, number| match number {
            0 => Reply::status(status, "busy"),
            _ => saying(YES),
        });
        let run = judged(&server.client(), 1);
        assert_eq!(run.verdicts[0].as_ref().unwrap().value, Agreement::Agrees, "{status}");
        assert_eq!(
            (run.summary.retries, run.verdicts[0].as_ref().unwrap().record.attempts),
            (1, 2)
        );
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn what_does_not_pass_is_said_once() {
    for (status, word) in [
        (400, "so long a text"),
        (401, "api_key_env"),
        (403, "api_key_env"),
        (404, "`endpoint`"),
        (422, "extra"),
    ] {
        let server = Server::new(move |_, _| Reply::status(status, "{\"error\": {\"message\": \"no\\nmore\"}}"));
        let message = failure(&server);
        assert!(message.contains(&format!("answered {status}")), "{message}");
        assert!(
            message.contains("/v1/chat/completions") && message.contains(": no;"),
            "{message}"
        );
        assert!(message.contains(word) && !message.contains("more"), "{message}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn attempts_end() {
    let server = Server::new(|_, _| Reply::status(503, "\nbusy now\nsecond line"));
    let message = failure(&server);
    assert!(
        message.contains("503") && message.contains("busy now") && message.contains("after 3 attempts"),
        "{message}"
    );
    assert!(!message.contains("second line"));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn broken_connections_are_tried_again() {
    let server = Server::new(|_, number| match number {
        0 => Reply {
            silent: true,
            ..Reply::default()
        },
        1 => Reply {
            declared: Some(100_000),
            ..saying(YES)
        },
        _ => saying(YES),
    });
    assert_eq!(one(&server).unwrap(), Agreement::Agrees);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let server = Server::new(|_, number| match number {
        0 => Reply::status(429, "slow down").with("Retry-After", "1"),
        _ => saying(YES),
    });
    assert!(one(&server).is_ok());
    let requests = server.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
    let server = Server::new(|_, _| Reply::status(429, "quota").with("Retry-After", "86400"));
    let message = failure(&server);
    assert!(
        message.contains("86400 seconds") && server.requests().len() == 1,
        "{message}"
    );
}

#[test]
fn a_server_that_is_slow_is_given_up_in_time() {
    let server = Server::new(|_, _| Reply {
        after: Duration::from_secs(30),
        ..saying(YES)
    });
    let slow = Endpoint {
        timeout_s: 0.3,
        attempts: 2,
        ..server.judge()
    };
    let begun = Instant::now();
    let run = judged(&Client::new(&slow, None).unwrap(), 1);
    let message = run.verdicts[0].as_ref().unwrap_err().to_string();
    assert!(
        message.contains("timeout_s") && begun.elapsed() < Duration::from_secs(20),
        "{message}"
    );
}

#[test]
fn nobody_there_stops_the_run_and_is_said() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = Endpoint {
        first_wait_s: 0.001,
        attempts: 2,
        concurrency: 1,
        ..Endpoint::new("gone", &format!("http://{address}/v1"), "m")
    };
    let run = judged(&Client::new(&endpoint, None).unwrap(), 5);
    assert_eq!((run.summary.failed, run.summary.not_asked), (1, 4));
    assert!(run.messages[0].contains("running at that address") && run.messages[0].contains("goes on from here"));
    assert!(!run.summary.is_complete());
}

#[test]
fn questions_refused_one_after_the_other_stop_the_run() {
    let server = Server::new(|_, _| Reply::status(400, "no"));
    let endpoint = Endpoint {
        concurrency: 1,
        ..server.judge()
    };
    let run = judged(&Client::new(&endpoint, None).unwrap(), 100);
    assert_eq!((run.summary.failed, run.summary.not_asked), (20, 80));
    // One that is refused among others does not.
    let server = Server::new(|request, _| {
        if request.asked().contains("text 3\n") {
            Reply::status(400, "too long")
        } else {
            saying(YES)
        }
    });
    let run = judged(&server.client(), 30);
    assert_eq!((run.summary.failed, run.summary.judged), (1, 29));
}

#[test]
fn nothing_goes_to_another_address() {
    let elsewhere = Server::new(|_, _| saying(YES));
    let target = format!("{}/chat/completions?token=hidden", elsewhere.base());
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        let server = Server::new(move |_, _| Reply::status(status, "").with("Location", &target));
        let message = failure(&server);
        assert!(
            message.contains(&elsewhere.base()) && !message.contains("hidden"),
            "{message}"
        );
    }
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn the_key_goes_to_the_endpoint_and_nowhere_else() {
    // PATH is set wherever tests run; its value stands in for a key.
    let variable = ["HOSTNAME", "USER", "HOME", "PWD"].into_iter().find(|name| {
        std::env::var(name).is_ok_and(|value| value.len() > 2 && value.chars().all(|c| c.is_ascii_graphic()))
    });
    let Some(variable) = variable else {
        eprintln!("skipped: no environment variable to take for a key");
        return;
    };
    let key = std::env::var(variable).unwrap();
    let echo = key.clone();
    let server = Server::new(move |_, number| match number {
        0 => saying(&format!("{{\"verdict\": \"yes\", \"reason\": \"{echo}\"}}")),
        _ => Reply::status(401, &format!("wrong key {echo}")),
    });
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint {
        api_key_env: Some(variable.to_owned()),
        concurrency: 1,
        ..server.judge()
    };
    let client = Client::new(&endpoint, Some(folder.path())).unwrap();
    assert!(client.check_ready().is_ok());
    let run = judged(&client, 2);
    assert_eq!(server.requests()[0].headers["authorization"], format!("Bearer {key}"));
    assert!(!format!("{client:?} {run:?}").contains(&format!("wrong key {key}")));
    let record = &run.verdicts[0].as_ref().unwrap().record;
    assert!(record.reply.contains("[API key]") && !record.reply.contains(&key));
    let message = run.verdicts[1].as_ref().unwrap_err().to_string();
    assert!(message.contains("[API key]") && message.contains(variable), "{message}");
}

#[test]
fn an_absent_key_is_said_before_anything_is_sent() {
    let server = Server::new(|_, _| saying(YES));
    let endpoint = Endpoint {
        api_key_env: Some("SECATEUR_NO_SUCH_KEY".into()),
        ..server.judge()
    };
    let client = Client::new(&endpoint, None).unwrap();
    assert!(
        client
            .check_ready()
            .unwrap_err()
            .to_string()
            .contains("SECATEUR_NO_SUCH_KEY")
    );
    let run = judged(&client, 1);
    assert!(
        run.verdicts[0]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("SECATEUR_NO_SUCH_KEY")
    );
    assert!(server.requests().is_empty());
}

#[test]
fn hostile_answers_are_unparsable_and_no_number() {
    let nested = format!("{{\"verdict\": {}", "[".repeat(200_000));
    let bodies: Vec<(Reply, &str)> = vec![
        (Reply::status(200, "<html>"), "not JSON"),
        (Reply::status(200, "{\"choices\": []}"), "`choices`"),
        (Reply::status(200, &"x".repeat(9 << 20)), "larger than"),
        (
            Reply::status(200, "{\"error\": {\"message\": \"overloaded\"}}"),
            "overloaded",
        ),
        (saying(""), "empty"),
        (finished(YES, "length"), "cut off at 1024 tokens"),
        (finished(YES, "content_filter"), "content filter"),
        (saying("I think it agrees."), "JSON object"),
        (saying("{\"verdict\": \"perhaps\"}"), "perhaps"),
        (saying("{\"answer\": \"no\"}"), "no `verdict`"),
        (saying(&nested), "JSON"),
        (saying(&format!("{nested}{}}}", "]".repeat(200_000))), "JSON"),
    ];
    for (reply, word) in bodies {
        let server = Server::new(move |_, _| reply.clone());
        let run = judged(&server.client(), 1);
        let message = run.verdicts[0].as_ref().unwrap_err().to_string();
        assert!(
            message.starts_with("unparsable") && message.contains(word),
            "{word}: {message}"
        );
        assert_eq!(
            (run.summary.unparsable, run.summary.judged, run.summary.asked),
            (1, 0, 1)
        );
        assert_eq!(server.requests().len(), 1, "{word}");
    }
}

#[test]
fn the_word_to_stop_is_heard_while_waiting() {
    let server = Server::new(|_, _| Reply::status(429, "later").with("Retry-After", "300"));
    let texts = texts(8);
    let asked = AtomicUsize::new(0);
    let begun = Instant::now();
    let run = judge(
        &server.client(),
        &pairs(&texts),
        &mut Watch {
            should_stop: &|| asked.fetch_add(1, Ordering::Relaxed) > 50,
            progress: &mut |_| {},
        },
    )
    .unwrap();
    assert_eq!(run.summary.not_asked, 8);
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert!(run.verdicts[0].as_ref().unwrap_err().to_string().contains("stopped"));
}

#[test]
fn limits_hold() {
    use std::sync::Arc;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::new(move |_, _| {
        let under_way = seen.0.fetch_add(1, Ordering::SeqCst) + 1;
        seen.1.fetch_max(under_way, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        seen.0.fetch_sub(1, Ordering::SeqCst);
        saying(YES)
    });
    let endpoint = Endpoint {
        concurrency: 3,
        ..server.judge()
    };
    assert_eq!(judged(&Client::new(&endpoint, None).unwrap(), 12).summary.judged, 12);
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)));
    let endpoint = Endpoint {
        requests_per_minute: Some(600.0),
        ..server.judge()
    };
    let before = server.requests().len();
    judged(&Client::new(&endpoint, None).unwrap(), 6);
    let spread = server.requests()[before..].last().unwrap().at - server.requests()[before].at;
    assert!(spread >= Duration::from_millis(450), "{spread:?}");
}

#[test]
fn unknown_tokens_are_counted_and_not_zero_cost() {
    let server = Server::new(|_, number| match number {
        0 => Reply::status(
            200,
            &format!("{{\"choices\": [{{\"message\": {{\"content\": {YES:?}}}}}]}}"),
        ),
        _ => saying(YES),
    });
    let endpoint = Endpoint {
        price_in: Some(1.0),
        price_out: Some(10.0),
        concurrency: 1,
        ..server.judge()
    };
    let summary = judged(&Client::new(&endpoint, None).unwrap(), 3).summary;
    assert_eq!(
        (summary.tokens_in, summary.tokens_out, summary.tokens_unknown),
        (200, 20, 1)
    );
    assert!((summary.cost.unwrap() - 400e-6).abs() < 1e-12);
}
