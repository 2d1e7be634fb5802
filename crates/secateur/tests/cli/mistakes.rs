//! What does not fit in a file is shown where it stands: line, column, the line itself with the place marked, and what was expected.

use std::fs;

use crate::said;
use crate::tiny::{Sweep, checkpoint};

/// What the carets of a message mark. The line and column that it says must be those of that text in the file.
fn marked(message: &str, file: &str, text: &str) -> String {
    let at = message
        .find(&format!("{file}, line "))
        .unwrap_or_else(|| panic!("no place in {message}"));
    let numbers: Vec<usize> = message[at + file.len()..]
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .take(2)
        .collect();
    let lines: Vec<&str> = message.lines().collect();
    let carets = lines
        .iter()
        .position(|line| line.ends_with('^'))
        .unwrap_or_else(|| panic!("no mark in {message}"));
    let begin = lines[carets].find('^').unwrap();
    let found = &lines[carets - 1][begin..lines[carets].len()];
    let line = text.lines().nth(numbers[0] - 1).unwrap();
    assert!(line[numbers[1] - 1..].starts_with(found), "{message}");
    found.to_owned()
}

/// What is replaced by what, what is said, and what is marked.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

const OF_SYNTAX: [Mistake; 6] = [
    (
        "bootstrap_samples",
        "bootstrap_sample",
        "did you mean `bootstrap_samples`?",
        "bootstrap_sample",
    ),
    ("samples = 8", "smaples = 8", "did you mean `samples`?", "smaples"),
    (
        "ratios = [0.25, 0.5]",
        "ratios = \"a half\"",
        "(a list in [ ])",
        "\"a half\"",
    ),
    ("samples = 8", "samples = \"8\"", "(a whole number, 0 or more)", "\"8\""),
    (
        "bootstrap_samples = 50",
        "device = \"wgpuu\"",
        "did you mean `wgpu`?",
        "\"wgpuu\"",
    ),
    (
        "bootstrap_samples = 50",
        "precision = \"f46\"",
        "did you mean `f64`?",
        "\"f46\"",
    ),
];

const OF_THE_SWEEP: [Mistake; 11] = [
    (
        "name = \"tiny\"",
        "name = \"my sweep\"",
        "use letters, digits, ",
        "\"my sweep\"",
    ),
    (
        "\"frequency\"",
        "\"freqency\"",
        "did you mean `frequency`?",
        "\"freqency\"",
    ),
    (
        "\"frequency\"",
        "\"reap@papr\"",
        "did you mean `reap@paper`?",
        "\"reap@papr\"",
    ),
    ("\"random\"", "\"reap\"", "`reap` stands there twice", "\"reap\""),
    ("0.5]", "1.5]", "1.5 is outside [0, 1)", "1.5"),
    ("0.5]", "0.25]", "`0.25` stands there twice", "0.25"),
    ("0.5]", "0.9]", "model `tiny-olmoe`, method `reap`", "0.9"),
    ("[\"letters\"]", "[\"leters\"]", "did you mean `letters`?", "\"leters\""),
    (
        "[[corpora]]",
        "[[models]]\nname = \"tiny-olmoe\"\npath = \"x\"\n[[corpora]]",
        "`tiny-olmoe` stands there twice",
        "\"tiny-olmoe\"",
    ),
    (
        "methods = [\"reap\", \"frequency\", \"random\"]",
        "methods = []",
        "the list is empty",
        "[]",
    ),
    (
        "[[models]]",
        "[safe]\nalpha = 0.7\n[[models]]",
        "safe.alpha is 0.7",
        "0.7",
    ),
];

