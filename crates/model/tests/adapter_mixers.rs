//! Blocks with a state on a graphics adapter against the host's recurrences: padding, documents, branches, states between calls. A process of
//! its own, since reads are counted per process.
#![cfg(feature = "wgpu")]
// `eprintln!` is shown of failed tests alone.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;

use burn::tensor::{Int, Tensor, TensorData};
use secateur_model::batch::Batch;
use secateur_model::blocks::mixer::Mixer;
use secateur_model::blocks::recurrent::RecurrentState;
use secateur_model::blocks::timeline::Timeline;
use secateur_model::matrix::Matrix;
use secateur_model::spec::{DeltaNetLayout, DeltaNetSpec, Mamba2Spec, MixerSpec, ShortConvSpec};
use secateur_model::weights::WeightSource;
use secateur_model::{Device, DeviceKind, ModelError, Precision};

const HIDDEN: usize = 24;

/// Rows decoded together at most, for whose states a binding must have room.
const TOGETHER: usize = 64;

/// Values in −1..1 without a pattern.
fn drawn(n: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| ((at * 7919 + seed * 104_729 + (at * at) % 97) % 509) as f32 / 254.5 - 1.0;
    (0..n).map(value).collect()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device.burn())
}

/// Weights drawn by their names.
struct Drawn<'a>(&'a Device);

impl WeightSource for Drawn<'_> {
    fn matrix(&self, name: &str, [outputs, inputs]: [usize; 2]) -> Result<Matrix, ModelError> {
        let values = drawn(outputs * inputs, name.len());
        let scale = 2.0 / (inputs as f32).sqrt();
        let values = values.into_iter().map(|value| value * scale).collect();
        Ok(Matrix::Dense(tensor(values, [outputs, inputs], self.0)))
    }

    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError> {
        Ok(tensor(drawn(width, name.len()), [width], self.0))
    }
}

/// Blocks whose widths fill no cube, or more than one, and the values of a row's recurrent state.
fn specs() -> Vec<(&'static str, MixerSpec, usize)> {
    let mamba = |heads, head_dim, state| Mamba2Spec {
        prefix: "mixer.".into(),
        heads,
        head_dim,
        groups: 2,
        state,
        kernel: 4,
        conv_bias: heads > 2,
        bias: true,
        norm_epsilon: 1e-5,
    };
    let delta = |key_dim, value_dim, layout| DeltaNetSpec {
        prefix: "linear_attn.".into(),
        key_heads: 2,
        value_heads: 4,
        key_dim,
        value_dim,
        kernel: 3,
        layout,
        norm_epsilon: 1e-6,
    };
    let conv = ShortConvSpec {
        prefix: "conv.".into(),
        kernel: 3,
        bias: true,
    };
    let (separate, grouped) = (DeltaNetLayout::Separate, DeltaNetLayout::PerKeyHead);
    vec![
        ("mamba2", MixerSpec::Mamba2(mamba(4, 40, 33)), 4 * 40 * 33),
        ("small mamba2", MixerSpec::Mamba2(mamba(2, 3, 5)), 2 * 3 * 5),
        ("delta_net", MixerSpec::DeltaNet(delta(37, 70, separate)), 4 * 37 * 70),
        (
            "delta_net per key head",
            MixerSpec::DeltaNet(delta(3, 5, grouped)),
            4 * 3 * 5,
        ),
        ("short_conv", MixerSpec::ShortConv(conv), 0),
    ]
}

/// A mixer where it is computed.
struct There {
    mixer: Mixer,
    device: Device,
    state: RecurrentState,
}

impl There {
    fn new(spec: &MixerSpec, device: &Device) -> Self {
        Self {
            mixer: Mixer::new(spec, "", HIDDEN, &Drawn(device)).unwrap(),
            device: device.clone(),
            state: RecurrentState::default(),
        }
    }

    /// What it says of a batch, and how often the host was asked.
    fn say(&mut self, batch: &Batch, last: &[Option<u32>], remembers: bool) -> (Vec<f32>, u64) {
        let cells = batch.ids.iter().enumerate();
        let x = cells.flat_map(|(cell, &id)| drawn(HIDDEN, id as usize + 1000 * (cell % 2)));
        let x = tensor(x.collect(), [batch.ids.len(), HIDDEN], &self.device);
        let reads = Device::reads();
        let state = remembers.then_some(&mut self.state);
        let y = self
            .mixer
            .apply(x, &Timeline::new(batch, last), state, &self.device)
            .unwrap();
        let reads = Device::reads() - reads;
        (y.into_data().try_into_vec().unwrap(), reads)
    }

    fn select(&mut self, rows: &[usize]) {
        let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let ids: Tensor<1, Int> = Tensor::from_data(TensorData::new(ids, [rows.len()]), self.device.burn());
        self.state.select(rows, &ids);
    }

    fn states(&self, rows: usize, kernel: usize) -> Vec<f32> {
        (0..rows)
            .flat_map(|row| [self.state.conv_inputs(row, kernel), self.state.recurrent_matrices(row)].concat())
            .map(|value| value as f32)
            .collect()
    }
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    assert!(scale > 1e-3, "{what}: nothing is said");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= 1e-4 * scale,
            "{what}, value {at}: {found}, expected {expected}, the largest being {scale}"
        );
    }
}

