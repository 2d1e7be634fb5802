//! Laws that every block with a state obeys: padding, neighbours and documents change nothing, pieces equal the whole.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Tensor, TensorData};

use super::experts::indices;
use super::mixer::Mixer;
use super::recurrent::{RecurrentState, read};
use super::timeline::Timeline;
use crate::batch::Batch;
use crate::device::{Device, DeviceKind, Precision};
use crate::shared::{self, Behind, Sharing};
use crate::spec::{DeltaNetLayout, DeltaNetSpec, Mamba2Spec, MixerSpec, ShortConvSpec};
use crate::weights::TensorWeights;

const HIDDEN: usize = 6;

/// Values without a pattern, from a name.
fn values(name: &str, count: usize) -> Vec<f64> {
    let seed: f64 = name.bytes().map(f64::from).sum();
    (0..count)
        .map(|i| (seed + 1.7 * i as f64 + 0.3 * (i * i) as f64).sin() * 0.7)
        .collect()
}

fn weights(tensors: Vec<(String, Vec<usize>)>, device: &Device) -> TensorWeights {
    let mut weights = TensorWeights::default();
    for (name, shape) in tensors {
        let values = values(&name, shape.iter().product());
        if let [rows, columns] = shape[..] {
            let data = TensorData::new(values, [rows, columns]);
            weights.matrices.insert(name, Tensor::from_data(data, device.options()));
        } else {
            let data = TensorData::new(values.clone(), [values.len()]);
            weights.vectors.insert(name, Tensor::from_data(data, device.options()));
        }
    }
    weights
}

fn mixers(device: &Device) -> Vec<(&'static str, Mixer)> {
    let mamba = Mamba2Spec {
        prefix: "mixer.".into(),
        heads: 4,
        head_dim: 3,
        groups: 2,
        state: 5,
        kernel: 4,
        conv_bias: true,
        bias: true,
        norm_epsilon: 1e-5,
    };
    let delta = |layout| DeltaNetSpec {
        prefix: "linear_attn.".into(),
        key_heads: 2,
        value_heads: 4,
        key_dim: 3,
        value_dim: 5,
        kernel: 3,
        layout,
        norm_epsilon: 1e-6,
    };
    let conv = ShortConvSpec {
        prefix: "conv.".into(),
        kernel: 3,
        bias: true,
    };
    let specs = [
        ("mamba2", MixerSpec::Mamba2(mamba)),
        ("short_conv", MixerSpec::ShortConv(conv)),
        ("delta_net", MixerSpec::DeltaNet(delta(DeltaNetLayout::Separate))),
        (
            "delta_net per key head",
            MixerSpec::DeltaNet(delta(DeltaNetLayout::PerKeyHead)),
        ),
    ];
    specs
        .into_iter()
        .map(|(name, spec)| {
            let weights = weights(spec.tensors(HIDDEN), device);
            (name, Mixer::new(&spec, "", HIDDEN, &weights).unwrap())
        })
        .collect()
}

fn open() -> Device {
    Device::open(DeviceKind::Cpu, Precision::F64).unwrap()
}

/// The input of a token: its id decides it.
fn embed(ids: &[u32], device: &Device) -> Tensor<2> {
    let rows = ids
        .iter()
        .flat_map(|id| values(&format!("token {id}"), HIDDEN))
        .collect();
    super::rope::host(rows, [ids.len(), HIDDEN], device)
}

fn run(mixer: &Mixer, batch: &Batch, last: &[Option<u32>], state: Option<&mut RecurrentState>) -> Vec<f64> {
    let device = open();
    let x = embed(&batch.ids, &device);
    let y = mixer.apply(x, &Timeline::new(batch, last), state, &device).unwrap();
    read(y, "test").unwrap()
}

fn close(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let worst = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(
        worst < 1e-12 && expected.iter().any(|v| v.abs() > 1e-3),
        "{name}: {worst}"
    );
}

const LONG: [u32; 7] = [3, 1, 4, 1, 5, 9, 2];
const SHORT: [u32; 3] = [6, 5, 3];

