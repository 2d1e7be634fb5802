//! Every kind, opened from an entry, against values made with transformers (`benchmarks/goldens/gen_scorers.py`).

#![allow(clippy::unwrap_used)]

use secateur_metrics::verdicts::Verdict;
use secateur_model::{DeviceKind, Precision};
use serde_json::{Value as Json, json};

use super::super::clusters::{Equivalence, by_entailment};
use super::super::self_check::{Order, Sampled, by_bert_score, by_nli};
use super::super::statements::{Premises, Question, judge};
use super::*;
use crate::scorer::{Pair, Reading};

/// Logits are f32 here and f64 there.
const TOLERANCE: f64 = 2e-5;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn golden() -> Json {
    let text = fs::read_to_string(fixtures().join("scorers/golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn device() -> Device {
    Device::open(DeviceKind::Cpu, Precision::F32).unwrap()
}

fn spec(kind: &str, model: &str, options: Json) -> ScorerSpec {
    let path = fixtures().join(model).display().to_string();
    let mut entry = json!({"name": "s", "kind": kind, "path": path});
    if let (Some(entry), Json::Object(options)) = (entry.as_object_mut(), options) {
        entry.extend(options);
    }
    serde_json::from_value(entry).unwrap()
}

fn strings(value: &Json) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

fn numbers(value: &Json) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn readings(spec: &ScorerSpec, golden: &Json) -> Vec<Reading> {
    let mut scorer = open(spec, &device()).unwrap();
    let (sources, texts) = (strings(&golden["sources"]), strings(&golden["texts"]));
    let mut pairs: Vec<Pair<'_>> = sources
        .iter()
        .zip(&texts)
        .map(|(source, text)| Pair { source, text })
        .collect();
    pairs.push(Pair {
        source: &sources[0],
        text: " \n",
    });
    let mut finished = 0;
    let mut readings = scorer.score(&pairs, &mut |n| finished += n).unwrap();
    assert_eq!(
        (finished, readings.pop().unwrap()),
        (pairs.len(), None),
        "{}",
        spec.kind
    );
    let again = scorer.score(&pairs[1..2], &mut |_| ()).unwrap();
    let readings: Vec<Reading> = readings.into_iter().map(Option::unwrap).collect();
    let alone = again[0].as_ref().unwrap();
    assert!((alone.score - readings[1].score).abs() < TOLERANCE, "{}", spec.kind);
    readings
}

fn close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < TOLERANCE, "{what}: {ours} {theirs}");
    }
}

fn scores(readings: &[Reading]) -> Vec<f64> {
    readings.iter().map(|reading| reading.score).collect()
}

fn parts(reading: &Reading) -> Vec<f64> {
    reading.parts.iter().map(|part| part.score).collect()
}

/// Compares with the package's numbers too, where the script could run it.
fn close_to_package(ours: &[f64], package: &Json, what: &str) {
    if !package.is_null() {
        close(ours, &numbers(package), what);
    }
}

#[test]
fn summac_zero_shot() {
    let golden = golden();
    let expected = &golden["summac_zs"];
    for (options, cases, package) in [
        (json!({}), "use_con", "package_use_con"),
        (json!({"use_con": false}), "study", "package_study"),
    ] {
        let found = readings(&spec("summac-zs", "encoders/bert-nli", options), &golden);
        for (reading, case) in found.iter().zip(expected[cases].as_array().unwrap()) {
            let sentences: Vec<String> = reading.parts.iter().map(|part| part.text.clone()).collect();
            assert_eq!(sentences, strings(&case["sentences"]));
            close(&parts(reading), &numbers(&case["parts"]), cases);
        }
        close_to_package(&scores(&found), &expected[package], package);
    }
}

#[test]
fn summac_conv() {
    let golden = golden();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("conv.json");
    fs::write(&file, golden["conv_weights"].to_string()).unwrap();
    let entry = spec("summac-conv", "encoders/bert-nli", json!({"weights": file}));
    let found = scores(&readings(&entry, &golden));
    close(&found, &numbers(&golden["summac_conv"]["scores"]), "conv");
    close_to_package(&found, &golden["summac_conv"]["package"], "conv package");
}

