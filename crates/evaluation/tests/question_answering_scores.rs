//! Scores of general question answering on answers written by hand.
// Shares of one or two answers are exact.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::find;
use secateur_evaluation::answer::{Answer, Flag, Output, Scores, TextAnswer};
use secateur_evaluation::engine::Finish;
use secateur_evaluation::evaluate::outcome;
use secateur_evaluation::score;
use secateur_evaluation::summary::Bootstrap;

fn item(id: &str, references: &[&str], unanswerable: bool, fields: &[(&str, &str)]) -> Item {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Item {
        id: id.to_owned(),
        body: Body::Generate(Generate {
            messages: Vec::new(),
            prefix: None,
            references: references.iter().map(ToString::to_string).collect(),
            source: None,
            unanswerable,
        }),
        fields: fields.collect(),
    }
}

fn answered(task: &str, item: &Item, text: &str, probe: Option<f64>) -> Answer {
    let Body::Generate(question) = &item.body else {
        panic!("a question")
    };
    let mut answer = Answer {
        item: item.id.clone(),
        prompt: String::new(),
        output: Output::Text(TextAnswer {
            text: text.to_owned(),
            finish: Finish::StopText,
            tokens: 1,
            prompt_tokens: 1,
            mean_log_probability: None,
            references: question.references.clone(),
            unanswerable: question.unanswerable,
            parsed: None,
            probe_log_probability: probe,
            samples: Vec::new(),
        }),
        scores: Scores::new(),
        flags: BTreeSet::new(),
        unsupported: Vec::new(),
        fields: item.fields.clone(),
    };
    let spec = find(task, &[]).unwrap().spec();
    score::scorer(&spec, &[]).score(item, &mut answer).unwrap();
    answer
}

fn metrics(task: &str, answers: &[Answer]) -> BTreeMap<String, f64> {
    let spec = find(task, &[]).unwrap().spec();
    let outcome = outcome(&spec, answers, &Bootstrap::default()).unwrap();
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    outcome
        .metrics
        .into_iter()
        .map(|metric| (metric.name, metric.value))
        .collect()
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-8, "{left} is not {right}");
}