/// Both say the same of a batch; the host is asked `asked` or not.
fn agree(what: &str, [cpu, there]: [&mut There; 2], batch: &Batch, last: &[Option<u32>], remembers: bool, asked: bool) {
    let (expected, _) = cpu.say(batch, last, remembers);
    let (found, reads) = there.say(batch, last, remembers);
    close(what, &found, &expected);
    assert_eq!(reads > 0, asked, "{what}: the host was asked {reads} times");
}

const LONG: [u32; 7] = [3, 1, 4, 1, 5, 9, 2];
const SHORT: [u32; 3] = [6, 5, 3];

/// Rows of tokens 0 1 2, from where 3 4 go on; from there 5, and 6 7; 8 goes on from 2, and after padding 9 from 7. With `cached` the first ones go
/// on from document 0 of the cache.
fn branches(rows: usize, cached: bool) -> Batch {
    let documents = [0, 0, 0, 1, 1, 2, 3, 3, 4].map(Some).into_iter().chain([None, Some(5)]);
    let documents: Vec<Option<u32>> = documents.collect();
    let positions = [0, 1, 2, 3, 4, 5, 5, 6, 3, 0, 7].map(|position| position + 7 * usize::from(cached));
    let (length, cells) = (documents.len(), rows * documents.len());
    Batch {
        ids: (0..cells as u32).map(|cell| cell % 13).collect(),
        positions: positions.into_iter().cycle().take(cells).collect(),
        documents: documents.into_iter().cycle().take(cells).collect(),
        follows: vec![vec![None, Some(0), Some(1), Some(1), Some(0), Some(3)]; rows],
        behind: Vec::new(),
        batch: rows,
        length,
    }
}

fn without_a_state(name: &str, both: [&mut There; 2], asked: bool) {
    let [cpu, there] = both;
    for (what, batch) in [
        ("a token", Batch::single(&SHORT[..1])),
        ("left-padded", Batch::left_padded(&[&LONG, &SHORT])),
        ("right-padded", Batch::right_padded(&[&SHORT, &[], &LONG])),
        (
            "packed",
            Batch::packed(&[vec![&LONG, &SHORT, &LONG], vec![&SHORT[..2], &LONG]], 19),
        ),
        ("branches", branches(2, false)),
    ] {
        let what = format!("{name}, {what}");
        agree(&what, [&mut *cpu, &mut *there], &batch, &[], false, asked);
    }
}

fn with_a_state(name: &str, kernel: usize, both: [&mut There; 2], asked: bool) {
    let [cpu, there] = both;
    let prompts: [&[u32]; 3] = [&LONG[..6], &[7], &SHORT[..2]];
    for (what, batch, last, kept) in [
        ("prompts", Batch::left_padded(&prompts), vec![None; 3], None),
        (
            "a step",
            Batch::step(vec![8, 1, 2], vec![6, 1, 2]),
            vec![Some(0); 3],
            Some([2, 0]),
        ),
        (
            "a step of two",
            Batch::step(vec![3, 9], vec![3, 7]),
            vec![Some(0); 2],
            None,
        ),
        ("more", Batch::right_padded(&[&LONG, &[]]), vec![Some(0); 2], None),
        ("branches of what is cached", branches(2, true), vec![Some(0); 2], None),
        (
            "a new document",
            Batch::left_padded(&[&SHORT, &LONG]),
            vec![None, Some(0)],
            None,
        ),
    ] {
        let what = format!("{name}, {what}");
        agree(&what, [&mut *cpu, &mut *there], &batch, &last, true, asked);
        let [found, expected] = [&*there, &*cpu].map(|one| one.states(batch.batch, kernel));
        close(&format!("{what}, states"), &found, &expected);
        if let Some(rows) = kept {
            cpu.select(&rows);
            there.select(&rows);
        }
    }
}

// One test, since reads are counted per process.
#[test]
fn states_and_recurrences_are_those_of_the_host() {
    let adapter = match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => device,
        Err(error) => {
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            return;
        }
    };
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    for (name, spec, state) in specs() {
        let kernel = match &spec {
            MixerSpec::Mamba2(spec) => spec.kernel,
            MixerSpec::DeltaNet(spec) => spec.kernel,
            MixerSpec::ShortConv(spec) => spec.kernel,
        };
        let bytes = 4 * state * TOGETHER;
        for (limit, asked) in [
            (usize::MAX, false),
            (bytes, false),
            (bytes.saturating_sub(1), state > 0),
        ] {
            let adapter = adapter.clone().with_binding_limit(limit);
            let [mut cpu, mut there] = [&cpu, &adapter].map(|device| There::new(&spec, device));
            let name = format!("{name}, {limit} bytes at once");
            without_a_state(&name, [&mut cpu, &mut there], asked);
            with_a_state(&name, kernel, [&mut cpu, &mut there], asked);
            // Two states are kept for the branches of each row, more than are decoded together.
            let what = format!("{name}, many branches");
            let asked = state > 0 && limit < usize::MAX;
            agree(
                &what,
                [&mut cpu, &mut there],
                &branches(TOGETHER / 2 + 1, false),
                &[],
                false,
                asked,
            );
        }
    }
}
