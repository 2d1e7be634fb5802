//! Where the scores of keys lie, of which some are not computed.

use std::ops::Range;

/// Neighbouring keys that queries look at, whose scores begin in some column.
pub(crate) struct Run {
    pub keys: Range<usize>,
    pub column: usize,
}

/// The runs of keys that some queries look at; the scores of all of them lie side by side.
pub(crate) struct Runs {
    /// Ascending, none empty.
    pub all: Vec<Run>,
    /// Columns of all runs.
    pub columns: usize,
}

impl Runs {
    /// A single run, with columns for a multiple of `step` keys.
    pub(crate) fn one(keys: Range<usize>, step: usize) -> Self {
        Self {
            columns: keys.len().next_multiple_of(step),
            all: vec![Run { keys, column: 0 }],
        }
    }

    /// Of every `step` neighbours, counted from `first`, of which one at least is in one of the `ranges`; none is beyond the end of `span`. Each
    /// run has columns for whole steps.
    pub(crate) fn of<'a>(
        ranges: impl Iterator<Item = &'a Range<usize>>,
        first: usize,
        span: &Range<usize>,
        step: usize,
    ) -> Self {
        let mut looked_at = vec![false; (span.end - first).div_ceil(step)];
        for range in ranges.filter(|range| !range.is_empty()) {
            looked_at[(range.start - first) / step..=(range.end - 1 - first) / step].fill(true);
        }
        let mut runs = Self {
            all: Vec::new(),
            columns: 0,
        };
        for chunk in (0..looked_at.len()).filter(|&chunk| looked_at[chunk]) {
            let keys = first + chunk * step..span.end.min(first + (chunk + 1) * step);
            match runs.all.last_mut() {
                Some(last) if last.keys.end == keys.start => last.keys.end = keys.end,
                _ => runs.all.push(Run {
                    keys,
                    column: runs.columns,
                }),
            }
            runs.columns += step;
        }
        runs
    }

    /// The columns of keys that lie in one run.
    pub(crate) fn columns(&self, keys: &Range<usize>) -> Range<usize> {
        let run = &self.all[self.all.partition_point(|run| run.keys.end <= keys.start)];
        let start = run.column + keys.start - run.keys.start;
        start..start + keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Runs;

    #[test]
    fn neighbours_of_what_is_looked_at() {
        // Steps of four from 2 on: 2–5, 6–9, 10–13, 14–17, 18–20.
        let ranges = [3..5, 5..7, 15..16, 18..21];
        let runs = Runs::of(ranges.iter(), 2, &(3..21), 4);
        let found: Vec<_> = runs.all.iter().map(|run| (run.keys.clone(), run.column)).collect();
        assert_eq!(found, [(2..10, 0), (14..21, 8)]);
        assert_eq!(runs.columns, 16);
        assert_eq!(
            (runs.columns(&(5..7)), runs.columns(&(15..16)), runs.columns(&(18..21))),
            (3..5, 9..10, 12..15)
        );
        let one = Runs::one(7..12, 4);
        assert_eq!((one.columns, one.columns(&(8..10))), (8, 1..3));
    }
}
