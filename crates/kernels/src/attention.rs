//! Attention: scores, softmax and the mixture of values, a few queries at a time, so that scores stay in a cache.
//!
//! Which keys a query looks at is a list of ranges: what no query of a few looks at is not computed. The queries of heads that share keys go
//! together. Every vector is read where it lies.

#![allow(unsafe_code)]

use crate::columns::Columns;
use crate::exp::exp;
use crate::heads::Heads;
use crate::outer::{Matrix, multiply_add, product};
use crate::projection::each;
use crate::seen::Seen;
#[cfg(target_arch = "x86_64")]
use crate::widest::wide;

/// Multiply–adds from which attention is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 17;

/// Queries that are taken together, heads that share keys counted each, and the scores that they may have.
const QUERIES: usize = 48;
const SCORES: usize = 1 << 17;

/// Fewer queries take products with keys where these lie; others with keys that are transposed first.
const FEW: usize = 4;

/// Keys that are transposed at a time: a multiple of what a tile has.
const KEYS: usize = 64;

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

/// Queries that are taken together: of some positions, and of all heads that share keys.
struct Part {
    sequence: usize,
    /// Of keys and values.
    head: usize,
    first: usize,
    positions: usize,
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
        let mut jobs = Vec::new();
        let mut rest = Columns::new(out, heads * width);
        for sequence in 0..batch {
            for first in (0..positions).step_by(at_once) {
                let positions = at_once.min(positions - first);
                let (here, others) = rest.split_rows_at(positions);
                rest = others;
                for (start, out) in here.chunks(group * width) {
                    let head = start / (group * width);
                    jobs.push((
                        Part {
                            sequence,
                            head,
                            first,
                            positions,
                        },
                        out,
                    ));
                }
            }
        }
        let run = if fused() { run_fused() } else { run_portable };
        let work = batch * positions * heads * keys * (self.key.width + width);
        each(work >= PARALLEL_FROM, jobs, |(part, mut out)| {
            run(self, &part, &mut out);
        });
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn part<const FUSED: bool, const WIDE: usize>(&self, part: &Part, out: &mut Columns<'_>) {
        let &Part {
            sequence,
            head,
            first,
            positions,
        } = part;
        let (width, group) = (self.query.width, self.query.shape[1] / self.key.shape[1]);
        let query_of = |position: usize| sequence * self.query.shape[2] + first + position;
        let span = self.seen.span(query_of(0)..query_of(positions));
        let stride = span.len().next_multiple_of(KEYS);
        let rows = positions * group;

        let mut queries = Vec::with_capacity(rows * width);
        for position in first..first + positions {
            for head in head * group..(head + 1) * group {
                let query = self.query.vector(sequence, head, position);
                queries.extend(query.iter().map(|x| x * self.scale));
            }
        }
        let mut scores = vec![0.0; rows * stride];
        let key = |key: usize| self.key.vector(sequence, head, key);
        if rows < FEW {
            for (query, scores) in queries.chunks_exact(width).zip(scores.chunks_exact_mut(stride.max(1))) {
                for (score, at) in scores.iter_mut().zip(span.clone()) {
                    *score = dot::<FUSED>(query, key(at));
                }
            }
        } else {
            let mut turned = vec![0.0; width * KEYS];
            for start in span.clone().step_by(KEYS) {
                for at in start..span.end.min(start + KEYS) {
                    for (d, &value) in key(at).iter().enumerate() {
                        turned[d * KEYS + at - start] = value;
                    }
                }
                let (a, b) = (
                    Matrix {
                        values: &queries,
                        stride: width,
                    },
                    Matrix {
                        values: &turned,
                        stride: KEYS,
                    },
                );
                product::<FUSED, WIDE>(a, b, [rows, width, KEYS], (&mut scores[start - span.start..], stride));
            }
        }

        let mut sums = vec![0.0; rows];
        for (row, sum) in sums.iter_mut().enumerate() {
            let sink = self.sinks.map(|sinks| sinks[head * group + row % group]);
            let scores = &mut scores[row * stride..(row + 1) * stride];
            *sum = softmax(scores, self.seen.of(query_of(row / group)), span.start, sink);
        }

        let value_width = self.value.width;
        let values = Matrix {
            values: &self.value.values[self.value.start(sequence, head, span.start)..],
            stride: self.value.strides[2],
        };
        let mut mixed = vec![0.0; rows * value_width];
        if !span.is_empty() {
            let a = Matrix {
                values: &scores,
                stride,
            };
            product::<FUSED, WIDE>(a, values, [rows, span.len(), value_width], (&mut mixed, value_width));
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

/// Scores become e to the power of their distance to the largest, and 0 outside of `ranges`; their sum, with the sink's.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn softmax(scores: &mut [f32], ranges: &[std::ops::Range<usize>], from: usize, sink: Option<f32>) -> f32 {
    let most = ranges
        .iter()
        .map(|range| largest(&scores[range.start - from..range.end - from]))
        .fold(sink.unwrap_or(f32::NEG_INFINITY), f32::max);
    let mut sum = sink.filter(|_| !ranges.is_empty()).map_or(0.0, |sink| exp(sink - most));
    let mut done = 0;
    for range in ranges {
        let here = range.start - from..range.end - from;
        scores[done..here.start].fill(0.0);
        done = here.end;
        scores[here.clone()]
            .iter_mut()
            .for_each(|score| *score = exp(*score - most));
        let mut sums = [0.0; LANES];
        let steps = scores[here].chunks_exact(LANES);
        let rest = steps.remainder();
        for step in steps {
            for lane in 0..LANES {
                sums[lane] += step[lane];
            }
        }
        sums.iter_mut().zip(rest).for_each(|(sum, score)| *sum += score);
        sum += sums.iter().sum::<f32>();
    }
    scores[done..].fill(0.0);
    sum
}

/// NaN is not looked at: it becomes one in the sum.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn largest(x: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; 2 * LANES];
    let steps = x.chunks_exact(2 * LANES);
    let rest = steps.remainder();
    for step in steps {
        for lane in 0..2 * LANES {
            most[lane] = if step[lane] > most[lane] {
                step[lane]
            } else {
                most[lane]
            };
        }
    }
    let larger = |most: f32, &x: &f32| if x > most { x } else { most };
    rest.iter().chain(&most).fold(f32::NEG_INFINITY, larger)
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
            attention.part::<true, 16>(part, out);
        }
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        fn sixteen(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
            attention.part::<true, 64>(part, out);
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
        |attention, part, out| attention.part::<{ cfg!(target_arch = "aarch64") }, 16>(part, out)
    }
}

fn run_portable(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
    attention.part::<false, 16>(part, out);
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

    /// What the query of each cell looks at: causal, and of two kinds that alternate by key in odd sequences.
    fn visible(sequence: usize, query: usize, key: usize, past: usize) -> bool {
        key <= past + query && (sequence.is_multiple_of(2) || key % 3 != 1) && query != 2
    }

    struct Case {
        batch: usize,
        heads: usize,
        key_heads: usize,
        queries: usize,
        past: usize,
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
                .filter(|&k| visible(sequence, q, k, past))
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
            let seen: Vec<usize> = (0..keys).filter(|&k| visible(sequence, q, k, past)).collect();
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
