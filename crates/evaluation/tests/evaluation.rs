//! Whole evaluations on a bigram model, whose every probability can be computed by hand.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use secateur_datasets::item::{Body, Choice, Generate, Item, Message};
use secateur_datasets::tasks::spec::{
    AnswerStyle, ChoiceMetric, Domain, GenerationMetric, GenerationSettings, Normalise, Scoring, TaskSpec,
};
use secateur_evaluation::answer::{Answer, Flag, Output};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::compare::compare;
use secateur_evaluation::engine::{Engine, EngineError, GenerateRequest, Generation, Score, ScoreRequest};
use secateur_evaluation::error::EvaluationError;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, Observer, evaluate, outcome};
use secateur_evaluation::score;
use secateur_metrics::value::{Aspect, MetricValue};

fn item(id: &str, body: Body) -> Item {
    Item {
        id: id.into(),
        body,
        fields: BTreeMap::new(),
    }
}

fn choice(id: &str, context: &str, choices: &[&str], gold: &[usize]) -> Item {
    item(
        id,
        Body::Choice(Choice {
            context: context.into(),
            continuations: choices.iter().map(|choice| format!(" {choice}")).collect(),
            choices: choices.iter().map(ToString::to_string).collect(),
            gold: gold.to_vec(),
            ..Choice::default()
        }),
    )
}

fn question(id: &str, text: &str, references: &[&str], source: Option<&str>) -> Item {
    item(
        id,
        Body::Generate(Generate {
            messages: vec![Message {
                role: "user".into(),
                content: text.into(),
            }],
            prefix: None,
            references: references.iter().map(ToString::to_string).collect(),
            source: source.map(String::from),
            unanswerable: references.is_empty(),
        }),
    )
}

fn choice_task() -> TaskSpec {
    let metrics = [ChoiceMetric::Acc, ChoiceMetric::AccNorm, ChoiceMetric::AccBytes];
    TaskSpec::choice("choices", "", Domain::General, &metrics)
}

fn generation_task(metrics: &[GenerationMetric]) -> TaskSpec {
    let scoring = Scoring::Generation {
        metrics: metrics.to_vec(),
        normalise: Normalise::default(),
        abstain_phrases: vec!["who can say".into()],
    };
    let settings = GenerationSettings::greedy(24, &["\n"]);
    TaskSpec::generated("answers", "", Domain::General, scoring, settings)
}

fn engine() -> BigramEngine {
    BigramEngine::train(
        "Q: x yes\nQ: y no\nQ: z yes yes\nAbaca is jute.\nthe the the",
        &["yes", "no"],
    )
}

fn options() -> EvaluationOptions {
    let mut options = EvaluationOptions::default();
    options.bootstrap.resamples = 200;
    options
}

fn run(engine: &mut dyn Engine, task: &TaskSpec, items: &[Item]) -> Evaluation {
    evaluate(engine, task, items, &options(), &mut ()).unwrap()
}

fn metric<'a>(evaluation: &'a Evaluation, name: &str) -> &'a MetricValue {
    evaluation
        .outcome
        .metrics
        .iter()
        .find(|metric| metric.name == name)
        .unwrap()
}

fn five_choices() -> Vec<Item> {
    let labels = ["yes", "no", "maybe"];
    vec![
        choice("1", "Q: x", &labels, &[0]),
        choice("2", "Q: y", &labels, &[1]),
        choice("3", "Q: z", &labels, &[0]),
        choice("4", "Q: y ", &labels, &[2]),
        choice("5", "Q: x", &labels, &[0]),
    ]
}

#[test]
fn log_probabilities_are_those_of_the_model() {
    let mut model = engine();
    let evaluation = run(&mut model, &choice_task(), &five_choices());
    let Output::Choices(output) = &evaluation.answers[0].output else {
        panic!("no choices")
    };
    let request = ScoreRequest {
        context: model.encode("Q: x", false).unwrap(),
        continuation: model.encode(" maybe", false).unwrap(),
    };
    let direct = model.score(&[request], &mut |_| {}).unwrap().remove(0);
    assert_eq!(output.continuations[2].score.as_ref().unwrap(), &direct);
    assert_eq!(output.predicted, Some(0));
    assert!(evaluation.outcome.metrics.iter().all(|metric| metric.value.is_finite()));
    let confidence = evaluation.answers[0].scores["confidence"];
    assert!(confidence > 1.0 / 3.0 && confidence <= 1.0);
    assert_eq!(metric(&evaluation, "accuracy").n, 5);
}

