//! What was asked once is not asked again.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use secateur_judges::llm::absolute::{Agreement, judge};
use secateur_judges::llm::{Client, Endpoint, Record, Run};

use crate::server::{Asked, NO, Reply, Server, YES, pairs, saying, texts, unwatched};

fn judged(endpoint: &Endpoint, cache: &Path, texts: &[String]) -> Run<Agreement> {
    let client = Client::new(endpoint, Some(cache)).unwrap();
    unwatched(|watch| judge(&client, &pairs(texts), watch)).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().flatten();
    let mut files: Vec<PathBuf> = folders
        .flat_map(|one| fs::read_dir(one.path()).unwrap().flatten())
        .map(|file| file.path())
        .collect();
    files.sort();
    files
}

#[test]
fn the_second_run_asks_nothing_and_says_the_same() {
    let server = Server::new(|request, _| match request.asked() {
        asked if asked.contains("text 1\n") => saying(NO),
        asked if asked.contains("text 2\n") => saying("nonsense"),
        _ => saying(YES),
    });
    let folder = tempfile::tempdir().unwrap();
    // Equal texts are one question.
    let mut texts = texts(6);
    texts.push("text 1".into());
    texts.push(" ".into());
    let first = judged(&server.judge(), folder.path(), &texts);
    assert_eq!((first.summary.asked, first.summary.cached), (6, 0));
    assert_eq!(
        (first.summary.judged, first.summary.unparsable, first.summary.empty),
        (6, 1, 1)
    );
    assert_eq!(server.requests().len(), 6);
    let second = judged(&server.judge(), folder.path(), &texts);
    assert_eq!((second.summary.asked, second.summary.cached), (0, 6));
    assert_eq!((second.summary.tokens_in, second.summary.cached_tokens_in), (0, 600));
    assert_eq!(server.requests().len(), 6);
    let values = |run: &Run<Agreement>| -> Vec<Option<Agreement>> {
        run.verdicts
            .iter()
            .map(|verdict| verdict.as_ref().ok().map(|verdict| verdict.value))
            .collect()
    };
    assert_eq!(values(&first), values(&second));
    assert_eq!(values(&first)[6], Some(Agreement::Contradicts));
}

#[test]
fn a_record_says_all_there_is_to_know() {
    let server = Server::new(|_, _| saying(NO));
    let folder = tempfile::tempdir().unwrap();
    judged(&server.judge(), folder.path(), &texts(1));
    let record: Record = serde_json::from_slice(&fs::read(&files(folder.path())[0]).unwrap()).unwrap();
    assert_eq!(
        (record.judge.as_str(), record.protocol.as_str(), record.version),
        ("scripted", "absolute", 1)
    );
    assert_eq!((record.reply.as_str(), record.reason.as_str()), (NO, "it does not"));
    assert_eq!(record.verdict, serde_json::json!("contradicts"));
    assert_eq!(
        (record.tokens_in, record.tokens_out, record.attempts),
        (Some(100), Some(10), 1)
    );
    assert_eq!(record.answered_by.as_deref(), Some("scripted-1"));
    assert_eq!(record.request["temperature"], serde_json::json!(0));
    let sent = &server.requests()[0];
    assert_eq!(
        (sent.target.as_str(), &sent.body["temperature"]),
        ("/v1/chat/completions", &serde_json::json!(0))
    );
}

#[test]
fn whatever_decides_the_reply_is_another_question() {
    let server = Server::new(|_, _| saying(YES));
    let folder = tempfile::tempdir().unwrap();
    let plain = server.judge();
    let variants = [
        Endpoint {
            model: "n".into(),
            ..plain.clone()
        },
        Endpoint {
            max_tokens: 7,
            ..plain.clone()
        },
        Endpoint {
            seed: Some(1),
            ..plain.clone()
        },
        Endpoint {
            json: true,
            ..plain.clone()
        },
        Endpoint {
            temperature: false,
            ..plain.clone()
        },
        Endpoint {
            extra: [("top_p".to_owned(), serde_json::json!(0.5))].into(),
            ..plain.clone()
        },
    ];
    for endpoint in variants.iter().chain([&plain]) {
        assert_eq!(judged(endpoint, folder.path(), &texts(1)).summary.asked, 1);
    }
    // How it is asked and what it is called do not.
    for endpoint in [
        Endpoint {
            name: "renamed".into(),
            ..plain.clone()
        },
        Endpoint {
            concurrency: 1,
            attempts: 9,
            timeout_s: 5.0,
            ..plain.clone()
        },
        Endpoint {
            endpoint: format!("{}/", plain.endpoint),
            ..plain.clone()
        },
    ] {
        assert_eq!(judged(&endpoint, folder.path(), &texts(1)).summary.cached, 1);
    }
}

#[test]
fn damage_is_set_aside_said_and_asked_again() {
    let server = Server::new(|_, _| saying(YES));
    let folder = tempfile::tempdir().unwrap();
    judged(&server.judge(), folder.path(), &texts(3));
    let file = &files(folder.path())[1];
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    let run = judged(&server.judge(), folder.path(), &texts(3));
    assert_eq!((run.summary.asked, run.summary.cached, run.summary.judged), (1, 2, 3));
    assert!(run.messages.len() == 1 && run.messages[0].contains(file.to_str().unwrap()));
    assert_eq!(files(folder.path()).len(), 4);
}

#[test]
fn what_is_no_completion_is_not_kept() {
    let server = Server::new(|_, number| match number {
        0 => Reply::status(200, "<html>please log in</html>"),
        _ => saying(YES),
    });
    let folder = tempfile::tempdir().unwrap();
    let run = judged(&server.judge(), folder.path(), &texts(1));
    assert_eq!((run.summary.unparsable, files(folder.path()).len()), (1, 0));
    assert_eq!(judged(&server.judge(), folder.path(), &texts(1)).summary.judged, 1);
}

#[test]
fn a_run_goes_on_where_the_server_went_away() {
    let server = Server::new(|_, number| match number {
        0..4 => saying(YES),
        _ => Reply::status(401, "expired"),
    });
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint {
        concurrency: 1,
        ..server.judge()
    };
    let run = judged(&endpoint, folder.path(), &texts(10));
    assert_eq!(
        (run.summary.judged, run.summary.failed, run.summary.not_asked),
        (4, 1, 5)
    );
    let again = judged(&endpoint, folder.path(), &texts(10));
    assert_eq!(
        (again.summary.cached, again.summary.failed, again.summary.not_asked),
        (4, 1, 5)
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_stops_before_replies_are_lost() {
    let server = Server::new(|_, _| saying(YES));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let message = Client::new(&server.judge(), Some(&file.join("cache")))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cannot make") && server.requests().is_empty(),
        "{message}"
    );
}
