//! Rotary position embedding and its scalings.
//!
//! Su et al., <https://arxiv.org/abs/2104.09864>. Scalings follow `modeling_rope_utils.py` of transformers 5.23. Where frequencies
//! depend on the length of a sequence, its own length counts, not that of its batch, so that results do not depend on batching.

use std::f64::consts::PI;

use burn::tensor::{Tensor, TensorData};
use secateur_kernels::{Buffer, NormFirst, Pairs};
use serde::Serialize;

use super::norm::Norm;
use crate::device::{Device, Precision};
use crate::matrix::{from_buffer, heads, in_place};

/// How far and how the angles grow with position.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RopeSpec {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// Leading dimensions of a head that are rotated; even, at most the head's width.
    pub width: usize,
    /// Which dimensions are rotated together.
    pub pairing: Pairing,
    /// Change of the frequencies for contexts longer than those trained on.
    pub scaling: RopeScaling,
}

/// Which dimensions are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Pairing {
    /// `i` with `i + width / 2`, as most Hugging Face checkpoints have it.
    Halves,
    /// `2i` with `2i + 1`, as in the paper.
    Pairs,
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
    /// A larger base for sequences longer than the model was made for (NTK-aware interpolation).
    Dynamic {
        /// The factor.
        factor: f64,
        /// Length up to which nothing changes.
        max_positions: usize,
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
    /// One divisor per frequency, <https://arxiv.org/abs/2402.13753>.
    Long(LongRope),
}

/// Parameters of `LongRoPE`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LongRope {
    /// Divisors for sequences up to `original_positions`, `[width / 2]`.
    pub short: Vec<f64>,
    /// Divisors for longer ones, `[width / 2]`.
    pub long: Vec<f64>,
    /// Context length of pre-training.
    pub original_positions: usize,
    /// Multiplies cosine and sine of short sequences.
    pub short_scale: f64,
    /// Multiplies cosine and sine of longer ones.
    pub long_scale: f64,
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
    /// Half-split pairs over `width` dimensions, unscaled.
    #[must_use]
    pub fn plain(theta: f64, width: usize) -> Self {
        Self {
            theta,
            width,
            pairing: Pairing::Halves,
            scaling: RopeScaling::Default,
        }
    }

    /// `[width / 2]` radians per position in a sequence of `length` tokens, rounded to f32 as the reference implementation keeps
    /// them.
    #[must_use]
    pub fn frequencies(&self, length: usize) -> Vec<f32> {
        let power = |theta: f64, i: usize| (theta as f32).powf((2 * i) as f32 / self.width as f32);
        let plain = (0..self.width / 2).map(|i| 1.0 / power(self.theta, i));
        match &self.scaling {
            RopeScaling::Default => plain.collect(),
            RopeScaling::Linear { factor } => plain.map(|f| f / *factor as f32).collect(),
            &RopeScaling::Dynamic { factor, max_positions } => {
                let theta = self.stretched(factor, max_positions, length);
                (0..self.width / 2).map(|i| 1.0 / power(theta, i)).collect()
            }
            RopeScaling::Yarn(yarn) => plain.enumerate().map(|(i, f)| self.yarn(yarn, i, f)).collect(),
            RopeScaling::Llama3 {
                factor,
                low_factor,
                high_factor,
                original_positions,
            } => plain
                .map(|f| llama3(f, *factor, *low_factor, *high_factor, *original_positions))
                .collect(),
            RopeScaling::Long(long) => {
                let divisors = if length > long.original_positions {
                    &long.long
                } else {
                    &long.short
                };
                divisors
                    .iter()
                    .enumerate()
                    .map(|(i, &divisor)| 1.0 / (divisor as f32 * power(self.theta, i)))
                    .collect()
            }
        }
    }

    /// Multiplies cosine and sine in a sequence of `length` tokens.
    #[must_use]
    pub fn attention_factor(&self, length: usize) -> f64 {
        match &self.scaling {
            RopeScaling::Yarn(yarn) => yarn.attention_factor,
            RopeScaling::Long(long) if length > long.original_positions => long.long_scale,
            RopeScaling::Long(long) => long.short_scale,
            _ => 1.0,
        }
    }

    /// The length up to which the angle of a position does not depend on how many follow it; `None` where it never does.
    #[must_use]
    pub fn same_up_to(&self) -> Option<usize> {
        match &self.scaling {
            RopeScaling::Dynamic { max_positions, .. } => Some(*max_positions),
            RopeScaling::Long(long) => Some(long.original_positions),
            _ => None,
        }
    }

    /// The base for a sequence longer than the model was made for.
    fn stretched(&self, factor: f64, max_positions: usize, length: usize) -> f64 {
        let (width, most) = (self.width as f64, max_positions as f64);
        let growth = factor * (length as f64).max(most) / most - (factor - 1.0);
        if growth <= 1.0 || self.width <= 2 {
            return self.theta;
        }
        self.theta * growth.powf(width / (width - 2.0))
    }

    fn yarn(&self, yarn: &Yarn, i: usize, frequency: f32) -> f32 {
        // The dimension that turns `rotations` times over the original context.
        let dimension = |rotations: f64| {
            let original = yarn.original_positions as f64;
            self.width as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * self.theta.ln())
        };
        let (mut low, mut high) = (dimension(yarn.beta_fast), dimension(yarn.beta_slow));
        if yarn.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(self.width as f64 - 1.0));
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

