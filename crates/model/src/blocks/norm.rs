//! Normalisation of the last dimension.

use burn::tensor::Tensor;

use crate::error::ModelError;
use secateur_kernels::Buffer;

use crate::matrix::{from_buffer, host_f32, in_place};
use crate::spec::{NormKind, NormSpec};
use crate::weights::WeightSource;

/// Root-mean-square norms (Zhang and Sennrich, <https://arxiv.org/abs/1910.07467>) and layer norm
/// (<https://arxiv.org/abs/1607.06450>).
#[derive(Debug, Clone)]
pub struct Norm {
    spec: NormSpec,
    /// `[width]`; for a zero-centred norm 1 is added already. `None` where the norm has none.
    weight: Option<Tensor<1>>,
    /// `[width]`.
    bias: Option<Tensor<1>>,
}

impl Norm {
    /// Reads `{name}.weight`, and `{name}.bias` for a layer norm.
    ///
    /// # Errors
    /// If a tensor is missing.
    pub fn new(weights: &dyn WeightSource, name: &str, width: usize, spec: NormSpec) -> Result<Self, ModelError> {
        let read = |what: &str| weights.vector(&format!("{name}.{what}"), width);
        let weight = match spec.kind {
            NormKind::RmsPlain => None,
            NormKind::RmsZeroCentred => Some(read("weight")?.add_scalar(1.0)),
            NormKind::Rms | NormKind::Layer => Some(read("weight")?),
        };
        let bias = match spec.kind {
            NormKind::Layer => Some(read("bias")?),
            _ => None,
        };
        Ok(Self { spec, weight, bias })
    }

    /// Normalises the last dimension.
    #[must_use]
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if let Some(y) = self.apply_in_place(&x) {
            return y;
        }
        let x = match self.spec.kind {
            NormKind::Layer => x.clone() - x.mean_dim(D - 1),
            _ => x,
        };
        let mean_square = x.clone().square().mean_dim(D - 1);
        let scale = mean_square.add_scalar(self.spec.epsilon).sqrt().recip();
        let mut y = x * scale;
        if let Some(weight) = &self.weight {
            y = y * weight.clone().unsqueeze();
        }
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }

    /// [`Norm::apply`] by the CPU kernel; `None` where values are elsewhere or the kind is another.
    fn apply_in_place<const D: usize>(&self, x: &Tensor<D>) -> Option<Tensor<D>> {
        if self.spec.kind == NormKind::Layer {
            return None;
        }
        let (shape, values) = (x.dims(), in_place(x)?.to_contiguous());
        let weight = match &self.weight {
            Some(weight) => {
                in_place(weight)?;
                Some(host_f32(weight.clone()))
            }
            None => None,
        };
        let weight = match &weight {
            Some(weight) => Some(weight.as_slice::<f32>()?),
            None => None,
        };
        let values = values.as_slice::<f32>()?;
        let mut y = Buffer::new(values.len());
        secateur_kernels::rms_norm(values, shape[D - 1], weight, self.spec.epsilon as f32, &mut y);
        Some(from_buffer(y, shape))
    }
}
