//! Attention: scores, softmax and the mixture of values, a few queries at a time, so that scores stay in a cache.
//!
//! Which keys a query looks at is a list of ranges: of what no query of a few looks at, nothing is computed but what shares [`KEYS`] neighbours
//! with something that is. The queries of heads that share keys go together. Every vector is read where it lies.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::columns::Columns;
use crate::heads::Heads;
use crate::outer::{Matrix, multiply_add, product};
use crate::projection::each;
use crate::runs::Runs;
use crate::scratch::Scratch;
use crate::seen::Seen;
use crate::softmax::softmax;
#[cfg(target_arch = "x86_64")]
use crate::widest::wide;

/// Multiply–adds from which attention is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 17;

/// Queries that are taken together, heads that share keys counted each, and the scores that they may have.
const QUERIES: usize = 48;
const SCORES: usize = 1 << 17;

/// Parts of the queries per thread.
const PARTS: usize = 4;

/// Fewer queries take products with keys where these lie; others with keys that are transposed first.
const FEW: usize = 4;

/// Keys that are transposed at a time: a multiple of what a tile has.
const KEYS: usize = 64;

/// Columns of a tile with AVX-512.
#[cfg(target_arch = "x86_64")]
const WIDEST: usize = 64;

const LANES: usize = 8;

/// `out = softmax(scale · query keyᵀ) value` for every sequence and head.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Of each sequence, head and position.
    pub query: Heads<'a>,
    /// Heads are shared by as many query heads as there are more of these.
    pub key: Heads<'a>,
    /// The same of values, whose width may be another.
    pub value: Heads<'a>,
    /// Keys of query `sequence · positions + position`.
    pub seen: &'a Seen,
    /// Multiplies products.
    pub scale: f32,
    /// One further score per query head that stands for nothing.
    pub sinks: Option<&'a [f32]>,
}

/// Queries that look at the same keys: of some positions, and of all heads that share keys.
struct Part {
    sequence: usize,
    /// Of keys and values.
    head: usize,
    first: usize,
    positions: usize,
    /// Positions that are taken together.
    at_once: usize,
}

/// Keys and values of a part as products take them.
struct Prepared<'a> {
    /// All keys that any of its queries looks at.
    span: Range<usize>,
    /// The keys, [`KEYS`] at a time, `[width, KEYS]`; empty where they are read where they lie.
    turned: Scratch<f32>,
    /// From the first key's value on.
    values: Values<'a>,
}

/// Values of keys, row by row.
enum Values<'a> {
    InPlace(Matrix<'a>),
    Copied(Scratch<f32>, usize),
}

impl Values<'_> {
    /// From the value of key `first` on.
    fn from(&self, first: usize) -> Matrix<'_> {
        let (values, stride): (&[f32], _) = match self {
            Self::InPlace(matrix) => (matrix.values, matrix.stride),
            Self::Copied(values, width) => (values, *width),
        };
        Matrix {
            values: &values[first * stride..],
            stride,
        }
    }
}