/// Cosine and sine of every token of a batch, `[batch, 1, length, width / 2]`.
#[derive(Debug, Clone)]
pub struct Angles {
    cosine: Tensor<4>,
    sine: Tensor<4>,
    pairing: Pairing,
}

impl Angles {
    /// Angles of `positions`, `[batch * length]`.
    #[must_use]
    pub fn new(spec: &RopeSpec, positions: &[usize], length: usize, device: &Device) -> Self {
        let half = spec.width / 2;
        let shape = [positions.len() / length.max(1), 1, length, half];
        let (mut cosine, mut sine) = (
            Vec::with_capacity(positions.len() * half),
            Vec::with_capacity(positions.len() * half),
        );
        let (mut frequencies, mut factor) = (spec.frequencies(0), spec.attention_factor(0));
        for row in positions.chunks(length.max(1)) {
            if spec.same_up_to().is_some() {
                let tokens = row.iter().max().map_or(0, |last| last + 1);
                (frequencies, factor) = (spec.frequencies(tokens), spec.attention_factor(tokens));
            }
            for &position in row {
                for &frequency in &frequencies {
                    // The reference multiplies in the precision of arithmetic: an f32 product differs in its last digits.
                    let angle = match device.precision() {
                        Precision::F32 | Precision::Fast => f64::from(position as f32 * frequency),
                        Precision::F64 => position as f64 * f64::from(frequency),
                    };
                    cosine.push(angle.cos() * factor);
                    sine.push(angle.sin() * factor);
                }
            }
        }
        Self {
            cosine: host(cosine, shape, device),
            sine: host(sine, shape, device),
            pairing: spec.pairing,
        }
    }

    /// Rotates the leading dimensions of `[batch, heads, length, head_dim]`, behind a norm if there is one.
    #[must_use]
    pub fn rotate(&self, x: Tensor<4>, norm: Option<&Norm>) -> Tensor<4> {
        if let Some(turned) = self.rotate_in_place(&x, norm) {
            return turned;
        }
        let x = match norm {
            Some(norm) => norm.apply_to_heads(x),
            None => x,
        };
        let half = self.cosine.dims()[3];
        let [batch, heads, length, head_dim] = x.dims();
        let rest = (head_dim > 2 * half).then(|| x.clone().narrow(3, 2 * half, head_dim - 2 * half));
        let (first, second) = match self.pairing {
            Pairing::Halves => (x.clone().narrow(3, 0, half), x.narrow(3, half, half)),
            Pairing::Pairs => {
                let pairs = x.narrow(3, 0, 2 * half).reshape([batch, heads, length, half, 2]);
                let side = |i| pairs.clone().narrow(4, i, 1).reshape([batch, heads, length, half]);
                (side(0), side(1))
            }
        };
        let (cosine, sine) = (self.cosine.clone(), self.sine.clone());
        let turned_first = first.clone() * cosine.clone() - second.clone() * sine.clone();
        let turned_second = second * cosine + first * sine;
        let turned = match self.pairing {
            Pairing::Halves => Tensor::cat(vec![turned_first, turned_second], 3),
            Pairing::Pairs => {
                let pairs: Tensor<5> = Tensor::stack(vec![turned_first, turned_second], 4);
                pairs.reshape([batch, heads, length, 2 * half])
            }
        };
        match rest {
            Some(rest) => Tensor::cat(vec![turned, rest], 3),
            None => turned,
        }
    }
}

