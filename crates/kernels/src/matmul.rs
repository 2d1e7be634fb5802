//! `y = x Wᵀ` with weights read in place and sums in f32.
//!
//! Weights are widened exactly: every bf16 and f16 is an f32. Each output is summed in one fixed order, whatever the number of tokens or
//! threads: results do not depend on how a batch is cut or on how many threads share the work.

use crate::activations::Activations;
use crate::columns::Columns;
use crate::mxfp4::Mxfp4;
use crate::precision::Precision;
use crate::projection::{ProjectionWeights, each, rows_per_job};
use crate::tokens::Tokens;
use crate::weights::Weights;

/// Multiply–adds from which a product is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 18;

impl Precision {
    /// `y[t, r] = Σ_c x[t, c] · w[r, c]`: `x` is `[tokens, columns]`, `y` is `[tokens, rows]`.
    ///
    /// # Panics
    /// If the lengths of `x`, `y` and the weights do not fit together.
    pub fn matmul(self, x: &[f32], w: Weights<'_>, y: &mut [f32]) {
        self.product(x, ProjectionWeights::Plain(w), true, y);
    }

    /// [`Precision::matmul`] on the calling thread alone; the same bits.
    ///
    /// # Panics
    /// As [`Precision::matmul`].
    pub fn matmul_single(self, x: &[f32], w: Weights<'_>, y: &mut [f32]) {
        self.product(x, ProjectionWeights::Plain(w), false, y);
    }

    /// [`Precision::matmul`] with weights in 4-bit blocks.
    ///
    /// # Panics
    /// As [`Precision::matmul`].
    pub fn matmul_mxfp4(self, x: &[f32], w: Mxfp4<'_>, y: &mut [f32]) {
        self.product(x, ProjectionWeights::Mxfp4(w), true, y);
    }

    fn product(self, x: &[f32], w: ProjectionWeights<'_>, parallel: bool, y: &mut [f32]) {
        let tokens = w.check_product(x, y);
        if y.is_empty() {
            return;
        }
        let parallel = parallel && tokens * w.rows() * w.columns() >= PARALLEL_FROM;
        let x = Activations::new(Tokens::all(x, w.columns()), w.dtype(), self, parallel);
        let mut y = Columns::new(y, w.rows());
        if parallel {
            let jobs = y.chunks(rows_per_job(w.rows(), tokens));
            each(true, jobs, |(start, mut y)| w.product(&x, start, None, &mut y));
        } else {
            w.product(&x, 0, None, &mut y);
        }
    }
}

/// [`Precision::matmul`], exactly.
///
/// # Panics
/// As there.
pub fn matmul(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    Precision::Exact.matmul(x, w, y);
}

/// [`Precision::matmul_single`], exactly.
///
/// # Panics
/// As there.
pub fn matmul_single(x: &[f32], w: Weights<'_>, y: &mut [f32]) {
    Precision::Exact.matmul_single(x, w, y);
}