#[test]
fn nq_open_in_both_forms() {
    let item = item("a", &["The Ox", "ox cart"], false, &[]);
    let score = |text: &str| {
        let scores = answered("nq_open", &item, text, None).scores;
        [
            "exact_match",
            "exact_match_harness",
            "contains_reference",
            "hallucinated",
        ]
        .map(|name| scores[name])
    };
    assert_eq!(score(" the ox"), [1.0, 1.0, 1.0, 0.0]);
    // Upper case hides the article from the harness, two blanks the answer.
    assert_eq!(score("THE OX"), [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(score("ox  cart"), [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(score("an old ox"), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(score("a cow"), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(score("I do not know"), [0.0, 0.0, 0.0, 0.0]);
    assert_eq!(score(""), [0.0, 0.0, 0.0, 0.0]);
}

/// Reference values: `truthfulqa/utils.py` of lm-evaluation-harness 0.4.13 with sacreBLEU 2.6 and rouge-score 0.1.2.
#[test]
fn truthfulqa_gen_is_that_of_the_harness() {
    let truths = [
        "Nothing happens.",
        "The seeds pass through your digestive system.",
        "I have no comment.",
    ];
    let falsehoods = r#"["You grow watermelons in your stomach.", "You get sick."]"#;
    let item = item("a", &truths, false, &[("false_answers", falsehoods)]);
    let scores = answered(
        "truthfulqa_gen",
        &item,
        " Nothing much happens . The seeds pass through you.",
        None,
    )
    .scores;
    for (name, value) in [
        ("bleu_max", 27.776_190_34),
        ("bleu_diff", 23.580_075_434),
        ("bleu_acc", 1.0),
        ("rouge_1_max", 53.333_333_333),
        ("rouge_1_diff", 35.151_515_152),
        ("rouge_2_max", 46.153_846_154),
        ("rouge_lsum_max", 53.333_333_333),
        ("rouge_lsum_diff", 35.151_515_152),
    ] {
        close(scores[name], value);
    }
    let scores = answered("truthfulqa_gen", &item, "You get sick.", None).scores;
    for (name, value) in [
        ("bleu_diff", -84.026_422_394),
        ("bleu_acc", 0.0),
        ("rouge_2_diff", -100.0),
    ] {
        close(scores[name], value);
    }
    let silent = answered("truthfulqa_gen", &item, "", None);
    assert!(silent.flags.contains(&Flag::Empty) && silent.scores["rouge_1_acc"].abs() < 1e-12);
}

#[test]
fn squad2_counts_silence_officially_and_abstention_beside_it() {
    let (with, without) = (item("a", &["the ox"], false, &[]), item("b", &[], true, &[]));
    let ln = |probability: f64| Some(probability.ln());
    let answers = [
        answered("squad2", &with, " ox", ln(0.1)),
        answered("squad2", &with, " red ox", ln(0.3)),
        answered("squad2", &without, " unanswerable", ln(0.9)),
        answered("squad2", &without, " a cow", ln(0.2)),
        answered("squad2", &without, "", ln(0.5)),
    ];
    let values = metrics("squad2", &answers);
    close(values["squad2_exact"], 2.0 / 5.0);
    close(values["squad2_f1"], (1.0 + 2.0 / 3.0 + 1.0) / 5.0);
    close(values["squad2_has_answer_exact"], 0.5);
    close(values["squad2_no_answer_exact"], 1.0 / 3.0);
    // Nothing answered: 3. Then +1, −1, +0 or +2/3, 0 (silence), −1: the best is 4 of 5 in both.
    close(values["squad2_best_exact"], 0.8);
    close(values["squad2_best_f1"], 0.8);
    close(values["abstention_recall"], 2.0 / 3.0);
    close(values["abstention_precision"], 1.0);
    close(values["hallucination_rate"], 0.2);
}

#[test]
fn selfaware_has_two_rules_of_abstention() {
    let (with, without) = (item("a", &["Norway"], false, &[]), item("b", &[], true, &[]));
    let answers = [
        answered("selfaware", &with, " It is norway.", None),
        answered("selfaware", &with, " The answer is unknown.", None),
        answered("selfaware", &without, " I cannot answer that", None),
        answered("selfaware", &without, " There's no definitive answer", None),
        answered("selfaware", &without, " In 1999.", None),
    ];
    let values = metrics("selfaware", &answers);
    close(values["contains_reference"], 0.5);
    close(values["abstention_recall"], 1.0 / 3.0);
    close(values["abstention_precision"], 0.5);
    close(values["abstention_f1"], 0.4);
    // By similarity the third is an answer, the fourth is none.
    close(values["abstention_f1_similarity"], 0.4);
    assert!((answers[3].scores["abstained_similarity"] - 1.0).abs() < 1e-12);
    assert!(answers[2].scores["abstained_similarity"].abs() < 1e-12);
}

#[test]
fn halueval_has_a_paper_form() {
    let hallucinated = item("a", &["Yes"], false, &[("group", "hallucinated")]);
    let right = item("b", &["No"], false, &[("group", "right")]);
    let answers = [
        answered("halueval_qa", &hallucinated, " Yes, it does.", None),
        answered("halueval_qa", &hallucinated, " I would say Yes", None),
        answered("halueval_qa", &right, " Yes", None),
        answered("halueval_qa", &right, " Not at all", None),
        answered("halueval_qa", &right, "Yes or No", None),
    ];
    let values = metrics("halueval_qa", &answers);
    close(values["accuracy"], 0.2);
    close(values["accuracy_paper"], 0.6);
    close(values["failed_rate_paper"], 0.2);
    close(values["unparsable_rate"], 0.6);
    close(values["recognised_hallucination_rate"], 0.5);
    close(values["false_alarm_rate"], 1.0 / 3.0);
}