const OF_WHAT_IT_NAMES: [Mistake; 16] = [
    (
        "\"corpus.jsonl\"",
        "\"corpse.jsonl\"",
        "corpse.jsonl",
        "\"corpse.jsonl\"",
    ),
    ("samples = 8", "samples = 80", "holds 8 calibration samples", "80"),
    ("samples = 8", "samples = 0", "expected at least 1", "0"),
    (
        "\"colours\"",
        "\"colors\"",
        "unknown task `colors`: did you mean `colours`?",
        "\"colors\"",
    ),
    ("\"colours\"", "\"words\"", "`words` stands there twice", "\"words\""),
    (
        "\"colours\"",
        "\"colours@option-oder\"",
        "did you mean `option-order`?",
        "\"colours@option-oder\"",
    ),
    ("\"colours\"", "\"pubmedqa\"", "does not exist", "\"pubmedqa\""),
    (
        "\"colours\"",
        "\"colours\"\nfew_shot = 3",
        "3 few-shot examples asked for",
        "3",
    ),
    (
        "\"colours\"",
        "\"colours\"\nmax_new_tokens = 7",
        "generates no answers",
        "7",
    ),
    ("\"colours\"", "\"colours\"\nsamples = 5", "`@sampled` alone", "5"),
    (
        "[[models]]",
        "[safe]\nmargins = { acuracy = 0.1 }\n[[models]]",
        "did you mean `accuracy`?",
        "acuracy",
    ),
    (
        "[[models]]",
        "[safe]\nutility = [\"acuracy\"]\n[[models]]",
        "did you mean `accuracy`?",
        "\"acuracy\"",
    ),
    (
        "[[models]]",
        "[safe]\ndomain = \"biomedicl\"\n[[models]]",
        "did you mean `biomedical`?",
        "\"biomedicl\"",
    ),
    (
        "[[corpora]]",
        "[judging]\ntasks = [\"wrds\"]\n[[corpora]]",
        "did you mean `words`?",
        "\"wrds\"",
    ),
    (
        "[[corpora]]",
        "[[scorers]]\nname = \"s\"\nkind = \"lexcal\"\n[[corpora]]",
        "did you mean `lexical`?",
        "\"s\"",
    ),
    (
        "[[corpora]]",
        "[[scorers]]\nname = \"accuracy\"\nkind = \"lexical\"\n[[corpora]]",
        "name of a built-in metric",
        "\"accuracy\"",
    ),
];

#[test]
fn a_sweep_file() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    for (found, replaced, part, place) in OF_SYNTAX.iter().chain(&OF_THE_SWEEP).chain(&OF_WHAT_IT_NAMES) {
        sweep.definition(|text| {
            assert!(text.contains(found), "no {found}");
            text.replacen(found, replaced, 1)
        });
        let message = said(at, &["sweep", "sweep.toml", "--results", "results"], 1);
        assert!(message.starts_with("error: sweep.toml, line "), "{replaced}: {message}");
        assert!(message.contains(part), "{replaced}: no `{part}` in {message}");
        let text = fs::read_to_string(at.join("sweep.toml")).unwrap();
        assert_eq!(&marked(&message, "sweep.toml", &text), place, "{message}");
    }
    assert!(!at.join("results").exists(), "something was written before the refusal");
}

#[test]
fn a_model_that_is_not_there() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    sweep.definition(|text| text.replace(&checkpoint().display().to_string(), "./nowhere"));
    let message = said(at, &["sweep", "sweep.toml"], 1);
    let text = fs::read_to_string(at.join("sweep.toml")).unwrap();
    assert_eq!(marked(&message, "sweep.toml", &text), "\"./nowhere\"", "{message}");
    assert!(message.contains("model `tiny-olmoe`: "), "{message}");
}

#[test]
fn text_that_is_no_toml_and_a_key_that_is_missing() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    sweep.definition(|text| text.replace("ratios = [0.25, 0.5]", "ratios = [0.25, 0.5"));
    let message = said(at, &["sweep", "sweep.toml"], 1);
    assert!(
        message.starts_with("error: sweep.toml, line ") && message.contains('^'),
        "{message}"
    );
    // What is nowhere has no place.
    sweep.definition(|text| text.replace("name = \"tiny\"\n", ""));
    let message = said(at, &["sweep", "sweep.toml"], 1);
    assert!(
        message.starts_with("error: sweep.toml: missing field `name`"),
        "{message}"
    );
}

