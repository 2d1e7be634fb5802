#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn settings(cache: &Path, endpoint: &str) -> HubSettings {
    HubSettings {
        cache: cache.to_path_buf(),
        endpoint: endpoint.into(),
        token: None,
        offline: false,
        quiet: true,
    }
}

/// A cached model as the hub's own tools leave it, without links.
fn cached(cache: &Path, files: &[&str]) -> PathBuf {
    let folder = cache.join("models--org--toy");
    let snapshot = folder.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    for file in files {
        fs::write(snapshot.join(file), "{}").unwrap();
    }
    snapshot
}

#[test]
fn ids_are_told_from_paths() {
    let id = |text: &str| HubId::parse(text).map(|id| (id.name, id.revision));
    assert_eq!(
        id("allenai/OLMoE-1B-7B-0924"),
        Some(("allenai/OLMoE-1B-7B-0924".into(), "main".into()))
    );
    assert_eq!(
        id("Qwen/Qwen3-30B-A3B@v1.0"),
        Some(("Qwen/Qwen3-30B-A3B".into(), "v1.0".into()))
    );
    for no in [
        "model", "a/b/c", "../x", "/a/b", "a/..", "a/", "/b", "a\\b/c", "a/b@", "a/b@../c", "a/b c", "C:/x", "a/-b",
        "a--b/c", "ä/b", "a/b?x=1", "a/b@x/y",
    ] {
        assert_eq!(id(no), None, "{no}");
    }
}

#[test]
fn what_is_complete_in_the_cache_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cached(cache.path(), &["config.json", "tokenizer.json", "model.safetensors"]);
    let settings = settings(cache.path(), "http://127.0.0.1:9");
    assert_eq!(resolve("org/toy", &settings).unwrap(), snapshot);
    assert_eq!(resolve(&format!("org/toy@{COMMIT}"), &settings).unwrap(), snapshot);
    assert_eq!(resolve(snapshot.to_str().unwrap(), &settings).unwrap(), snapshot);
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    fs::write(
        snapshot.join("model.safetensors.index.json"),
        r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#,
    )
    .unwrap();
    fs::write(snapshot.join("1.safetensors"), "").unwrap();
    let offline = HubSettings {
        offline: true,
        ..settings.clone()
    };
    let message = resolve("org/toy", &offline).unwrap_err().to_string();
    assert!(
        message.contains("org/toy is not complete in the cache") && message.contains("it lacks 2.safetensors"),
        "{message}"
    );
    fs::write(snapshot.join("2.safetensors"), "").unwrap();
    assert_eq!(resolve("org/toy", &offline).unwrap(), snapshot);
}

#[test]
fn without_a_network_the_message_says_so() {
    let cache = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let endpoint = format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    );
    let message = resolve("org/toy", &settings(cache.path(), &endpoint))
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with(&format!(
            "cannot reach {endpoint} for org/toy, which is not complete in the cache "
        )),
        "{message}"
    );
    assert!(
        message.ends_with("check the network, or name a local directory"),
        "{message}"
    );
    let offline = HubSettings {
        offline: true,
        ..settings(cache.path(), &endpoint)
    };
    let message = resolve("org/toy", &offline).unwrap_err().to_string();
    assert!(
        message.contains("HF_HUB_OFFLINE is set: it has no such model or revision"),
        "{message}"
    );
    let message = resolve("no-such-directory", &offline).unwrap_err().to_string();
    assert!(
        message.starts_with("`no-such-directory` is neither an existing directory nor a hub id"),
        "{message}"
    );
}

#[test]
fn variables_are_those_of_the_hubs_own_tools() {
    let read = |variables: &[(&str, &str)]| {
        let map: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        HubSettings::from_variables(&|name| map.get(name).cloned())
    };
    assert_eq!(read(&[("HOME", "/h")]).cache, Path::new("/h/.cache/huggingface/hub"));
    assert_eq!(
        read(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).cache,
        Path::new("/x/huggingface/hub")
    );
    assert_eq!(read(&[("HF_HOME", "/f")]).cache, Path::new("/f/hub"));
    assert_eq!(
        read(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]).cache,
        Path::new("/c")
    );
    let all = read(&[
        ("HF_ENDPOINT", "http://mirror/"),
        ("HF_TOKEN", " secret\n"),
        ("HF_HUB_OFFLINE", "1"),
    ]);
    assert_eq!(
        (
            all.endpoint.as_str(),
            all.offline,
            all.token.clone().unwrap().0.as_str()
        ),
        ("http://mirror", true, "secret")
    );
    assert!(!format!("{all:?}").contains("secret"));
    let none = read(&[("HF_HUB_OFFLINE", "0"), ("HF_TOKEN", "a\nb"), ("HF_HOME", "/nowhere")]);
    assert_eq!(
        (none.offline, none.token, none.endpoint.as_str()),
        (false, None, "https://huggingface.co")
    );
}

