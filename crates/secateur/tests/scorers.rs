//! `secateur scorers`, as a user runs it, on small files in their authors' layout.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn scorers(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .current_dir(folder)
        .arg("scorers")
        .args(arguments)
        .output()
        .unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_page_and_a_table_are_written_and_are_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..40)
        .map(|i| {
            format!(
                r#"{{"knowledge": "The river Nola is {i} km long.", "question": "?", "right_answer": "{i} km long", "hallucinated_answer": "It is {} miles wide."}}"#,
                i + 1
            )
        })
        .collect();
    fs::create_dir_all(folder.path().join("data/halueval")).unwrap();
    fs::write(folder.path().join("data/halueval/qa_data.json"), lines.join("\n")).unwrap();
    let arguments = ["--data", "data", "--bootstrap-samples", "50", "--out", "out/page.md"];
    let output = scorers(folder.path(), &arguments);
    assert!(output.status.success(), "{}", err(&output));
    let page = fs::read_to_string(folder.path().join("out/page.md")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), page);
    assert!(
        page.contains("| `lexical_support` | 80 (100 %)") && page.contains("Labelled by construction"),
        "{page}"
    );
    let table = fs::read_to_string(folder.path().join("out/page.csv")).unwrap();
    assert!(table.starts_with("set,labelled_by,scorer") && table.lines().count() > 8);
    scorers(folder.path(), &arguments);
    assert_eq!(fs::read_to_string(folder.path().join("out/page.md")).unwrap(), page);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = scorers(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        err(&output)
    };
    assert!(refused(&["--data", "nowhere"]).contains("no labelled set"));
    assert!(refused(&["--data", "nowhere", "--list", "germs=x"]).contains("names, drugs or genes"));
    assert!(refused(&["--data", "nowhere", "--demo", "gone"]).contains("gone"));
}
