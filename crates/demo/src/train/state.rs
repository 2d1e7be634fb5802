//! Weights and optimiser moments, on the device and on disk.

use std::collections::BTreeMap;
use std::path::Path;

use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use secateur_model::checkpoint::Expected;
use secateur_model::weights::TensorWeights;

use super::{TrainError, file_error};

/// A parameter of any rank, flat on the host: `[values, first moment, second moment]`.
type Flat = [Vec<f32>; 3];

/// All that training changes.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Optimiser steps done.
    pub step: usize,
    /// First document of the next batch.
    pub next_document: u64,
    shapes: BTreeMap<String, Vec<usize>>,
    values: BTreeMap<String, Flat>,
}

impl State {
    /// Seeded initial weights: matrices normal with deviation 1/√inputs, norms at 1, those of queries and keys at
    /// `query_key_norm`, selection biases at 0.
    #[must_use]
    pub fn initial(expected: &[Expected], seed: u64, query_key_norm: f32) -> Self {
        let mut state = Self::default();
        for (index, tensor) in expected.iter().enumerate() {
            let count: usize = tensor.shape.iter().product();
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            generator.set_stream(index as u64);
            let values = match tensor.shape.as_slice() {
                [_, inputs] => normal(count, (*inputs as f64).powf(-0.5), &mut generator),
                _ if tensor.name.ends_with("q_norm.weight") || tensor.name.ends_with("k_norm.weight") => {
                    vec![query_key_norm; count]
                }
                _ if is_selection_bias(&tensor.name) => vec![0.0; count],
                _ => vec![1.0; count],
            };
            state.shapes.insert(tensor.name.clone(), tensor.shape.clone());
            state
                .values
                .insert(tensor.name.clone(), [values, vec![0.0; count], vec![0.0; count]]);
        }
        state
    }

    /// Names and flat values of all weights.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.values
            .iter()
            .map(|(name, flat)| (name.as_str(), self.shapes[name].as_slice(), flat[0].as_slice()))
    }

    /// Reads a state.
    ///
    /// # Errors
    /// If the file cannot be read, or holds other tensors than `expected`.
    pub fn open(path: &Path, expected: &[Expected]) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(file_error(path))?;
        let wrong = |found: String| TrainError::State {
            path: path.to_path_buf(),
            found,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let progress = header.metadata().as_ref().and_then(|m| m.get("progress"));
        let progress: serde_json::Value = progress
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| wrong("it has no `progress` in its metadata".into()))?;
        let number = |name: &str| -> Result<u64, TrainError> {
            progress[name]
                .as_u64()
                .ok_or_else(|| wrong(format!("its progress has no number `{name}`")))
        };
        let mut state = Self {
            step: number("step")? as usize,
            next_document: number("next_document")?,
            ..Self::default()
        };
        for tensor in expected {
            let read = |part: &str| -> Result<Vec<f32>, TrainError> {
                let view = file
                    .tensor(&format!("{part}/{}", tensor.name))
                    .map_err(|e| wrong(format!("{}: {e}", tensor.name)))?;
                if view.shape() != tensor.shape || view.dtype() != Dtype::F32 {
                    return Err(wrong(format!(
                        "{} is {:?}, the recipe says {:?}",
                        tensor.name,
                        view.shape(),
                        tensor.shape
                    )));
                }
                Ok(view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect())
            };
            state.values.insert(
                tensor.name.clone(),
                [read("weight")?, read("moment_1")?, read("moment_2")?],
            );
            state.shapes.insert(tensor.name.clone(), tensor.shape.clone());
        }
        Ok(state)
    }

    /// Writes the state: to a temporary file first, so that a crash leaves the old one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let wrong = |found: String| TrainError::State {
            path: path.to_path_buf(),
            found,
        };
        let mut views = Vec::new();
        for (name, flat) in &self.values {
            for (part, values) in ["weight", "moment_1", "moment_2"].iter().zip(flat) {
                let bytes = bytemuck::cast_slice(values);
                let view =
                    TensorView::new(Dtype::F32, self.shapes[name].clone(), bytes).map_err(|e| wrong(e.to_string()))?;
                views.push((format!("{part}/{name}"), view));
            }
        }
        // One entry: the order of several is not fixed, and equal states must be equal bytes.
        let progress = serde_json::json!({ "step": self.step, "next_document": self.next_document });
        let metadata = [("progress".to_owned(), progress.to_string())].into();
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| wrong(e.to_string()))?;
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, bytes).map_err(file_error(&temporary))?;
        std::fs::rename(&temporary, path).map_err(file_error(path))
    }

    /// Everything on the device, ready to be trained.
    #[must_use]
    pub fn on_device(&self, device: &BurnDevice) -> OnDevice {
        let mut parameters = OnDevice::default();
        for (name, flat) in &self.values {
            let shape = &self.shapes[name];
            if let &[rows, columns] = shape.as_slice() {
                parameters
                    .matrices
                    .insert(name.clone(), Parameter::new(flat, [rows, columns], self.step, device));
            } else {
                let width = shape.iter().product();
                parameters
                    .vectors
                    .insert(name.clone(), Parameter::new(flat, [width], self.step, device));
            }
        }
        parameters
    }

    /// Takes values and moments back from the device.
    pub fn take(&mut self, parameters: &OnDevice) {
        for (name, parameter) in &parameters.matrices {
            self.values.insert(name.clone(), parameter.flat());
        }
        for (name, parameter) in &parameters.vectors {
            self.values.insert(name.clone(), parameter.flat());
        }
    }
}

