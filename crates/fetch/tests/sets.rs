//! Cards as a whole: archives, sets that must not be fetched, files that are there already.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use secateur_datasets::data_cards::{Access, CardFile, DataCard};
use secateur_fetch::Settings;
use secateur_fetch::set::{Outcome, fetch};
use secateur_fetch::settings::Token;
use secateur_loopback::{Reply, Server};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

fn file(name: &str, url: &str) -> CardFile {
    CardFile {
        name: name.into(),
        url: url.into(),
        member: String::new(),
        bytes: None,
        sha256: String::new(),
        records: None,
    }
}

fn member(name: &str, url: &str, path: &str) -> CardFile {
    CardFile {
        member: path.into(),
        ..file(name, url)
    }
}

fn card(access: Access, file: Vec<CardFile>) -> DataCard {
    DataCard {
        set: "demo_set".into(),
        title: "A set".into(),
        source: "https://example.org".into(),
        access,
        licence: "CC0-1.0".into(),
        citation: String::new(),
        how_to_get: "write to its authors".into(),
        loader_tested_on_real_data: "no".into(),
        file,
    }
}

fn settings() -> Settings {
    Settings {
        retries: 0,
        backoff: Duration::from_millis(1),
        ..Settings::default()
    }
}

fn outcomes(card: &DataCard, root: &Path, settings: &Settings, force: bool) -> Vec<Outcome> {
    let outcomes = fetch(card, root, settings, force, &mut ());
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn failure(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar_gz_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Written directly: the builder would refuse `..`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    gz(&builder.into_inner().unwrap())
}

#[test]
fn members_are_taken_out_of_one_download() {
    let archive = zip_of(&[("data/a.txt", b"one"), ("../evil.txt", b"no"), ("data/b.txt", b"two")]);
    let server = Server::new(move |_, _| Reply::ok(&archive));
    let url = server.url("/all.zip");
    let root = tempfile::tempdir().unwrap();
    let card = card(
        Access::Open,
        vec![
            member("a.txt", &url, "data/a.txt"),
            member("deep/b.txt", &url, "data/b.txt"),
        ],
    );
    let outcomes = outcomes(&card, root.path(), &settings(), false);
    assert!(
        outcomes.iter().all(|o| matches!(o, Outcome::Fetched { bytes: 3, .. })),
        "{outcomes:?}"
    );
    assert_eq!(server.requests().len(), 1);
    let set = root.path().join("demo_set");
    assert_eq!(fs::read(set.join("a.txt")).unwrap(), b"one");
    assert_eq!(fs::read(set.join("deep/b.txt")).unwrap(), b"two");
    let mut names: Vec<_> = fs::read_dir(&set).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.txt", "deep"]);
    assert!(!root.path().join("evil.txt").exists());
}

#[test]
fn tars_and_single_gz_files_are_read() {
    let tar = tar_gz_of(&[("./x/a.csv", b"a,b"), ("../../evil", b"no")]);
    let server = Server::new(move |request, _| match request.target.as_str() {
        "/t.tar.gz" => Reply::ok(&tar),
        _ => Reply::ok(&gz(b"lines")),
    });
    let root = tempfile::tempdir().unwrap();
    let card = card(
        Access::Open,
        vec![
            member("a.csv", &server.url("/t.tar.gz"), "x/a.csv"),
            member("evil", &server.url("/t.tar.gz"), "../../evil"),
            member("absent", &server.url("/t.tar.gz"), "x/absent.csv"),
            member("c.jsonl", &server.url("/c.jsonl.gz"), "c.jsonl"),
        ],
    );
    let outcomes = outcomes(&card, root.path(), &settings(), false);
    let set = root.path().join("demo_set");
    assert_eq!(fs::read(set.join("a.csv")).unwrap(), b"a,b");
    // A path that leads upwards inside an archive is only a name: the file goes where the card says.
    assert_eq!(fs::read(set.join("evil")).unwrap(), b"no");
    assert!(
        failure(&outcomes[2]).contains("there is no such member"),
        "{}",
        failure(&outcomes[2])
    );
    assert_eq!(fs::read(set.join("c.jsonl")).unwrap(), b"lines");
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let server = Server::new(|_, _| Reply::ok(b"x"));
    let root = tempfile::tempdir().unwrap();
    let card = card(Access::Open, vec![file("../../evil", &server.url("/a"))]);
    let outcomes = outcomes(&card, root.path(), &settings(), false);
    assert!(failure(&outcomes[0]).contains("not a relative path"));
    assert!(server.requests().is_empty());
}

#[test]
fn bombs_are_defused() {
    let zeros = vec![0u8; 80 << 20];
    let (zipped, zeros_gz) = (zip_of(&[("a", &zeros)]), gz(&zeros));
    assert!(zipped.len() < 1 << 20);
    let server = Server::new(move |request, _| match request.target.as_str() {
        "/a.zip" => Reply::ok(&zipped),
        _ => Reply::ok(&zeros_gz),
    });
    let root = tempfile::tempdir().unwrap();
    let mut small = member("c", &server.url("/b.gz"), "c");
    small.bytes = Some(10);
    let files = vec![
        member("a", &server.url("/a.zip"), "a"),
        member("b", &server.url("/b.gz"), "b"),
        small,
    ];
    let card = card(Access::Open, files);
    for outcome in &outcomes(&card, root.path(), &settings(), false) {
        assert!(failure(outcome).contains("unpacks to more than"), "{outcome:?}");
    }
    assert_eq!(fs::read_dir(root.path().join("demo_set")).unwrap().count(), 0);
}

#[test]
fn a_damaged_archive_is_an_error() {
    let server = Server::new(|_, _| Reply::ok(&zip_of(&[("a", b"one")])[..20]));
    let root = tempfile::tempdir().unwrap();
    let card = card(Access::Open, vec![member("a", &server.url("/a.zip"), "a")]);
    let message = failure(&outcomes(&card, root.path(), &settings(), false)[0]);
    assert!(message.contains("the archive cannot be read"), "{message}");
}

#[test]
fn what_is_there_and_right_is_left_alone() {
    let server = Server::new(|_, _| Reply::ok(b"abc"));
    let root = tempfile::tempdir().unwrap();
    let mut wanted = file("a", &server.url("/a"));
    wanted.sha256 = format!("{:x}", Sha256::digest(b"abc"));
    let card = card(Access::Open, vec![wanted]);
    let run = |force| outcomes(&card, root.path(), &settings(), force);
    assert!(matches!(run(false)[0], Outcome::Fetched { verified: true, .. }));
    assert!(matches!(run(false)[0], Outcome::Present));
    assert_eq!(server.requests().len(), 1);
    assert!(matches!(run(true)[0], Outcome::Fetched { .. }));
    fs::write(root.path().join("demo_set/a"), "damaged").unwrap();
    assert!(matches!(run(false)[0], Outcome::Fetched { .. }));
    assert_eq!(fs::read(root.path().join("demo_set/a")).unwrap(), b"abc");
}

#[test]
fn sets_that_are_not_for_everybody_are_explained_and_not_fetched() {
    let server = Server::new(|_, _| Reply::ok(b"abc"));
    let root = tempfile::tempdir().unwrap();
    for (access, words) in [
        (Access::Registration, "registration"),
        (Access::NotRedistributable, "nobody may pass it on"),
        (Access::Gated, "accepts its terms"),
    ] {
        let card = card(access, vec![file("a", &server.url("/a"))]);
        let outcomes = outcomes(&card, root.path(), &settings(), true);
        let Outcome::ByHand(why) = &outcomes[0] else {
            panic!("{outcomes:?}");
        };
        assert!(why.contains(words) && why.contains("write to its authors"), "{why}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_gated_set_of_the_hub_is_asked_for_with_a_token() {
    let server = Server::new(|request, _| match request.header("authorization") {
        Some("Bearer good") => Reply::ok(b"abc"),
        _ => Reply::status(403, ""),
    });
    let card = card(
        Access::Gated,
        vec![file("a", "https://huggingface.co/datasets/x/y/resolve/main/a")],
    );
    let mut settings = settings();
    settings.endpoint = server.url("");
    for (token, good) in [("bad", false), ("good", true)] {
        let root = tempfile::tempdir().unwrap();
        settings.token = Some(Token(token.into()));
        let outcomes = outcomes(&card, root.path(), &settings, false);
        if good {
            assert!(matches!(outcomes[0], Outcome::Fetched { .. }));
        } else {
            assert!(failure(&outcomes[0]).contains("the token has no access"));
        }
    }
}

#[test]
fn one_file_that_fails_does_not_keep_the_others_away() {
    let server = Server::new(|request, _| match request.target.as_str() {
        "/gone" => Reply::status(404, ""),
        _ => Reply::ok(b"abc"),
    });
    let root = tempfile::tempdir().unwrap();
    let files = vec![
        file("gone", &server.url("/gone")),
        file("a", &server.url("/a")),
        file("b", ""),
    ];
    let outcomes = outcomes(&card(Access::Open, files), root.path(), &settings(), false);
    assert!(matches!(
        outcomes[..],
        [
            Outcome::Failed(_),
            Outcome::Fetched { verified: false, .. },
            Outcome::ByHand(_)
        ]
    ));
}