impl Attention<'_> {
    /// Writes `[batch, positions, heads, value width]`; zeros where a query looks at nothing.
    ///
    /// # Panics
    /// If shapes do not fit together, or `seen` names keys that there are not.
    pub fn run(&self, out: &mut [f32]) {
        let ([batch, heads, positions], width) = (self.query.shape, self.value.width);
        let [_, key_heads, keys] = self.key.shape;
        assert!(
            key_heads > 0 && heads.is_multiple_of(key_heads),
            "heads do not share keys evenly"
        );
        assert!(
            self.key.shape == self.value.shape && self.key.shape[0] == batch && self.key.width == self.query.width,
            "queries, keys and values do not fit together"
        );
        assert!(self.sinks.is_none_or(|sinks| sinks.len() == heads), "one sink per head");
        assert_eq!(self.seen.queries(), batch * positions, "keys are listed for each query");
        assert!(
            self.seen.span(0..batch * positions).end <= keys,
            "a query looks at a key that there is not"
        );
        assert_eq!(
            out.len(),
            batch * positions * heads * width,
            "out does not hold a vector for each query"
        );
        if out.is_empty() {
            return;
        }
        let group = heads / key_heads;
        let at_once = (QUERIES.min(SCORES / keys.max(1)) / group).max(1);
        // As few parts as keep all threads busy: each prepares its keys.
        let shares = (PARTS * rayon::current_num_threads()).div_ceil(batch * key_heads);
        let per_part = positions.div_ceil(at_once).div_ceil(shares) * at_once;
        let mut jobs = Vec::new();
        let mut rest = Columns::new(out, heads * width);
        for sequence in 0..batch {
            let (here, others) = rest.split_rows_at(positions);
            rest = others;
            for (start, mut out) in here.chunks(group * width) {
                let head = start / (group * width);
                for first in (0..positions).step_by(per_part) {
                    let part = Part {
                        sequence,
                        head,
                        first,
                        positions: per_part.min(positions - first),
                        at_once,
                    };
                    let (here, others) = out.split_rows_at(part.positions);
                    out = others;
                    jobs.push((part, here));
                }
            }
        }
        let run = if fused() { run_fused() } else { run_portable };
        let work = batch * positions * heads * keys * (self.key.width + width);
        each(work >= PARALLEL_FROM, jobs, |(part, mut out)| {
            run(self, &part, &mut out);
        });
    }

    /// # Safety
    /// The machine must have AVX-512 where `WIDE` is [`WIDEST`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    unsafe fn part<const FUSED: bool, const WIDE: usize>(&self, part: &Part, out: &mut Columns<'_>) {
        let end = part.first + part.positions;
        // SAFETY: the caller vouches for AVX-512.
        let prepared = unsafe { self.prepare::<WIDE>(part) };
        let mut rest = out.borrow();
        for first in (part.first..end).step_by(part.at_once) {
            let positions = first..end.min(first + part.at_once);
            let (mut here, others) = rest.split_rows_at(positions.len());
            rest = others;
            self.block::<FUSED, WIDE>(part, positions, &prepared, &mut here);
        }
    }

    /// Keys that a query of some positions looks at, from the first to the last.
    fn span(&self, part: &Part, positions: Range<usize>) -> Range<usize> {
        let before = part.sequence * self.query.shape[2];
        self.seen.span(before + positions.start..before + positions.end)
    }

    /// Query heads per head of keys.
    fn group(&self) -> usize {
        self.query.shape[1] / self.key.shape[1]
    }

    /// # Safety
    /// As that of [`Self::part`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    unsafe fn prepare<const WIDE: usize>(&self, part: &Part) -> Prepared<'_> {
        let &Part {
            sequence,
            head,
            first,
            positions,
            at_once,
        } = part;
        let (width, value_width) = (self.key.width, self.value.width);
        let span = self.span(part, first..first + positions);
        let turns = positions.min(at_once) * self.group() >= FEW;
        let mut turned = Scratch::new(if turns {
            span.len().next_multiple_of(KEYS) * width
        } else {
            0
        });
        for (start, turned) in span.clone().step_by(KEYS).zip(turned.chunks_exact_mut(width * KEYS)) {
            let shape = [KEYS.min(span.end - start), width];
            // SAFETY: the caller vouches for AVX-512.
            unsafe { turn_keys::<WIDE>(|at| self.key.vector(sequence, head, start + at), shape, turned) };
        }
        let stride = self.value.strides[2];
        let values = if positions > at_once && stride != value_width {
            let mut copied = Scratch::new(span.len() * value_width);
            for (at, to) in span.clone().zip(copied.chunks_exact_mut(value_width.max(1))) {
                to.copy_from_slice(self.value.vector(sequence, head, at));
            }
            Values::Copied(copied, value_width)
        } else {
            Values::InPlace(Matrix {
                values: &self.value.values[self.value.start(sequence, head, span.start)..],
                stride,
            })
        };
        Prepared { span, turned, values }
    }

    /// Products of some positions' queries with the keys of `runs`, in their columns.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn score<const FUSED: bool, const WIDE: usize>(
        &self,
        part: &Part,
        positions: Range<usize>,
        prepared: &Prepared<'_>,
        runs: &Runs,
        scores: &mut [f32],
    ) {
        let &Part { sequence, head, .. } = part;
        let (width, group, stride) = (self.query.width, self.group(), runs.columns);
        let rows = positions.len() * group;
        let mut queries = Vec::with_capacity(rows * width);
        for position in positions {
            for head in head * group..(head + 1) * group {
                let query = self.query.vector(sequence, head, position);
                queries.extend(query.iter().map(|x| x * self.scale));
            }
        }
        if rows < FEW {
            for (query, scores) in queries.chunks_exact(width).zip(scores.chunks_exact_mut(stride.max(1))) {
                for (score, at) in scores.iter_mut().zip(runs.all[0].keys.clone()) {
                    *score = dot::<FUSED>(query, self.key.vector(sequence, head, at));
                }
            }
        } else {
            let a = Matrix {
                values: &queries,
                stride: width,
            };
            for run in &runs.all {
                let turned =
                    prepared.turned[(run.keys.start - prepared.span.start) * width..].chunks_exact(width * KEYS);
                for (start, turned) in (0..run.keys.len()).step_by(KEYS).zip(turned) {
                    let b = Matrix {
                        values: turned,
                        stride: KEYS,
                    };
                    let c = &mut scores[run.column + start..];
                    product::<FUSED, WIDE>(a, b, [rows, width, KEYS], (c, stride), false);
                }
            }
        }
    }

    /// Some positions' queries.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn block<const FUSED: bool, const WIDE: usize>(
        &self,
        part: &Part,
        positions: Range<usize>,
        prepared: &Prepared<'_>,
        out: &mut Columns<'_>,
    ) {
        let &Part { sequence, head, .. } = part;
        let group = self.group();
        let query_of = |position: usize| sequence * self.query.shape[2] + position;
        let span = self.span(part, positions.clone());
        if span.is_empty() {
            return (0..out.rows()).for_each(|position| out.row(position).fill(0.0));
        }
        let rows = positions.len() * group;
        let runs = if rows < FEW {
            Runs::one(span.clone(), KEYS)
        } else {
            // From where turned keys begin.
            let first = span.start - (span.start - prepared.span.start) % KEYS;
            let seen = positions.clone().flat_map(|position| self.seen.of(query_of(position)));
            Runs::of(seen, first, &span, KEYS)
        };
        let stride = runs.columns;

        let mut scores = Scratch::new(rows * stride);
        self.score::<FUSED, WIDE>(part, positions.clone(), prepared, &runs, &mut scores);

        let mut sums = [0.0; QUERIES];
        let mut more = Vec::new();
        let sums = if rows <= QUERIES {
            &mut sums[..rows]
        } else {
            more.resize(rows, 0.0);
            &mut more[..]
        };
        for (row, sum) in sums.iter_mut().enumerate() {
            let sink = self.sinks.map(|sinks| sinks[head * group + row % group]);
            let scores = &mut scores[row * stride..(row + 1) * stride];
            let seen = self.seen.of(query_of(positions.start + row / group));
            *sum = softmax(scores, seen.iter().map(|keys| runs.columns(keys)), sink);
        }

        let value_width = self.value.width;
        let mut mixed = Scratch::new(rows * value_width);
        for (number, run) in runs.all.iter().enumerate() {
            let keys = span.start.max(run.keys.start)..run.keys.end;
            let a = Matrix {
                values: &scores[runs.columns(&keys).start..],
                stride,
            };
            let values = prepared.values.from(keys.start - prepared.span.start);
            let shape = [rows, keys.len(), value_width];
            product::<FUSED, WIDE>(a, values, shape, (&mut mixed, value_width), number > 0);
        }
        for (position, mixed) in mixed.chunks_exact(group * value_width).enumerate() {
            let out = out
                .row(position)
                .chunks_exact_mut(value_width)
                .zip(mixed.chunks_exact(value_width));
            for (head, (out, mixed)) in out.enumerate() {
                let sum = sums[position * group + head];
                // Of nothing comes nothing: a sum that is not a number stays one.
                let share = if sum == 0.0 { 0.0 } else { 1.0 / sum };
                out.iter_mut().zip(mixed).for_each(|(out, mixed)| *out = mixed * share);
            }
        }
    }
}

