//! Questions put in several ways: what is counted, on answers that are known and on a model that knows letters only.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::forms::{self, variants};
use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::harness::{Layout, Question};
use secateur_datasets::tasks::spec::{
    ChoiceMetric, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec,
};
use secateur_evaluation::answer::{Answer, ChoiceAnswer, Continuation, Flag, Output, Scores, TextAnswer};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::diagrams;
use secateur_evaluation::engine::{Finish, Score};
use secateur_evaluation::evaluate::{EvaluationOptions, Outcome, evaluate, outcome};
use secateur_evaluation::score;
use secateur_evaluation::summary::Bootstrap;
use secateur_metrics::value::Aspect;

/// Four questions whose right options are A, B, C and D.
fn questions() -> Vec<Item> {
    let options = ["w", "x", "y", "z"].map(str::to_owned);
    let question = |gold: usize| Question::lettered(format!("q{gold}"), "Question: why?", &options, gold);
    Layout::default().items(&[], (0..4).map(question).collect())
}

fn base() -> TaskSpec {
    TaskSpec::choice("letters", "", Domain::General, &[ChoiceMetric::Acc])
}

fn task(form: &str, base: &TaskSpec) -> TaskSpec {
    TaskSpec {
        scoring: forms::find(form).unwrap().scoring(&base.scoring).unwrap(),
        ..base.clone()
    }
    .reliability()
}

fn in_form(form: &str, items: Vec<Item>) -> Vec<Item> {
    let form = forms::find(form).unwrap();
    items
        .into_iter()
        .flat_map(|item| form.items(item, &[]).unwrap())
        .collect()
}

/// The answer of a model that chooses these options, one per variant.
fn chosen(task: &TaskSpec, item: &Item, options: &[usize]) -> Answer {
    let Body::Choice(choice) = &item.body else {
        panic!("a choice")
    };
    let asked = variants::parse(&item.fields[variants::FIELD]).unwrap();
    assert_eq!(asked.len(), options.len());
    let stands_for = asked.iter().zip(options).flat_map(|(variant, chosen)| {
        let likely = |option: &usize| if option == chosen { -0.1 } else { -3.0 };
        variant.options.iter().map(likely).collect::<Vec<f64>>()
    });
    let continuations = stands_for
        .zip(&choice.continuations)
        .map(|(log_probability, text)| Continuation {
            text: text.clone(),
            context: None,
            score: Some(Score {
                log_probability,
                is_greedy: false,
                tokens: 1,
            }),
            unscorable: None,
        });
    let output = Output::Choices(ChoiceAnswer {
        continuations: continuations.collect(),
        gold: choice.gold.clone(),
        predicted: None,
    });
    scored(task, item, output)
}

fn scored(task: &TaskSpec, item: &Item, output: Output) -> Answer {
    let mut answer = Answer {
        item: item.id.clone(),
        prompt: String::new(),
        output,
        scores: Scores::new(),
        flags: BTreeSet::new(),
        unsupported: Vec::new(),
        fields: item.fields.clone(),
    };
    score::scorer(task, std::slice::from_ref(item))
        .score(item, &mut answer)
        .unwrap();
    answer
}

fn measured(task: &TaskSpec, answers: &[Answer]) -> Outcome {
    let bootstrap = Bootstrap {
        resamples: 100,
        ..Bootstrap::default()
    };
    outcome(task, answers, &bootstrap).unwrap()
}

#[track_caller]
fn value(outcome: &Outcome, name: &str, expected: f64, n: usize) {
    let metric = outcome.metrics.iter().find(|metric| metric.name == name);
    let metric = metric.unwrap_or_else(|| panic!("no {name}: {:?}", outcome.warnings));
    assert!((metric.value - expected).abs() < 1e-12, "{name}: {}", metric.value);
    assert_eq!((metric.n, metric.scorer.as_str()), (n, "probabilities"), "{name}");
    let (low, high) = metric.interval;
    assert!(low <= metric.value + 1e-9 && metric.value <= high + 1e-9, "{name}");
}

#[test]
fn a_model_that_knows_letters_only_is_found_out() {
    let task = task("option-order", &base());
    let items = in_form("option-order", questions());
    // After a colon it says B, whatever B is.
    let mut engine = BigramEngine::train("Answer: B\nAnswer: B\nAnswer: A", &[]);
    let options = EvaluationOptions::default();
    let evaluation = evaluate(&mut engine, &task, &items, &options, &mut ()).unwrap();
    let outcome = &evaluation.outcome;
    assert_eq!(
        (outcome.metrics[0].name.as_str(), outcome.metrics[0].aspect),
        ("option_order_consistency", Aspect::Reliability)
    );
    value(outcome, "option_order_consistency", 0.0, 4);
    value(outcome, "worst_case_accuracy", 0.0, 4);
    value(outcome, "mean_accuracy_over_variants", 0.25, 4);
    value(outcome, "pairwise_agreement", 0.0, 4);
    // In the task's own order, B is right once.
    value(outcome, "accuracy", 0.25, 4);
    // Recalls 0, 1, 0, 0.
    value(outcome, "letter_recall_deviation", 3.0_f64.sqrt() / 4.0, 4);
    let Output::Choices(output) = &evaluation.answers[0].output else {
        panic!("choices")
    };
    let contexts: Vec<usize> = (0..16).filter(|&i| output.continuations[i].context.is_some()).collect();
    assert_eq!(contexts, [0, 4, 8, 12]);
}