/// A weight with its optimiser state.
#[derive(Clone)]
pub struct Parameter<const D: usize> {
    /// The weight; a leaf of the graph.
    pub value: Tensor<D>,
    /// Moments of the gradient; `None` before the first step.
    pub moments: Option<AdamWState<D>>,
}

impl<const D: usize> Parameter<D> {
    fn new(flat: &Flat, shape: [usize; D], step: usize, device: &BurnDevice) -> Self {
        let tensor =
            |values: &[f32], device: &BurnDevice| Tensor::from_data(TensorData::new(values.to_vec(), shape), device);
        let plain = device.clone().inner();
        let moments = (step > 0).then(|| {
            AdamWState::new(AdaptiveMomentumState::new(
                step,
                tensor(&flat[1], &plain),
                tensor(&flat[2], &plain),
            ))
        });
        Self {
            value: tensor(&flat[0], device).require_grad(),
            moments,
        }
    }

    fn flat(&self) -> Flat {
        let host = |tensor: Tensor<D>| tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
        let value = host(self.value.clone().inner());
        match &self.moments {
            Some(state) => [
                value,
                host(state.momentum.moment_1.clone()),
                host(state.momentum.moment_2.clone()),
            ],
            None => [value.clone(), vec![0.0; value.len()], vec![0.0; value.len()]],
        }
    }
}

/// All parameters on the device.
#[derive(Clone, Default)]
pub struct OnDevice {
    /// Matrices by name.
    pub matrices: BTreeMap<String, Parameter<2>>,
    /// Vectors by name.
    pub vectors: BTreeMap<String, Parameter<1>>,
}

impl OnDevice {
    /// As a source of weights for a decoder.
    #[must_use]
    pub fn weights(&self) -> TensorWeights {
        TensorWeights {
            matrices: self
                .matrices
                .iter()
                .map(|(name, p)| (name.clone(), p.value.clone()))
                .collect(),
            vectors: self
                .vectors
                .iter()
                .map(|(name, p)| (name.clone(), p.value.clone()))
                .collect(),
        }
    }
}

/// Whether a tensor is added to the router's scores for selection only. It has no gradient, and keeps f32 on disk.
#[must_use]
pub fn is_selection_bias(name: &str) -> bool {
    name.ends_with("e_score_correction_bias")
}

/// Box–Muller; a pair of draws per two values.
fn normal(count: usize, deviation: f64, generator: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let (u, v): (f64, f64) = (generator.random::<f64>().max(f64::MIN_POSITIVE), generator.random());
            ((-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos() * deviation) as f32
        })
        .collect()
}
