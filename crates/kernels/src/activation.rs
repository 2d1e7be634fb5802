//! What is between an expert's projections.

use crate::exp::exp;

/// What is between the projections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `silu(gate) · up`.
    SiluGated,
    /// `(up + 1) · gate · sigmoid(alpha · gate)`, with `gate ≤ limit` and `|up| ≤ limit`.
    ClampedGated {
        /// Steepness of the sigmoid.
        alpha: f32,
        /// Clamp; not negative.
        limit: f32,
    },
    /// `relu(up)²`.
    ReluSquared,
}

impl Activation {
    /// Turns `up` into what the last projection takes; `gate` is not looked at where the activation has none.
    ///
    /// # Panics
    /// If the activation has a gate, and `gate` is not as long as `up`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    pub(crate) fn apply(self, gate: &[f32], up: &mut [f32]) {
        match self {
            Self::SiluGated => each(gate, up, |gate, up| silu(gate) * up),
            Self::ClampedGated { alpha, limit } => each(gate, up, |gate, up| {
                // `min` would take NaN for the limit.
                let gate = if gate > limit { limit } else { gate };
                (up.clamp(-limit, limit) + 1.0) * (gate / (1.0 + exp(-alpha * gate)))
            }),
            // `max` would take NaN for 0.
            Self::ReluSquared => up
                .iter_mut()
                .for_each(|up| *up = if *up < 0.0 { 0.0 } else { *up * *up }),
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn each(gate: &[f32], up: &mut [f32], value: impl Fn(f32, f32) -> f32) {
    assert_eq!(gate.len(), up.len(), "the activation needs a gate");
    up.iter_mut().zip(gate).for_each(|(up, &gate)| *up = value(gate, *up));
}

/// `x · sigmoid(x)`.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::Activation;

    const ALL: [Activation; 3] = [
        Activation::SiluGated,
        Activation::ClampedGated { alpha: 1.7, limit: 7.0 },
        Activation::ReluSquared,
    ];

    fn one(activation: Activation, gate: f32, up: f32) -> f32 {
        let mut value = [up];
        activation.apply(&[gate], &mut value);
        value[0]
    }

    /// A broken weight must not come out as a number.
    #[test]
    fn nan_stays_nan() {
        for activation in ALL {
            for other in [-9.0, 0.5, 9.0, f32::NAN] {
                assert!(one(activation, other, f32::NAN).is_nan(), "{activation:?}");
                let gated = activation != Activation::ReluSquared;
                assert!(!gated || one(activation, f32::NAN, other).is_nan(), "{activation:?}");
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn infinity_is_clamped_or_stays() {
        let [silu, clamped, squared] = ALL;
        assert_eq!(one(silu, f32::INFINITY, 2.0), f32::INFINITY);
        assert_eq!(one(squared, 0.0, f32::INFINITY), f32::INFINITY);
        assert_eq!(one(squared, 0.0, f32::NEG_INFINITY), 0.0);
        assert_eq!(one(clamped, f32::INFINITY, f32::NEG_INFINITY), one(clamped, 7.0, -7.0));
    }

    #[test]
    #[should_panic(expected = "the activation needs a gate")]
    fn a_gate_that_lacks_is_told() {
        Activation::SiluGated.apply(&[], &mut [1.0]);
    }
}
