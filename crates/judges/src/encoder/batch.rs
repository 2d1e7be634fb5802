//! Token sequences one after the other in one table of rows: nothing is padded, so that nothing has to be masked.
//!
//! Sequences of equal length stand together in a run and share their attention products.

use std::ops::Range;

use secateur_model::text::PairTokens;

/// Sequences of one length, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First row.
    pub first: usize,
    /// Number of sequences.
    pub sequences: usize,
    /// Rows of each.
    pub length: usize,
}

/// Some sequences, ascending by length.
#[derive(Debug, Clone, Default)]
pub struct Batch<'a> {
    /// The tokens.
    pub sequences: Vec<&'a PairTokens>,
    /// What they were in the caller's order.
    pub origins: Vec<usize>,
    /// The same, by length.
    pub runs: Vec<Run>,
    /// All their tokens.
    pub rows: usize,
}

impl<'a> Batch<'a> {
    fn of(inputs: &'a [PairTokens], origins: &[usize]) -> Self {
        let mut batch = Self::default();
        for &origin in origins {
            let sequence = &inputs[origin];
            let length = sequence.ids.len();
            match batch.runs.last_mut() {
                Some(run) if run.length == length => run.sequences += 1,
                _ => batch.runs.push(Run {
                    first: batch.rows,
                    sequences: 1,
                    length,
                }),
            }
            batch.rows += length;
            batch.sequences.push(sequence);
            batch.origins.push(origin);
        }
        batch
    }

    /// Rows of each sequence, in the order of the batch.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.sequences.iter().scan(0, |end, sequence| {
            let begin = *end;
            *end += sequence.ids.len();
            Some(begin..*end)
        })
    }
}

/// Sorts by length (equal ones keep their order) and cuts into batches of at most `rows` tokens; a longer sequence is alone.
#[must_use]
pub fn batches(inputs: &[PairTokens], rows: usize) -> Vec<Batch<'_>> {
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    order.sort_by_key(|&origin| inputs[origin].ids.len());
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let mut total = 0;
        let fitting = rest.iter().take_while(|&&origin| {
            total += inputs[origin].ids.len();
            total <= rows
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        batches.push(Batch::of(inputs, now));
        rest = later;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_sorted_cut_and_grouped() {
        let inputs: Vec<PairTokens> = [3, 2, 3, 9, 2, 1]
            .map(|length| PairTokens {
                ids: vec![7; length],
                ..PairTokens::default()
            })
            .into();
        let batches = batches(&inputs, 8);
        let origins: Vec<&[usize]> = batches.iter().map(|batch| batch.origins.as_slice()).collect();
        assert_eq!(origins, [&[5, 1, 4, 0][..], &[2], &[3]]);
        let run = |first, sequences, length| Run {
            first,
            sequences,
            length,
        };
        assert_eq!(batches[0].runs, [run(0, 1, 1), run(1, 2, 2), run(5, 1, 3)]);
        assert_eq!(batches[0].rows, 8);
        assert_eq!(batches[0].ranges().collect::<Vec<_>>(), [0..1, 1..3, 3..5, 5..8]);
    }
}
