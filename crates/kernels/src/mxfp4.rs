//! `y = x Wᵀ` on weights in 4-bit blocks, unpacked a few rows at a time.
//!
//! Format: OCP Microscaling Formats (MX) specification 1.0, MXFP4. Along a row, 32 values share a power of two; two values lie in
//! a byte, the even one in the low half. Every value is an f32 exactly, so products are those of the unpacked matrix.

use rayon::prelude::*;

use crate::matmul::matmul_single;
use crate::weights::{WeightDtype, Weights};

/// Values per block, and its bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 16;

/// Rows that are unpacked at a time.
const ROWS_PER_JOB: usize = 32;

/// Multiply–adds from which a product is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 18;

/// By the four bits: sign, two bits of exponent, one of mantissa.
const VALUES: [f32; 16] = [
    0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0,
];

/// Rows `first`, `first + step`, … of a packed matrix.
#[derive(Debug, Clone, Copy)]
pub struct Mxfp4<'a> {
    /// `[all rows, columns / 32, 16]`.
    pub blocks: &'a [u8],
    /// `[all rows, columns / 32]`: exponents, biased by 127.
    pub scales: &'a [u8],
    /// First row.
    pub first: usize,
    /// Distance to the next.
    pub step: usize,
    /// Number of rows: outputs of the product.
    pub rows: usize,
    /// Inputs of the product; a multiple of 32.
    pub columns: usize,
}

impl Mxfp4<'_> {
    /// Rows from `start` on into `to`, as many as fit.
    ///
    /// # Panics
    /// If they are not all there.
    pub fn unpack(&self, start: usize, to: &mut [f32]) {
        let blocks = self.columns / BLOCK;
        for (offset, row) in to.chunks_exact_mut(self.columns).enumerate() {
            let at = (self.first + (start + offset) * self.step) * blocks;
            for (block, values) in row.chunks_exact_mut(BLOCK).enumerate() {
                let scale = power_of_two(self.scales[at + block]);
                let bytes = &self.blocks[(at + block) * BLOCK_BYTES..][..BLOCK_BYTES];
                for (pair, byte) in values.chunks_exact_mut(2).zip(bytes) {
                    pair[0] = VALUES[usize::from(byte & 15)] * scale;
                    pair[1] = VALUES[usize::from(byte >> 4)] * scale;
                }
            }
        }
    }
}

/// 2^(exponent − 127); the smallest is subnormal.
fn power_of_two(exponent: u8) -> f32 {
    f32::from_bits(if exponent == 0 {
        1 << 22
    } else {
        u32::from(exponent) << 23
    })
}

/// `y[t, r] = Σ_c x[t, c] · w[r, c]`: `x` is `[tokens, columns]`, `y` is `[tokens, rows]`.
///
/// # Panics
/// If the lengths of `x`, `y` and the weights do not fit together.
pub fn matmul_mxfp4(x: &[f32], w: Mxfp4<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    if tokens * w.rows * w.columns < PARALLEL_FROM {
        return matmul_mxfp4_single(x, w, y);
    }
    // Threads own whole rows of yᵀ, which safe slices can express.
    let mut parts = vec![0.0f32; y.len()];
    parts
        .par_chunks_mut(ROWS_PER_JOB * tokens)
        .enumerate()
        .for_each(|(job, out)| rows(x, w, job * ROWS_PER_JOB, &mut Vec::new(), out));
    for (job, part) in parts.chunks(ROWS_PER_JOB * tokens).enumerate() {
        place(part, tokens, w.rows, job * ROWS_PER_JOB, y);
    }
}

/// [`matmul_mxfp4`] on the calling thread alone; the same bits.
///
/// # Panics
/// As [`matmul_mxfp4`].
pub fn matmul_mxfp4_single(x: &[f32], w: Mxfp4<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    if tokens == 0 {
        return;
    }
    let (mut values, mut part) = (Vec::new(), vec![0.0f32; ROWS_PER_JOB * tokens]);
    for start in (0..w.rows).step_by(ROWS_PER_JOB) {
        let count = ROWS_PER_JOB.min(w.rows - start);
        let part = &mut part[..count * tokens];
        rows(x, w, start, &mut values, part);
        place(part, tokens, w.rows, start, y);
    }
}