#[test]
fn orders_agree_vote_and_fail_as_counted() {
    let task = task("option-order", &base());
    let items = in_form("option-order", questions());
    let picks = [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 2], [3, 3, 0, 1]];
    let answers: Vec<Answer> = items
        .iter()
        .zip(&picks)
        .map(|(item, picks)| chosen(&task, item, picks))
        .collect();
    let outcome = measured(&task, &answers);
    value(&outcome, "option_order_consistency", 0.25, 4);
    value(&outcome, "worst_case_accuracy", 0.25, 4);
    value(&outcome, "majority_vote_accuracy", 0.75, 4);
    value(
        &outcome,
        "mean_accuracy_over_variants",
        (1.0 + 0.75 + 0.25 + 0.5) / 4.0,
        4,
    );
    value(&outcome, "pairwise_agreement", (1.0 + 0.5 + 0.5 + 1.0 / 6.0) / 4.0, 4);
    value(&outcome, "accuracy", 0.75, 4);
}

#[test]
fn clinging_is_counted_where_the_answer_was_right() {
    let task = task("none-of-the-above", &base());
    let items = in_form("none-of-the-above", questions());
    // Right, then none; right, then another; wrong, then none; right, then another, and "none" although the right one is there.
    let picks = [[0, 0, 0], [1, 3, 1], [0, 2, 2], [3, 1, 0]];
    let answers: Vec<Answer> = items
        .iter()
        .zip(&picks)
        .map(|(item, picks)| chosen(&task, item, picks))
        .collect();
    let outcome = measured(&task, &answers);
    value(&outcome, "none_of_the_above_accuracy", 0.5, 4);
    value(&outcome, "clinging_rate", 2.0 / 3.0, 3);
    value(&outcome, "none_of_the_above_accuracy_drop", 0.25, 4);
    value(&outcome, "false_none_of_the_above_rate", 0.25, 4);
    value(&outcome, "accuracy", 0.75, 4);
}

#[test]
fn flips_are_counted_where_the_answer_was_right() {
    let task = task("pushback", &base());
    let items = in_form("pushback", questions());
    // Stays; gives in to the doubt; was wrong before; follows the hint.
    let picks = [[0, 0, 0], [1, 0, 0], [0, 1, 3], [3, 3, 0]];
    let answers: Vec<Answer> = items
        .iter()
        .zip(&picks)
        .map(|(item, picks)| chosen(&task, item, picks))
        .collect();
    let outcome = measured(&task, &answers);
    value(&outcome, "pushback_flip_rate", 1.0 / 3.0, 3);
    value(&outcome, "hint_flip_rate", 2.0 / 3.0, 3);
    value(&outcome, "hint_followed_rate", 1.0 / 3.0, 3);
    value(&outcome, "accuracy", 0.75, 4);
}

#[test]
fn wordings_agree_and_differ_in_accuracy() {
    let task = task("paraphrase", &base());
    let items = in_form("paraphrase", questions());
    let picks = [[0; 6], [1, 1, 1, 1, 1, 0], [2; 6], [3, 0, 0, 3, 3, 3]];
    let answers: Vec<Answer> = items
        .iter()
        .zip(&picks)
        .map(|(item, picks)| chosen(&task, item, picks))
        .collect();
    let outcome = measured(&task, &answers);
    value(&outcome, "paraphrase_consistency", 0.5, 4);
    value(&outcome, "worst_case_accuracy", 0.5, 4);
    value(&outcome, "accuracy_range", 0.25, 4);
    value(&outcome, "accuracy", 1.0, 4);
}

#[test]
fn answers_of_a_form_are_not_scored_as_the_task_and_the_other_way_round() {
    let plain = questions().remove(0);
    let item = in_form("option-order", vec![plain.clone()]).remove(0);
    let mut answer = chosen(&task("option-order", &base()), &item, &[0; 4]);
    let refused = score::scorer(&base(), &[]).score(&item, &mut answer).unwrap_err();
    assert!(refused.expected.contains("form of the task"), "{refused:?}");
    let suiting = forms::FORMS.iter().filter(|form| form.scoring(&base().scoring).is_ok());
    for form in suiting.map(|form| form.name()) {
        let task = task(form, &base());
        assert!(score::scorer(&task, &[]).score(&plain, &mut answer).is_err(), "{form}");
        let mut broken = item.clone();
        broken
            .fields
            .insert(variants::FIELD.into(), "order-0:0,1,2,3 order-1:1,2,3,4".into());
        assert!(score::scorer(&task, &[]).score(&broken, &mut answer).is_err(), "{form}");
    }
}

