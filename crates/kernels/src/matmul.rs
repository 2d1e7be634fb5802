//! `y = x Wᵀ` with weights read in place and sums in f32.
//!
//! Weights are widened exactly (every bf16 and f16 is an f32) and activations stay f32, so the result is that of an f32
//! product. Each output is summed in one fixed order, whatever the number of tokens or threads: results do not depend on
//! how a batch is cut or on how many threads share the work.

use rayon::prelude::*;

use crate::activations::Activations;
use crate::weights::Weights;

/// Multiply–adds from which a product is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 20;

/// Rows that one thread works on at a time.
const ROWS_PER_JOB: usize = 36;

/// Tokens whose results one thread puts into place at a time.
const TOKENS_PER_JOB: usize = 64;

/// `y[t, r] = Σ_c x[t, c] · w[r, c]`: `x` is `[tokens, columns]`, `y` is `[tokens, rows]`.
///
/// # Panics
/// If the lengths of `x`, `y` and the weights do not fit together.
pub fn matmul(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    if tokens * w.rows * w.columns < PARALLEL_FROM || w.rows <= ROWS_PER_JOB {
        return matmul_single(x, w, y);
    }
    let x = Activations::new(x, w.columns, true);
    // Threads own whole rows of yᵀ, which safe slices can express; the transposition costs 1/columns of the product.
    let mut transposed = vec![0.0f32; y.len()];
    transposed
        .par_chunks_mut(ROWS_PER_JOB * tokens)
        .enumerate()
        .for_each(|(job, out)| {
            let rows = w.slice_rows(job * ROWS_PER_JOB, out.len() / tokens);
            x.product(rows, out);
        });
    y.par_chunks_mut(TOKENS_PER_JOB * w.rows)
        .enumerate()
        .for_each(|(job, y)| transpose(&transposed, w.rows, tokens, job * TOKENS_PER_JOB, y));
}

/// [`matmul`] on the calling thread alone; the same bits.
///
/// # Panics
/// As [`matmul`].
pub fn matmul_single(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    let tokens = check(x, &w, y);
    single(&Activations::new(x, w.columns, false), tokens, w, y);
}

/// [`matmul_single`] on activations that serve other products too.
pub(crate) fn single(x: &Activations<'_>, tokens: usize, w: Weights<'_>, y: &mut [f32]) {
    if tokens == 1 {
        return x.product(w, y);
    }
    let mut transposed = vec![0.0f32; y.len()];
    x.product(w, &mut transposed);
    transpose(&transposed, w.rows, tokens, 0, y);
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

/// `to`, `[some tokens, rows]`, from those tokens of `from`, `[rows, tokens]`, which begin with `first`.
fn transpose(from: &[f32], rows: usize, tokens: usize, first: usize, to: &mut [f32]) {
    const BLOCK: usize = 16;
    for row_block in (0..rows).step_by(BLOCK) {
        for (token, to) in to.chunks_exact_mut(rows).enumerate() {
            for row in row_block..rows.min(row_block + BLOCK) {
                to[row] = from[row * tokens + first + token];
            }
        }
    }
}
