//! `x Wᵀ + b`, and some of its outputs at a time.

use rayon::prelude::*;

use crate::activations::Activations;
use crate::blank::STEPS;
use crate::columns::Columns;
use crate::mxfp4::Mxfp4;
use crate::weights::{WeightDtype, Weights};

/// Rows that one thread works on at a time, at most: a multiple of any path's step, and of most tiles.
const MOST_ROWS: usize = 2 * STEPS;

/// Parts of the rows per thread, so that threads which are done early find something to do.
const PARTS: usize = 4;

/// For fewer tokens, weights are waited for: they come faster the longer they go on where they were.
const FEW: usize = 12;
const FEW_PARTS: usize = 2;
const FEW_MOST_ROWS: usize = 8 * STEPS;

/// `x Wᵀ + b`.
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// The matrix.
    pub weights: ProjectionWeights<'a>,
    /// One value per row.
    pub bias: Option<&'a [f32]>,
}

/// A matrix as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub enum ProjectionWeights<'a> {
    /// Values.
    Plain(Weights<'a>),
    /// 4-bit blocks.
    Mxfp4(Mxfp4<'a>),
}

impl Projection<'_> {
    /// Outputs from row `start` on into `out`, `[tokens, some rows]`. Weights from a row of `then` on are looked at next, if it is known.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub(crate) fn apply(&self, x: &Activations<'_>, start: usize, then: Option<(&Self, usize)>, out: &mut Columns<'_>) {
        let then = then.and_then(|(projection, start)| projection.weights.at(start));
        self.weights.product(x, start, then, out);
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), self.weights.rows(), "one bias per row");
            let bias = &bias[start..start + out.count()];
            for token in 0..out.rows() {
                out.row(token).iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
    }
}

impl ProjectionWeights<'_> {
    /// Outputs.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Plain(weights) => weights.rows,
            Self::Mxfp4(weights) => weights.rows,
        }
    }

    /// Inputs.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Self::Plain(weights) => weights.columns,
            Self::Mxfp4(weights) => weights.columns,
        }
    }

    /// What activations are multiplied with.
    pub(crate) fn dtype(&self) -> WeightDtype {
        match self {
            Self::Plain(weights) => weights.dtype,
            Self::Mxfp4(_) => WeightDtype::Bf16,
        }
    }

    /// Where a row begins; nowhere, if it is unpacked first.
    fn at(&self, row: usize) -> Option<*const u8> {
        match self {
            Self::Plain(weights) => {
                let before = row * weights.columns * weights.dtype.size();
                Some(weights.bytes.as_ptr().wrapping_add(before))
            }
            Self::Mxfp4(_) => None,
        }
    }

    /// `out[t, r] = Σ_c x[t, c] · w[start + r, c]`, with `x` packed for [`Self::dtype`]. What begins at `then` is looked at next; without it, the
    /// rows behind these.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub(crate) fn product(&self, x: &Activations<'_>, start: usize, then: Option<*const u8>, out: &mut Columns<'_>) {
        match self {
            Self::Plain(weights) => x.product(weights.slice_rows(start, out.count()), then, out),
            Self::Mxfp4(weights) => weights.product(x, start, out),
        }
    }

    /// Panics unless the bytes are those of the matrix.
    pub(crate) fn check(&self) {
        match self {
            Self::Plain(weights) => weights.check(),
            Self::Mxfp4(weights) => weights.check(),
        }
    }

    /// Panics unless `x` is `[tokens, columns]` and `y` is `[tokens, rows]`; the number of tokens.
    pub(crate) fn check_product(&self, x: &[f32], y: &[f32]) -> usize {
        self.check();
        let (rows, columns) = (self.rows(), self.columns());
        assert!(
            columns > 0 && x.len().is_multiple_of(columns),
            "x is not [tokens, {columns}]"
        );
        let tokens = x.len() / columns;
        assert_eq!(y.len(), tokens * rows, "y is not [{tokens}, {rows}]");
        tokens
    }
}

/// Rows of a matrix that one thread works on at a time for so many tokens, if all threads share them: a multiple of [`STEPS`].
pub(crate) fn rows_per_job(rows: usize, tokens: usize) -> usize {
    let (parts, most) = if tokens < FEW {
        (FEW_PARTS, FEW_MOST_ROWS)
    } else {
        (PARTS, MOST_ROWS)
    };
    let fair = rows / (parts * rayon::current_num_threads());
    fair.clamp(STEPS, most).next_multiple_of(STEPS)
}

/// Does all jobs, on all threads if `parallel`.
pub(crate) fn each<T: Send>(parallel: bool, jobs: Vec<T>, run: impl Fn(T) + Send + Sync) {
    if parallel {
        // One at a time: whoever is done first takes the next from others, however few are left.
        jobs.into_par_iter().with_max_len(1).for_each(run);
    } else {
        jobs.into_iter().for_each(run);
    }
}

/// What becomes of each item, in their order; on all threads if `parallel`.
pub(crate) fn map<'a, T: Sync, R: Send>(
    parallel: bool,
    items: &'a [T],
    run: impl Fn(&'a T) -> R + Send + Sync,
) -> Vec<R> {
    if parallel {
        items.par_iter().map(run).collect()
    } else {
        items.iter().map(run).collect()
    }
}
