//! A weight matrix as it lies in the checkpoint file.

/// Dtype of stored weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightDtype {
    /// bfloat16: the upper half of an f32.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

impl WeightDtype {
    /// Bytes per value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// [`WeightDtype`] as a parameter of a function.
pub(crate) const BF16: u8 = WeightDtype::Bf16 as u8;
pub(crate) const F16: u8 = WeightDtype::F16 as u8;
pub(crate) const F32: u8 = WeightDtype::F32 as u8;

/// [`WeightDtype::size`] of such a parameter.
pub(crate) const fn dtype_size(dtype: u8) -> usize {
    if dtype == F32 { 4 } else { 2 }
}

/// `[rows, columns]` little-endian values in row-major order; `bytes` need not be aligned.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// `rows * columns * dtype.size()` bytes.
    pub bytes: &'a [u8],
    /// How to read them.
    pub dtype: WeightDtype,
    /// Outputs of the product.
    pub rows: usize,
    /// Inputs of the product.
    pub columns: usize,
}

impl<'a> Weights<'a> {
    /// The rows from `start` on, `count` of them.
    ///
    /// # Panics
    /// If they are not all there.
    #[must_use]
    pub fn slice_rows(&self, start: usize, count: usize) -> Weights<'a> {
        let row = self.columns * self.dtype.size();
        Weights {
            bytes: &self.bytes[start * row..(start + count) * row],
            rows: count,
            ..*self
        }
    }

    /// Panics unless the bytes are exactly those of the matrix: everything after relies on it.
    pub(crate) fn check(&self) {
        // A product that wraps around could equal any length.
        let bytes = (self.rows.checked_mul(self.columns)).and_then(|values| values.checked_mul(self.dtype.size()));
        assert_eq!(bytes, Some(self.bytes.len()), "weight bytes do not match their shape");
    }
}

#[cfg(test)]
mod tests {
    use super::{WeightDtype, Weights};

    fn check(bytes: &[u8], rows: usize, columns: usize) {
        let dtype = WeightDtype::F32;
        Weights {
            bytes,
            dtype,
            rows,
            columns,
        }
        .check();
    }

    #[test]
    fn bytes_of_the_shape_are_accepted() {
        check(&[0; 24], 3, 2);
        check(&[], 0, 2);
    }

    #[test]
    #[should_panic(expected = "weight bytes do not match their shape")]
    fn a_shape_beyond_all_memory_has_no_bytes() {
        check(&[], usize::MAX / 4 + 1, 4);
    }
}
