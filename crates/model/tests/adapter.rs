//! Kernels of a graphics adapter against sums in f64: every size of tails, buffers split by a tiny limit, NaN and infinity.
#![cfg(feature = "wgpu")]
// `eprintln!` is shown of failed tests alone.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;

use burn::tensor::{Int, Tensor, TensorData};
use half::{bf16, f16};
use secateur_model::blocks::experts::{Experts, Said};
use secateur_model::blocks::router::{Routing, Selected};
use secateur_model::gpu::DeviceMatrix;
use secateur_model::matrix::{Matrix, Stored, WeightDtype};
use secateur_model::spec::{Activation, ExpertLayout, FusedNames, MlpNames, MoeSpec, RouterSpec, Scoring};
use secateur_model::weights::{ExpertSlice, WeightSource};
use secateur_model::{Device, DeviceKind, ModelError, Precision};

/// `None`, with its reason printed, where there is no adapter.
fn device() -> Option<Device> {
    match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => Some(device),
        Err(error) => {
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            None
        }
    }
}

/// Values in −1..1 with few digits, so that halves hold them or nearly.
fn drawn(n: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| ((at * 7919 + seed * 104_729 + (at * at) % 97) % 509) as f32 / 254.5 - 1.0;
    (0..n).map(value).collect()
}

fn stored(values: &[f32], dtype: WeightDtype) -> Stored {
    let bytes: Vec<u8> = match dtype {
        WeightDtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        WeightDtype::Bf16 => values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
        WeightDtype::F16 => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
    };
    Stored {
        bytes: bytes.into(),
        dtype,
    }
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device.burn())
}

fn host(x: Tensor<2>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

/// `x Wᵀ` in f64, and the sum of the products' sizes.
fn product(x: &[f32], weights: &[f32], inputs: usize) -> Vec<(f64, f64)> {
    let dot = |x: &[f32], w: &[f32]| {
        let products = x.iter().zip(w).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()))
    };
    x.chunks_exact(inputs)
        .flat_map(|x| weights.chunks_exact(inputs).map(move |w| dot(x, w)))
        .collect()
}

#[test]
fn products_of_all_tails() {
    let Some(device) = device() else { return };
    for (number, &dtype) in [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32]
        .iter()
        .enumerate()
    {
        for (outputs, inputs) in [
            (1, 1),
            (7, 3),
            (8, 16),
            (9, 33),
            (63, 31),
            (64, 64),
            (65, 17),
            (130, 100),
        ] {
            let weights = stored(&drawn(outputs * inputs, number), dtype);
            let exact = weights.to_f32();
            // All at once, and five rows at a time.
            for limit in [
                usize::MAX,
                5 * 4 * inputs.div_ceil(if dtype == WeightDtype::F32 { 1 } else { 2 }),
            ] {
                let device = device.clone().with_binding_limit(limit);
                let matrix = DeviceMatrix::new(weights.clone(), [outputs, inputs], &device);
                assert_eq!(
                    matrix.parts(),
                    if limit == usize::MAX { 1 } else { outputs.div_ceil(5) }
                );
                let matrix = Matrix::Device(matrix);
                assert_eq!(matrix.to_f32(), exact);
                for rows in [1, 2, 3, 4, 5, 16, 17, 63, 64, 65] {
                    let x = drawn(rows * inputs, rows + 3);
                    let found = host(matrix.apply(tensor(&x, [rows, inputs], &device)));
                    let expected = product(&x, &exact, inputs);
                    assert_eq!(found.len(), expected.len());
                    for (at, (found, (sum, size))) in found.iter().zip(expected).enumerate() {
                        assert!(
                            (f64::from(*found) - sum).abs() <= 1e-6 * size + 1e-12,
                            "{dtype:?} [{rows}, {inputs}] x [{outputs}, {inputs}], value {at}: {found}, expected {sum}"
                        );
                    }
                }
                let wanted = [outputs - 1, 0, outputs / 2, 0];
                let rows: Vec<f32> = wanted
                    .iter()
                    .flat_map(|&row| exact[row * inputs..(row + 1) * inputs].to_vec())
                    .collect();
                assert_eq!(host(matrix.select(&wanted, &device)), rows);
            }
        }
    }
}

#[test]
fn every_half_is_widened_exactly() {
    let Some(device) = device() else { return };
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    for dtype in [WeightDtype::Bf16, WeightDtype::F16] {
        let stored = Stored {
            bytes: all.clone().into(),
            dtype,
        };
        let matrix = Matrix::Device(DeviceMatrix::new(stored.clone(), [256, 256], &device));
        let rows: Vec<usize> = (0..256).collect();
        let found = host(matrix.select(&rows, &device));
        for (bits, (found, expected)) in found.iter().zip(stored.to_f32()).enumerate() {
            // An adapter may flush what is smaller than the smallest normal f32.
            let tiny = expected.abs() < f32::MIN_POSITIVE && found.abs() <= expected.abs();
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same || tiny, "{dtype:?} {bits:#06x}: {found}, expected {expected}");
        }
    }
}

