//! Activations, and what the units of a cube have together.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// 1 / (1 + e⁻ˣ).
#[cube]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

/// x / (1 + e⁻ˣ).
#[cube]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0f32 + (-x).exp())
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e⁻ˡˣˡ). An adapter's logarithm is inexact near 1: ln(1 + e) is 2 artanh(e / (2 + e)), whose argument is at
/// most ⅓, so that six terms are exact to the last digit.
#[cube]
pub(super) fn softplus(x: f32) -> f32 {
    // Comparisons that a NaN passes through.
    let negative = if x > 0.0f32 { -x } else { x };
    let power = negative.exp();
    let s = power / (2.0f32 + power);
    let q = s * s;
    let tail = 1.0f32 / 7.0f32 + q * (1.0f32 / 9.0f32 + q * (1.0f32 / 11.0f32));
    let sum = 2.0f32 * s * (1.0f32 + q * (1.0f32 / 3.0f32 + q * (1.0f32 / 5.0f32 + q * tail)));
    if x > 0.0f32 { x + sum } else { sum }
}

/// The sum of what each unit of a cube has. All of them must ask, once.
#[cube]
pub(super) fn total(own: f32, #[comptime] units: u32) -> f32 {
    let mut parts = Shared::<[f32]>::new_slice(comptime!(units as usize));
    parts[UNIT_POS as usize] = own;
    sync_cube();
    let mut sum = 0.0f32;
    for unit in 0..units {
        sum += parts[unit as usize];
    }
    sum
}
