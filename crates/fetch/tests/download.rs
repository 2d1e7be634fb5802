//! Each way in which a server can behave, over a real connection.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secateur_fetch::download::{Received, Wanted, download};
use secateur_fetch::settings::Token;
use secateur_fetch::{FetchError, Settings, Watcher};
use secateur_loopback::{Reply, Server};
use sha2::{Digest, Sha256};

fn text() -> Vec<u8> {
    (0..50_000u32).flat_map(u32::to_le_bytes).collect()
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn settings() -> Settings {
    Settings {
        retries: 3,
        backoff: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        timeout: Duration::from_secs(2),
        ..Settings::default()
    }
}

/// Keeps the lines.
#[derive(Default)]
struct Notes(Vec<String>);

impl Watcher for Notes {
    fn note(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }
}

/// A folder for one file.
struct Place {
    folder: tempfile::TempDir,
    notes: Notes,
    settings: Settings,
    bytes: Option<u64>,
    sha256: String,
}

impl Place {
    fn new() -> Self {
        let text = text();
        Self {
            folder: tempfile::tempdir().unwrap(),
            notes: Notes::default(),
            settings: settings(),
            bytes: Some(text.len() as u64),
            sha256: hash(&text),
        }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("set/file.bin")
    }

    fn fetch(&mut self, url: &str) -> Result<Received, FetchError> {
        let target = self.target();
        let wanted = Wanted {
            name: "file.bin",
            url,
            target: &target,
            bytes: self.bytes,
            sha256: Some(self.sha256.as_str()).filter(|text| !text.is_empty()),
        };
        download(&self.settings, wanted, &mut self.notes)
    }

    /// All names in the folder of the file.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("set")).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_whole(&self) {
        assert_eq!(fs::read(self.target()).unwrap(), text());
        assert_eq!(self.names(), ["file.bin"]);
    }
}

#[test]
fn a_file_arrives_and_nothing_else_stays() {
    let server = Server::new(|_, _| Reply::ok(&text()));
    let mut place = Place::new();
    let received = place.fetch(&server.url("/a")).unwrap();
    assert_eq!((received.bytes, received.sha256), (200_000, hash(&text())));
    place.assert_whole();
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("identity"));
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let server = Server::new(|request, number| match number {
        0 => Reply::ranged(request, &text(), "\"v1\"").breaking(70_000),
        1 => Reply::ranged(request, &text(), "\"v1\"").breaking(50_000),
        _ => Reply::ranged(request, &text(), "\"v1\""),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(secateur_loopback::Request::range)
        .collect();
    assert_eq!(asked, [None, Some(70_000), Some(120_000)]);
    assert_eq!(server.requests()[2].header("if-range"), Some("\"v1\""));
    assert!(
        place.notes.0[0].contains("the connection broke after 70000 bytes"),
        "{:?}",
        place.notes.0
    );
}

#[test]
fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let server = Server::new(|request, number| {
        if number == 0 {
            Reply::ranged(request, &text(), "\"v1\"").breaking(60_000)
        } else if number < 4 {
            Reply::status(503, "")
        } else {
            Reply::ranged(request, &text(), "\"v1\"")
        }
    });
    let mut place = Place::new();
    let error = place.fetch(&server.url("/a")).unwrap_err().to_string();
    assert!(
        error.contains("the server answered 503") && error.contains("goes on from there"),
        "{error}"
    );
    assert_eq!(place.names(), [".file.bin.part", ".file.bin.part.json"]);
    place.fetch(&server.url("/a")).unwrap();
    assert_eq!(server.requests().last().unwrap().range(), Some(60_000));
    place.assert_whole();
}

