//! What follows a matrix product, element by element: bias, scale, activation.
//!
//! On the CPU device in f32 this is one pass in place over the product, on all cores, in loops that the compiler vectorises; elsewhere
//! it is burn's operations. The exponential and the normal distribution function of that pass are accurate to 5e-7 of their values.

use burn::backend::flex::{Flex, FlexTensor};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use crate::error::JudgeError;

/// Elements that one thread works on at a time.
const CHUNK: usize = 1 << 15;

/// An activation of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)` (<https://arxiv.org/abs/1606.08415>).
    Gelu,
    /// Its approximation by the hyperbolic tangent.
    GeluTanh,
    /// `x σ(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)`.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

/// Names of config.json. `gelu_fast` differs from `gelu_new` in the eleventh digit of a constant.
const NAMES: &[(&str, Activation)] = &[
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("quick_gelu", Activation::QuickGelu),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

impl Activation {
    /// The activation of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> String {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// burn's operations.
    fn of_tensor(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => activation::gelu(x),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::QuickGelu => x.clone() * activation::sigmoid(x.mul_scalar(1.702)),
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => x.tanh(),
        }
    }

    fn of_values(self, values: &mut [f32]) {
        match self {
            Self::Gelu => values.iter_mut().for_each(|x| *x = gelu(*x)),
            Self::GeluTanh => values.iter_mut().for_each(|x| *x = gelu_tanh(*x)),
            Self::QuickGelu => values.iter_mut().for_each(|x| *x /= 1.0 + exp(-1.702 * *x)),
            Self::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::Silu => values.iter_mut().for_each(|x| *x /= 1.0 + exp(-*x)),
            Self::Tanh => values.iter_mut().for_each(|x| *x = x.tanh()),
        }
    }
}

/// `activation((y + bias) · scale)`; `host`: whether `y` is an f32 tensor of the flex backend.
///
/// # Errors
/// If `host` is said of a tensor of another backend.
pub fn finish(
    y: Tensor<2>,
    bias: Option<&Tensor<1>>,
    scale: f64,
    activation: Option<Activation>,
    host: bool,
) -> Result<Tensor<2>, JudgeError> {
    if host {
        return finish_on_host(y, bias, scale, activation);
    }
    let mut y = match bias {
        Some(bias) => y + bias.clone().unsqueeze(),
        None => y,
    };
    #[allow(clippy::float_cmp)] // 1 is written as 1.
    if scale != 1.0 {
        y = y.mul_scalar(scale);
    }
    Ok(match activation {
        Some(activation) => activation.of_tensor(y),
        None => y,
    })
}

fn finish_on_host(
    y: Tensor<2>,
    bias: Option<&Tensor<1>>,
    scale: f64,
    activation: Option<Activation>,
) -> Result<Tensor<2>, JudgeError> {
    let width = y.dims()[1].max(1);
    let mut y = owned(on_host(y)?);
    let bias = bias.map(|bias| on_host(bias.clone())).transpose()?;
    let bias = bias.as_ref().and_then(FlexTensor::as_slice::<f32>);
    let scale = scale as f32;
    let rows = (CHUNK / width).max(1);
    y.storage_mut::<f32>().par_chunks_mut(rows * width).for_each(|chunk| {
        for row in chunk.chunks_exact_mut(width) {
            match bias {
                Some(bias) => row.iter_mut().zip(bias).for_each(|(y, b)| *y = (*y + b) * scale),
                #[allow(clippy::float_cmp)] // 1 is written as 1.
                None if scale != 1.0 => row.iter_mut().for_each(|y| *y *= scale),
                None => {}
            }
            if let Some(activation) = activation {
                activation.of_values(row);
            }
        }
    });
    Ok(Tensor::from_primitive::<Flex>(y))
}

/// The flex tensor behind `x`, contiguous.
///
/// # Errors
/// If it is of another backend.
pub fn on_host<const D: usize>(x: Tensor<D>) -> Result<FlexTensor, JudgeError> {
    let x: FlexTensor = x
        .try_into_primitive::<Flex>()
        .map_err(|error| secateur_model::ModelError::Execution {
            place: "encoder".to_owned(),
            reason: format!("a tensor is not where it was put ({error:?})"),
        })?;
    Ok(if x.is_contiguous() { x } else { x.to_contiguous() })
}

