//! Normalisation of the last dimension.

use burn::tensor::Tensor;

use crate::error::ModelError;
use secateur_kernels::Buffer;

use crate::matrix::{from_buffer, in_place};
use crate::spec::{NormKind, NormSpec};
use crate::weights::WeightSource;

/// Root-mean-square norms (Zhang and Sennrich, <https://arxiv.org/abs/1910.07467>) and layer norm
/// (<https://arxiv.org/abs/1607.06450>).
#[derive(Debug, Clone)]
pub struct Norm {
    spec: NormSpec,
    width: usize,
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
        Ok(Self {
            spec,
            width,
            weight,
            bias,
        })
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

    /// Normalises vectors of `[batch, heads, length, head_dim]`: each by itself, or all of a token together, as wide as the norm is.
    #[must_use]
    pub fn apply_to_heads(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, length, head_dim] = x.dims();
        if self.width == head_dim {
            return self.apply(x);
        }
        let rows = x.swap_dims(1, 2).reshape([batch * length, heads * head_dim]);
        self.apply(rows)
            .reshape([batch, length, heads, head_dim])
            .swap_dims(1, 2)
    }

    /// [`Norm::apply`] by the CPU kernel; `None` where values are elsewhere or the kind is another.
    fn apply_in_place<const D: usize>(&self, x: &Tensor<D>) -> Option<Tensor<D>> {
        let (shape, values) = (x.dims(), in_place(x)?.to_contiguous());
        let values = values.as_slice::<f32>()?;
        self.in_place(|weight, epsilon| {
            let mut y = Buffer::new(values.len());
            secateur_kernels::rms_norm(values, shape[D - 1], weight, epsilon, &mut y);
            from_buffer(y, shape)
        })
    }

    /// Values that are normalised together.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Weight and ε for the CPU kernels; `None` where the weight is elsewhere or the kind is another.
    pub(crate) fn in_place<R>(&self, run: impl FnOnce(Option<&[f32]>, f32) -> R) -> Option<R> {
        let epsilon = self.spec.epsilon as f32;
        if self.spec.kind == NormKind::Layer {
            return None;
        }
        let Some(weight) = &self.weight else {
            return Some(run(None, epsilon));
        };
        let weight = in_place(weight)?.to_contiguous();
        Some(run(Some(weight.as_slice()?), epsilon))
    }
}