#[test]
fn a_changed_file_is_fetched_anew() {
    let server = Server::new(|request, number| match number {
        0 => Reply::ranged(request, &vec![7; 200_000], "\"v1\"").breaking(60_000),
        _ => Reply::ranged(request, &text(), "\"v2\""),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let server = Server::new(|_, number| match number {
        0 => Reply::ok(&text()).with("ETag", "\"v1\"").breaking(60_000),
        _ => Reply::ok(&text()).with("ETag", "\"v1\""),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    assert!(
        place.notes.0.iter().any(|note| note.contains("whole file again")),
        "{:?}",
        place.notes.0
    );
}

#[test]
fn without_a_validator_halves_are_never_joined() {
    for tag in [None, Some("W/\"weak\"")] {
        let server = Server::new(move |_, number| {
            let reply = match tag {
                Some(tag) => Reply::ok(&text()).with("ETag", tag),
                None => Reply::ok(&text()),
            };
            if number == 0 { reply.breaking(60_000) } else { reply }
        });
        let mut place = Place::new();
        place.fetch(&server.url("/a")).unwrap();
        place.assert_whole();
        assert_eq!(server.requests()[1].range(), None);
    }
}

#[test]
fn halves_of_a_server_that_lies_about_versions_are_dropped() {
    // The second half is of another file under the same tag: the checksum tells, and the whole is fetched.
    let server = Server::new(|request, number| match number {
        0 => Reply::ranged(request, &vec![7; 200_000], "\"v1\"").breaking(60_000),
        _ => Reply::ranged(request, &text(), "\"v1\""),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    assert!(place.notes.0.iter().any(|note| note.contains("do not fit together")));
}

#[test]
fn a_part_that_does_not_exist_starts_over() {
    let server = Server::new(|request, number| match number {
        0 => Reply::ranged(request, &text(), "\"v1\"").breaking(60_000),
        1 => Reply::status(416, ""),
        _ => Reply::ranged(request, &text(), "\"v1\""),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    assert_eq!(server.requests()[2].range(), None);
}

#[test]
fn trouble_that_may_pass_is_waited_for() {
    let server = Server::new(|_, number| match number {
        0 => Reply::status(429, "").with("Retry-After", "3600"),
        1 => Reply::status(500, ""),
        2 => Reply::ok(&text()).breaking(0),
        _ => Reply::ok(&text()),
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn patience_ends() {
    let server = Server::new(|_, _| Reply::status(429, ""));
    let mut place = Place::new();
    let error = place.fetch(&server.url("/a")).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { attempts: 4, .. }), "{error}");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn silence_ends_too() {
    let server = Server::new(|_, _| {
        std::thread::sleep(Duration::from_secs(1));
        Reply::ok(&text())
    });
    let mut place = Place::new();
    place.settings.timeout = Duration::from_millis(100);
    place.settings.retries = 1;
    let error = place.fetch(&server.url("/a")).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { .. }), "{error}");
}

#[test]
fn refusals_are_final_and_say_what_to_do() {
    for (status, words) in [
        (401, "it is not given to everybody"),
        (403, "it is not given to everybody"),
        (404, "the file has moved"),
        (418, "does not want to give it"),
        (204, "expected the file"),
    ] {
        let server = Server::new(move |_, _| Reply::status(status, ""));
        let mut place = Place::new();
        let error = place.fetch(&server.url("/a?signature=secret")).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&status.to_string()), "{error}");
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(server.requests().len(), 1, "{status}");
        assert!(!place.target().exists());
    }
}

#[test]
fn the_hub_wants_a_token() {
    let server = Server::new(|_, _| Reply::status(401, ""));
    let mut place = Place::new();
    place.settings.endpoint = server.url("");
    let error = place.fetch(&server.url("/a")).unwrap_err().to_string();
    assert!(error.contains("set HF_TOKEN"), "{error}");
}

#[test]
fn wrong_bytes_never_get_the_name() {
    let wrong = |mut bytes: Vec<u8>| {
        bytes[9] ^= 1;
        bytes
    };
    let server = Server::new(move |_, _| Reply::ok(&wrong(text())));
    let mut place = Place::new();
    let error = place.fetch(&server.url("/a")).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn sizes_that_the_card_does_not_allow_are_refused_at_once() {
    let server = Server::new(|_, _| Reply::ok(&text()[..1000]));
    let mut place = Place::new();
    let error = place.fetch(&server.url("/a")).unwrap_err().to_string();
    assert!(
        error.contains("has 1000 bytes, but the data card says 200000"),
        "{error}"
    );
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_body_longer_than_declared_or_allowed_is_cut_and_refused() {
    // Declares less than it sends: what was declared arrives, and is not the file.
    let server = Server::new(|_, _| Reply {
        declared: Some(200_000),
        ..Reply::ok(&[text(), vec![1; 99]].concat())
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
    // Declares nothing and does not stop.
    let endless = Server::new(|_, _| Reply {
        undeclared: true,
        ..Reply::ok(&[text(), vec![1; 99]].concat())
    });
    let mut place = Place::new();
    let error = place.fetch(&endless.url("/a")).unwrap_err().to_string();
    assert!(error.contains("more than 200000 bytes"), "{error}");
    // No size in the card either: the limit of the settings holds.
    let mut place = Place::new();
    (place.bytes, place.sha256) = (None, String::new());
    place.settings.largest = 1000;
    assert!(matches!(place.fetch(&endless.url("/a")), Err(FetchError::Size { .. })));
}

#[test]
fn a_body_shorter_than_declared_is_trouble() {
    let server = Server::new(|_, _| Reply {
        declared: Some(200_000),
        ..Reply::ok(&text()[..5])
    });
    let mut place = Place::new();
    (place.bytes, place.sha256) = (None, String::new());
    let error = place.fetch(&server.url("/a")).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { .. }), "{error}");
    assert!(!place.target().exists());
}

#[test]
fn an_undeclared_body_that_stops_early_is_trouble_where_the_card_knows_the_size() {
    let server = Server::new(|_, number| {
        let end = if number == 0 { 1000 } else { 200_000 };
        Reply {
            undeclared: true,
            ..Reply::ok(&text()[..end])
        }
    });
    let mut place = Place::new();
    place.fetch(&server.url("/a")).unwrap();
    place.assert_whole();
}

#[test]
fn the_token_stays_at_home() {
    let elsewhere = Arc::new(Server::new(|_, _| Reply::ok(&text())));
    let there = elsewhere.url("/blob?signature=x");
    let hub = Server::new(move |request, _| match request.target.as_str() {
        "/first" => Reply::status(302, "").with("Location", "/second"),
        _ => Reply::status(307, "").with("Location", &there),
    });
    let mut place = Place::new();
    place.settings.endpoint = hub.url("");
    place.settings.token = Some(Token("hf_secret".into()));
    // A page of the hub is asked of its mirror.
    place.fetch("https://huggingface.co/first").unwrap();
    place.assert_whole();
    let authorised = |server: &Server| -> Vec<bool> {
        let requests = server.requests();
        requests
            .iter()
            .map(|r| r.header("authorization") == Some("Bearer hf_secret"))
            .collect()
    };
    assert_eq!(authorised(&hub), [true, true]);
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
    // Another host never sees it, and does not get it by sending back to the hub.
    let back = hub.url("/second");
    let stranger = Server::new(move |_, _| Reply::status(302, "").with("Location", &back));
    let mut other = Place::new();
    other.settings = place.settings.clone();
    other.fetch(&stranger.url("/a")).unwrap();
    assert_eq!(stranger.requests()[0].header("authorization"), None);
    assert_eq!(authorised(&hub), [true, true, false]);
}

#[test]
fn circles_and_strange_places_are_left() {
    let server = Server::new(|request, _| match request.target.as_str() {
        "/circle" => Reply::status(301, "").with("Location", "/circle"),
        _ => Reply::status(301, "").with("Location", "file:///etc/passwd"),
    });
    let mut place = Place::new();
    let error = place.fetch(&server.url("/circle")).unwrap_err().to_string();
    assert!(error.contains("more than 10 times"), "{error}");
    let error = place.fetch(&server.url("/file")).unwrap_err().to_string();
    assert!(error.contains("less safe"), "{error}");
    for address in ["file:///etc/passwd", "no address", "ftp://a/b"] {
        assert!(
            matches!(place.fetch(address), Err(FetchError::Address { .. })),
            "{address}"
        );
    }
}

#[test]
fn a_proxy_is_asked_in_place_of_the_host() {
    let proxy = Server::new(|_, _| Reply::ok(&text()));
    let address = proxy.url("");
    let from = |name: &str| (name == "http_proxy").then(|| address.clone());
    let mut place = Place::new();
    place.settings.proxies = Settings::from_variables(&from).proxies;
    place.fetch("http://data.example.org/a").unwrap();
    place.assert_whole();
    assert_eq!(proxy.requests()[0].target, "http://data.example.org/a");
}

#[test]
fn offline_means_offline() {
    let server = Server::new(|_, _| Reply::ok(&text()));
    let mut place = Place::new();
    place.settings.offline = true;
    assert!(matches!(
        place.fetch(&server.url("/a")),
        Err(FetchError::Offline { .. })
    ));
    assert!(server.requests().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let server = Server::new(|_, _| Reply::ok(&text()));
    let mut place = Place::new();
    let part = place.target().with_file_name(".file.bin.part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = place.fetch(&server.url("/a")).unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some space"));
    assert!(!place.target().exists());
}

#[test]
fn two_processes_do_not_write_one_file() {
    let server = Server::new(|_, _| Reply::ok(&text()));
    let mut place = Place::new();
    let part = place.target().with_file_name(".file.bin.part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    let held = fs::File::create(&part).unwrap();
    held.lock().unwrap();
    assert!(matches!(place.fetch(&server.url("/a")), Err(FetchError::Busy { .. })));
    drop(held);
    place.fetch(&server.url("/a")).unwrap();
}