impl Angles {
    /// [`Angles::rotate`] by the CPU kernel; `None` where values are elsewhere.
    fn rotate_in_place(&self, x: &Tensor<4>, norm: Option<&Norm>) -> Option<Tensor<4>> {
        let [batch, heads_of, length, width] = x.dims();
        let (x, cosine, sine) = (in_place(x)?, in_place(&self.cosine)?, in_place(&self.sine)?);
        let pairs = match self.pairing {
            Pairing::Halves => Pairs::Halves,
            Pairing::Pairs => Pairs::Neighbours,
        };
        let angles = [cosine.as_slice::<f32>()?, sine.as_slice::<f32>()?];
        let x = heads(&x)?;
        let mut turned = Buffer::new(batch * heads_of * length * width);
        match norm {
            None => secateur_kernels::rotate(&x, None, angles, pairs, &mut turned),
            Some(norm) => norm.in_place(|weight, epsilon| {
                let first = NormFirst {
                    columns: norm.width(),
                    weight,
                    epsilon,
                };
                secateur_kernels::rotate(&x, Some(first), angles, pairs, &mut turned);
            })?,
        }
        Some(from_buffer(turned, [batch, length, heads_of, width]).swap_dims(1, 2))
    }
}

/// Host values as a tensor in the device's precision.
pub(crate) fn host<const D: usize>(values: Vec<f64>, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = match device.precision() {
        Precision::F32 | Precision::Fast => {
            TensorData::new(values.into_iter().map(|v| v as f32).collect::<Vec<_>>(), shape)
        }
        Precision::F64 => TensorData::new(values, shape),
    };
    Tensor::from_data(data, device.options())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(scaling: RopeScaling) -> RopeSpec {
        RopeSpec {
            scaling,
            ..RopeSpec::plain(10_000.0, 4)
        }
    }

    #[test]
    fn short_sequences_are_not_stretched() {
        let dynamic = scaled(RopeScaling::Dynamic {
            factor: 2.0,
            max_positions: 8,
        });
        let plain = RopeSpec::plain(10_000.0, 4).frequencies(0);
        assert_eq!(dynamic.frequencies(8), plain);
        // θ' = θ · (2 · 16/8 − 1)^(4/2) = 90 000.
        let expected = [1.0, 1.0 / 90_000f32.sqrt()];
        for (found, expected) in dynamic.frequencies(16).iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found}, expected {expected}");
        }
    }

    #[test]
    fn divisors_follow_the_length() {
        let long = scaled(RopeScaling::Long(LongRope {
            short: vec![1.0, 2.0],
            long: vec![4.0, 8.0],
            original_positions: 8,
            short_scale: 1.0,
            long_scale: 1.25,
        }));
        let near =
            |found: Vec<f32>, expected: [f32; 2]| found.iter().zip(expected).all(|(f, e)| (f / e - 1.0).abs() < 1e-6);
        assert!(near(long.frequencies(8), [1.0, 0.005]));
        assert!(near(long.frequencies(9), [0.25, 0.001_25]));
        assert!((long.attention_factor(8) - 1.0).abs() < 1e-12 && (long.attention_factor(9) - 1.25).abs() < 1e-12);
    }
}
