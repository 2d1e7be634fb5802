//! Keys and values as products take them, for all queries of a part.

use std::ops::Range;

use crate::attention::{Attention, Part};
use crate::outer::Matrix;
use crate::scratch::Scratch;

/// Fewer queries take products with keys where these lie; others with keys that are transposed first.
pub(super) const FEW: usize = 4;

/// Keys that are transposed at a time: a multiple of what a tile has.
pub(super) const KEYS: usize = 64;

/// Keys and values of a part.
pub(super) struct Prepared<'a> {
    /// All keys that any of its queries looks at.
    pub span: Range<usize>,
    /// The keys, [`KEYS`] at a time, `[width, KEYS]`; empty where they are read where they lie.
    pub turned: Scratch<f32>,
    /// From the first key's value on.
    pub values: Values<'a>,
}

impl<'a> Prepared<'a> {
    /// What the queries of a part look at.
    ///
    /// # Safety
    /// As that of [`Attention::part`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    pub(super) unsafe fn new<const WIDE: usize>(attention: &Attention<'a>, part: &Part) -> Self {
        let &Part {
            sequence,
            head,
            first,
            positions,
            at_once,
        } = part;
        let (keys, values) = (&attention.key, &attention.value);
        let span = attention.span(part, first..first + positions);
        let turns = positions.min(at_once) * attention.group() >= FEW;
        let turned_keys = if turns { span.len().next_multiple_of(KEYS) } else { 0 };
        let mut turned = Scratch::new(turned_keys * keys.width);
        for (start, turned) in span
            .clone()
            .step_by(KEYS)
            .zip(turned.chunks_exact_mut(keys.width * KEYS))
        {
            let shape = [KEYS.min(span.end - start), keys.width];
            // SAFETY: the caller vouches for AVX-512.
            unsafe { turn_keys::<WIDE>(|at| keys.vector(sequence, head, start + at), shape, turned) };
        }
        let stride = values.strides[2];
        let values = if positions > at_once && stride != values.width {
            let mut copied = Scratch::new(span.len() * values.width);
            for (at, to) in span.clone().zip(copied.chunks_exact_mut(values.width.max(1))) {
                to.copy_from_slice(values.vector(sequence, head, at));
            }
            Values::Copied(copied, values.width)
        } else {
            Values::InPlace(Matrix {
                values: &values.values[values.start(sequence, head, span.start)..],
                stride,
            })
        };
        Self { span, turned, values }
    }
}

/// Values of keys, row by row.
pub(super) enum Values<'a> {
    InPlace(Matrix<'a>),
    Copied(Scratch<f32>, usize),
}

impl Values<'_> {
    /// From the value of key `first` on.
    pub(super) fn from(&self, first: usize) -> Matrix<'_> {
        let (values, stride): (&[f32], _) = match self {
            Self::InPlace(matrix) => (matrix.values, matrix.stride),
            Self::Copied(values, width) => (values, *width),
        };
        Matrix {
            values: &values[first * stride..],
            stride,
        }
    }
}

/// Lays [`KEYS`] keys or fewer side by side.
///
/// # Safety
/// As that of [`Attention::part`].
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
unsafe fn turn_keys<'a, const WIDE: usize>(key: impl Fn(usize) -> &'a [f32], shape: [usize; 2], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if WIDE == crate::attention::WIDEST {
        // SAFETY: the caller vouches for AVX-512.
        return unsafe { crate::turn::turn_blocks(key, shape, to, KEYS) };
    }
    crate::turn::turn(key, shape, to, KEYS);
}