#[test]
fn what_a_cluster_is_asked_for() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    for (section, part, place) in [
        ("time = \"4h\"", "is no time", "\"4h\""),
        ("memory = \"much\"", "is no amount", "\"much\""),
        (
            "extra = [\"--hold\", \"--output=x\"]",
            "is decided by `secateur submit`",
            "\"--output=x\"",
        ),
        ("gpu_type = \"h100\"", "cluster.gpus is not", "\"h100\""),
    ] {
        sweep.definition(|text| text.replace("[[models]]", &format!("[cluster]\n{section}\n[[models]]")));
        let message = said(at, &["submit", "sweep.toml", "--executor", "slurm", "--dry-run"], 1);
        let text = fs::read_to_string(at.join("sweep.toml")).unwrap();
        assert!(message.contains(part), "{message}");
        assert_eq!(marked(&message, "sweep.toml", &text), place, "{message}");
    }
}

#[test]
fn a_task_card() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let card = fs::read_to_string(at.join("colours.toml")).unwrap();
    for (found, replaced, part, place) in [
        (
            "multiple_choice",
            "multiple_choise",
            "did you mean `multiple_choice`?",
            "\"multiple_choise\"",
        ),
        ("licence =", "license =", "did you mean `licence`?", "license"),
        (
            "\"acc\"",
            "\"token_f1\"",
            "does not apply to kind `multiple_choice`",
            "\"token_f1\"",
        ),
        (
            "{question}",
            "{question",
            "has no partner",
            "\"Question: {question\\nAnswer:\"",
        ),
        (
            "\"colours.jsonl\"",
            "\"../colours.jsonl\"",
            "must lie in or below",
            "\"../colours.jsonl\"",
        ),
    ] {
        assert!(card.contains(found), "no {found}");
        let wrong = card.replacen(found, replaced, 1);
        sweep.write("colours.toml", &wrong);
        let message = said(at, &["sweep", "sweep.toml"], 1);
        assert!(
            message.contains("colours.toml, line ") && message.contains(part),
            "{message}"
        );
        assert!(
            !message.contains("sweep.toml"),
            "the sweep file is not to blame: {message}"
        );
        assert_eq!(marked(&message, "colours.toml", &wrong), place, "{message}");
    }
}

#[test]
fn a_data_card_and_a_file_of_judges() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    fs::create_dir(at.join("own")).unwrap();
    let card = "set = \"mine\"\ntitle = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\nhow_to_get = \"\"\n\
                loader_tested_on_real_data = \"no\"\n[[file]]\nname = \"a\"\n";
    for (found, replaced, part, place) in [
        ("title =", "titel =", "did you mean `title`?", "titel"),
        ("\"mine\"", "\"other\"", "expected the name of the file", "\"other\""),
        (
            "name = \"a\"",
            "name = \"a\"\nsha256 = \"12\"",
            "64 hexadecimal digits",
            "\"12\"",
        ),
    ] {
        let wrong = card.replacen(found, replaced, 1);
        sweep.write("own/mine.toml", &wrong);
        let message = said(at, &["datasets", "list", "--data-cards", "own"], 1);
        assert!(message.contains(part), "{message}");
        assert_eq!(marked(&message, "mine.toml", &wrong), place, "{message}");
    }
    let judges =
        "[[judges]]\nname = \"a\"\nendpoint = \"http://localhost:9/v1\"\nmodel = \"m\"\nconcurrency = \"four\"\n";
    sweep.write("judges.toml", judges);
    sweep.write("pairs.jsonl", "");
    let words = [
        "judge",
        "--config",
        "judges.toml",
        "--pairs",
        "pairs.jsonl",
        "--cache",
        "cache",
    ];
    assert_eq!(marked(&said(at, &words, 1), "judges.toml", judges), "\"four\"");
}
