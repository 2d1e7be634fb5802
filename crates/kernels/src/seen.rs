//! Which keys a query looks at.

use std::ops::Range;

/// For each query of each sequence, the keys it looks at as ascending ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Where the ranges of each query end.
    ends: Vec<usize>,
    ranges: Vec<Range<usize>>,
    /// Ranges of queries that are complete.
    complete: usize,
}

impl Seen {
    /// Adds a key to those of the query that is next to be closed.
    ///
    /// # Panics
    /// If the query has it or a later one already: keys come in ascending order.
    pub fn key(&mut self, key: usize) {
        self.keys(key..key + 1);
    }

    /// Adds neighbouring keys, as [`Self::key`] does one.
    ///
    /// # Panics
    /// As there.
    pub fn keys(&mut self, keys: Range<usize>) {
        if keys.is_empty() {
            return;
        }
        match self.ranges[self.complete..].last_mut() {
            Some(last) if last.end == keys.start => last.end = keys.end,
            Some(last) if last.end > keys.start => panic!("keys {keys:?} come behind {last:?}: they do not ascend"),
            _ => self.ranges.push(keys),
        }
    }

    /// The next query's keys are complete.
    pub fn close(&mut self) {
        self.complete = self.ranges.len();
        self.ends.push(self.complete);
    }

    /// Queries whose keys are complete.
    pub(crate) fn queries(&self) -> usize {
        self.ends.len()
    }

    /// Keys of a query.
    pub(crate) fn of(&self, query: usize) -> &[Range<usize>] {
        let start = query.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ranges[start..self.ends[query]]
    }

    /// From the first key that any of some queries looks at to the last.
    pub(crate) fn span(&self, queries: Range<usize>) -> Range<usize> {
        let of = |query| self.of(query);
        let first = queries.clone().filter_map(|query| Some(of(query).first()?.start)).min();
        let last = queries.filter_map(|query| Some(of(query).last()?.end)).max();
        first.unwrap_or(0)..last.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn neighbours_become_ranges() {
        let mut seen = Seen::default();
        for keys in [&[0, 1, 2][..], &[], &[3, 5, 6]] {
            for &key in keys {
                seen.key(key);
            }
            seen.close();
        }
        assert_eq!(
            (seen.of(0), seen.of(1), seen.of(2)),
            (&[0..3][..], &[][..], &[3..4, 5..7][..])
        );
        assert_eq!((seen.span(0..3), seen.span(1..2), seen.span(2..3)), (0..7, 0..0, 3..7));
    }

    #[test]
    #[should_panic(expected = "keys 1..2 come behind 5..7")]
    fn keys_that_do_not_ascend_are_refused() {
        let mut seen = Seen::default();
        seen.keys(1..2);
        seen.close();
        seen.keys(5..7);
        seen.keys(1..2);
    }
}
