//! Activations that are packed as they are computed: what is between an expert's projections is never written out in f32.

#![allow(unsafe_code)]

use crate::activations::{Activations, Path, Product};
use crate::columns::Columns;
use crate::packed::{Packed, splits};
use crate::precision::Precision;
use crate::tile::LINE;
use crate::vector::Vector;
use crate::weights::WeightDtype;
use crate::widest::prefetch;

/// Activations `[tokens, columns]` that are packed as they are computed, for products with weights of one dtype.
pub(crate) struct Blank(Box<dyn Fill>);

impl Blank {
    /// Room for them.
    pub(crate) fn new(tokens: usize, columns: usize, dtype: WeightDtype, precision: Precision) -> Self {
        Self((Path::best(dtype, precision).blank)(tokens, columns, dtype, precision))
    }

    /// Room for `count` columns at a time, a multiple of [`STEPS`], with the first column of each.
    pub(crate) fn parts(&mut self, count: usize) -> Vec<(usize, Part<'_>)> {
        self.0.parts(count)
    }

    /// All columns were put there.
    pub(crate) fn filled(self) -> Activations<'static> {
        Activations(self.0.filled())
    }
}

/// Tokens between fetching a row and writing it.
const AHEAD: usize = 8;

/// A multiple of any path's step.
pub(crate) const STEPS: usize = 32;

/// Room for some columns of activations.
pub(crate) struct Part<'a>(Box<dyn FillPart + 'a>);

impl Part<'_> {
    /// Packs a token's values, as many as there are columns: fewer than room, if these are the last.
    ///
    /// # Panics
    /// If there is no room for them.
    pub(crate) fn put(&mut self, token: usize, values: &[f32]) {
        self.0.put(token, values);
    }
}

/// [`Blank`] of some path.
pub(crate) trait Fill: Send {
    fn parts(&mut self, count: usize) -> Vec<(usize, Part<'_>)>;

    fn filled(self: Box<Self>) -> Box<dyn Product>;
}

trait FillPart: Send {
    fn put(&mut self, token: usize, values: &[f32]);
}

/// [`Fill`] of a path.
pub(crate) struct Filled<V: Vector + 'static> {
    pub packed: Packed<'static, V>,
    pub precision: Precision,
}

impl<V: Vector> Fill for Filled<V> {
    fn parts(&mut self, count: usize) -> Vec<(usize, Part<'_>)> {
        let (splits, precision) = (splits::<V>(self.packed.dtype), self.precision);
        let part = |(start, columns)| {
            let part: FilledPart<'_, V> = FilledPart {
                columns,
                splits,
                precision,
            };
            (start, Part(Box::new(part)))
        };
        self.packed.parts(count).into_iter().map(part).collect()
    }

    fn filled(self: Box<Self>) -> Box<dyn Product> {
        Box::new(self.packed)
    }
}

struct FilledPart<'a, V: Vector> {
    columns: Columns<'a, V::Value>,
    splits: bool,
    precision: Precision,
}

impl<V: Vector> FillPart for FilledPart<'_, V> {
    fn put(&mut self, token: usize, values: &[f32]) {
        assert!(V::available() && values.len().next_multiple_of(V::WIDTH) == self.columns.count());
        // Rows lie far apart: the machine does not see which comes next.
        if token + AHEAD < self.columns.rows() {
            let next = self.columns.row(token + AHEAD);
            next.chunks(LINE / size_of::<V::Value>())
                .for_each(|line| prefetch(line.as_ptr().cast()));
        }
        // SAFETY: the instructions are there.
        unsafe { V::pack(values, 1.0, self.splits, self.precision, self.columns.row(token)) };
    }
}