#[test]
fn nan_and_infinity_stay_in_their_rows() {
    let Some(device) = device() else { return };
    let (outputs, inputs) = (9, 37);
    let mut weights = drawn(outputs * inputs, 1);
    weights[4] = 0.5;
    let matrix = Matrix::Device(DeviceMatrix::new(
        stored(&weights, WeightDtype::Bf16),
        [outputs, inputs],
        &device,
    ));
    for rows in [3, 70] {
        let mut x = drawn(rows * inputs, 2);
        x[inputs + 36] = f32::NAN;
        x[4] = f32::INFINITY;
        let found = host(matrix.apply(tensor(&x, [rows, inputs], &device)));
        let row = |row: usize| &found[row * outputs..(row + 1) * outputs];
        assert!(
            row(0)[0] == f32::INFINITY && row(0).iter().all(|v| !v.is_finite()),
            "{:?}",
            row(0)
        );
        assert!(row(1).iter().all(|v| v.is_nan()), "{:?}", row(1));
        assert!((2..rows).all(|other| row(other).iter().all(|v| v.is_finite())));
    }
}

/// One layer's experts, drawn.
struct Layer {
    dtype: WeightDtype,
    device: Device,
    experts: usize,
}

impl Layer {
    fn values(&self, name: &str, n: usize) -> Vec<f32> {
        let seed = name.bytes().map(usize::from).sum();
        stored(&drawn(n, seed), self.dtype).to_f32()
    }
}

impl WeightSource for Layer {
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError> {
        let values = stored(&self.values(name, shape[0] * shape[1]), self.dtype);
        Ok(Matrix::Device(DeviceMatrix::new(values, shape, &self.device)))
    }

    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError> {
        Ok(tensor(&self.values(name, width), [width], &self.device))
    }

    fn slice(&self, name: &str, slice: &ExpertSlice) -> Result<Matrix, ModelError> {
        let all = stored(&self.values(name, self.experts * slice.all * slice.inputs), self.dtype);
        let shape = [slice.outputs, slice.inputs];
        Ok(Matrix::Device(DeviceMatrix::new(slice.of(&all), shape, &self.device)))
    }

    fn slice_vector(&self, name: &str, slice: &ExpertSlice) -> Result<Tensor<1>, ModelError> {
        let all = self.values(name, self.experts * slice.all);
        let own = (0..slice.outputs).map(|o| all[slice.expert * slice.all + slice.first + o * slice.step]);
        Ok(tensor(&own.collect::<Vec<_>>(), [slice.outputs], &self.device))
    }
}

const HIDDEN: usize = 35;
const INNER: usize = 21;

/// What one expert says of one token, in f64.
fn said(expert: usize, experts: &Experts, activation: Activation, x: &[f32]) -> Vec<f64> {
    let mlp = &experts.experts[expert];
    let affine = |linear: &secateur_model::blocks::linear::Linear, x: &[f64]| -> Vec<f64> {
        let weights = linear.weight.to_f32();
        let bias: Option<Vec<f32>> = linear.bias.clone().map(|b| b.into_data().try_into_vec().unwrap());
        let rows = weights.chunks_exact(x.len()).enumerate();
        rows.map(|(o, row)| {
            let sum: f64 = row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
            sum + bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]))
        })
        .collect()
    };
    let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let up = affine(&mlp.up, &x);
    let gate = mlp.gate.as_ref().map(|gate| affine(gate, &x));
    let silu = |v: f64, alpha: f64| v / (1.0 + (-alpha * v).exp());
    let inner: Vec<f64> = match (activation, gate) {
        (Activation::SiluGated, Some(gate)) => gate.iter().zip(&up).map(|(&g, u)| silu(g, 1.0) * u).collect(),
        (Activation::ClampedGated { alpha, limit }, Some(gate)) => gate
            .iter()
            .zip(&up)
            .map(|(&g, u)| (u.clamp(-limit, limit) + 1.0) * silu(g.min(limit), alpha))
            .collect(),
        _ => up.iter().map(|u| u.max(0.0).powi(2)).collect(),
    };
    affine(&mlp.down, &inner)
}

/// What each expert says of its tokens, kept whole.
fn host_outputs(block: &Experts, x: &[f32], routing: &Routing, device: &Device) -> Vec<f32> {
    let x = tensor(x, [x.len() / HIDDEN, HIDDEN], device);
    let Said::Outputs(outputs) = block.apply_grouped(x, routing, device, "layer 0").unwrap().said else {
        panic!("outputs are kept where experts are asked one by one");
    };
    host(outputs)
}

/// A norm and a largest absolute value, of what an expert says.
fn check_loudness(found: [f32; 2], said: &[f32]) {
    let norm = said.iter().map(|v| v * v).sum::<f32>().sqrt();
    let largest = said.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (found, expected) in found.into_iter().zip([norm, largest]) {
        assert!(
            (found - expected).abs() < 1e-4 * (1.0 + expected),
            "{found}, expected {expected}"
        );
    }
}

