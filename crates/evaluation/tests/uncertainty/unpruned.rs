//! A checkpoint under a mask against itself without one.

use std::path::{Path, PathBuf};

use secateur_evaluation::engine::{Engine, ScoreRequest};
use secateur_evaluation::local::LocalEngine;
use secateur_evaluation::subject_harim::{Sourced, subject_harim};
use secateur_model::checkpoint::Checkpoint;
use secateur_model::generate::GenerateOptions;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::{Device, DeviceKind, Model, Precision};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(directory: &Path) -> Model {
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    Model::load(&Checkpoint::open(directory).unwrap(), &device).unwrap()
}

/// Checkpoints of the fixtures, of every kind of router there is among them.
fn fixtures() -> Vec<PathBuf> {
    let models = root().join("crates/goldens/fixtures/core/models");
    let entries = std::fs::read_dir(models).unwrap().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path().join("checkpoint"))
        .filter(|checkpoint| checkpoint.is_dir())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Half of the experts, as far as top-k and groups allow; the higher ids stay.
fn half(model: &Model) -> ExpertMask {
    let keep = |layer: &secateur_model::MoeLayer| {
        let kept = (layer.experts / 2).max(layer.top_k);
        let whole_groups = kept.div_ceil(layer.groups) * layer.groups;
        let first = layer.experts - whole_groups.min(layer.experts);
        (layer.layer, (first..layer.experts).map(ExpertId).collect())
    };
    ExpertMask {
        kept: model.moe_layers().iter().map(keep).collect(),
    }
}

fn texts(model: &Model) -> Vec<Vec<u32>> {
    let vocabulary = model.vocabulary() as u32;
    [9, 24, 2, 17]
        .iter()
        .map(|&length| (0..length).map(|i| (i * 37 + length * 5 + 3) % vocabulary).collect())
        .collect()
}

/// (KL, whether the likeliest agree, ln p of `next` under both) from two rows of logits, in f64.
fn direct(unpruned: &[f64], pruned: &[f64], next: u32) -> (f64, bool, [f64; 2]) {
    let shares = |logits: &[f64]| -> Vec<f64> {
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| logit.exp() / total).collect()
    };
    let best = |logits: &[f64]| (0..logits.len()).reduce(|a, b| if logits[b] > logits[a] { b } else { a });
    let (p, q) = (shares(unpruned), shares(pruned));
    let kl = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
    let logs = [q[next as usize].ln(), p[next as usize].ln()];
    (kl, best(unpruned) == best(pruned), logs)
}

#[test]
fn a_mask_of_nothing_is_no_divergence() {
    for checkpoint in fixtures() {
        let mut model = load(&checkpoint);
        let texts = texts(&model);
        let requests: Vec<(&[u32], &[u32])> = texts.iter().map(|text| text.split_at(1)).collect();
        for found in model.divergence(&requests, &mut |_| {}).unwrap() {
            assert!(
                found.kl_sum == 0.0 && found.top1_agreeing == found.tokens,
                "{checkpoint:?}: {found:?}"
            );
        }
    }
}

#[test]
fn divergence_is_what_whole_logits_give() {
    for checkpoint in fixtures() {
        let mut model = load(&checkpoint);
        let texts = texts(&model);
        let whole: Vec<Vec<f64>> = texts.iter().map(|text| model.logits(text).unwrap()).collect();
        let mask = half(&model);
        model.set_mask(Some(&mask)).unwrap();
        let pruned: Vec<Vec<f64>> = texts.iter().map(|text| model.logits(text).unwrap()).collect();
        let requests: Vec<(&[u32], &[u32])> = texts.iter().map(|text| text.split_at(text.len() / 2)).collect();
        let mut done = 0;
        let found = model.divergence(&requests, &mut |n| done += n).unwrap();
        assert_eq!(done, texts.len());
        let width = model.vocabulary();
        let mut total = 0.0;
        for (index, text) in texts.iter().enumerate() {
            let (mut kl, mut agree, mut logs) = (0.0, 0, [0.0; 2]);
            for (position, &token) in text.iter().enumerate().skip(text.len() / 2) {
                let row = (position - 1) * width..position * width;
                let (own, same, [q, p]) = direct(&whole[index][row.clone()], &pruned[index][row], token);
                kl += own;
                agree += usize::from(same);
                logs = [logs[0] + q, logs[1] + p];
            }
            let one = &found[index];
            assert_eq!((one.tokens, one.top1_agreeing), (text.len() - text.len() / 2, agree));
            // Batching rounds in f32.
            let near = |a: f64, b: f64| (a - b).abs() < 1e-4 * (1.0 + b.abs());
            assert!(near(one.kl_sum, kl), "{checkpoint:?}: {} is not {kl}", one.kl_sum);
            assert!(near(one.log_probability, logs[0]) && near(one.unpruned_log_probability, logs[1]));
            total += kl;
        }
        assert!(total > 0.0, "{checkpoint:?}: the mask changes nothing");
        assert_eq!(model.mask(), mask);
    }
}

