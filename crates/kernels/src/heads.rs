//! Vectors by sequence, head and position, wherever they lie.

/// `[batch, heads, positions, width]`, of which only the last dimension needs to be in order.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// All values, from the first vector's first value on.
    pub values: &'a [f32],
    /// Values from one sequence, head and position to the next.
    pub strides: [usize; 3],
    /// Sequences, heads and positions.
    pub shape: [usize; 3],
    /// Values of a vector.
    pub width: usize,
}

impl<'a> Heads<'a> {
    /// Vectors of sequences that lie one behind the other, `[batch, positions, heads, width]`.
    #[must_use]
    pub fn by_token(values: &'a [f32], [batch, heads, positions]: [usize; 3], width: usize) -> Self {
        Self {
            values,
            strides: [positions * heads * width, width, heads * width],
            shape: [batch, heads, positions],
            width,
        }
    }

    /// Where a vector begins.
    pub(crate) fn start(&self, sequence: usize, head: usize, position: usize) -> usize {
        sequence * self.strides[0] + head * self.strides[1] + position * self.strides[2]
    }

    /// A vector.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn vector(&self, sequence: usize, head: usize, position: usize) -> &'a [f32] {
        let start = self.start(sequence, head, position);
        &self.values[start..start + self.width]
    }
}
