//! Sequences with common beginnings, each beginning read once: few-shot headers, questions with several continuations.
//!
//! Such sequences lie in one row as a tree. Where they part, each goes on as a document of its own that follows what they share
//! ([`crate::batch::Batch::follows`]): attention sees the own branch and all that it comes from, a recurrent state starts where it leaves
//! the others. Nothing is kept from one forward pass to the next, so that what a request costs in memory is known beforehand.

/// How far sharing goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharing {
    /// Tokens of a row; half as many again as the longest of its sequences if that is more.
    pub(crate) row: usize,
    /// Or four times the longest, if that is not more than so many.
    pub(crate) long_row: usize,
    /// Longer sequences stay alone: what they say of a position depends on their length.
    pub(crate) longest: usize,
    /// What tokens cost that share a row.
    pub(crate) pairs: Pairs,
}

/// Pairs of tokens that meet in attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs {
    /// How many cost as much as everything else that is done to one token.
    pub(crate) per_token: usize,
    /// Only those that see each other meet, and a few [beside](BESIDE) them; else, all of a row.
    pub(crate) seen: bool,
}

/// Keys of others that meet a token in a shared row: about as many as lie between what it comes from and itself in steps of the kernels.
const BESIDE: usize = 96;

/// One row: the tokens of a tree, each behind what it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedRow {
    /// Token ids.
    pub(crate) ids: Vec<u32>,
    /// Position of each token in its sequences.
    pub(crate) positions: Vec<usize>,
    /// Document of each token: a piece of the tree without a fork.
    pub(crate) documents: Vec<u32>,
    /// Per document, the one that it goes on from.
    pub(crate) follows: Vec<Option<u32>>,
    /// The sequences in it.
    pub(crate) sequences: Vec<Placed>,
}

/// Where a sequence lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its index.
    pub(crate) sequence: usize,
    /// The cell of each of its tokens, ascending.
    pub(crate) cells: Vec<usize>,
}

/// Puts `sequences`, which are in ascending order, none empty, into rows. Neighbours share a row where that is less work.
pub(crate) fn rows(sequences: &[&[u32]], sharing: &Sharing) -> Vec<SharedRow> {
    let mut rows = Vec::new();
    let mut tree = Tree::default();
    for (index, sequence) in sequences.iter().enumerate() {
        let before = index.checked_sub(1).filter(|_| !tree.sequences.is_empty());
        let mut common = before.map_or(0, |before| shared(sequences[before], sequence));
        if before.is_some() && !sharing.pays(&tree, sequence.len(), common) {
            rows.push(std::mem::take(&mut tree).row());
            common = 0;
        }
        tree.add(index, sequence, common);
    }
    if !tree.sequences.is_empty() {
        rows.push(tree.row());
    }
    rows
}

impl Sharing {
    /// Whether a sequence of `length` tokens, of which `common` are there already, is better added to a row than read alone.
    fn pays(&self, tree: &Tree, length: usize, common: usize) -> bool {
        let (before, after) = (tree.ids.len(), tree.ids.len() + length - common);
        let longest = tree.longest.max(length);
        let Pairs { per_token, seen } = self.pairs;
        let pairs = |pairs: usize| pairs / per_token.max(1);
        let worth_it = if seen {
            pairs((length - common) * BESIDE) < common
        } else {
            let cost = |tokens: usize| tokens + pairs(tokens * tokens);
            cost(after) < cost(before) + cost(length)
        };
        let row = self.row.max(longest + longest / 2);
        longest <= self.longest && after <= row.max(self.long_row.min(4 * longest)) && worth_it
    }
}

/// A row that is being filled.
#[derive(Debug, Default)]
struct Tree {
    ids: Vec<u32>,
    positions: Vec<usize>,
    /// The cell that each follows.
    before: Vec<Option<usize>>,
    sequences: Vec<Placed>,
    longest: usize,
}

impl Tree {
    /// Adds a sequence that has its first `common` tokens in common with the one added last.
    fn add(&mut self, sequence: usize, tokens: &[u32], common: usize) {
        let last = self.sequences.last();
        let mut cells = last.map(|last| last.cells[..common].to_vec()).unwrap_or_default();
        for (position, &token) in tokens.iter().enumerate().skip(common) {
            self.before.push(cells.last().copied());
            cells.push(self.ids.len());
            self.ids.push(token);
            self.positions.push(position);
        }
        self.longest = self.longest.max(tokens.len());
        self.sequences.push(Placed { sequence, cells });
    }

    fn row(self) -> SharedRow {
        let mut next = vec![0; self.ids.len()];
        for &before in self.before.iter().flatten() {
            next[before] += 1;
        }
        let mut documents: Vec<u32> = Vec::with_capacity(self.ids.len());
        let mut follows = Vec::new();
        for before in self.before {
            let document = match before {
                Some(before) if next[before] == 1 => documents[before],
                _ => {
                    follows.push(before.map(|before| documents[before]));
                    follows.len() as u32 - 1
                }
            };
            documents.push(document);
        }
        SharedRow {
            ids: self.ids,
            positions: self.positions,
            documents,
            follows,
            sequences: self.sequences,
        }
    }
}

