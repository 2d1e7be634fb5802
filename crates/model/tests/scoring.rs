//! Requests that are scored together, what they have in common read once, against each alone.
#![allow(clippy::unwrap_used)]

mod fixtures;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::{Device, DeviceKind, Model, Precision};

/// Of requests behind a long header, every so many are scored alone too.
const ALONE: usize = 7;

/// Of log-probabilities.
const TOLERANCES: [(Precision, f64); 2] = [(Precision::F64, 1e-8), (Precision::F32, 2e-4)];

/// A header, under it questions of different lengths, under each of them answers of one to four tokens; two requests with nothing
/// or little in common with others; and a longer header with more questions than a row holds, of which the last asks for part of it.
fn requests(vocabulary: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
    let text = |seed: usize, length: usize| -> Vec<u32> {
        let token = |at: usize| ((seed * 131 + at * at * 17 + at * 7 + 3) % vocabulary) as u32;
        (0..length).map(token).collect()
    };
    let header = text(1, 19);
    let mut requests = Vec::new();
    for question in 0..3 {
        let context = [header.clone(), text(10 + question, 4 + 3 * question)].concat();
        for answer in 0..4 {
            requests.push((context.clone(), text(100 + 10 * question + answer, 1 + answer)));
        }
        requests.push((context, text(100 + 10 * question + 2, 2)));
    }
    requests.push((header[..1].to_vec(), text(7, 9)));
    requests.push((text(8, 11), text(9, 1)));
    let header = text(2, 170);
    for question in 0..30 {
        let context = [header.clone(), text(50 + question, 5 + question % 3)].concat();
        for answer in 0..3 {
            requests.push((context.clone(), text(200 + 3 * question + answer, 1 + answer)));
        }
    }
    requests.push((header[..160].to_vec(), header[160..].to_vec()));
    requests
}

/// Some requests, with what was found of each of all.
fn some<'a, T>(
    requests: &'a [(&'a [u32], &'a [u32])],
    found: &'a [T],
) -> impl Iterator<Item = (&'a (&'a [u32], &'a [u32]), &'a T)> {
    let all = requests.iter().zip(found).enumerate();
    let short = |(context, _): &(&[u32], &[u32])| context.len() < 100;
    all.filter(move |(at, (request, _))| short(request) || at % ALONE == 0)
        .map(|(_, pair)| pair)
}

fn borrowed(requests: &[(Vec<u32>, Vec<u32>)]) -> Vec<(&[u32], &[u32])> {
    requests
        .iter()
        .map(|(context, answer)| (&context[..], &answer[..]))
        .collect()
}

/// Every expert but each layer's last.
fn mask(model: &Model) -> ExpertMask {
    let layers = model.moe_layers().iter().filter(|layer| layer.groups == 1);
    let kept = layers.filter(|layer| layer.experts > layer.top_k);
    ExpertMask {
        kept: kept
            .map(|layer| (layer.layer, (0..layer.experts - 1).map(ExpertId).collect()))
            .collect(),
    }
}

fn close(one: f64, other: f64, tolerance: f64) -> bool {
    (one - other).abs() < tolerance
}

#[test]
fn together_as_alone() {
    for (precision, tolerance) in TOLERANCES {
        scored_together_as_alone(precision, tolerance);
    }
}

fn scored_together_as_alone(precision: Precision, tolerance: f64) {
    let device = Device::open(DeviceKind::Cpu, precision).unwrap();
    for checkpoint in fixtures::checkpoints() {
        let model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), &device).unwrap();
        let requests = requests(model.vocabulary());
        let requests = borrowed(&requests);
        let mut answered = 0;
        let together = model.score(&requests, &mut |n| answered += n).unwrap();
        assert_eq!(answered, requests.len());
        for (request, together) in some(&requests, &together) {
            let alone = &model.score(&[*request], &mut |_| {}).unwrap()[0];
            let place = checkpoint.display();
            // What is nearly as likely as the likeliest may be that in f32.
            let same = together.is_greedy == alone.is_greedy;
            assert!(same || precision == Precision::F32, "{place}");
            let tokens = (&together.token_log_probabilities, &alone.token_log_probabilities);
            assert_eq!((tokens.0.len(), tokens.1.len()), (request.1.len(), request.1.len()));
            for (together, alone) in tokens.0.iter().zip(tokens.1) {
                assert!(close(*together, *alone, tolerance), "{place}: {together} and {alone}");
            }
        }
    }
}

#[test]
fn compared_together_as_alone() {
    let [(precision, tolerance), _] = TOLERANCES;
    let device = Device::open(DeviceKind::Cpu, precision).unwrap();
    for checkpoint in fixtures::checkpoints() {
        let mut model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), &device).unwrap();
        let mask = mask(&model);
        model.set_mask(Some(&mask)).unwrap();
        let requests = requests(model.vocabulary());
        let requests = borrowed(&requests);
        let together = model.divergence(&requests, &mut |_| {}).unwrap();
        assert_eq!(model.mask(), mask);
        assert_eq!(model.divergence(&requests, &mut |_| {}).unwrap(), together);
        let pruned = !mask.kept.is_empty();
        assert_eq!(together.iter().any(|found| found.kl_sum > 1e-6), pruned);
        for (request, together) in some(&requests, &together) {
            let alone = &model.divergence(&[*request], &mut |_| {}).unwrap()[0];
            let place = checkpoint.display();
            assert_eq!(
                (together.tokens, together.top1_agreeing),
                (alone.tokens, alone.top1_agreeing),
                "{place}"
            );
            let pairs = [
                (together.kl_sum, alone.kl_sum),
                (together.largest_kl, alone.largest_kl),
                (together.log_probability, alone.log_probability),
                (together.unpruned_log_probability, alone.unpruned_log_probability),
            ];
            assert!(
                pairs.iter().all(|(one, other)| close(*one, *other, tolerance)),
                "{place}: {pairs:?}"
            );
        }
    }
}
