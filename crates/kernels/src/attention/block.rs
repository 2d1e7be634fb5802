//! Queries that are taken together: scores, softmax, and the mixture of values.

use std::ops::Range;

use crate::attention::prepared::{FEW, KEYS, Prepared};
use crate::attention::{Attention, Part};
use crate::columns::Columns;
use crate::outer::{self, Matrix, multiply_add, product};
use crate::runs::Runs;
use crate::scratch::Scratch;
use crate::softmax::softmax;

const LANES: usize = 8;

/// Columns of scores that are computed at a time, at least.
const FEWEST_KEYS: usize = 16;

/// Rows that are multiplied together, and the keys that they look at.
struct Tile {
    rows: Range<usize>,
    span: Range<usize>,
}

/// The queries of some positions of a part: a row for each position and query head.
pub(super) struct Block<'a> {
    pub attention: &'a Attention<'a>,
    pub part: &'a Part,
    pub positions: Range<usize>,
    pub prepared: &'a Prepared<'a>,
}

impl Block<'_> {
    /// Writes what they see, `[positions, heads, value width]`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    pub(super) fn run<const FUSED: bool, const WIDE: usize>(&self, out: &mut Columns<'_>) {
        let span = self.attention.span(self.part, self.positions.clone());
        if span.is_empty() {
            return (0..out.rows()).for_each(|position| out.row(position).fill(0.0));
        }
        let (runs, rows, tiles) = (self.runs(&span), self.rows(), self.tiles());
        let mut scores = Scratch::new(rows * runs.columns);
        self.score::<FUSED, WIDE>(&runs, &tiles, &mut scores);
        let sums = self.weigh(&runs, &mut scores);
        let mut mixed = Scratch::new(rows * self.attention.value.width);
        self.mix::<FUSED, WIDE>(&runs, &tiles, &scores, &mut mixed);
        self.mix_apart::<FUSED, WIDE>(&runs, &scores, &mut mixed);
        self.share_out(&mixed, &sums, out);
    }

    fn rows(&self) -> usize {
        self.positions.len() * self.attention.group()
    }

    /// All rows, with what they look at: of what lies outside, nothing is computed.
    fn tiles(&self) -> Vec<Tile> {
        let (rows, group, before) = (self.rows(), self.attention.group(), self.positions.start);
        let tile = |first: usize| {
            let rows = first..rows.min(first + outer::ROWS);
            let positions = before + rows.start / group..before + rows.end.div_ceil(group);
            let span = self.attention.span(self.part, positions);
            Tile { rows, span }
        };
        (0..rows).step_by(outer::ROWS).map(tile).collect()
    }

    /// Which query of all sequences a position's is.
    fn query(&self, position: usize) -> usize {
        self.part.sequence * self.attention.query.shape[2] + position
    }

    /// The keys of a span that are scored.
    fn runs(&self, span: &Range<usize>) -> Runs {
        if self.rows() < FEW {
            return Runs::one(span.clone(), KEYS);
        }
        // From where turned keys begin.
        let first = span.start - (span.start - self.prepared.span.start) % KEYS;
        let of = |position| self.attention.seen.of(self.query(position));
        Runs::of(self.positions.clone().flat_map(of), first, span, KEYS)
    }

    /// Products with the keys of `runs`, in their columns.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn score<const FUSED: bool, const WIDE: usize>(&self, runs: &Runs, tiles: &[Tile], scores: &mut [f32]) {
        let (attention, prepared) = (self.attention, self.prepared);
        let &Part { sequence, head, .. } = self.part;
        let (width, group, stride) = (attention.query.width, attention.group(), runs.columns);
        let rows = self.rows();
        let mut queries = Vec::with_capacity(rows * width);
        for position in self.positions.clone() {
            for head in head * group..(head + 1) * group {
                let query = attention.query.vector(sequence, head, position);
                queries.extend(query.iter().map(|x| x * attention.scale));
            }
        }
        if rows < FEW {
            for (query, scores) in queries.chunks_exact(width).zip(scores.chunks_exact_mut(stride.max(1))) {
                for (score, at) in scores.iter_mut().zip(runs.all[0].keys.clone()) {
                    *score = dot::<FUSED>(query, attention.key.vector(sequence, head, at));
                }
            }
            return;
        }
        for run in &runs.all {
            let turned = &prepared.turned[(run.keys.start - prepared.span.start) * width..];
            for (start, turned) in (0..run.keys.len()).step_by(KEYS).zip(turned.chunks_exact(width * KEYS)) {
                let b = Matrix {
                    values: turned,
                    stride: KEYS,
                };
                let first = run.keys.start + start;
                let seen = tiles
                    .iter()
                    .filter(|tile| tile.span.start < first + KEYS && tile.span.end > first);
                for Tile { rows, span } in seen {
                    let a = Matrix {
                        values: &queries[rows.start * width..],
                        stride: width,
                    };
                    let columns = KEYS.min((span.end - first).next_multiple_of(FEWEST_KEYS));
                    let c = &mut scores[rows.start * stride + run.column + start..];
                    product::<FUSED, WIDE>(a, b, [rows.len(), width, columns], (c, stride), false);
                }
            }
        }
    }

    /// Scores become weights, which are not divided by their sums; these, of each row.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn weigh(&self, runs: &Runs, scores: &mut [f32]) -> Vec<f32> {
        let (group, stride) = (self.attention.group(), runs.columns);
        let mut sums = vec![0.0; self.rows()];
        for (row, sum) in sums.iter_mut().enumerate() {
            let sink = (self.attention.sinks).map(|sinks| sinks[self.part.head * group + row % group]);
            let scores = &mut scores[row * stride..(row + 1) * stride];
            let seen = self.attention.seen.of(self.query(self.positions.start + row / group));
            *sum = softmax(scores, seen.iter().map(|keys| runs.columns(keys)), sink);
        }
        sums
    }

    /// Values of all keys of `runs`, weighted and added up.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn mix<const FUSED: bool, const WIDE: usize>(
        &self,
        runs: &Runs,
        tiles: &[Tile],
        weights: &[f32],
        mixed: &mut [f32],
    ) {
        let width = self.attention.value.width;
        mixed.fill(0.0);
        for Tile { rows, span } in tiles {
            let weights = &weights[rows.start * runs.columns..];
            let mixed = &mut mixed[rows.start * width..];
            for run in &runs.all {
                let keys = span.start.max(run.keys.start)..span.end.min(run.keys.end);
                if keys.is_empty() {
                    continue;
                }
                let a = Matrix {
                    values: &weights[runs.columns(&keys).start..],
                    stride: runs.columns,
                };
                let values = self.prepared.values.from(keys.start - self.prepared.span.start);
                product::<FUSED, WIDE>(a, values, [rows.len(), keys.len(), width], (mixed, width), true);
            }
        }
    }

    /// [`Self::mix`] once more for each row that is not finite, of the values that it looks at alone: others have no weight, but no number of
    /// times infinity is nothing. The bits are those that it would have had without these.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn mix_apart<const FUSED: bool, const WIDE: usize>(&self, runs: &Runs, weights: &[f32], mixed: &mut [f32]) {
        let (group, width) = (self.attention.group(), self.attention.value.width);
        for (row, mixed) in mixed.chunks_exact_mut(width).enumerate() {
            if mixed.iter().all(|value| value.is_finite()) {
                continue;
            }
            mixed.fill(0.0);
            let weights = &weights[row * runs.columns..];
            for keys in self.attention.seen.of(self.query(self.positions.start + row / group)) {
                let a = Matrix {
                    values: &weights[runs.columns(keys).start..],
                    stride: runs.columns,
                };
                let values = self.prepared.values.from(keys.start - self.prepared.span.start);
                product::<FUSED, WIDE>(a, values, [1, keys.len(), width], (mixed, width), true);
            }
        }
    }

    /// Divides what was mixed by the sums of weights, where each query wants it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn share_out(&self, mixed: &[f32], sums: &[f32], out: &mut Columns<'_>) {
        let (group, width) = (self.attention.group(), self.attention.value.width);
        for (position, mixed) in mixed.chunks_exact(group * width).enumerate() {
            let out = out.row(position).chunks_exact_mut(width);
            for (head, (out, mixed)) in out.zip(mixed.chunks_exact(width)).enumerate() {
                let sum = sums[position * group + head];
                // Of nothing comes nothing: a sum that is not a number stays one.
                let share = if sum == 0.0 { 0.0 } else { 1.0 / sum };
                out.iter_mut().zip(mixed).for_each(|(out, mixed)| *out = mixed * share);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn dot<const FUSED: bool>(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (x_steps, y_steps) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for ((sum, &x), &y) in sums.iter_mut().zip(x_steps.remainder()).zip(y_steps.remainder()) {
        *sum = x * y;
    }
    for (x, y) in x_steps.zip(y_steps) {
        for lane in 0..LANES {
            sums[lane] = multiply_add::<FUSED>(x[lane], y[lane], sums[lane]);
        }
    }
    sums.iter().sum()
}