#[test]
fn align_score() {
    let golden = golden();
    let found = readings(&spec("alignscore", "encoders/alignscore", json!({})), &golden);
    close(&scores(&found), &numbers(&golden["alignscore"]["scores"]), "alignscore");
    close_to_package(&scores(&found), &golden["alignscore"]["package"], "alignscore package");
}

#[test]
fn mini_check() {
    let golden = golden();
    let expected = &golden["minicheck"];
    let options = json!({"chunk_tokens": expected["chunk_tokens"], "max_length": 48});
    let found = readings(&spec("minicheck", "encoders/xlm-roberta", options), &golden);
    for (reading, case) in found.iter().zip(expected["cases"].as_array().unwrap()) {
        close(&parts(reading), &numbers(&case["parts"]), "minicheck");
    }
}

#[test]
fn bert_score() {
    let golden = golden();
    let directory = tempfile::tempdir().unwrap();
    let corpus = directory.path().join("corpus.txt");
    let lines: Vec<String> = strings(&golden["sources"])
        .iter()
        .map(|source| source.replace('\n', " "))
        .collect();
    fs::write(&corpus, lines.join("\n")).unwrap();
    for case in golden["bertscore"].as_array().unwrap() {
        let model = format!("encoders/{}", case["model"].as_str().unwrap());
        let mut options =
            json!({"layer": case["layer"], "prefix_blank": case["prefix_blank"], "max_length": case["max_length"]});
        // Line breaks are tokens of their own to a byte-level tokenizer, and the corpus has none.
        if case["idf"] == json!(true) {
            if case["prefix_blank"] == json!(true) {
                continue;
            }
            options["idf_corpus"] = json!(corpus);
        }
        for (at, value) in ["precision", "recall", "f1"].into_iter().enumerate() {
            options["value"] = json!(value);
            let found = scores(&readings(&spec("bertscore", &model, options.clone()), &golden));
            let column = |rows: &Json| -> Vec<f64> {
                rows.as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row[at].as_f64().unwrap())
                    .collect()
            };
            close(&found, &column(&case["scores"]), &model);
            if !case["package"].is_null() {
                close(&found, &column(&case["package"]), "package");
            }
        }
    }
}

#[test]
fn statements_clusters_and_self_check() {
    let golden = golden();
    let mut nli = open_nli(&spec("nli", "encoders/bert-nli", json!({})), &device()).unwrap();
    let texts = strings(&golden["texts"]);
    let statements = strings(&golden["statements"]["statements"]);
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let mut questions: Vec<Question<'_>> = texts
        .iter()
        .map(|premise| Question {
            premise,
            statements: statements.clone(),
        })
        .collect();
    questions.push(Question {
        premise: "",
        statements: statements.clone(),
    });
    let judged = judge(&mut nli, &questions, Premises::Whole, &mut |_| ()).unwrap();
    for (judged, expected) in judged.iter().zip(golden["statements"]["whole"].as_array().unwrap()) {
        for (judged, expected) in judged.iter().zip(expected.as_array().unwrap()) {
            let p = numbers(expected);
            close(&[judged.entailment, judged.contradiction], &[p[0], p[2]], "statements");
            let best = if p[0] >= p[1] && p[0] >= p[2] {
                Verdict::Entailed
            } else if p[1] >= p[2] {
                Verdict::Neutral
            } else {
                Verdict::Contradicted
            };
            assert_eq!(judged.verdict, best);
        }
    }
    assert!(judged[3].iter().all(|judged| judged.verdict == Verdict::Neutral));
    let samples = strings(&golden["self_check_nli"]["samples"]);
    let sampled = [Sampled {
        answer: &texts[0],
        samples: samples.iter().map(String::as_str).collect(),
    }];
    for (order, name) in [
        (Order::SentenceFirst, "sentence_first"),
        (Order::SampleFirst, "sample_first"),
    ] {
        let found = by_nli(&mut nli, &sampled, order, &mut |_| ()).unwrap();
        close(
            &parts(found[0].as_ref().unwrap()),
            &numbers(&golden["self_check_nli"][name]),
            name,
        );
    }
    let clusters = &golden["clusters"];
    let answers = strings(&clusters["answers"]);
    let asked = [(
        clusters["question"].as_str().unwrap(),
        answers.iter().map(String::as_str).collect::<Vec<_>>(),
    )];
    for (equivalence, name) in [(Equivalence::Strict, "strict"), (Equivalence::Lenient, "lenient")] {
        let found = by_entailment(&mut nli, &asked, equivalence, &mut |_| ()).unwrap();
        assert_eq!(json!(found[0]), clusters[name], "{name}");
    }
    let entry = spec("bertscore", "encoders/bert-nli", json!({"layer": 1}));
    let mut scorer = open_bert_score(&entry, &device()).unwrap();
    let found = by_bert_score(&mut scorer, &sampled, &mut |_| ()).unwrap();
    close(
        &parts(found[0].as_ref().unwrap()),
        &numbers(&golden["self_check_bertscore"]["parts"]),
        "self-check by BERTScore",
    );
}

