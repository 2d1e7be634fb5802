//! What several rows begin with, read once before them: few-shot examples in front of a task's questions.
//!
//! Of such a stem a row needs what the layers remember of it: keys and values, or the state that a recurrence is in behind it. Tokens whose
//! successor is asked for are never part of one.

use crate::shared::{Behind, SharedRow, Sharing, rows, shared};

/// Tokens that cost as much as a forward pass does by itself, at most: it reads the weights of nearly all experts, however few tokens it has. Of
/// the random `OLMoE` of results/performance.md a step of eight sequences takes as long as 20 tokens of prefill with AVX2 and as 43 with AVX-512
/// BF16 (355 / (142 / 8), 1116 / (206 / 8)). A stem has as many at least: behind the few that the demo's questions begin with, a cell took a tenth longer.
pub(crate) const PASS: usize = 64;

/// Rows, and the stems that they go on from.
#[derive(Debug, Default)]
pub(crate) struct Stemmed {
    /// Tokens of each stem.
    pub(crate) stems: Vec<Vec<u32>>,
    /// Rows with and without one.
    pub(crate) rows: Vec<SharedRow>,
}

/// Puts `sequences`, which are in ascending order, none empty, into rows with as few tokens as can be. `asked` is the place of each one's
/// first token whose successor is asked for.
pub(crate) fn stemmed(sequences: &[&[u32]], asked: &[usize], sharing: &Sharing) -> Stemmed {
    let mut found = Stemmed::default();
    let alone = rows(sequences, Behind::default(), sharing);
    let beginnings = Beginnings::new(&alone, sequences, asked, sharing);
    let mut alone = alone.into_iter();
    for (count, tokens) in beginnings.stretches() {
        let some: Vec<SharedRow> = alone.by_ref().take(count).collect();
        let placed = || some.iter().flat_map(|row| &row.sequences).map(|placed| placed.sequence);
        let (Some(first), Some(last), 1..) = (placed().min(), placed().max(), tokens) else {
            found.rows.extend(some);
            continue;
        };
        let stem = Some(found.stems.len());
        found.stems.push(sequences[first][..tokens].to_vec());
        let mut behind = rows(&sequences[first..=last], Behind { stem, tokens }, sharing);
        for placed in behind.iter_mut().flat_map(|row| &mut row.sequences) {
            placed.sequence += first;
        }
        found.rows.append(&mut behind);
    }
    found
}

/// How many tokens neighbouring rows could have in a stem.
#[derive(Debug)]
struct Beginnings {
    /// That all sequences of each row begin with.
    within: Vec<usize>,
    /// That each row's first sequence has in common with the last one of the row before.
    before: Vec<usize>,
}

impl Beginnings {
    fn new(rows: &[SharedRow], sequences: &[&[u32]], asked: &[usize], sharing: &Sharing) -> Self {
        let alike = |index: usize| {
            let [one, other] = [sequences[index - 1], sequences[index]];
            if one.len().max(other.len()) > sharing.longest {
                return 0;
            }
            shared(one, other).min(sharing.stem)
        };
        let numbers = |row: &SharedRow| row.sequences.iter().map(|placed| placed.sequence).collect::<Vec<_>>();
        let within = |row: &SharedRow| {
            let of = numbers(row);
            let asked = of.iter().map(|&index| asked[index]);
            let alike = of.iter().skip(1).map(|&index| alike(index));
            asked.chain(alike).min().unwrap_or(0)
        };
        let before = |row: &SharedRow| match numbers(row).first() {
            None | Some(0) => 0,
            Some(&first) => alike(first),
        };
        Self {
            within: rows.iter().map(within).collect(),
            before: rows.iter().map(before).collect(),
        }
    }

