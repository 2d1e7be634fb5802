//! A sweep that nobody ran, with answers. The words mean nothing; some of them try to be markup, scripts and formulas.
// Noise lies between 0 and 1.
#![allow(clippy::cast_sign_loss)]

use std::path::Path;

use secateur_metrics::regressions::{Kind, Regressions, Respect, changes};
use secateur_metrics::statistics::{Bootstrap, Clusters};
use secateur_results::key::RecordKey;
use secateur_results::record::Record;
use secateur_results::store::{Answers, Store, SweepIdentity};
use serde_json::{Value, json};

use super::synthetic::{DEMO, Sweep, noise, rankings, records};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Small enough to be written in seconds.
const SWEEP: Sweep = Sweep {
    methods: &["ean", "random", "reap"],
    seeds: 1,
    ..DEMO
};

/// Rankings cost nothing: enough of them for every chart.
const RANKED: Sweep = Sweep {
    methods: &["ean", "frequency", "random", "reap"],
    seeds: 2,
    ..SWEEP
};

/// What a page must show as text.
const HOSTILE: [&str; 8] = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=\"window.hacked = 1\">",
    "=HYPERLINK(\"http://example.org\", \"click\")",
    "</script><script>window.hacked = 1</script><!--",
    "\"></article><iframe srcdoc='<script>parent.hacked = 1</script>'>",
    "javascript:window.hacked = 1 {{ 7 * 7 }} ${7 * 7} &lt;b&gt; \u{202e}txet desrever\u{202c} \u{0}\u{7}",
    "averyveryverylongwordwithoutanyspaceinit_averyveryverylongwordwithoutanyspaceinit_averyveryverylongwordwithoutanyspaceinit",
    "+1+1\r\n@SUM(A1)\t-2",
];
const WORDS: [&str; 24] = [
    "the",
    "dose",
    "of",
    "metformin",
    "was",
    "raised",
    "to",
    "after",
    "weeks",
    "in",
    "patients",
    "with",
    "renal",
    "failure",
    "and",
    "no",
    "change",
    "was",
    "seen",
    "but",
    "insulin",
    "helped",
    "most",
    "people",
];

/// One answer and its states.
struct Said {
    text: String,
    unsupported: Vec<String>,
    right: bool,
    looping: bool,
}

/// Makes up a sweep with about `pairs` pairs of answers.
pub fn sweep(directory: &Path, pairs: usize) -> Outcome<Store> {
    let store = Store::open(
        directory,
        &SweepIdentity::new("made up", "name = \"made up\" # </pre><script>\n"),
    )?;
    let mut records = records(&SWEEP);
    let cells = records.iter().filter(|r| r.cell.method.is_some()).count();
    let items = pairs.div_ceil(cells.max(1));
    for ranking in rankings(&RANKED) {
        ranking.write(directory)?;
    }
    for record in &mut records {
        if record.cell.model == SWEEP.models[1] {
            record.cell.model += HOSTILE[0];
            record.warnings.push(HOSTILE[1].to_owned());
            record.inputs.insert("cell".to_owned(), record.cell.to_string());
            record.key = RecordKey::from_inputs(&record.inputs).to_string();
        }
        // Fewer experts are faster, and kinds of task differ.
        let slow = if record.cell.kind == "generation" { 2.5 } else { 1.0 };
        record.cost.seconds *= slow * (1.0 - 0.4 * record.cell.fraction_removed + 0.2 * noise(&record.key));
        let answers: Vec<(Value, Said)> = (0..items).map(|item| answer(record, item)).collect();
        if record.cell.method.is_some() {
            record.regressions = Some(counted(record, &answers, items)?);
        }
        let key = RecordKey::parse(&record.key).ok_or("a record's key")?;
        let mut writer = store.begin_answers(&key)?;
        for (line, _) in &answers {
            writer.append(line)?;
        }
        store.publish(record, Answers::Own(writer))?;
    }
    Ok(store)
}

fn name(item: usize) -> String {
    format!("item-{item:05}")
}

