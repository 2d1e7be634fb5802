//! Sequences with common beginnings, each beginning read once: few-shot headers, questions with several continuations.
//!
//! Such sequences lie in one row as a tree. Where they part, each goes on as a document of its own that follows what they share
//! ([`crate::batch::Batch::follows`]): attention sees the own branch and all that it comes from, a recurrent state starts where it leaves
//! the others. What several rows have in common is their stem (`crate::stems`), which is read before them.

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
    /// Most tokens that rows may have in front of them, because what layers remember of them takes memory.
    pub(crate) stem: usize,
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
    /// What all its sequences begin with and is not in it, by its index.
    pub(crate) stem: Option<usize>,
    /// Token ids.
    pub(crate) ids: Vec<u32>,
    /// Position of each token in its sequences.
    pub(crate) positions: Vec<usize>,
    /// Document of each token: a piece of the tree without a fork. A stem is document 0.
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
    /// The cell of each of its tokens behind the stem, ascending.
    pub(crate) cells: Vec<usize>,
}

/// What is in front of rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Behind {
    /// Their stem.
    pub(crate) stem: Option<usize>,
    /// Its tokens.
    pub(crate) tokens: usize,
}

/// Puts `sequences`, which are in ascending order and longer than what they are `behind`, into rows. Neighbours share a row where that is
/// less work.
pub(crate) fn rows(sequences: &[&[u32]], behind: Behind, sharing: &Sharing) -> Vec<SharedRow> {
    let mut rows = Vec::new();
    let mut rest = 0..sequences.len();
    while let Some(first) = rest.next() {
        let mut tree = Tree::new(behind);
        tree.add(first, sequences[first], behind.tokens);
        let mut full = false;
        for next in rest.clone() {
            let (length, common) = (sequences[next].len(), shared(sequences[next - 1], sequences[next]));
            full = !sharing.has_room(&tree, length, common);
            if full || !sharing.is_worth_it(&tree, length, common) {
                break;
            }
            tree.add(next, sequences[next], common);
        }
        if full {
            tree.end_at_a_fork(sequences);
        }
        rest.start = first + tree.sequences.len();
        rows.push(tree.row());
    }
    rows
}

impl Sharing {
    /// Whether a row can take a sequence of `length` tokens, of which `common` are there already.
    fn has_room(&self, tree: &Tree, length: usize, common: usize) -> bool {
        let longest = tree.longest.max(length);
        let own = longest - tree.behind.tokens;
        let row = self.row.max(own + own / 2).max(self.long_row.min(4 * own));
        longest <= self.longest && tree.ids.len() + length - common <= row
    }

    /// Whether such a sequence is better read there than alone.
    fn is_worth_it(&self, tree: &Tree, length: usize, common: usize) -> bool {
        let Pairs { per_token, seen } = self.pairs;
        let pairs = |pairs: usize| pairs / per_token.max(1);
        if seen {
            // What is remembered of a stem is copied for each row.
            return pairs((length - common) * BESIDE) < common;
        }
        let cost = |tokens: usize| tokens + pairs(tokens * tokens);
        let (before, own) = (tree.ids.len(), length - tree.behind.tokens);
        cost(before + length - common) < cost(before) + cost(own)
    }
}

/// A row that is being filled.
#[derive(Debug)]
struct Tree {
    behind: Behind,
    ids: Vec<u32>,
    positions: Vec<usize>,
    /// The cell that each follows.
    before: Vec<Option<usize>>,
    sequences: Vec<Placed>,
    /// Tokens of the longest sequence.
    longest: usize,
}

impl Tree {
    fn new(behind: Behind) -> Self {
        Self {
            behind,
            ids: Vec::new(),
            positions: Vec::new(),
            before: Vec::new(),
            sequences: Vec::new(),
            longest: 0,
        }
    }

    /// Adds a sequence that has its first `common` tokens in common with the stem or with the one added last.
    fn add(&mut self, sequence: usize, tokens: &[u32], common: usize) {
        let here = common - self.behind.tokens;
        let last = self.sequences.last();
        let mut cells = last.map(|last| last.cells[..here].to_vec()).unwrap_or_default();
        for (position, &token) in tokens.iter().enumerate().skip(common) {
            self.before.push(cells.last().copied());
            cells.push(self.ids.len());
            self.ids.push(token);
            self.positions.push(position);
        }
        self.longest = self.longest.max(tokens.len());
        self.sequences.push(Placed { sequence, cells });
    }

    /// Leaves the last sequences to the next row, if less is read again there then: a row ends between questions rather than between the
    /// answers to one. At most a quarter of it is left.
    fn end_at_a_fork(&mut self, sequences: &[&[u32]]) {
        let fork = |place: usize| {
            let next = self.sequences[place].sequence + 1;
            shared(sequences[next - 1], sequences[next])
        };
        // Each sequence has tokens of its own, behind those of all before it.
        let tokens = |place: usize| self.sequences[place].cells.last().map_or(0, |&cell| cell + 1);
        let mut last = self.sequences.len() - 1;
        let mut shallowest = fork(last);
        for place in (0..last)
            .rev()
            .take_while(|&place| 4 * tokens(place) >= 3 * self.ids.len())
        {
            if fork(place) < shallowest {
                (last, shallowest) = (place, fork(place));
            }
        }
        let tokens = tokens(last);
        self.sequences.truncate(last + 1);
        self.ids.truncate(tokens);
        self.positions.truncate(tokens);
        self.before.truncate(tokens);
    }

    fn row(self) -> SharedRow {
        let mut next = vec![0; self.ids.len()];
        for &before in self.before.iter().flatten() {
            next[before] += 1;
        }
        let mut documents: Vec<u32> = Vec::with_capacity(self.ids.len());
        let stem = self.behind.stem.map(|_| 0);
        let mut follows: Vec<Option<u32>> = stem.map(|_| None).into_iter().collect();
        for before in self.before {
            let document = match before {
                Some(before) if next[before] == 1 => documents[before],
                _ => {
                    follows.push(before.map_or(stem, |before| Some(documents[before])));
                    follows.len() as u32 - 1
                }
            };
            documents.push(document);
        }
        SharedRow {
            stem: self.behind.stem,
            ids: self.ids,
            positions: self.positions,
            documents,
            follows,
            sequences: self.sequences,
        }
    }
}

/// Tokens that two sequences begin with alike.
pub(crate) fn shared(one: &[u32], other: &[u32]) -> usize {
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
        stem: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::{Behind, Pairs, SharedRow, Sharing};

    fn rows(sequences: &[&[u32]], sharing: &Sharing) -> Vec<SharedRow> {
        super::rows(sequences, Behind::default(), sharing)
    }

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