#[test]
fn the_mask_is_there_again_also_after_an_error() {
    let mut model = load(&fixtures()[0]);
    let mask = half(&model);
    model.set_mask(Some(&mask)).unwrap();
    let text = texts(&model).remove(0);
    let before = model.logits(&text).unwrap();
    let bad = model.vocabulary() as u32;
    assert!(model.divergence(&[(&text[..1], &[bad])], &mut |_| {}).is_err());
    assert!(model.divergence(&[(&[], &text)], &mut |_| {}).is_err());
    let failed: Result<(), &str> = model.unmasked(|whole| {
        assert_eq!(whole.mask(), ExpertMask::default());
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    assert_eq!(model.mask(), mask);
    assert_eq!(model.logits(&text).unwrap(), before);
}

#[test]
fn samples_of_one_prompt_are_what_each_would_be_alone() {
    for checkpoint in fixtures() {
        let model = load(&checkpoint);
        let texts = texts(&model);
        let request = |index: usize, seed: u64| GenerateOptions {
            prompt: texts[index].clone(),
            max_new_tokens: 6,
            end_tokens: vec![1],
            temperature: if seed == 0 { 0.0 } else { 1.0 },
            top_p: 1.0,
            seed,
        };
        let requests: Vec<GenerateOptions> = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (3, 4)]
            .map(|(index, seed)| request(index, seed))
            .into();
        let ask = |requests: &[GenerateOptions]| model.generate(requests, &|_, _| Ok(false), &mut |_| {}).unwrap();
        let together = ask(&requests);
        for (request, answer) in requests.iter().zip(&together) {
            let alone = ask(std::slice::from_ref(request)).remove(0);
            assert_eq!(
                (&alone.tokens, alone.ended),
                (&answer.tokens, answer.ended),
                "{checkpoint:?}"
            );
            assert_eq!(answer.end_log_probability.is_some(), answer.ended);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
            assert!(alone.log_probabilities.iter().zip(&answer.log_probabilities).all(near));
        }
    }
}

#[test]
fn the_whole_model_is_asked_under_a_mask() {
    let directory = root().join("datasets/demo/models/demo-olmoe");
    let mut engine = LocalEngine::new(load(&directory), &directory).unwrap();
    let request = [ScoreRequest {
        context: engine.encode("The drug aspirin", true).unwrap(),
        continuation: engine.encode(" is used for pain.", false).unwrap(),
    }];
    let whole = engine.token_log_probabilities(&request, false).unwrap();
    let score = engine.score(&request, &mut |_| {}).unwrap().remove(0);
    assert!((whole[0].iter().sum::<f64>() - score.log_probability).abs() < 1e-9);
    let mask = half(engine.model());
    engine.model_mut().set_mask(Some(&mask)).unwrap();
    assert_eq!(engine.token_log_probabilities(&request, true).unwrap(), whole);
    assert_ne!(engine.token_log_probabilities(&request, false).unwrap(), whole);
    assert_eq!(engine.model().mask(), mask);
}

#[test]
fn harim_knows_which_answer_the_source_holds() {
    let directory = root().join("datasets/demo/models/demo-olmoe");
    let mut engine = LocalEngine::new(load(&directory), &directory).unwrap();
    let source = "Irene came to the clinic on Saturday. The pulse was 61 beats a minute. The weight was 85 kg.";
    let sourced = |answer| Sourced { source, answer };
    let answers = [
        sourced("Irene came to the clinic on Saturday."),
        sourced("Irene came to the clinic on Monday."),
        sourced(""),
    ];
    let found = subject_harim(&mut engine, &answers).unwrap();
    let mask = half(engine.model());
    engine.model_mut().set_mask(Some(&mask)).unwrap();
    assert_eq!(subject_harim(&mut engine, &answers).unwrap(), found);
    let plus = |index: usize| found[index].unwrap().plus;
    assert!(plus(0) > plus(1), "{found:?}");
    assert_eq!(found[2], None);
}