/// The same values in storage that holds nothing else.
#[must_use]
pub fn owned(x: FlexTensor) -> FlexTensor {
    let elements = x.layout().num_elements();
    if x.storage::<f32>().len() == elements {
        return x;
    }
    let values = x.as_slice::<f32>().unwrap_or_default().to_vec();
    let data = burn::tensor::TensorData::new(values, x.layout().shape().clone());
    FlexTensor::from_data(data)
}

/// eˣ by `2ⁿ eʳ`, |r| ≤ ln 2 / 2, and the power series of eʳ; x is held within what f32 can express.
#[inline]
fn exp(x: f32) -> f32 {
    // 1.5 · 2²³: adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first short enough that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let n = x * std::f32::consts::LOG2_E + ROUND;
    let whole = n - ROUND;
    let r = x - whole * LN2_HIGH - whole * LN2_LOW;
    let mut sum = 1.0 / 5040.0;
    for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + term;
    }
    f32::from_bits(sum.to_bits().wrapping_add(n.to_bits() << 23))
}

/// `x Φ(x)`. The tail `Φ(−a)` is `exp(−a²/2) t P(t)` with `t = 1 / (1 + 0.21 a)`; P was fitted to erfcx on 0 ≤ a ≤ 14, minimax, and
/// is within 1.7e-8 of it.
#[inline]
fn gelu(x: f32) -> f32 {
    const P: [f32; 8] = [
        0.283_599_85,
        -0.330_277_14,
        0.349_428_9,
        -0.093_945_16,
        0.124_881_62,
        0.069_189_765,
        0.085_069_22,
        0.083_711_55,
    ];
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.21 * a);
    let mut sum = -0.071_658_6;
    for coefficient in P {
        sum = sum * t + coefficient;
    }
    let tail = sum * t * exp(-0.5 * a * a);
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

/// `x (1 + tanh u) / 2 = x σ(2u)`, `u = √(2/π) (x + 0.044715 x³)`.
#[inline]
fn gelu_tanh(x: f32) -> f32 {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
    x / (1.0 + exp(-TWICE_SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Values from -12 to 12, and the extremes.
    fn values() -> Vec<f32> {
        let mut values: Vec<f32> = (-1200..=1200).map(|n| n as f32 / 100.0).collect();
        values.extend([-1e4, 1e4, -90.0, 90.0, 1e-8, -1e-8]);
        values
    }

    #[test]
    fn one_pass_equals_the_operations_of_burn() {
        let device = Device::flex();
        let values = values();
        let shape = [2, values.len()];
        let twice: Vec<f32> = values.iter().chain(&values).copied().collect();
        let x = || Tensor::<2>::from_data(burn::tensor::TensorData::new(twice.clone(), shape), &device);
        let bias: Vec<f32> = (0..values.len()).map(|n| (n % 7) as f32 / 8.0).collect();
        let bias = Tensor::<1>::from_data(burn::tensor::TensorData::new(bias, [values.len()]), &device);
        for (name, activation) in NAMES {
            let run = |host| {
                let y = finish(x(), Some(&bias), 0.5, Some(*activation), host).unwrap();
                y.into_data().try_into_vec::<f32>().unwrap()
            };
            for ((a, b), x) in run(true).into_iter().zip(run(false)).zip(&twice) {
                assert!((a - b).abs() <= 6e-7 * b.abs().max(1.0), "{name}({x}): {a} and {b}");
            }
        }
    }

    #[test]
    fn exponentials_are_accurate_and_never_infinite() {
        for x in values() {
            let (found, exact) = (f64::from(exp(x)), f64::from(x.clamp(-87.0, 88.0)).exp());
            assert!((found / exact - 1.0).abs() < 3e-7, "{x}: {found} {exact}");
        }
    }

    #[test]
    fn a_view_is_not_overwritten() {
        let device = Device::flex();
        let all = Tensor::<2>::from_data([[1.0f32, 2.0], [3.0, 4.0]], &device);
        let row = finish(all.clone().narrow(0, 1, 1), None, 2.0, None, true).unwrap();
        assert_eq!(row.into_data().try_into_vec::<f32>().unwrap(), [6.0, 8.0]);
        assert_eq!(all.into_data().try_into_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }
}