#[test]
fn identical_requests_are_sent_once() {
    let mut model = engine();
    let mut small = options();
    small.chunk = 1;
    let evaluation = evaluate(&mut model, &choice_task(), &five_choices(), &small, &mut ()).unwrap();
    // Items 1 and 5 are the same question; 2 and 4 differ in a blank, which moves into the continuation.
    assert_eq!(model.scored, 4 * 3);
    assert_eq!(evaluation.answers[0].scores, evaluation.answers[4].scores);
}

/// An engine that reads its weights anew at each call.
struct Large {
    model: BigramEngine,
    calls: usize,
}

impl Engine for Large {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.model.encode(text, special)
    }

    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        self.model.chat(messages)
    }

    fn prefix_token(&self) -> u32 {
        self.model.prefix_token()
    }

    fn max_length(&self) -> usize {
        self.model.max_length()
    }

    fn wants_large_calls(&self) -> bool {
        true
    }

    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        self.calls += 1;
        self.model.score(requests, progress)
    }

    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        self.model.generate(requests, progress)
    }
}

#[test]
fn an_engine_that_wants_it_is_asked_much_at_once() {
    let mut model = Large {
        model: engine(),
        calls: 0,
    };
    let mut small = options();
    small.chunk = 1;
    let found = evaluate(&mut model, &choice_task(), &five_choices(), &small, &mut ()).unwrap();
    assert_eq!(model.calls, 1);
    assert_eq!(found, run(&mut engine(), &choice_task(), &five_choices()));
}

#[test]
fn neither_chunks_nor_order_matter() {
    let items = five_choices();
    let whole = run(&mut engine(), &choice_task(), &items);
    let mut small = options();
    small.chunk = 2;
    let chunked = evaluate(&mut engine(), &choice_task(), &items, &small, &mut ()).unwrap();
    assert_eq!(whole, chunked);
    let reversed: Vec<Item> = items.into_iter().rev().collect();
    let mut backwards = run(&mut engine(), &choice_task(), &reversed);
    backwards.answers.reverse();
    assert_eq!(whole.answers, backwards.answers);
    for (one, other) in whole.outcome.metrics.iter().zip(&backwards.outcome.metrics) {
        assert!((one.value - other.value).abs() < 1e-12, "{}", one.name);
    }
}

#[test]
fn permuting_choices_moves_the_prediction_along() {
    let straight = run(
        &mut engine(),
        &choice_task(),
        &[choice("1", "Q: x", &["yes", "no", "maybe"], &[0])],
    );
    let turned = run(
        &mut engine(),
        &choice_task(),
        &[choice("1", "Q: x", &["maybe", "no", "yes"], &[2])],
    );
    for name in ["accuracy", "accuracy_per_character", "confidence", "brier_score"] {
        let (one, other) = (&straight.answers[0].scores[name], &turned.answers[0].scores[name]);
        assert!((one - other).abs() < 1e-12, "{name}");
    }
}

#[test]
fn items_that_cannot_be_scored_are_counted_and_enter_nothing() {
    let mut model = BigramEngine::train("xab", &["ab"]);
    let swallowed = item(
        "merged",
        Body::Choice(Choice {
            context: "xa".into(),
            continuations: vec!["b".into(), "c".into()],
            choices: vec!["b".into(), "c".into()],
            gold: vec![0],
            ..Choice::default()
        }),
    );
    let items = [swallowed, choice("fine", "x", &["a", "b"], &[0])];
    let evaluation = run(&mut model, &choice_task(), &items);
    assert_eq!(evaluation.outcome.counts["unscorable"], 1);
    assert_eq!(metric(&evaluation, "accuracy").n, 1);
    assert!(evaluation.answers[0].scores.is_empty());
    assert!(
        evaluation
            .outcome
            .warnings
            .iter()
            .any(|warning| warning.contains("1 of 2 items"))
    );
}