fn answer(record: &Record, item: usize) -> (Value, Said) {
    let cell = &record.cell;
    let about = format!("{} {item}", cell.task);
    let said = said(
        &about,
        cell.method.as_deref().unwrap_or_default(),
        cell.fraction_removed,
    );
    let passage: Vec<&str> = (0..30).map(|place| word(&about, place)).collect();
    let output = if cell.kind == "classification" {
        let choices = [" yes", " no", " maybe"].map(|text| json!({"text": text}));
        json!({"choices": {"continuations": choices, "gold": [0], "predicted": usize::from(!said.right)}})
    } else {
        json!({"text": {"text": said.text, "finish": "end_token", "references": [sentence(&about)]}})
    };
    let line = json!({
        "item": name(item),
        "prompt": format!("Question {item}: what does the passage say?\n\n{}", passage.join(" ")),
        "output": output,
        "scores": {"accuracy": f64::from(u8::from(said.right)), "unsupported_answer": f64::from(u8::from(!said.unsupported.is_empty()))},
        "flags": if said.looping { vec!["looping"] } else { Vec::new() },
        "unsupported": said.unsupported,
    });
    (line, said)
}

/// The more is removed, the more words change.
fn said(about: &str, method: &str, removed: f64) -> Said {
    let draw = |what: &str| noise(&format!("{about}{method}{removed}{what}"));
    let mut words: Vec<String> = sentence(about).split(' ').map(str::to_owned).collect();
    let mut unsupported = Vec::new();
    for (place, word) in words.iter_mut().enumerate() {
        if draw(&format!("word{place}")) < 0.6 * removed {
            *word = format!("{:.0} mg", 1000.0 * draw(&format!("number{place}")));
            unsupported.push(word.clone());
        }
    }
    let hostile = HOSTILE[(noise(about) * HOSTILE.len() as f64) as usize % HOSTILE.len()];
    match draw("hostile") {
        chance if chance < 0.03 => words.insert(0, hostile.to_owned()),
        chance if chance < 0.1 => words.push(hostile.to_owned()),
        _ => {}
    }
    Said {
        text: words.join(" "),
        unsupported,
        right: draw("right") > 0.1 + 0.5 * removed,
        looping: draw("looping") < 0.1 * removed,
    }
}

fn sentence(about: &str) -> String {
    let words: Vec<&str> = (0..14).map(|place| word(&format!("{about} gold"), place)).collect();
    words.join(" ")
}

fn word(about: &str, place: usize) -> &'static str {
    WORDS[(noise(&format!("{about}{place}")) * WORDS.len() as f64) as usize % WORDS.len()]
}

/// The changes from what the unpruned model says, counted as a sweep does.
fn counted(record: &Record, answers: &[(Value, Said)], items: usize) -> Outcome<Regressions> {
    let names: Vec<String> = (0..items).map(name).collect();
    let before: Vec<Said> = (0..items)
        .map(|item| said(&format!("{} {item}", record.cell.task), "", 0.0))
        .collect();
    let text = record.cell.kind != "classification";
    let mut kinds = Vec::new();
    for (loss, metric, good) in [
        (
            Kind::RightToWrong,
            "accuracy",
            &(|said: &Said| said.right) as &dyn Fn(&Said) -> bool,
        ),
        (
            Kind::SupportedToUnsupported,
            "unsupported_answer_rate",
            &|said: &Said| said.unsupported.is_empty(),
        ),
        (Kind::AnsweredToLooping, "looping_rate", &|said: &Said| !said.looping),
    ] {
        if loss == Kind::AnsweredToLooping && !text {
            continue;
        }
        let pairs = names.iter().zip(&before).zip(answers);
        let respect = Respect {
            loss,
            metric,
            scorer: "rules",
            items: pairs
                .map(|((name, before), (_, after))| (name.as_str(), good(before), good(after)))
                .collect(),
        };
        kinds.extend(changes(&respect, &Clusters::singletons(items), &Bootstrap::default())?);
    }
    Ok(Regressions { kinds })
}
