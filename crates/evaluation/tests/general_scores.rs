//! Scores of the general-domain tasks, from a written answer.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::Generate;
use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::ask::question;
use secateur_datasets::tasks::{TaskSpec, find};
use secateur_evaluation::answer::{Answer, Flag, Output, Scores, TextAnswer};
use secateur_evaluation::engine::Finish;
use secateur_evaluation::evaluate::outcome;
use secateur_evaluation::score;
use secateur_evaluation::summary::Bootstrap;

fn spec(task: &str) -> TaskSpec {
    find(task, &[]).unwrap().spec()
}

fn item(generate: Generate, fields: &[(&str, &str)]) -> Item {
    let fields = fields.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    Item {
        id: "1".into(),
        body: Body::Generate(generate),
        fields: fields.collect(),
    }
}

fn scored(task: &TaskSpec, item: &Item, text: &str) -> Answer {
    let mut answer = Answer {
        item: item.id.clone(),
        prompt: String::new(),
        output: Output::Text(TextAnswer {
            text: text.into(),
            finish: Finish::EndToken,
            tokens: 1,
            prompt_tokens: 1,
            mean_log_probability: None,
            references: Vec::new(),
            unanswerable: false,
            parsed: None,
            probe_log_probability: None,
            samples: Vec::new(),
        }),
        scores: Scores::new(),
        flags: BTreeSet::new(),
        unsupported: Vec::new(),
        fields: BTreeMap::new(),
    };
    let items = std::slice::from_ref(item);
    score::scorer(task, items).score(item, &mut answer).unwrap();
    answer
}

fn values(task: &TaskSpec, answers: &[Answer]) -> BTreeMap<String, f64> {
    let options = Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    };
    let outcome = outcome(task, answers, &options).unwrap();
    outcome
        .metrics
        .into_iter()
        .map(|metric| (metric.name, metric.value))
        .collect()
}

/// The verdicts are those of lm-evaluation-harness 0.4.13: its two filters and its `exact_match` with the task's options.
#[test]
fn gsm8k_equals_the_harness() {
    let task = spec("gsm8k");
    let solution = "She has 3 + 4 = 7.\nSo 1,234.\n#### 1,234";
    let generate = Generate {
        references: vec![solution.into()],
        ..question("Question: q\nAnswer:")
    };
    let item = item(generate, &[]);
    for (text, strict, flexible) in [
        ("#### 1234", true, true),
        ("#### 1,234.", true, true),
        ("The answer is $1,234.", false, true),
        ("so 1234", false, true),
        ("#### 12 34", false, false),
        ("It is 1234.0", false, false),
        ("#### -1234", false, false),
        ("1,234 apples and 5 pears", false, false),
        ("#### 1234\n\nQuestion 7", true, false),
        ("x#### 1.234", false, false),
        ("#### $1234", false, true),
        ("#### five", false, false),
        ("", false, false),
        ("1234,", false, true),
        ("#### 1234 #### 99", true, false),
        ("... 1234 ...", false, false),
        ("1 234", false, false),
        ("#### .,", false, false),
        ("= $ 1234", false, true),
        ("-1,234", false, false),
    ] {
        let answer = scored(&task, &item, text);
        let right = |name: &str| answer.scores[name] > 0.5;
        assert_eq!(
            (right("exact_match"), right("exact_match_flexible")),
            (strict, flexible),
            "{text}"
        );
        assert_eq!(answer.flags.contains(&Flag::Empty), text.is_empty());
    }
}

#[test]
fn ifeval_counts_prompts_and_instructions() {
    let task = spec("ifeval");
    let both = r#"[{"id": "punctuation:no_comma"}, {"id": "length_constraints:number_words", "num_words": 3, "relation": "at least"}]"#;
    let one = r#"[{"id": "startend:quotation"}]"#;
    let (both, one) = (
        item(question("p"), &[("instructions", both)]),
        item(question("q"), &[("instructions", one)]),
    );
    let answers = [
        scored(&task, &both, "one, two three"),
        scored(&task, &one, "Sure:\n\"quoted\""),
        scored(&task, &one, ""),
    ];
    let values = values(&task, &answers);
    let close =
        |name: &str, expected: f64| assert!((values[name] - expected).abs() < 1e-12, "{name}: {}", values[name]);
    close("prompt_level_strict_acc", 0.0);
    close("inst_level_strict_acc", 0.25);
    close("prompt_level_loose_acc", 1.0 / 3.0);
    close("inst_level_loose_acc", 0.5);
    close("empty_rate", 1.0 / 3.0);
}

/// The reference experiment asks again where nothing is said; here silence counts, and the paper's form leaves it out.
#[test]
fn silence_counts_but_in_the_paper_form() {
    let task = spec("multi_news_plus");
    let generate = Generate {
        references: vec!["The mill burned down.".into()],
        source: Some("The old mill burned down in 1902.".into()),
        ..question("…")
    };
    let item = item(generate, &[]);
    let answers = [
        scored(&task, &item, "The mill burned down."),
        scored(&task, &item, " \n"),
    ];
    let values = values(&task, &answers);
    assert!((values["rouge_l"] - 0.5).abs() < 1e-12 && (values["rouge_l_paper"] - 1.0).abs() < 1e-12);
    assert!((values["empty_rate"] - 0.5).abs() < 1e-12);
}