/// A hub with one repository. What it was asked is written down.
struct Hub {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    WrongHash,
    Gated,
    BadCommit,
    /// Every second transfer of weights ends in the middle.
    Flaky,
}

fn hub(files: &[(&'static str, Vec<u8>)], manner: Manner) -> Hub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (log, files) = (Arc::clone(&requests), files.to_vec());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &files, manner, &log);
        }
    });
    Hub { endpoint, requests }
}

fn sha256(bytes: &[u8]) -> String {
    checkpoint::digits(&Sha256::digest(bytes))
}

fn answer(
    mut stream: TcpStream,
    files: &[(&str, Vec<u8>)],
    manner: Manner,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let headers: Vec<String> = lines
        .map_while(|line| line.ok().filter(|line| !line.is_empty()))
        .collect();
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix(&format!("{name}: "))
                .map(str::to_owned)
        })
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(format!(
        "{path} {} {}",
        header("range").unwrap_or_default(),
        header("authorization").unwrap_or_default()
    ));
    let mut send = |status: &str, extra: &str, body: &[u8]| {
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n",
            body.len()
        )?;
        stream.write_all(body)
    };
    if manner == Manner::Gated {
        return send("401 Unauthorized", "", b"");
    }
    if path.starts_with("/api/models/org/toy/revision/main") {
        let siblings: Vec<serde_json::Value> = files
            .iter()
            .map(|(name, bytes)| {
                let hash = if manner == Manner::WrongHash { sha256(b"other") } else { sha256(bytes) };
                serde_json::json!({"rfilename": name, "size": bytes.len(), "lfs": {"sha256": hash, "size": bytes.len()}})
            })
            .collect();
        let sha = if manner == Manner::BadCommit {
            "../../../../tmp/x"
        } else {
            COMMIT
        };
        return send(
            "200 OK",
            "",
            serde_json::json!({"sha": sha, "siblings": siblings})
                .to_string()
                .as_bytes(),
        );
    }
    let wanted = path.strip_prefix(&format!("/org/toy/resolve/{COMMIT}/"));
    let Some((_, bytes)) = files.iter().find(|(name, _)| wanted == Some(*name)) else {
        return send("404 Not Found", "", b"");
    };
    let range = header("range").unwrap_or_else(|| "bytes=0-".into());
    let (begin, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let (begin, end) = (
        begin.parse::<usize>().unwrap(),
        end.parse::<usize>().map_or(bytes.len(), |end| end + 1),
    );
    if begin >= bytes.len() {
        return send("416 Range Not Satisfiable", "", b"");
    }
    let extra = format!(
        "X-Repo-Commit: {COMMIT}\r\nETag: \"{}\"\r\nContent-Range: bytes {begin}-{}/{}\r\n",
        sha256(bytes),
        end - 1,
        bytes.len()
    );
    if manner == Manner::Flaky && end - begin > 1000 && log.lock().unwrap().len().is_multiple_of(2) {
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n",
            end - begin
        )?;
        return stream.write_all(&bytes[begin..begin + (end - begin) / 2]);
    }
    send("206 Partial Content", &extra, &bytes[begin..end])
}

fn repository() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("config.json", b"{\"model_type\":\"toy\"}".to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        (
            "model.safetensors.index.json",
            br#"{"weight_map":{"a":"model-1.safetensors"}}"#.to_vec(),
        ),
        (
            "model-1.safetensors",
            (0..100_000_u32).flat_map(u32::to_le_bytes).collect(),
        ),
        ("pytorch_model.bin", b"pickle".to_vec()),
        ("evil.py", b"print()".to_vec()),
        ("consolidated.safetensors", b"unlisted".to_vec()),
    ]
}

