//! A matrix that several threads fill, each its own columns.

#![allow(unsafe_code)]

use std::marker::PhantomData;

use crate::tile::Target;

/// Consecutive columns of a row-major matrix, exclusively.
pub(crate) struct Columns<'a, T = f32> {
    /// The first of them in the first row.
    first: *mut T,
    /// How many.
    count: usize,
    /// Values from one row to the next.
    stride: usize,
    rows: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: as `&mut [T]`, it lends out values that nobody else can reach.
unsafe impl<T: Send> Send for Columns<'_, T> {}

impl<'a, T> Columns<'a, T> {
    /// All of a matrix `[rows, columns]`.
    ///
    /// # Panics
    /// If the last row is not whole.
    pub(crate) fn new(matrix: &'a mut [T], columns: usize) -> Self {
        assert!(columns > 0 && matrix.len().is_multiple_of(columns));
        Self {
            first: matrix.as_mut_ptr(),
            count: columns,
            stride: columns,
            rows: matrix.len() / columns,
            matrix: PhantomData,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// These columns of one row.
    #[inline]
    pub(crate) fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows);
        // SAFETY: the row is one of the matrix, which is borrowed exclusively for 'a; splitting gives each value to one part, and this one
        // is borrowed exclusively while the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.stride), self.count) }
    }

    /// The same while `self` is not used.
    pub(crate) fn borrow(&mut self) -> Columns<'_, T> {
        Columns { ..*self }
    }

    /// The first `count` columns, and the others.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn split_at(self, count: usize) -> (Self, Self) {
        assert!(count <= self.count);
        let first = self.first.wrapping_add(count);
        let rest = Self {
            first,
            count: self.count - count,
            ..self
        };
        (Self { count, ..self }, rest)
    }

    /// The first `count` rows, and the others.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn split_rows_at(self, count: usize) -> (Self, Self) {
        assert!(count <= self.rows);
        let rest = Self {
            first: self.first.wrapping_add(count * self.stride),
            rows: self.rows - count,
            ..self
        };
        (Self { rows: count, ..self }, rest)
    }

    /// Parts of `count` columns, and a last one of what remains, with the first column of each.
    pub(crate) fn chunks(self, count: usize) -> Vec<(usize, Self)> {
        let mut chunks = Vec::with_capacity(self.count.div_ceil(count));
        let (mut rest, mut start) = (self, 0);
        while rest.count > 0 {
            let (chunk, others) = {
                let here = count.min(rest.count);
                rest.split_at(here)
            };
            let next = start + chunk.count;
            chunks.push((start, chunk));
            (rest, start) = (others, next);
        }
        chunks
    }
}

impl Columns<'_> {
    /// Where a tile's totals go: those of `tokens` rows of the matrix from `token` on, in `rows` of these columns, every `apart`-th from `row` on.
    ///
    /// # Panics
    /// If they are not all there.
    #[inline]
    pub(crate) fn target(
        &mut self,
        (token, tokens): (usize, usize),
        (row, rows, apart): (usize, usize, usize),
    ) -> Target {
        assert!(tokens > 0 && token + tokens <= self.rows && rows > 0 && row + (rows - 1) * apart < self.count);
        Target {
            first: self.first.wrapping_add(token * self.stride + row),
            rows_apart: apart,
            tokens_apart: self.stride,
            add: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use crate::tests::is_refused;

    /// What unsafe code writes to is asked for here.
    #[test]
    fn there_is_no_room_outside() {
        let mut matrix = [0.0f32; 3 * 7];
        let mut columns = Columns::new(&mut matrix, 7).split_at(2).1;
        columns.target((0, 3), (0, 5, 1));
        columns.target((2, 1), (0, 3, 2));
        for (tokens, rows) in [
            ((0, 4), (0, 5, 1)),
            ((3, 1), (0, 1, 1)),
            ((0, 0), (0, 1, 1)),
            ((0, 3), (0, 6, 1)),
            ((0, 3), (5, 1, 1)),
            ((0, 1), (0, 0, 1)),
            ((2, 1), (1, 3, 2)),
        ] {
            assert!(is_refused(|| columns.target(tokens, rows)), "{tokens:?} {rows:?}");
        }
        assert!(is_refused(|| columns.row(3)[0]));
        assert!(is_refused(|| columns.borrow().split_at(6)) && is_refused(|| columns.borrow().split_rows_at(4)));
        let mut uneven = [0.0f32; 20];
        assert!(is_refused(|| Columns::new(&mut uneven, 7)) && is_refused(|| Columns::new(&mut [0.0f32; 0], 0)));
    }

    #[test]
    fn threads_fill_their_own_columns() {
        let mut matrix = vec![0.0; 3 * 7];
        std::thread::scope(|scope| {
            for (start, mut chunk) in Columns::new(&mut matrix, 7).chunks(3) {
                scope.spawn(move || {
                    for row in 0..chunk.rows() {
                        for (offset, value) in chunk.row(row).iter_mut().enumerate() {
                            *value = (10 * row + start + offset) as f32;
                        }
                    }
                });
            }
        });
        let (_, mut last) = Columns::new(&mut matrix, 7).split_rows_at(2);
        assert_eq!((last.rows(), last.row(0)[6]), (1, 26.0));
        let expected: Vec<f32> = (0..3).flat_map(|r| (0..7).map(move |c| (10 * r + c) as f32)).collect();
        assert_eq!(matrix, expected);
    }
}
