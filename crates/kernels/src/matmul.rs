//! `y = x Wᵀ` with weights read in place and sums in f32.
//!
//! Weights are widened exactly (every bf16 and f16 is an f32) and activations stay f32, so the result is that of an f32
//! product. Each output is summed in one fixed order, whatever the number of tokens or threads: results do not depend on
//! how a batch is cut or on how many threads share the work.

use rayon::prelude::*;

use crate::portable;
use crate::weights::Weights;

/// Multiply–adds from which a product is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 20;

/// Rows that one thread works on at a time.
const ROWS_PER_JOB: usize = 32;

/// `y[t, r] = Σ_c x[t, c] · w[r, c]`: `x` is `[tokens, columns]`, `y` is `[tokens, rows]`.
///
/// # Panics
/// If the lengths of `x`, `y` and the weights do not fit together.
pub fn matmul(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    if tokens * w.rows * w.columns < PARALLEL_FROM || w.rows <= ROWS_PER_JOB {
        return matmul_single(x, w, y);
    }
    // Threads own whole rows of yᵀ, which safe slices can express; the transposition costs 1/columns of the product.
    let mut transposed = vec![0.0f32; y.len()];
    transposed
        .par_chunks_mut(ROWS_PER_JOB * tokens)
        .enumerate()
        .for_each(|(job, out)| {
            let rows = w.slice_rows(job * ROWS_PER_JOB, out.len() / tokens);
            product(x, rows, out);
        });
    transpose(&transposed, w.rows, tokens, y);
}

/// [`matmul`] on the calling thread alone; the same bits.
///
/// # Panics
/// As [`matmul`].
pub fn matmul_single(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    if tokens == 1 {
        return product(x, w, y);
    }
    let mut transposed = vec![0.0f32; y.len()];
    product(x, w, &mut transposed);
    transpose(&transposed, w.rows, tokens, y);
}

fn check(x: &[f32], w: &Weights<'_>, y: &[f32]) -> usize {
    w.check();
    assert!(
        w.columns > 0 && x.len().is_multiple_of(w.columns),
        "x is not [tokens, {}]",
        w.columns
    );
    let tokens = x.len() / w.columns;
    assert_eq!(y.len(), tokens * w.rows, "y is not [{tokens}, {}]", w.rows);
    tokens
}

/// `out[r, t]`, by the widest instructions that the machine has.
fn product(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if crate::x86::avx512_available() {
            return crate::x86::product_avx512(x, w, out);
        }
        if crate::x86::avx2_available() {
            return crate::x86::product_avx2(x, w, out);
        }
    }
    portable::product(x, w, out);
}

fn transpose(from: &[f32], rows: usize, tokens: usize, to: &mut [f32]) {
    const BLOCK: usize = 16;
    for row_block in (0..rows).step_by(BLOCK) {
        for token in 0..tokens {
            for row in row_block..rows.min(row_block + BLOCK) {
                to[token * rows + row] = from[row * tokens + token];
            }
        }
    }
}