#[test]
fn a_download_takes_only_what_is_needed_sends_the_token_and_is_cached() {
    let cache = tempfile::tempdir().unwrap();
    let files = repository();
    let hub = hub(&files, Manner::Honest);
    let settings = HubSettings {
        token: Some(settings::Token("hf_x".into())),
        ..settings(cache.path(), &hub.endpoint)
    };
    let snapshot = resolve("org/toy", &settings).unwrap();
    assert_eq!(snapshot, cache.path().join("models--org--toy/snapshots").join(COMMIT));
    assert_eq!(fs::read(snapshot.join("model-1.safetensors")).unwrap(), files[3].1);
    let mut names: Vec<String> = fs::read_dir(&snapshot)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "config.json",
            "model-1.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json"
        ]
    );
    assert!(
        hub.requests
            .lock()
            .unwrap()
            .iter()
            .all(|request| request.ends_with("bearer hf_x"))
    );
    let asked = hub.requests.lock().unwrap().len();
    assert_eq!(resolve("org/toy", &settings).unwrap(), snapshot);
    assert_eq!(hub.requests.lock().unwrap().len(), asked);
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let cache = tempfile::tempdir().unwrap();
    let files = repository();
    let hub = hub(&files, Manner::Honest);
    let blobs = cache.path().join("models--org--toy/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let part = |bytes: &[u8], length: usize| {
        fs::write(blobs.join(format!("{}.part", sha256(bytes))), &bytes[..length]).unwrap();
    };
    part(&files[3].1, 250_000);
    // Complete, but not yet renamed.
    part(&files[0].1, files[0].1.len());
    let snapshot = resolve("org/toy", &settings(cache.path(), &hub.endpoint)).unwrap();
    assert_eq!(fs::read(snapshot.join("model-1.safetensors")).unwrap(), files[3].1);
    assert_eq!(fs::read(snapshot.join("config.json")).unwrap(), files[0].1);
    assert!(
        hub.requests
            .lock()
            .unwrap()
            .iter()
            .any(|request| request.contains("model-1.safetensors bytes=250000-"))
    );
}

#[test]
fn a_transfer_that_breaks_off_is_continued() {
    let cache = tempfile::tempdir().unwrap();
    let files = repository();
    let hub = hub(&files, Manner::Flaky);
    let snapshot = resolve("org/toy", &settings(cache.path(), &hub.endpoint)).unwrap();
    assert_eq!(fs::read(snapshot.join("model-1.safetensors")).unwrap(), files[3].1);
}

#[test]
fn broken_hubs_are_refused() {
    let refusal = |files: &[(&'static str, Vec<u8>)], manner: Manner| {
        let cache = tempfile::tempdir().unwrap();
        let hub = hub(files, manner);
        let message = resolve("org/toy", &settings(cache.path(), &hub.endpoint))
            .unwrap_err()
            .to_string();
        let left = cache
            .path()
            .join("models--org--toy/snapshots")
            .join(COMMIT)
            .join("config.json")
            .exists();
        (message, left)
    };
    let (message, left) = refusal(&repository(), Manner::WrongHash);
    assert!(
        message.contains("config.json of org/toy was not downloaded as announced (its SHA-256 is ") && !left,
        "{message}"
    );
    let (message, _) = refusal(&repository(), Manner::Gated);
    assert!(
        message.contains(
            "answered 401 for org/toy: the model does not exist, or it is private or gated and HF_TOKEN is missing"
        ),
        "{message}"
    );
    let (message, _) = refusal(&repository(), Manner::BadCommit);
    assert!(message.contains("its commit is no hexadecimal number"), "{message}");
    let (message, _) = refusal(&repository()[..2], Manner::Honest);
    assert!(message.contains("has no model.safetensors and no index"), "{message}");
    let (message, _) = refusal(&repository()[..3], Manner::Honest);
    assert!(
        message.contains("its index names model-1.safetensors, which the repository does not have"),
        "{message}"
    );
    let (message, _) = refusal(&repository()[1..], Manner::Honest);
    assert!(message.contains("the repository has no config.json"), "{message}");
}
