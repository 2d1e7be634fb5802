//! Samples of a bigram model, and what is computed of them.

use std::collections::BTreeMap;

use secateur_datasets::item::{Body, Generate, Item};
use secateur_datasets::tasks::spec::{
    ABSTAIN_PHRASES, Domain, GenerationMetric, GenerationSettings, Normalise, Samples, Scoring, TaskSpec,
};
use secateur_evaluation::answer::{Answer, Output, TextAnswer};
use secateur_evaluation::bigram::BigramEngine;
use secateur_evaluation::evaluate::{Evaluation, EvaluationOptions, evaluate};
use secateur_metrics::value::MetricValue;

fn item(id: &str, text: &str, references: &[&str]) -> Item {
    let references = references.iter().map(ToString::to_string).collect();
    Item {
        id: id.into(),
        body: Body::Generate(Generate::turn(text, references)),
        fields: BTreeMap::new(),
    }
}

fn base() -> TaskSpec {
    let scoring = Scoring::Generation {
        metrics: vec![GenerationMetric::ExactMatch],
        normalise: Normalise::default(),
        abstain_phrases: ABSTAIN_PHRASES.iter().map(ToString::to_string).collect(),
    };
    TaskSpec::generated(
        "t",
        "",
        Domain::General,
        scoring,
        GenerationSettings::greedy(6, &["\n"]),
    )
}

fn sampled(samples: Samples) -> TaskSpec {
    let base = base();
    TaskSpec {
        name: "t@sampled".into(),
        scoring: Scoring::Sampled {
            base: Box::new(base.scoring),
        },
        generation: base.generation.map(|settings| GenerationSettings {
            samples: Some(samples),
            ..settings
        }),
        ..base
    }
}

/// After `a` always `x`; after `b` `x` or `y`, after `c` `x`, `y` or `z`, equally often; then nothing.
fn engine() -> BigramEngine {
    let text = "ax\nbx\nby\ncx\ncy\ncz\n".repeat(100);
    BigramEngine::train(&text, &[])
}

fn items() -> Vec<Item> {
    vec![
        item("sure", "a", &["x"]),
        item("torn", "b", &["y"]),
        item("lost", "c", &["q"]),
        item("again", "a", &["x"]),
    ]
}

fn run(task: &TaskSpec, chunk: usize) -> Evaluation {
    let options = EvaluationOptions {
        chunk,
        ..EvaluationOptions::default()
    };
    evaluate(&mut engine(), task, &items(), &options, &mut ()).unwrap()
}

fn text(answer: &Answer) -> &TextAnswer {
    match &answer.output {
        Output::Text(output) => output,
        other => unreachable!("{other:?}"),
    }
}

fn metric<'a>(found: &'a Evaluation, name: &str) -> &'a MetricValue {
    found.outcome.metrics.iter().find(|metric| metric.name == name).unwrap()
}

#[test]
fn the_answer_is_what_it_was_and_samples_stand_beside_it() {
    let (plain, found) = (run(&base(), 128), run(&sampled(Samples::default()), 128));
    for (without, with) in plain.answers.iter().zip(&found.answers) {
        assert_eq!(text(with).samples.len(), 8);
        assert_eq!(text(without).text, text(with).text);
        assert!(!serde_json::to_string(without).unwrap().contains("samples"));
        for (name, value) in &without.scores {
            assert_eq!(with.scores[name].to_bits(), value.to_bits(), "{name}");
        }
        for sample in &text(with).samples {
            assert!(sample.log_probability.unwrap() < 0.0 && sample.tokens > 0);
            assert!(sample.cluster.is_some());
        }
    }
    // Two items with one prompt have samples of their own, or the second would say nothing new.
    let texts = |index: usize| {
        text(&found.answers[index])
            .samples
            .iter()
            .map(|s| s.log_probability.unwrap().to_bits())
    };
    assert!(!texts(0).eq(texts(3)) || texts(0).all(|bits| Some(bits) == texts(0).next()));
}

#[test]
fn samples_do_not_depend_on_the_batch() {
    let task = sampled(Samples {
        count: 5,
        temperature: 1.5,
        top_p: 0.95,
    });
    assert_eq!(run(&task, 1).answers, run(&task, 3).answers);
}

#[test]
fn doubt_is_where_the_model_has_seen_several_things() {
    // The nucleus leaves out what the training text does not hold.
    let task = sampled(Samples {
        count: 60,
        temperature: 1.0,
        top_p: 0.9,
    });
    // Twice, each with seeds of its own: of four items alone one draw in eight is all right or all wrong.
    let again = |item: Item| Item {
        id: format!("{} once more", item.id),
        ..item
    };
    let both: Vec<Item> = items().into_iter().chain(items().into_iter().map(again)).collect();
    let found = evaluate(&mut engine(), &task, &both, &EvaluationOptions::default(), &mut ()).unwrap();
    let scores = |index: usize| &found.answers[index].scores;
    assert!(scores(0)["semantic_entropy"] == 0.0 && scores(0)["self_consistency"] == 1.0);
    assert!((scores(1)["semantic_entropy_discrete"] - 2.0_f64.ln()).abs() < 0.1);
    assert!((scores(2)["semantic_entropy_discrete"] - 3.0_f64.ln()).abs() < 0.1);
    assert_eq!(
        (scores(0)["right"], scores(1)["right"], scores(2)["right"]),
        (1.0, 0.0, 0.0)
    );
    assert_eq!((scores(0)["majority_right"], scores(2)["majority_right"]), (1.0, 0.0));
    for name in [
        "semantic_entropy_auroc",
        "semantic_entropy_discrete_auroc",
        "selfcheck_overlap_auroc",
    ] {
        assert_eq!(metric(&found, name).value, 1.0, "{name}");
        assert_eq!(metric(&found, name).n, 8);
    }
    // Four right, then four wrong: risks 0, 0, 0, 0, 1/5, 2/6, 3/7, 4/8.
    let aurc = metric(&found, "semantic_entropy_aurc").value;
    assert!((aurc - (1.0 / 5.0 + 2.0 / 6.0 + 3.0 / 7.0 + 0.5) / 8.0).abs() < 1e-12);
    let mean = found
        .answers
        .iter()
        .map(|answer| answer.scores["semantic_entropy"])
        .sum::<f64>()
        / 8.0;
    assert!((metric(&found, "semantic_entropy").value - mean).abs() < 1e-12);
}

#[test]
fn answers_without_samples_are_refused() {
    let task = TaskSpec {
        generation: base().generation,
        ..sampled(Samples::default())
    };
    let refused = evaluate(&mut engine(), &task, &items(), &EvaluationOptions::default(), &mut ());
    assert!(refused.unwrap_err().to_string().contains("0 samples"));
}
