//! `y = x Wᵀ` with weights read in place and sums in f32.
//!
//! Weights are widened exactly: every bf16 and f16 is an f32. Each output is summed in one fixed order, however many threads share the work and
//! however a batch is cut, with one exception: `fast` products with AVX-512 BF16 have one order for many tokens and another for few (`crate::turned`).

use crate::activations::Activations;
use crate::columns::Columns;
use crate::mxfp4::Mxfp4;
use crate::precision::Precision;
use crate::projection::{ProjectionWeights, each, rows_per_job};
use crate::tokens::Tokens;
use crate::weights::{WeightDtype, Weights};

/// Multiply–adds from which a product is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 18;

impl Precision {
    /// `y[t, r] = Σ_c x[t, c] · w[r, c]`: `x` is `[tokens, columns]`, `y` is `[tokens, rows]`.
    ///
    /// # Panics
    /// If the lengths of `x`, `y` and the weights do not fit together.
    pub fn matmul(self, x: &[f32], w: Weights<'_>, y: &mut [f32]) {
        self.matmul_each(x, [(w, y)]);
    }

    /// [`Precision::matmul`] with several matrices, for which `x` is packed once, and whose rows threads share as if they were one matrix; the same
    /// bits.
    ///
    /// # Panics
    /// As [`Precision::matmul`].
    pub fn matmul_each<'a>(self, x: &[f32], products: impl IntoIterator<Item = (Weights<'a>, &'a mut [f32])>) {
        let products = products.into_iter();
        self.products(
            x,
            products.map(|(w, y)| (ProjectionWeights::Plain(w), y)).collect(),
            true,
        );
    }

    /// [`Precision::matmul`] on the calling thread alone; the same bits.
    ///
    /// # Panics
    /// As [`Precision::matmul`].
    pub fn matmul_single(self, x: &[f32], w: Weights<'_>, y: &mut [f32]) {
        self.products(x, vec![(ProjectionWeights::Plain(w), y)], false);
    }

    /// [`Precision::matmul`] with weights in 4-bit blocks.
    ///
    /// # Panics
    /// As [`Precision::matmul`].
    pub fn matmul_mxfp4(self, x: &[f32], w: Mxfp4<'_>, y: &mut [f32]) {
        self.products(x, vec![(ProjectionWeights::Mxfp4(w), y)], true);
    }

    fn products(self, x: &[f32], products: Vec<(ProjectionWeights<'_>, &mut [f32])>, parallel: bool) {
        let work = |(w, y): &(ProjectionWeights<'_>, &mut [f32])| w.check_product(x, y) * w.rows() * w.columns();
        let parallel = products.iter().map(work).sum::<usize>() >= PARALLEL_FROM && parallel;
        let products = products.into_iter().filter(|(_, y)| !y.is_empty());
        let mut packed: Vec<(WeightDtype, Activations<'_>)> = Vec::new();
        let products: Vec<_> = products
            .map(|(w, y)| {
                let known = packed.iter().position(|(dtype, _)| *dtype == w.dtype());
                let at = known.unwrap_or_else(|| {
                    let x = Tokens::all(x, w.columns());
                    packed.push((w.dtype(), Activations::new(x, w.dtype(), self, parallel)));
                    packed.len() - 1
                });
                (at, w, Columns::new(y, w.rows()))
            })
            .collect();
        let jobs = products.into_iter().flat_map(|(at, w, y)| {
            let rows = if parallel {
                rows_per_job(w.rows(), y.rows())
            } else {
                w.rows()
            };
            y.chunks(rows).into_iter().map(move |(start, y)| (at, w, start, y))
        });
        each(parallel, jobs.collect(), |(at, w, start, mut y)| {
            w.product(&packed[at].1, start, None, &mut y);
        });
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
