//! Activations of tokens: all of a matrix's rows, or those that go to an expert.

/// A token's way through an expert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// Its row in the activations.
    pub token: usize,
    /// Multiplies what the expert is given.
    pub input_weight: f32,
    /// Multiplies what the expert says.
    pub output_weight: f32,
}

/// Rows of a matrix `[tokens, columns]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens<'a> {
    values: &'a [f32],
    columns: usize,
    /// `None` for all, in order.
    visits: Option<&'a [Visit]>,
}

impl<'a> Tokens<'a> {
    /// All rows.
    pub(crate) fn all(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            columns,
            visits: None,
        }
    }

    /// Those that `visits` name, weighted.
    pub(crate) fn of(values: &'a [f32], columns: usize, visits: &'a [Visit]) -> Self {
        Self {
            visits: Some(visits),
            ..Self::all(values, columns)
        }
    }

    /// Rows.
    pub(crate) fn count(&self) -> usize {
        self.visits
            .map_or_else(|| self.values.len() / self.columns, <[Visit]>::len)
    }

    /// Values of a row.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// A row, and what multiplies it.
    ///
    /// # Panics
    /// If it is not there.
    pub(crate) fn row(&self, row: usize) -> (&'a [f32], f32) {
        let (row, weight) = match self.visits {
            None => (row, 1.0),
            Some(visits) => (visits[row].token, visits[row].input_weight),
        };
        (&self.values[row * self.columns..(row + 1) * self.columns], weight)
    }

    /// The only row, if it is one and not multiplied.
    pub(crate) fn single(&self) -> Option<&'a [f32]> {
        let (row, weight) = (self.count() == 1).then(|| self.row(0))?;
        (weight.to_bits() == 1.0f32.to_bits()).then_some(row)
    }
}