/// Tokens that two sequences begin with alike.
fn shared(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
impl Sharing {
    /// For tests: short rows, all of whose tokens meet.
    pub(crate) const SHORT: Self = Self {
        row: 64,
        long_row: 0,
        longest: usize::MAX,
        pairs: Pairs {
            per_token: 1024,
            seen: false,
        },
    };
}

#[cfg(test)]
mod tests {
    use super::{Pairs, SharedRow, Sharing, rows};

    fn tokens(rows: &[SharedRow]) -> usize {
        rows.iter().map(|row| row.ids.len()).sum()
    }

    #[test]
    fn a_tree_by_hand() {
        let sequences: [&[u32]; 3] = [&[1, 2], &[1, 2, 3, 4], &[1, 2, 5]];
        let found = rows(&sequences, &Sharing::SHORT);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].ids, [1, 2, 3, 4, 5]);
        assert_eq!(found[0].positions, [0, 1, 2, 3, 2]);
        assert_eq!(found[0].documents, [0, 0, 1, 1, 2]);
        assert_eq!(found[0].follows, [None, Some(0), Some(0)]);
        let cells: Vec<&[usize]> = found[0].sequences.iter().map(|placed| &placed.cells[..]).collect();
        assert_eq!(cells, [&[0, 1][..], &[0, 1, 2, 3], &[0, 1, 4]]);
    }

    #[test]
    fn what_is_shared_is_read_once() {
        // A header of 20 tokens, 6 questions of 5, 4 options of 2 each.
        let header: Vec<u32> = (0..20).collect();
        let option = |question: u32, option: u32| {
            let own = [100 + question, 7, 7, 7, 8, 200 + option, 9];
            [&header[..], &own].concat()
        };
        let sequences: Vec<Vec<u32>> = (0..24).map(|n| option(n / 4, n % 4)).collect();
        let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let wide = Sharing {
            row: 1000,
            ..Sharing::SHORT
        };
        assert_eq!(tokens(&rows(&sequences, &wide)), 20 + 6 * (5 + 4 * 2));
        // A row of at most 64 tokens holds the header and three questions.
        let narrow = rows(&sequences, &Sharing::SHORT);
        assert_eq!((narrow.len(), tokens(&narrow)), (2, 2 * (20 + 3 * (5 + 4 * 2))));
        // Four times the longest hold all six; of 90 tokens, five are left.
        for (long_row, count) in [(120, 1), (90, 2)] {
            let long = Sharing {
                long_row,
                ..Sharing::SHORT
            };
            let found = rows(&sequences, &long);
            assert_eq!((found.len(), tokens(&found)), (count, count * 20 + 6 * (5 + 4 * 2)));
        }
        // One by one it would be 24 times 27 tokens.
        let alone = Sharing {
            longest: 26,
            ..Sharing::SHORT
        };
        assert_eq!(tokens(&rows(&sequences, &alone)), 24 * 27);
    }

    #[test]
    fn every_sequence_is_read_as_it_is() {
        let sequences: [&[u32]; 5] = [&[1], &[1, 2, 3], &[1, 2, 3, 3], &[1, 2, 4], &[5, 5]];
        let mut seen = Vec::new();
        for row in rows(&sequences, &Sharing::SHORT) {
            for placed in &row.sequences {
                let read: Vec<u32> = placed.cells.iter().map(|&cell| row.ids[cell]).collect();
                assert_eq!(read, sequences[placed.sequence]);
                assert!(placed.cells.is_sorted_by(|a, b| a < b));
                assert!(
                    placed
                        .cells
                        .iter()
                        .enumerate()
                        .all(|(at, &cell)| row.positions[cell] == at)
                );
                seen.push(placed.sequence);
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn little_in_common_is_not_worth_meeting_in_attention() {
        let long = |first: u32| -> Vec<u32> { std::iter::once(0).chain((0..500).map(|n| first + n)).collect() };
        let (one, other) = (long(1000), long(2000));
        let wide = Sharing {
            row: 2048,
            ..Sharing::SHORT
        };
        assert_eq!(rows(&[&one, &other], &wide).len(), 2);
        // Where branches that do not see each other do not meet, a little more is enough.
        let seen = Sharing {
            pairs: Pairs {
                seen: true,
                ..Sharing::SHORT.pairs
            },
            ..wide
        };
        assert_eq!(rows(&[&one, &other], &seen).len(), 2);
        let begins = |rest: &[u32]| [&[7; 60][..], rest].concat();
        let (one, other) = (begins(&one), begins(&other));
        assert_eq!(rows(&[&one, &other], &wide).len(), 2);
        assert_eq!(rows(&[&one, &other], &seen).len(), 1);
    }
}