/// Lays [`KEYS`] keys or fewer side by side.
///
/// # Safety
/// As that of [`Attention::part`].
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
unsafe fn turn_keys<'a, const WIDE: usize>(key: impl Fn(usize) -> &'a [f32], shape: [usize; 2], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if WIDE == WIDEST {
        // SAFETY: the caller vouches for AVX-512.
        return unsafe { crate::turn::turn_blocks(key, shape, to, KEYS) };
    }
    crate::turn::turn(key, shape, to, KEYS);
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

/// Whether the machine has what [`run_fused`] names.
fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        cfg!(target_arch = "aarch64")
    }
}

/// Attention of a few queries.
type Run = fn(&Attention<'_>, &Part, &mut Columns<'_>);

/// With fused products: only where [`fused`].
fn run_fused() -> Run {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn eight(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
            // SAFETY: AVX-512 is not taken for granted.
            unsafe { attention.part::<true, 16>(part, out) };
        }
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        fn sixteen(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
            // SAFETY: the function names the instructions.
            unsafe { attention.part::<true, WIDEST>(part, out) };
        }
        assert!(fused());
        if wide() {
            // SAFETY: the machine was asked for all of it.
            return |attention, part, out| unsafe { sixteen(attention, part, out) };
        }
        // SAFETY: the machine was asked for both features.
        |attention, part, out| unsafe { eight(attention, part, out) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: AVX-512 is not taken for granted.
        |attention, part, out| unsafe { attention.part::<{ cfg!(target_arch = "aarch64") }, 16>(part, out) }
    }
}