    /// The rows in order as stretches of one stem each, so that most tokens are saved: how many rows, and the tokens of their stem, 0 for
    /// none.
    fn stretches(&self) -> Vec<(usize, usize)> {
        // Per number of rows from the first on: the tokens that they save, and their last stretch.
        let mut best: Vec<(usize, (usize, usize))> = vec![(0, (0, 0))];
        for last in 0..self.within.len() {
            let mut most = (best[last].0, (1, 0));
            let mut tokens = self.within[last];
            for first in (0..last).rev() {
                tokens = tokens.min(self.before[first + 1]).min(self.within[first]);
                if tokens < PASS {
                    break;
                }
                let saved = (best[first].0 + (last - first) * tokens).saturating_sub(PASS);
                if saved > most.0 {
                    most = (saved, (last - first + 1, tokens));
                }
            }
            best.push(most);
        }
        let mut stretches = Vec::new();
        let mut end = self.within.len();
        while end > 0 {
            let (count, tokens) = best[end].1;
            stretches.push((count, tokens));
            end -= count;
        }
        stretches.reverse();
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::{Beginnings, PASS, Stemmed, stemmed};
    use crate::shared::{Pairs, Sharing};

    const SHARING: Sharing = Sharing {
        row: 128,
        pairs: Pairs {
            seen: true,
            ..Sharing::SHORT.pairs
        },
        stem: usize::MAX,
        ..Sharing::SHORT
    };

    /// Two subjects with headers of 100 tokens, 30 questions of 9 tokens under each, 4 options of 3 tokens.
    fn sequences() -> Vec<Vec<u32>> {
        let header = |subject: u32| (0..100).map(move |at| 1000 * (subject + 1) + at);
        let one = |n: u32| {
            let (subject, question, option) = (n / 120, n / 4 % 30, n % 4);
            let own = [5, 100 + question, 7, 7, 7, 7, 7, 7, 8, 10 + option, 9, 9];
            header(subject).chain(own).collect()
        };
        (0..240).map(one).collect()
    }

    fn found(sequences: &[Vec<u32>], asked: usize, sharing: &Sharing) -> Stemmed {
        let borrowed: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        stemmed(&borrowed, &vec![asked; sequences.len()], sharing)
    }

    fn read(found: &Stemmed) -> usize {
        let rows = found.rows.iter().map(|row| row.ids.len());
        rows.chain(found.stems.iter().map(Vec::len)).sum()
    }

    #[test]
    fn a_header_is_read_once_and_a_question_once() {
        let sequences = sequences();
        let once = 2 * (101 + 30 * (8 + 4 * 3));
        let found = found(&sequences, 108, &SHARING);
        assert_eq!((found.stems.len(), found.stems[0].len()), (2, 101));
        // No question is cut in the middle: of 128 tokens, a row takes six questions of 20.
        assert_eq!((found.rows.len(), read(&found)), (10, once));
    }

    #[test]
    fn every_sequence_is_its_stem_and_its_cells() {
        let sequences = sequences();
        for (asked, stems) in [(108, 2), (70, 2), (0, 0)] {
            let found = found(&sequences, asked, &SHARING);
            assert_eq!(found.stems.len(), stems);
            let mut seen = Vec::new();
            for row in &found.rows {
                let stem = row.stem.map_or(&[][..], |stem| &found.stems[stem]);
                assert!(stem.len() <= asked);
                for placed in &row.sequences {
                    let behind = placed.cells.iter().map(|&cell| row.ids[cell]);
                    let all: Vec<u32> = stem.iter().copied().chain(behind).collect();
                    assert_eq!(all, sequences[placed.sequence]);
                    let places = placed.cells.iter().map(|&cell| row.positions[cell]);
                    assert!(places.eq(stem.len()..all.len()));
                    seen.push(placed.sequence);
                }
                let from = usize::from(row.stem.is_some());
                assert!(row.documents.iter().all(|&document| document as usize >= from));
                let roots = row.follows[from..].iter().filter(|before| before.is_none()).count();
                assert_eq!((row.follows[0], roots), (None, 1 - from));
            }
            assert!(seen.into_iter().eq(0..sequences.len()));
        }
    }

    #[test]
    fn no_stem_is_longer_than_there_is_room_for() {
        let sequences = sequences();
        for (sharing, stem) in [
            (Sharing { stem: 64, ..SHARING }, Some(64)),
            (Sharing { stem: 63, ..SHARING }, None),
            (Sharing { stem: 0, ..SHARING }, None),
            (
                Sharing {
                    longest: 111,
                    ..SHARING
                },
                None,
            ),
        ] {
            let found = found(&sequences, 108, &sharing);
            assert_eq!(found.stems.first().map(Vec::len), stem);
        }
    }

    #[test]
    fn stretches_save_most() {
        let stretches = |within: &[usize], before: &[usize]| {
            let beginnings = Beginnings {
                within: within.to_vec(),
                before: before.to_vec(),
            };
            beginnings.stretches()
        };
        assert_eq!(stretches(&[], &[]), []);
        assert_eq!(stretches(&[500], &[0]), [(1, 0)]);
        // A pass of its own costs as much as is saved.
        assert_eq!(stretches(&[PASS; 2], &[0, PASS]), [(1, 0), (1, 0)]);
        assert_eq!(stretches(&[PASS; 3], &[0, PASS, PASS]), [(3, PASS)]);
        // Two headers; one token of the first question that all share; a header in front of only one row.
        assert_eq!(stretches(&[300; 4], &[0, 300, 2, 300]), [(2, 300), (2, 300)]);
        assert_eq!(stretches(&[301, 300, 300, 302], &[0, 301, 300, 300]), [(4, 300)]);
        // What questions begin with is too short.
        assert_eq!(
            stretches(&[PASS - 1; 4], &[0, PASS - 1, PASS - 1, PASS - 1]),
            [(1, 0); 4]
        );
        assert_eq!(stretches(&[900, 100, 100], &[0, 100, 100]), [(3, 100)]);
        assert_eq!(stretches(&[900, 900, 100], &[0, 900, 100]), [(2, 900), (1, 0)]);
    }
}