#[test]
fn the_first_metrics_of_each_aspect_are_the_primary_ones() {
    let evaluation = run(&mut engine(), &choice_task(), &five_choices());
    let first = |aspect| {
        evaluation
            .outcome
            .metrics
            .iter()
            .find(|m| m.aspect == aspect)
            .unwrap()
            .name
            .clone()
    };
    assert_eq!(first(Aspect::Utility), "accuracy");
    assert_eq!(first(Aspect::Reliability), "expected_calibration_error");
    let on_reliability = run(&mut engine(), &choice_task().reliability(), &five_choices());
    assert_eq!(on_reliability.outcome.metrics[0].aspect, Aspect::Reliability);
    assert!(evaluation.outcome.metrics.iter().any(|m| m.name == "macro_f1"));
}

#[test]
fn truthfulqa_sums_the_mass_of_true_answers() {
    let mut task = choice_task();
    task.scoring = Scoring::TruthfulQaMc2;
    let mass = |gold: &[usize]| {
        let items = [choice("1", "Q: x", &["yes", "no", "maybe"], gold)];
        run(&mut engine(), &task, &items).answers[0].scores["true_probability_mass"]
    };
    assert!((mass(&[0, 1, 2]) - 1.0).abs() < 1e-12);
    assert!((mass(&[0]) + mass(&[1, 2]) - 1.0).abs() < 1e-12);
}

#[test]
fn a_text_is_as_likely_in_windows_as_in_one() {
    let mut task = choice_task();
    task.scoring = Scoring::Perplexity;
    let items = [item("t", Body::Text("Q: x yes and Q: y no".into()))];
    // A bigram needs one token of context only, so windows must not change anything.
    let whole = run(&mut engine(), &task, &items);
    let windows = run(&mut engine().with_max_length(3), &task, &items);
    let (one, other) = (&whole.answers[0].scores, &windows.answers[0].scores);
    assert!((one["log_probability"] - other["log_probability"]).abs() < 1e-9);
    assert!((one["tokens"] - other["tokens"]).abs() < 0.5);
    let (bits, perplexity) = (
        metric(&whole, "bits_per_byte").value,
        metric(&whole, "perplexity_per_byte").value,
    );
    assert!((bits.exp2() - perplexity).abs() < 1e-9);
}

#[test]
fn short_answers_are_right_wrong_or_abstained() {
    let model = BigramEngine::train(
        "A>measles.\nB>who can say.\nC>\n",
        &["A>", "measles.", "B>", "who can say.", "C>"],
    );
    let metrics = [
        GenerationMetric::ExactMatch,
        GenerationMetric::TokenF1,
        GenerationMetric::Abstention,
    ];
    let items = [
        question("right", "A>", &["measles"], None),
        question("wrong", "A>", &["gout"], None),
        question("missed", "A>", &[], None),
        question("abstained", "B>", &[], None),
        question("unwarranted", "B>", &["gout"], None),
        question("silent", "C>", &["gout"], None),
    ];
    let evaluation = run(&mut model.clone(), &generation_task(&metrics), &items);
    let value = |name: &str| (metric(&evaluation, name).value, metric(&evaluation, name).n);
    assert_eq!(value("exact_match"), (0.25, 4));
    assert_eq!(value("abstention_recall"), (0.5, 2));
    assert_eq!(value("false_abstention_rate"), (0.25, 4));
    let (hallucinated, n) = value("hallucination_rate");
    assert!((hallucinated - 2.0 / 6.0).abs() < 1e-12 && n == 6);
    let flags = |i: usize| &evaluation.answers[i].flags;
    assert!(flags(3).contains(&Flag::Abstained) && flags(5).contains(&Flag::Empty));
    assert_eq!(evaluation.outcome.counts["abstained"], 2);
    // Equal greedy prompts are sent once.
    let mut counted = model;
    run(&mut counted, &generation_task(&metrics), &items);
    assert_eq!(counted.generated, 3);
}

#[test]
fn what_the_source_does_not_hold_is_named() {
    let mut model = BigramEngine::train("A>gout in 12 mg\n", &["A>", "gout in 12 mg"]);
    let items = [
        question("kept", "A>", &["gout"], Some("Zelorin treats gout, 12 mg daily.")),
        question(
            "invented",
            "A>",
            &["measles"],
            Some("Zelorin treats measles, 5 mg daily."),
        ),
    ];
    let metrics = [
        GenerationMetric::Support,
        GenerationMetric::Rouge,
        GenerationMetric::Bleu,
        GenerationMetric::Chrf,
    ];
    let evaluation = run(&mut model, &generation_task(&metrics), &items);
    assert!(evaluation.answers[0].unsupported.is_empty());
    assert_eq!(evaluation.answers[1].unsupported, ["gout", "12 mg"]);
    assert!((metric(&evaluation, "unsupported_answer_rate").value - 0.5).abs() < 1e-12);
    assert!((metric(&evaluation, "supported_mentions").value - 0.5).abs() < 1e-12);
    for name in ["rouge_l", "bleu", "chrf"] {
        assert!(metric(&evaluation, name).value.is_finite());
    }
}