fn run_portable(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
    // SAFETY: AVX-512 is not taken for granted.
    unsafe { attention.part::<false, 16>(part, out) };
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pseudo_random(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) * 2.0 - 1.0
        };
        (0..n).map(|_| next() as f32).collect()
    }

    /// What the query of each cell looks at: causal, as far back as a window reaches, and of two kinds that alternate by key in odd sequences.
    fn visible(sequence: usize, query: usize, key: usize, case: &Case) -> bool {
        key <= case.past + query
            && key + case.window > case.past + query
            && (sequence.is_multiple_of(2) || key % 3 != 1)
            // Nothing at all: one query, and all of some that are taken together.
            && query != 2
            && !(QUERIES..2 * QUERIES).contains(&query)
    }

    struct Case {
        batch: usize,
        heads: usize,
        key_heads: usize,
        queries: usize,
        past: usize,
        window: usize,
        width: usize,
        value_width: usize,
        sinks: bool,
    }

    fn check(case: &Case) {
        let &Case {
            batch,
            heads,
            key_heads,
            queries,
            past,
            width,
            value_width,
            ..
        } = case;
        let (keys, room) = (past + queries, past + queries + 3);
        let query = pseudo_random(batch * heads * queries * width, 1);
        let key = pseudo_random(batch * key_heads * room * width, 2);
        let value = pseudo_random(batch * key_heads * keys * value_width, 3);
        let sinks = pseudo_random(heads, 4);
        let mut seen = Seen::default();
        for (sequence, q) in (0..batch).flat_map(|b| (0..queries).map(move |q| (b, q))) {
            (0..keys)
                .filter(|&k| visible(sequence, q, k, case))
                .for_each(|k| seen.key(k));
            seen.close();
        }
        let attention = Attention {
            query: Heads::by_token(&query, [batch, heads, queries], width),
            // As a cache has them: by head, with room behind.
            key: Heads {
                values: &key,
                strides: [key_heads * room * width, room * width, width],
                shape: [batch, key_heads, keys],
                width,
            },
            value: Heads::by_token(&value, [batch, key_heads, keys], value_width),
            seen: &seen,
            scale: 0.7,
            sinks: case.sinks.then_some(&sinks),
        };
        let mut out = vec![f32::NAN; batch * queries * heads * value_width];
        attention.run(&mut out);
        for pool in [1, 3] {
            let mut again = vec![f32::NAN; out.len()];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(pool).build().unwrap();
            pool.install(|| attention.run(&mut again));
            assert!(out.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        let mut portable = vec![f32::NAN; out.len()];
        for (cell, out) in portable.chunks_exact_mut(heads * value_width).enumerate() {
            for (start, mut out) in Columns::new(out, heads * value_width).chunks(heads / key_heads * value_width) {
                let head = start * key_heads / heads / value_width;
                let part = Part {
                    sequence: cell / queries,
                    head,
                    first: cell % queries,
                    positions: 1,
                    at_once: 1,
                };
                run_portable(&attention, &part, &mut out);
            }
        }
        for (i, (&found, &portable)) in out.iter().zip(&portable).enumerate() {
            let (d, head) = (i % value_width, i / value_width % heads);
            let (q, sequence) = (i / value_width / heads % queries, i / value_width / heads / queries);
            let shared = head / (heads / key_heads);
            let score = |k: usize| {
                let (a, b) = (
                    attention.query.vector(sequence, head, q),
                    attention.key.vector(sequence, shared, k),
                );
                0.7 * a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            };
            let seen: Vec<usize> = (0..keys).filter(|&k| visible(sequence, q, k, case)).collect();
            let sink = if case.sinks { f64::from(sinks[head]).exp() } else { 0.0 };
            let sum = seen.iter().map(|&k| score(k).exp()).sum::<f64>() + sink;
            let share = |&k: &usize| score(k).exp() / sum * f64::from(attention.value.vector(sequence, shared, k)[d]);
            let expected: f64 = seen.iter().map(share).sum();
            for found in [found, portable] {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 2e-6, "query {q}, head {head}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn equals_f64_for_every_kind_of_head() {
        let plain = Case {
            batch: 2,
            heads: 4,
            key_heads: 4,
            queries: if cfg!(miri) { 5 } else { 75 },
            past: 0,
            window: usize::MAX / 2,
            width: 16,
            value_width: 16,
            sinks: false,
        };
        check(&plain);
        check(&Case {
            key_heads: 2,
            sinks: true,
            ..plain
        });
        check(&Case {
            width: 13,
            value_width: 21,
            past: 9,
            ..plain
        });
        check(&Case {
            key_heads: 1,
            queries: 4,
            past: if cfg!(miri) { 2 } else { 150 },
            width: 33,
            value_width: 7,
            sinks: true,
            ..plain
        });
        check(&Case {
            queries: 1,
            past: 17,
            ..plain
        });
        check(&Case {
            queries: if cfg!(miri) { 5 } else { 150 },
            past: if cfg!(miri) { 2 } else { 80 },
            window: if cfg!(miri) { 3 } else { 33 },
            ..plain
        });
    }

    /// Behind a few keys, others that no query looks at, and then some again: bits do not depend on how many those between are.
    #[test]
    fn what_is_not_seen_is_not_there() {
        let (before, behind, queries, width) = (if cfg!(miri) { 5 } else { 100 }, 7, 6, 16);
        let with_between = |between: usize| -> Vec<f32> {
            let keys = before + between + behind;
            let (all_keys, all_values) = (
                pseudo_random((before + behind) * width, 2),
                pseudo_random((before + behind) * width, 3),
            );
            let at = |own: &[f32]| {
                [
                    &own[..before * width],
                    &vec![9.0; between * width],
                    &own[before * width..],
                ]
                .concat()
            };
            let (key, value) = (at(&all_keys), at(&all_values));
            let query = pseudo_random(queries * width, 4);
            let mut seen = Seen::default();
            for q in 0..queries {
                seen.keys(0..before);
                seen.keys(before + between..before + between + q + 1);
                seen.close();
            }
            let attention = Attention {
                query: Heads::by_token(&query, [1, 1, queries], width),
                key: Heads::by_token(&key, [1, 1, keys], width),
                value: Heads::by_token(&value, [1, 1, keys], width),
                seen: &seen,
                scale: 0.7,
                sinks: None,
            };
            let mut out = vec![f32::NAN; queries * width];
            attention.run(&mut out);
            out
        };
        let expected = with_between(1);
        for between in if cfg!(miri) { [2, 3, 130] } else { [63, 64, 1000] } {
            assert_eq!(with_between(between), expected, "{between}");
        }
    }

    #[test]
    fn what_is_not_a_number_reaches_who_looks_at_it() {
        let mut seen = Seen::default();
        for q in 0..5 {
            (0..=q).for_each(|k| seen.key(k));
            seen.close();
        }
        let plain = vec![0.5; 5 * 16];
        let mut key = plain.clone();
        key[3 * 16] = f32::NAN;
        let heads = |values| Heads::by_token(values, [1, 1, 5], 16);
        let attention = Attention {
            query: heads(&plain),
            key: heads(&key),
            value: heads(&plain),
            seen: &seen,
            scale: 1.0,
            sinks: None,
        };
        let mut out = vec![0.0; 5 * 16];
        attention.run(&mut out);
        assert!(out[..48].iter().all(|y| (y - 0.5).abs() < 1e-6) && out[48..].iter().all(|y| y.is_nan()));
    }
}
