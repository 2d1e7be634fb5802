//! Rows that are looked up by index, in the mapped file: embeddings.

use secateur_model::matrix::Stored;

/// `[rows, width]`.
#[derive(Debug, Clone)]
pub struct Table {
    /// The values.
    pub stored: Stored,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub width: usize,
}

impl Table {
    /// Adds row `row` to `to`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn add_row(&self, row: usize, to: &mut [f64]) {
        let size = self.width * self.stored.dtype.size();
        let part = Stored {
            bytes: self.stored.bytes.slice(row * size..(row + 1) * size),
            dtype: self.stored.dtype,
        };
        to.iter_mut()
            .zip(part.to_f32())
            .for_each(|(to, value)| *to += f64::from(value));
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.stored.to_f32()
    }
}
