//! A causal convolution over time, each channel by itself, and what it remembers.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::activation::silu;
use super::steps::{CACHED, NOTHING, PADDING, WORDS};

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvForm {
    pub(crate) channels: u32,
    pub(crate) taps: u32,
    pub(crate) biased: bool,
    /// `SiLU` behind it.
    pub(crate) silu: bool,
}

/// One unit for each value of `y`, `[cells, channels]`, 0 at padding. Inputs are the columns from `first` on of rows of `stride` values; `past` is
/// `[rows, taps, channels]`, and `weight` `[taps, channels]`, the oldest first.
#[cube(launch)]
pub(crate) fn convolve(
    x: &[f32],
    past: &[f32],
    weight: &[f32],
    bias: &[f32],
    steps: &[u32],
    y: &mut [f32],
    cells: u32,
    length: u32,
    stride: u32,
    first: u32,
    #[comptime] form: ConvForm,
) {
    let channels = comptime!(form.channels);
    let index = ABSOLUTE_POS as u32;
    if index >= cells * channels {
        terminate!();
    }
    let cell = index / channels;
    let channel = index % channels;
    let mut sum = 0.0f32;
    if steps[(WORDS * cell) as usize] != PADDING {
        if comptime!(form.biased) {
            sum += bias[channel as usize];
        }
        let mut at = cell;
        let mut slot = (cell / length + 1u32) * comptime!(form.taps);
        let mut tap = channel + comptime!(form.taps * form.channels);
        for _ in 0..comptime!(form.taps) {
            tap -= channels;
            if at < CACHED {
                sum += weight[tap as usize] * x[(at * stride + first + channel) as usize];
                at = steps[(WORDS * at) as usize];
            } else if at == CACHED {
                slot -= 1u32;
                sum += weight[tap as usize] * past[(slot * channels + channel) as usize];
            }
        }
        if comptime!(form.silu) {
            sum = silu(sum);
        }
    }
    y[index as usize] = sum;
}

/// One unit for each row and channel: the last inputs of a row, zero before a document's first; those of before where it had no token.
#[cube(launch)]
pub(crate) fn remember(
    x: &[f32],
    past: &[f32],
    steps: &[u32],
    kept: &mut [f32],
    rows: u32,
    length: u32,
    stride: u32,
    first: u32,
    #[comptime] form: ConvForm,
) {
    let channels = comptime!(form.channels);
    let index = ABSOLUTE_POS as u32;
    if index >= rows * channels {
        terminate!();
    }
    let row = index / channels;
    let channel = index % channels;
    let mut at = steps[(WORDS * rows * length + row) as usize];
    if at == NOTHING {
        at = CACHED;
    }
    let mut slot = (row + 1u32) * comptime!(form.taps);
    let mut target = (row + 1u32) * comptime!(form.taps);
    for _ in 0..comptime!(form.taps) {
        target -= 1u32;
        let mut value = 0.0f32;
        if at < CACHED {
            value = x[(at * stride + first + channel) as usize];
            at = steps[(WORDS * at) as usize];
        } else if at == CACHED {
            slot -= 1u32;
            value = past[(slot * channels + channel) as usize];
        }
        kept[(target * channels + channel) as usize] = value;
    }
}
