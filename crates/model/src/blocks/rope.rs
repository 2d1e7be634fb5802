//! Rotary position embedding and its scalings.
//!
//! Su et al., <https://arxiv.org/abs/2104.09864>, in the half-split form of the Hugging Face checkpoints: dimension `i` is
//! rotated together with `i + head_dim / 2`.

use std::f64::consts::PI;

use burn::tensor::{Tensor, TensorData};
use serde::Serialize;

use crate::device::{Device, Precision};

/// How far and how the angles grow with position.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RopeSpec {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Change of the frequencies for contexts longer than those trained on.
    pub scaling: RopeScaling,
}

/// Changes of the frequencies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum RopeScaling {
    /// None.
    Default,
    /// All frequencies divided by a factor (position interpolation, <https://arxiv.org/abs/2306.15595>).
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Interpolation by parts, <https://arxiv.org/abs/2309.00071>.
    Yarn(Yarn),
    /// The ramp of Llama 3.1 between interpolated low and untouched high frequencies.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths longer than `original_positions / low_factor` are interpolated.
        low_factor: f64,
        /// Wavelengths shorter than `original_positions / high_factor` are left alone.
        high_factor: f64,
        /// Context length of pre-training.
        original_positions: usize,
    },
}

/// Parameters of `YaRN`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Yarn {
    /// Context extension factor.
    pub factor: f64,
    /// Context length of pre-training.
    pub original_positions: usize,
    /// Rotations from which a dimension is left alone.
    pub beta_fast: f64,
    /// Rotations below which a dimension is interpolated.
    pub beta_slow: f64,
    /// Multiplies cosine and sine; `0.1 ln(factor) + 1` unless the config says otherwise.
    pub attention_factor: f64,
    /// Whether the ramp's ends are rounded to whole dimensions.
    pub truncate: bool,
}

impl RopeSpec {
    /// `[head_dim / 2]` radians per position, rounded to f32 as the reference implementation keeps them.
    #[must_use]
    pub fn frequencies(&self) -> Vec<f32> {
        let base = |i: usize| {
            let exponent = (2 * i) as f32 / self.head_dim as f32;
            1.0 / (self.theta as f32).powf(exponent)
        };
        let plain = (0..self.head_dim / 2).map(base);
        match &self.scaling {
            RopeScaling::Default => plain.collect(),
            RopeScaling::Linear { factor } => plain.map(|f| f / *factor as f32).collect(),
            RopeScaling::Yarn(yarn) => plain.enumerate().map(|(i, f)| self.yarn(yarn, i, f)).collect(),
            RopeScaling::Llama3 {
                factor,
                low_factor,
                high_factor,
                original_positions,
            } => plain
                .map(|f| llama3(f, *factor, *low_factor, *high_factor, *original_positions))
                .collect(),
        }
    }

    /// Multiplies cosine and sine.
    #[must_use]
    pub fn attention_factor(&self) -> f64 {
        match &self.scaling {
            RopeScaling::Yarn(yarn) => yarn.attention_factor,
            _ => 1.0,
        }
    }

    fn yarn(&self, yarn: &Yarn, i: usize, frequency: f32) -> f32 {
        // The dimension that turns `rotations` times over the original context.
        let dimension = |rotations: f64| {
            let original = yarn.original_positions as f64;
            self.head_dim as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * self.theta.ln())
        };
        let (mut low, mut high) = (dimension(yarn.beta_fast), dimension(yarn.beta_slow));
        if yarn.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(self.head_dim as f64 - 1.0));
        let high = if (high - low).abs() < f64::EPSILON {
            high + 0.001
        } else {
            high
        };
        let ramp = ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
        let keep = 1.0 - ramp;
        frequency / yarn.factor as f32 * (1.0 - keep) + frequency * keep
    }
}

fn llama3(frequency: f32, factor: f64, low_factor: f64, high_factor: f64, original_positions: usize) -> f32 {
    let original = original_positions as f64;
    let wavelength = 2.0 * PI / f64::from(frequency);
    if wavelength > original / low_factor {
        (f64::from(frequency) / factor) as f32
    } else if wavelength < original / high_factor {
        frequency
    } else {
        let smooth = (original / wavelength - low_factor) / (high_factor - low_factor);
        ((1.0 - smooth) * f64::from(frequency) / factor + smooth * f64::from(frequency)) as f32
    }
}

/// Cosine and sine of every token of a batch, `[batch, 1, length, head_dim / 2]`.
#[derive(Debug, Clone)]
pub struct Angles {
    cosine: Tensor<4>,
    sine: Tensor<4>,
}

impl Angles {
    /// Angles of `positions`, `[batch * length]`.
    #[must_use]
    pub fn new(spec: &RopeSpec, frequencies: &[f32], positions: &[usize], length: usize, device: &Device) -> Self {
        let half = frequencies.len();
        let shape = [positions.len() / length.max(1), 1, length, half];
        let factor = spec.attention_factor();
        let (mut cosine, mut sine) = (
            Vec::with_capacity(positions.len() * half),
            Vec::with_capacity(positions.len() * half),
        );
        for &position in positions {
            for &frequency in frequencies {
                // The reference multiplies in the precision of arithmetic: an f32 product differs in its last digits.
                let angle = match device.precision() {
                    Precision::F32 => f64::from(position as f32 * frequency),
                    Precision::F64 => position as f64 * f64::from(frequency),
                };
                cosine.push(angle.cos() * factor);
                sine.push(angle.sin() * factor);
            }
        }
        Self {
            cosine: host(cosine, shape, device),
            sine: host(sine, shape, device),
        }
    }

    /// Rotates `[batch, heads, length, head_dim]`.
    #[must_use]
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let first = x.clone().narrow(3, 0, half);
        let second = x.narrow(3, half, half);
        let (cosine, sine) = (self.cosine.clone(), self.sine.clone());
        let rotated_first = first.clone() * cosine.clone() - second.clone() * sine.clone();
        let rotated_second = second * cosine + first * sine;
        Tensor::cat(vec![rotated_first, rotated_second], 3)
    }
}

/// Host values as a tensor in the device's precision.
pub(crate) fn host<const D: usize>(values: Vec<f64>, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = match device.precision() {
        Precision::F32 => TensorData::new(values.into_iter().map(|v| v as f32).collect::<Vec<_>>(), shape),
        Precision::F64 => TensorData::new(values, shape),
    };
    Tensor::from_data(data, device.options())
}
