//! Named tensors of a checkpoint, each checked against what config.json implies when it is asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;

use burn::tensor::{DType, Tensor, TensorData};
use secateur_model::checkpoint::{Checkpoint, CheckpointError, Dtype, Expected};
use secateur_model::matrix::{Stored, WeightDtype};
use secateur_model::weights::{CheckpointWeights, WeightSource};
use secateur_model::{Device, DeviceKind, ModelError, Precision};

use super::dense::Dense;
use super::norm::Norm;
use super::table::Table;
use crate::error::JudgeError;

/// The tensors of a checkpoint, with a note of those that were asked for.
#[derive(Debug)]
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Weights<'a> {
    /// Those of `checkpoint`, to be computed with on `device`.
    #[must_use]
    pub fn new(checkpoint: &'a Checkpoint, device: &'a Device) -> Self {
        Self {
            checkpoint,
            device,
            used: RefCell::default(),
        }
    }

    /// Where they are computed with.
    #[must_use]
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// Whether products are f32 tensors of the flex backend.
    #[must_use]
    pub fn host(&self) -> bool {
        self.device.kind() == DeviceKind::Cpu && self.device.precision() != Precision::F64
    }

    /// Whether there is such a tensor.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.tensor(name).is_some()
    }

    /// The first of `prefixes` with which there is a tensor `name`; the first of all if with none.
    #[must_use]
    pub fn prefix(&self, prefixes: &[&'static str], name: &str) -> &'static str {
        let found = prefixes.iter().find(|prefix| self.has(&format!("{prefix}{name}")));
        found.or(prefixes.first()).copied().unwrap_or_default()
    }

    /// `{name}.weight` `[outputs, inputs]` and, if it has one, `{name}.bias`.
    ///
    /// # Errors
    /// If one is missing, or of another shape or type.
    pub fn dense(&self, name: &str, [outputs, inputs]: [usize; 2], bias: bool) -> Result<Dense, JudgeError> {
        let weight = format!("{name}.weight");
        self.expect(&weight, &[outputs, inputs])?;
        let bias = if bias {
            Some(self.vector(&format!("{name}.bias"), outputs)?)
        } else {
            None
        };
        Ok(Dense {
            weight: self.source().matrix(&weight, [outputs, inputs])?,
            bias,
            host: self.host(),
        })
    }

    /// A layer norm: `{name}.weight` and `{name}.bias`, which old checkpoints call gamma and beta.
    ///
    /// # Errors
    /// As [`Self::dense`].
    pub fn layer_norm(&self, name: &str, width: usize, epsilon: f64) -> Result<Norm, JudgeError> {
        let [weight, bias] = [("weight", "gamma"), ("bias", "beta")].map(|(new, old)| {
            let [new, old] = [new, old].map(|part| format!("{name}.{part}"));
            if !self.has(&new) && self.has(&old) { old } else { new }
        });
        Ok(Norm {
            weight: self.vector(&weight, width)?,
            bias: Some(self.vector(&bias, width)?),
            epsilon,
            host: self.host(),
        })
    }

    /// A root-mean-square norm: `{name}.weight`.
    ///
    /// # Errors
    /// As [`Self::dense`].
    pub fn rms_norm(&self, name: &str, width: usize, epsilon: f64) -> Result<Norm, JudgeError> {
        Ok(Norm {
            weight: self.vector(&format!("{name}.weight"), width)?,
            bias: None,
            epsilon,
            host: self.host(),
        })
    }

    /// `{name}.weight` as rows to look up.
    ///
    /// # Errors
    /// As [`Self::dense`].
    pub fn table(&self, name: &str, [rows, width]: [usize; 2]) -> Result<Table, JudgeError> {
        let name = format!("{name}.weight");
        let stored = self.stored(&name, &[rows, width])?;
        Ok(Table { stored, rows, width })
    }

    /// All values of a tensor, row by row.
    ///
    /// # Errors
    /// As [`Self::dense`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, JudgeError> {
        Ok(self.stored(name, shape)?.to_f32())
    }

    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, JudgeError> {
        self.expect(name, &[width])?;
        Ok(self.source().vector(name, width)?)
    }

    fn source(&self) -> CheckpointWeights<'a> {
        CheckpointWeights {
            checkpoint: self.checkpoint,
            device: self.device,
        }
    }

    fn stored(&self, name: &str, shape: &[usize]) -> Result<Stored, JudgeError> {
        self.expect(name, shape)?;
        let Some(tensor) = self.checkpoint.tensor(name) else {
            return Err(ModelError::Tokens(format!("tensor `{name}` is missing")).into());
        };
        let dtype = match tensor.dtype {
            Dtype::BF16 => WeightDtype::Bf16,
            Dtype::F16 => WeightDtype::F16,
            _ => WeightDtype::F32,
        };
        Ok(Stored {
            bytes: self.checkpoint.bytes(tensor),
            dtype,
        })
    }

    /// Checks presence, shape and type, and notes the use.
    fn expect(&self, name: &str, shape: &[usize]) -> Result<(), CheckpointError> {
        self.checkpoint.check(&[Expected::new(name, shape)], &|_| true)?;
        self.used.borrow_mut().insert(name.to_owned());
        Ok(())
    }

    /// Names of the tensors that were asked for.
    #[must_use]
    pub fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    /// Checks that every tensor was asked for or is one of the `leftovers`, patterns with a `*` at either end.
    ///
    /// # Errors
    /// [`JudgeError::Unsuitable`] for the first that is neither.
    pub fn finish(&self, leftovers: &[&str]) -> Result<(), JudgeError> {
        let used = self.used.borrow();
        let unused: Vec<&str> = self
            .checkpoint
            .names()
            .filter(|name| !used.contains(*name) && !leftovers.iter().any(|pattern| matches(pattern, name)))
            .collect();
        let Some(first) = unused.first() else {
            return Ok(());
        };
        let others = match unused.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        Err(JudgeError::Unsuitable {
            judge: self.checkpoint.directory().display().to_string(),
            found: format!("tensor `{first}`{others}, which nothing computes with"),
            expected: format!(
                "the tensors that config.json implies and, to be left out, {}",
                leftovers.join(", ")
            ),
        })
    }
}

/// A tensor of the device's precision.
#[must_use]
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    match device.precision() {
        Precision::F32 | Precision::Fast => {
            Tensor::from_data(TensorData::new(values, shape), (device.burn(), DType::F32))
        }
        Precision::F64 => tensor_f64(values.into_iter().map(f64::from).collect(), shape, device),
    }
}

/// A tensor of the device's precision.
#[must_use]
pub fn tensor_f64<const D: usize>(values: Vec<f64>, shape: [usize; D], device: &Device) -> Tensor<D> {
    match device.precision() {
        Precision::F32 | Precision::Fast => {
            tensor(values.into_iter().map(|value| value as f32).collect(), shape, device)
        }
        Precision::F64 => Tensor::from_data(TensorData::new(values, shape), (device.burn(), DType::F64)),
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == pattern,
    }
}