/// Groups of many sizes, none among them, each slot against its expert alone; with `scoring` also inputs that are weighed.
fn check_experts(layer: &Layer, activation: Activation, layout: ExpertLayout, scoring: Scoring) {
    let (experts, top_k) = (layer.experts, 2);
    let spec = MoeSpec {
        experts,
        top_k,
        intermediate: INNER,
        activation,
        layout,
        router: RouterSpec {
            scoring,
            ..RouterSpec::softmax("router", false)
        },
        shared: None,
    };
    let block = Experts::new(&spec, "", HIDDEN, layer).unwrap();
    let device = &layer.device;
    for tokens in [1, 2, 9, 40, 150] {
        let x = drawn(tokens * HIDDEN, tokens);
        let weights = drawn(tokens * top_k, 77);
        // Expert 3 is never picked, and the others unequally often.
        let of =
            |token: usize, rank: usize| [[0, 1], [0, 2], [4, 0], [1, 4], [0, 1]][(token * token + token / 3) % 5][rank];
        let ids: Vec<u8> = (0..tokens).flat_map(|token| [of(token, 0), of(token, 1)]).collect();
        let numbers: Vec<i32> = ids.iter().map(|&id| i32::from(id)).collect();
        let selected: Tensor<2, Int> = Tensor::from_data(TensorData::new(numbers, [tokens, top_k]), device.burn());
        let none = Tensor::zeros([tokens, experts], device.burn());
        let routing = Routing {
            logits: none.clone(),
            scores: none,
            selected: Selected::Device(selected),
            weights: tensor(&weights, [tokens, top_k], device),
        };
        let reads = Device::reads();
        let found = block
            .apply(tensor(&x, [tokens, HIDDEN], device), &routing, device, "layer 0", true)
            .unwrap();
        assert_eq!(Device::reads(), reads, "the host was asked");
        let Said::There { norms, largest } = found.said else {
            panic!("an adapter keeps norms and largest values");
        };
        let (norms, largest) = (host(norms), host(largest));
        let outputs = host_outputs(&block, &x, &routing, device);
        let combined = host(found.combined);
        for token in 0..tokens {
            let mut sum = vec![0.0; HIDDEN];
            for rank in 0..top_k {
                let (slot, weight) = (token * top_k + rank, weights[token * top_k + rank]);
                let mut x = x[token * HIDDEN..(token + 1) * HIDDEN].to_vec();
                if scoring == Scoring::SigmoidOnInput {
                    for x in &mut x {
                        *x *= weight;
                    }
                }
                let expected = said(ids[slot].into(), &block, activation, &x);
                let weight = if scoring == Scoring::SigmoidOnInput {
                    1.0
                } else {
                    f64::from(weight)
                };
                check_loudness(
                    [norms[slot], largest[slot]],
                    &outputs[slot * HIDDEN..(slot + 1) * HIDDEN],
                );
                for (at, expected) in expected.iter().enumerate() {
                    let found = f64::from(outputs[slot * HIDDEN + at]);
                    assert!(
                        (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                        "{activation:?}, {tokens} tokens, slot {slot}, value {at}: {found}, expected {expected}"
                    );
                    sum[at] += weight * expected;
                }
            }
            for (at, sum) in sum.iter().enumerate() {
                let found = f64::from(combined[token * HIDDEN + at]);
                assert!(
                    (found - sum).abs() < 2e-4 * (1.0 + sum.abs()),
                    "token {token}: {found}, expected {sum}"
                );
            }
        }
    }
}

// One test, since reads are counted per process.
#[test]
fn experts_of_all_groups_and_activations() {
    let Some(device) = device() else { return };
    let separate = || ExpertLayout::PerExpert {
        prefix: "{expert}.".into(),
        names: MlpNames::projections(),
    };
    let fused = |transposed, interleaved| {
        ExpertLayout::Fused(FusedNames {
            gate_up: "gate_up".into(),
            down: "down".into(),
            transposed,
            interleaved,
            biases: Some(["gate_up_bias".into(), "down_bias".into()]),
            mxfp4: false,
        })
    };
    let clamped = Activation::ClampedGated {
        alpha: 1.702,
        limit: 1.5,
    };
    // All experts in one buffer, and buffers that end within an expert.
    for limit in [usize::MAX, 4 * HIDDEN.div_ceil(2) * 50] {
        for dtype in [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32] {
            let layer = Layer {
                dtype,
                device: device.clone().with_binding_limit(limit),
                experts: 5,
            };
            check_experts(&layer, Activation::SiluGated, separate(), Scoring::Softmax);
            if dtype == WeightDtype::Bf16 {
                check_experts(&layer, Activation::ReluSquared, separate(), Scoring::Softmax);
                check_experts(&layer, Activation::SiluGated, separate(), Scoring::SigmoidOnInput);
                check_experts(&layer, clamped, fused(true, true), Scoring::SoftmaxOfSelected);
                check_experts(&layer, clamped, fused(false, false), Scoring::SoftmaxOfSelected);
            }
        }
    }
}