#[test]
fn the_study_form_scores_sentence_by_sentence() {
    let golden = golden();
    let study = readings(
        &spec("summac-zs", "encoders/bert-nli", json!({"form": "study"})),
        &golden,
    );
    // Sentence by sentence is the same to SummaC without contradictions, but for line breaks inside sentences.
    let case = &golden["summac_zs"]["study"][0];
    close(&parts(&study[0]), &numbers(&case["parts"]), "study");
    let harim = spec("harim-plus", "bart/plain", json!({"form": "study"}));
    let mut scorer = open(&harim, &device()).unwrap();
    assert!(
        scorer
            .identity()
            .ends_with("per_sentence=true text_words=384 source_words=768")
    );
    let pair = Pair {
        source: "The trial enrolled 120 patients.",
        text: "It ended. Nobody died.",
    };
    let reading = scorer.score(&[pair], &mut |_| ()).unwrap()[0].clone().unwrap();
    let mean = parts(&reading).iter().sum::<f64>() / 2.0;
    assert!((reading.score - mean).abs() < 1e-12 && reading.parts.len() == 2);
}

#[test]
fn what_cannot_be_opened_says_why() {
    for (kind, model, options, expected) in [
        (
            "summac-zs",
            "encoders/xlm-roberta",
            json!({}),
            "the model has no class of contradiction",
        ),
        (
            "summac-conv",
            "encoders/bert-nli",
            json!({}),
            "summac-conv needs `weights`",
        ),
        (
            "bertscore",
            "encoders/bert-bare",
            json!({}),
            "the package names no layer for this model",
        ),
        (
            "bertscore",
            "encoders/bert-bare",
            json!({"layer": 9}),
            "`layer` is 9, but the model has 2",
        ),
        (
            "bertscore",
            "encoders/bert-bare",
            json!({"layer": 1, "rescale": true}),
            "no baseline is known",
        ),
        (
            "nli",
            "encoders/bert-nli",
            json!({"labels": {"entailment": 3}}),
            "classes 0 to 2",
        ),
        (
            "harim-plus",
            "encoders/bert-nli",
            json!({}),
            "model_type `bert` is not supported; supported: bart",
        ),
        (
            "nli",
            "nowhere",
            json!({}),
            "is neither an existing directory nor a hub id",
        ),
    ] {
        let message = open(&spec(kind, model, options), &device()).err().unwrap().to_string();
        assert!(message.contains(expected), "{kind}: {message}");
    }
    let error = open_nli(&spec("harim-plus", "bart/plain", json!({})), &device()).unwrap_err();
    assert!(
        error.to_string().contains("kind `harim-plus` cannot be used here"),
        "{error}"
    );
}

#[test]
fn a_number_says_who_made_it() {
    let mut entry = spec("harim-plus", "bart/plain", json!({}));
    entry.name = "harim_of_bart".into();
    let scorer = open(&entry, &device()).unwrap();
    let definition = scorer.definition();
    assert_eq!(definition.name, "harim_of_bart");
    assert!(definition.scorer.starts_with("harim-plus 1 of ") && definition.scorer.ends_with(')'));
    assert!(scorer.identity().contains("weights=") && scorer.identity().contains("lambda: 7.0"));
}