#[test]
fn letters_are_counted_strictly_and_as_in_the_paper() {
    let model = BigramEngine::train(
        "1>A\n2>a patient\n3>B. no\n",
        &["1>", "2>a", "3>", "a patient", "B. no"],
    );
    let scoring = Scoring::LetterAnswer {
        answers: ["A", "B"].map(String::from).to_vec(),
        style: AnswerStyle::Letters,
    };
    let task = TaskSpec::generated(
        "letters",
        "",
        Domain::General,
        scoring,
        GenerationSettings::greedy(4, &[]),
    );
    let items = [
        question("1", "1>", &["A"], None),
        question("2", "2>", &["A"], None),
        question("3", "3>", &["A"], None),
    ];
    let evaluation = run(&mut model.clone(), &task, &items);
    let value = |name: &str| metric(&evaluation, name).value;
    let texts: Vec<_> = evaluation.answers.iter().map(|answer| answer.scores.clone()).collect();
    assert!((value("accuracy") - 1.0 / 3.0).abs() < 1e-12, "{texts:?}");
    assert!((value("wrong_answer_rate") - 1.0 / 3.0).abs() < 1e-12);
    let bad = [question("1", "1>", &["Z"], None)];
    let error = evaluate(&mut model.clone(), &task, &bad, &options(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("item `1`"), "{error}");
}

#[test]
fn answers_survive_their_json_lines() {
    let evaluation = run(&mut engine(), &choice_task(), &five_choices());
    let lines: Vec<String> = evaluation
        .answers
        .iter()
        .map(|a| serde_json::to_string(a).unwrap())
        .collect();
    let back: Vec<Answer> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(back, evaluation.answers);
    assert_eq!(
        outcome(&choice_task(), &back, &options().bootstrap).unwrap(),
        evaluation.outcome
    );
}

#[test]
fn a_pruned_model_is_compared_on_the_same_items() {
    let task = choice_task();
    let unpruned = run(&mut engine(), &task, &five_choices());
    let mut pruned = run(
        &mut BigramEngine::train("Q: x no\nQ: y no", &["yes", "no"]),
        &task,
        &five_choices(),
    );
    let metrics = score::metrics(&task, &pruned.answers);
    let bootstrap = options().bootstrap;
    let values = &mut pruned.outcome.metrics;
    compare(
        &task.name,
        &metrics,
        &pruned.answers,
        &unpruned.answers,
        values,
        &bootstrap,
    )
    .unwrap();
    let paired = metric(&pruned, "accuracy").paired.clone().unwrap();
    assert_eq!(paired.test, "mcnemar_exact");
    let change = paired.wrong_to_right.unwrap() as f64 - paired.right_to_wrong.unwrap() as f64;
    assert!((paired.difference - change / 5.0).abs() < 1e-12);
    assert_eq!(metric(&pruned, "aurc").paired.clone().unwrap().test, "paired_bootstrap");
}

#[test]
fn observers_see_every_answer_and_can_stop() {
    struct Stops(usize, f64);
    impl Observer for Stops {
        fn progressed(&mut self, items: f64, of: usize) {
            assert!(items >= self.1 && items <= of as f64);
            self.1 = items;
        }
        fn answered(&mut self, _: &Answer) -> io::Result<()> {
            self.0 += 1;
            if self.0 == 3 {
                Err(io::Error::other("disk full"))
            } else {
                Ok(())
            }
        }
    }
    let mut observer = Stops(0, 0.0);
    let error = evaluate(
        &mut engine(),
        &choice_task(),
        &five_choices(),
        &options(),
        &mut observer,
    )
    .unwrap_err();
    assert!(matches!(error, EvaluationError::Sink { .. }) && error.to_string().contains("disk full"));
}

#[test]
fn observers_are_told_all_tokens_that_were_processed() {
    #[derive(Default)]
    struct Counts {
        tokens: u64,
        chunks: usize,
    }
    impl Observer for Counts {
        fn processed(&mut self, tokens: u64, _: Duration) {
            self.tokens += tokens;
            self.chunks += 1;
        }
    }
    let mut counts = Counts::default();
    let options = EvaluationOptions { chunk: 2, ..options() };
    let found = evaluate(&mut engine(), &choice_task(), &five_choices(), &options, &mut counts).unwrap();
    assert_eq!((counts.tokens, counts.chunks), (found.tokens, 3));
}

/// An engine that forgets a result or returns NaN.
struct Broken(BigramEngine, bool);

impl Engine for Broken {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EngineError> {
        self.0.encode(text, special)
    }
    fn chat(&self, messages: &[Message]) -> Result<Option<String>, EngineError> {
        self.0.chat(messages)
    }
    fn prefix_token(&self) -> u32 {
        self.0.prefix_token()
    }
    fn max_length(&self) -> usize {
        self.0.max_length()
    }
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(usize)) -> Result<Vec<Score>, EngineError> {
        let mut scores = self.0.score(requests, progress)?;
        if self.1 {
            scores.pop();
        } else {
            scores[0].log_probability = f64::NAN;
        }
        Ok(scores)
    }
    fn generate(
        &mut self,
        requests: &[GenerateRequest],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Generation>, EngineError> {
        self.0.generate(requests, progress)
    }
}

#[test]
fn what_stops_an_evaluation_says_where_and_why() {
    let items = five_choices();
    let stopped = |engine: &mut dyn Engine, task: &TaskSpec, items: &[Item], options: &EvaluationOptions| {
        evaluate(engine, task, items, options, &mut ()).unwrap_err().to_string()
    };
    let forgets = stopped(&mut Broken(engine(), true), &choice_task(), &items, &options());
    assert!(forgets.contains("11 results, expected 12"), "{forgets}");
    let nan = stopped(&mut Broken(engine(), false), &choice_task(), &items, &options());
    assert!(nan.contains("NaN"), "{nan}");
    let none = stopped(&mut engine(), &choice_task(), &[], &options());
    assert!(none.contains("no items"), "{none}");
    let no_gold = stopped(
        &mut engine(),
        &choice_task(),
        &[choice("9", "Q", &["a"], &[1])],
        &options(),
    );
    assert!(
        no_gold.contains("item `9`") && no_gold.contains("gold index 1"),
        "{no_gold}"
    );
    let mut template = options();
    template.prompt.chat_template = true;
    let without = stopped(&mut engine(), &choice_task(), &items, &template);
    assert!(without.contains("chat template"), "{without}");
    let task = generation_task(&[GenerationMetric::Rouge]);
    let asked = [question("1", "A", &["b"], None)];
    let no_room = stopped(&mut engine().with_max_length(24), &task, &asked, &options());
    assert!(no_room.contains("24 new tokens"), "{no_room}");
    let other_kind = stopped(&mut engine(), &task, &items, &options());
    assert!(
        other_kind.contains("expected a question to be answered in words"),
        "{other_kind}"
    );
}

#[test]
fn sampled_answers_depend_on_seed_and_item_alone() {
    let mut task = generation_task(&[GenerationMetric::Rouge]);
    let settings = task.generation.as_mut().unwrap();
    settings.temperature = 1.0;
    settings.stop.clear();
    let items: Vec<Item> = (0..4)
        .map(|i| question(&i.to_string(), "Q: x", &["yes"], None))
        .collect();
    let texts = |items: &[Item], seed: u64| -> BTreeMap<String, String> {
        let options = EvaluationOptions { seed, ..options() };
        let evaluation = evaluate(&mut engine(), &task, items, &options, &mut ()).unwrap();
        let text = |answer: &Answer| match &answer.output {
            Output::Text(output) => (answer.item.clone(), output.text.clone()),
            _ => panic!("no text"),
        };
        evaluation.answers.iter().map(text).collect()
    };
    let reversed: Vec<Item> = items.iter().rev().cloned().collect();
    assert_eq!(texts(&items, 1), texts(&reversed, 1));
    assert_ne!(texts(&items, 1), texts(&items, 2));
    let one_seed = texts(&items, 1);
    assert!(one_seed.values().any(|text| text != &one_seed["0"]));
}