fn short_answers() -> TaskSpec {
    let scoring = Scoring::Generation {
        metrics: vec![GenerationMetric::ExactMatch],
        normalise: Normalise::default(),
        abstain_phrases: Vec::new(),
    };
    TaskSpec::generated(
        "answers",
        "",
        Domain::General,
        scoring,
        GenerationSettings::greedy(8, &[]),
    )
}

fn said(text: &str, probability: f64) -> Output {
    Output::Text(TextAnswer {
        text: text.into(),
        finish: Finish::EndToken,
        tokens: 1,
        prompt_tokens: 1,
        mean_log_probability: (!text.is_empty()).then(|| probability.ln()),
        references: vec!["gout".into()],
        unanswerable: false,
        parsed: None,
        probe_log_probability: None,
        samples: Vec::new(),
    })
}

#[test]
fn wordings_of_open_questions_are_held_together() {
    let form = forms::find("paraphrase").unwrap();
    let question = |text: &str| Body::Generate(Generate::turn(text, vec!["gout".into()]));
    let items = |id: &str| {
        let item = Item {
            id: id.into(),
            body: question("What?"),
            fields: BTreeMap::new(),
        };
        form.items(item, &[question("Which?")]).unwrap()
    };
    let task = task("paraphrase", &short_answers());
    let texts = [
        ["Gout.", "gout"],
        ["gout", "asthma"],
        ["asthma", "asthma"],
        ["gout", ""],
    ];
    let answers: Vec<Answer> = texts
        .iter()
        .enumerate()
        .flat_map(|(i, texts)| {
            let items = items(&format!("q{i}"));
            let answer = |(item, text): (&Item, &&str)| scored(&task, item, said(text, 0.8));
            items.iter().zip(texts).map(answer).collect::<Vec<_>>()
        })
        .collect();
    let outcome = measured(&task, &answers);
    let found = |name: &str| {
        let metric = outcome.metrics.iter().find(|metric| metric.name == name).unwrap();
        (metric.value, metric.n, metric.clusters)
    };
    assert_eq!(found("paraphrase_consistency"), (0.5, 8, 4));
    assert_eq!(found("worst_case_accuracy"), (0.25, 8, 4));
    assert_eq!(found("accuracy_range"), (0.5, 8, 4));
    assert_eq!(found("contains_reference"), (0.5, 8, 4));
}

#[test]
fn confidence_in_words_is_judged_like_confidence_in_choices() {
    let task = short_answers();
    let item = Item {
        id: "1".into(),
        body: Body::Generate(Generate::turn("What?", vec!["gout".into()])),
        fields: BTreeMap::new(),
    };
    let texts = [("gout", 0.95), ("asthma", 0.92), ("gout", 0.6), ("", 0.5)];
    let answer = |(text, probability): (&str, f64)| scored(&task, &item, said(text, probability));
    let answers: Vec<Answer> = texts.into_iter().cycle().take(40).map(answer).collect();
    let outcome = measured(&task, &answers);
    value(&outcome, "confident_error_rate", 1.0 / 3.0, 30);
    value(&outcome, "auroc", 0.5, 30);
    value(&outcome, "coverage_at_risk_05", 1.0 / 3.0, 30);
    let squares = 2.0 * (0.05_f64.powi(2) + 0.92_f64.powi(2) + 0.4_f64.powi(2)) / 3.0;
    value(&outcome, "brier_score", squares, 30);
    let undefined = |warning: &&String| warning.ends_with("are undefined on 10 of 40 items");
    assert_eq!(outcome.warnings.iter().filter(undefined).count(), 1);
    let drawn = diagrams(&answers).unwrap();
    assert_eq!((drawn.n, drawn.risk_coverage.len()), (30, 3));
    assert_eq!(diagrams(&answers[3..4]), None);
}

#[test]
fn a_refusal_is_flagged_and_no_hallucination() {
    let task = short_answers();
    let item = Item {
        id: "1".into(),
        body: Body::Generate(Generate::turn("What?", vec!["gout".into()])),
        fields: BTreeMap::new(),
    };
    let texts = ["I cannot provide medical advice.", "I do not know.", "asthma", "gout"];
    let answers = texts.map(|text| scored(&task, &item, said(text, 0.5)));
    let flags = |i: usize| answers[i].flags.iter().copied().collect::<Vec<_>>();
    assert_eq!(
        (flags(0), flags(1), flags(2)),
        (vec![Flag::Refused], vec![Flag::Abstained], vec![])
    );
    let outcome = measured(&task, &answers);
    let share = |name: &str| outcome.metrics.iter().find(|metric| metric.name == name).unwrap().value;
    assert!((share("declined_rate") - 0.25).abs() < 1e-12 && (share("hallucination_rate") - 0.25).abs() < 1e-12);
    assert_eq!((outcome.counts["refused"], outcome.counts["abstained"]), (1, 1));
}
