//! Weights in 4-bit blocks, unpacked a few rows at a time.
//!
//! Format: OCP Microscaling Formats (MX) specification 1.0, MXFP4. Along a row, 32 values share a power of two; two values lie in
//! a byte, the even one in the low half. Every value is a bf16 exactly, so products are those of the unpacked matrix.

use crate::activations::Activations;
use crate::columns::Columns;
use crate::nibbles::{self, BLOCK, BLOCK_BYTES};
use crate::precision::Precision;
use crate::weights::{WeightDtype, Weights};

/// Rows that are unpacked at a time: they stay in the second cache.
const ROWS: usize = 24;

/// Rows `first`, `first + step`, … of a packed matrix.
#[derive(Debug, Clone, Copy)]
pub struct Mxfp4<'a> {
    /// `[all rows, columns / 32, 16]`.
    pub blocks: &'a [u8],
    /// `[all rows, columns / 32]`: exponents, biased by 127; 255 is NaN.
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
    /// If they are not all there, or have no columns.
    pub fn unpack(&self, start: usize, to: &mut [f32]) {
        self.check();
        assert!(self.columns > 0, "rows of no columns");
        let mut halves = vec![0u8; self.columns * 2];
        for (offset, row) in to.chunks_exact_mut(self.columns).enumerate() {
            self.unpack_bf16(start + offset, &mut halves);
            for (value, half) in row.iter_mut().zip(halves.chunks_exact(2)) {
                *value = half::bf16::from_le_bytes([half[0], half[1]]).to_f32();
            }
        }
    }

    /// The same in bf16, as bytes.
    fn unpack_bf16(&self, start: usize, to: &mut [u8]) {
        let blocks = self.columns / BLOCK;
        for (offset, row) in to.chunks_exact_mut(self.columns * 2).enumerate() {
            let at = (self.first + (start + offset) * self.step) * blocks;
            let bytes = &self.blocks[at * BLOCK_BYTES..(at + blocks) * BLOCK_BYTES];
            nibbles::unpack(bytes, &self.scales[at..at + blocks], row);
        }
    }

    /// `out[t, r] = Σ_c x[t, c] · w[start + r, c]`, with `x` packed for bf16.
    pub(crate) fn product(&self, x: &Activations<'_>, start: usize, out: &mut Columns<'_>) {
        let mut bytes = vec![0u8; ROWS.min(out.count()) * self.columns * 2];
        for (first, mut part) in out.borrow().chunks(ROWS) {
            let bytes = &mut bytes[..part.count() * self.columns * 2];
            self.unpack_bf16(start + first, bytes);
            let weights = Weights {
                bytes,
                dtype: WeightDtype::Bf16,
                rows: part.count(),
                columns: self.columns,
            };
            x.product(weights, None, &mut part);
        }
    }

    /// Panics unless rows consist of whole blocks, and all rows are there.
    pub(crate) fn check(&self) {
        assert!(
            self.columns.is_multiple_of(BLOCK),
            "{} columns are not blocks of {BLOCK}",
            self.columns
        );
        assert!(
            self.scales.len().checked_mul(BLOCK_BYTES) == Some(self.blocks.len()),
            "{} scales are not one for each block of {} bytes",
            self.scales.len(),
            self.blocks.len()
        );
        assert!(
            self.end().is_some_and(|end| end <= self.scales.len()),
            "{} rows from {} on, every {}, of {} columns are not in {} blocks",
            self.rows,
            self.first,
            self.step,
            self.columns,
            self.scales.len()
        );
    }

    /// The block behind the last row's.
    fn end(&self) -> Option<usize> {
        let Some(before) = self.rows.checked_sub(1) else {
            return Some(0);
        };
        let last = before.checked_mul(self.step)?.checked_add(self.first)?;
        last.checked_add(1)?.checked_mul(self.columns / BLOCK)
    }
}

/// [`Precision::matmul_mxfp4`], exactly.
///
/// # Panics
/// As there.
pub fn matmul_mxfp4(x: &[f32], w: Mxfp4<'_>, y: &mut [f32]) {
    Precision::Exact.matmul_mxfp4(x, w, y);
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
        let mut y = vec![0.0; tokens * w.rows];
        matmul_mxfp4(&x, w, &mut y);
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