fn check(x: &[f32], w: &Mxfp4<'_>, y: &[f32]) -> usize {
    assert!(
        w.columns.is_multiple_of(BLOCK) && w.columns > 0 && x.len().is_multiple_of(w.columns),
        "x is not [tokens, {}]",
        w.columns
    );
    let tokens = x.len() / w.columns;
    assert_eq!(y.len(), tokens * w.rows, "y is not [{tokens}, {}]", w.rows);
    tokens
}

/// As many rows from `start` on as `out`, `[tokens, rows]`, holds; `values` is scratch.
fn rows(x: &[f32], w: Mxfp4<'_>, start: usize, values: &mut Vec<f32>, out: &mut [f32]) {
    let rows = out.len() / (x.len() / w.columns);
    values.resize(rows * w.columns, 0.0);
    w.unpack(start, values);
    let weights = Weights {
        bytes: bytemuck::cast_slice(values),
        dtype: WeightDtype::F32,
        rows,
        columns: w.columns,
    };
    matmul_single(x, weights, out);
}

/// Columns `start`… of `y`, `[tokens, all]`, from `part`, `[tokens, some]`.
fn place(part: &[f32], tokens: usize, all: usize, start: usize, y: &mut [f32]) {
    let rows = part.len() / tokens;
    for (token, values) in part.chunks_exact(rows).enumerate() {
        let at = token * all + start;
        y[at..at + rows].copy_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)]
    fn every_nibble_and_scale() {
        // 0x21: 0.5 and 1; 0xF7: 6 and −6.
        let mut blocks = vec![0u8; 4 * BLOCK_BYTES];
        (blocks[0], blocks[15]) = (0x21, 0xF7);
        (blocks[32], blocks[33]) = (0x21, 0xF7);
        let scales = [127, 0, 129, 0];
        let w = Mxfp4 {
            blocks: &blocks,
            scales: &scales,
            first: 0,
            step: 2,
            rows: 2,
            columns: 32,
        };
        let mut values = vec![1.0; 64];
        w.unpack(0, &mut values);
        assert_eq!((values[0], values[1], values[30], values[31]), (0.5, 1.0, 6.0, -6.0));
        assert_eq!(
            (values[32], values[33], values[34], values[35]),
            (2.0, 4.0, 24.0, -24.0)
        );
        assert!(values[2..30].iter().all(|&v| v == 0.0));
        assert_eq!(power_of_two(0), 2.0f32.powi(-127));
        assert_eq!(power_of_two(254), 2.0f32.powi(127));
    }

    #[test]
    fn products_equal_those_of_the_unpacked_matrix() {
        let (rows, columns, tokens) = (75, 64, 3);
        let blocks: Vec<u8> = (0..rows * columns / 2).map(|i| (i * 37 % 251) as u8).collect();
        let scales: Vec<u8> = (0..rows * columns / BLOCK).map(|i| 120 + (i % 9) as u8).collect();
        let x: Vec<f32> = (0..tokens * columns).map(|i| (i as f32 * 0.7).sin()).collect();
        let w = Mxfp4 {
            blocks: &blocks,
            scales: &scales,
            first: 1,
            step: 2,
            rows: 37,
            columns,
        };
        let mut values = vec![0.0; w.rows * columns];
        w.unpack(0, &mut values);
        let (mut y, mut single) = (vec![0.0; tokens * w.rows], vec![0.0; tokens * w.rows]);
        matmul_mxfp4(&x, w, &mut y);
        matmul_mxfp4_single(&x, w, &mut single);
        assert_eq!(y, single);
        for (token, y) in y.chunks_exact(w.rows).enumerate() {
            for (row, found) in y.iter().enumerate() {
                let products =
                    (0..columns).map(|c| f64::from(x[token * columns + c]) * f64::from(values[row * columns + c]));
                let expected: f64 = products.sum();
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{found}, expected {expected}"
                );
            }
        }
    }
}