#[test]
fn padding_neighbours_and_documents_change_nothing() {
    for (name, mixer) in mixers(&open()) {
        let [long, short] = [&LONG[..], &SHORT[..]].map(|ids| run(&mixer, &Batch::single(ids), &[], None));
        let row = LONG.len() * HIDDEN;
        let left = run(&mixer, &Batch::left_padded(&[&LONG, &SHORT]), &[], None);
        close(name, &left[..row], &long);
        close(name, &left[2 * row - short.len()..], &short);
        let right = run(&mixer, &Batch::right_padded(&[&SHORT, &LONG]), &[], None);
        close(name, &right[..short.len()], &short);
        close(name, &right[row..], &long);
        let packed = run(&mixer, &Batch::packed(&[vec![&LONG, &SHORT, &LONG]], 20), &[], None);
        close(name, &packed[..row], &long);
        close(name, &packed[row..row + short.len()], &short);
        close(name, &packed[row + short.len()..2 * row + short.len()], &long);
    }
}

#[test]
fn sequences_that_share_a_beginning_are_as_if_alone() {
    let fork = [&LONG[..4], &[8, 8, 6]].concat();
    let late = [&LONG[..5], &[7]].concat();
    let sequences: [&[u32]; 4] = [&LONG[..3], &fork, &late, &LONG];
    let mut sorted = sequences.to_vec();
    sorted.sort_unstable();
    let rows = shared::rows(&sorted, Behind::default(), &Sharing::SHORT);
    assert_eq!(rows.len(), 1);
    for (name, mixer) in mixers(&open()) {
        let together = run(&mixer, &Batch::shared(&rows, &[]), &[], None);
        for place in &rows[0].sequences {
            let alone = run(&mixer, &Batch::single(sorted[place.sequence]), &[], None);
            let cells = place.cells.iter();
            let found: Vec<f64> = cells
                .flat_map(|cell| together[cell * HIDDEN..][..HIDDEN].to_vec())
                .collect();
            close(name, &found, &alone);
        }
    }
}

#[test]
fn pieces_equal_the_whole_and_leave_the_same_state() {
    for (name, mixer) in mixers(&open()) {
        let mut whole_state = RecurrentState::default();
        let whole = run(&mixer, &Batch::single(&LONG), &[], Some(&mut whole_state));
        for first in 1..LONG.len() {
            let mut state = RecurrentState::default();
            let mut pieces = run(&mixer, &Batch::single(&LONG[..first]), &[None], Some(&mut state));
            for (at, &id) in LONG.iter().enumerate().skip(first) {
                let step = Batch::step(vec![id], vec![at]);
                pieces.extend(run(&mixer, &step, &[Some(0)], Some(&mut state)));
            }
            close(name, &pieces, &whole);
            close(name, &state.conv_inputs(0, 3), &whole_state.conv_inputs(0, 3));
            let (found, expected) = (state.recurrent_matrices(0), whole_state.recurrent_matrices(0));
            if name != "short_conv" {
                close(name, &found, &expected);
            }
        }
    }
}

#[test]
fn rows_go_on_from_their_own_state_after_others_have_left() {
    for (name, mixer) in mixers(&open()) {
        let mut state = RecurrentState::default();
        let prompts: [&[u32]; 3] = [&LONG[..6], &[7, 8], &SHORT[..2]];
        run(&mixer, &Batch::left_padded(&prompts), &[], Some(&mut state));
        state.select(&[2, 0], &indices(&[2, 0], &open()));
        let step = Batch::step(vec![SHORT[2], LONG[6]], vec![2, 6]);
        let found = run(&mixer, &step, &[Some(0), Some(0)], Some(&mut state));
        let last = |ids: &[u32]| {
            let all = run(&mixer, &Batch::single(ids), &[], None);
            all[all.len() - HIDDEN..].to_vec()
        };
        close(name, &found, &[last(&SHORT), last(&LONG)].concat());
    }
}

#[test]
fn a_new_document_forgets_the_cached_one() {
    for (name, mixer) in mixers(&open()) {
        let mut state = RecurrentState::default();
        run(&mixer, &Batch::single(&LONG), &[], Some(&mut state));
        let fresh = run(&mixer, &Batch::single(&SHORT), &[None], Some(&mut state));
        close(name, &fresh, &run(&mixer, &Batch::single(&SHORT), &[], None));
    }
}
