//! The product for machines without known vector instructions, and the reference for the others.

use half::{bf16, f16};

use crate::weights::{WeightDtype, Weights};

/// Partial sums per output; the compiler turns them into vector registers.
const LANES: usize = 8;

/// `out[r, t] = Σ_c x[t, c] · w[r, c]`.
pub(crate) fn product(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
    let columns = w.columns;
    let tokens = x.len() / columns;
    let mut row = vec![0.0f32; columns];
    for (r, out) in out.chunks_exact_mut(tokens.max(1)).enumerate() {
        widen(w.slice_rows(r, 1), &mut row);
        for (x, out) in x.chunks_exact(columns).zip(out) {
            *out = dot(x, &row);
        }
    }
}

/// All values of `w` as f32.
pub(crate) fn widen(w: Weights<'_>, to: &mut [f32]) {
    let pairs = || w.bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    match w.dtype {
        WeightDtype::Bf16 => to
            .iter_mut()
            .zip(pairs())
            .for_each(|(to, bits)| *to = bf16::from_bits(bits).to_f32()),
        WeightDtype::F16 => to
            .iter_mut()
            .zip(pairs())
            .for_each(|(to, bits)| *to = f16::from_bits(bits).to_f32()),
        WeightDtype::F32 => to
            .iter_mut()
            .zip(w.bytes.chunks_exact(4))
            .for_each(|(to, b)| *to = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_lanes
        .remainder()
        .iter()
        .zip(b_lanes.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + tail
}
