//! Attention: scores, softmax and the mixture of values, a few queries at a time, so that scores stay in a cache.
//!
//! Which keys a query looks at is a list of ranges: of what no query of a few looks at, nothing is computed but what shares
//! [`prepared::KEYS`] neighbours with something that is. The queries of heads that share keys go together. Every vector is read where it lies.

#![allow(unsafe_code)]

mod block;
mod prepared;

use std::ops::Range;

use crate::attention::block::Block;
use crate::attention::prepared::Prepared;
use crate::columns::Columns;
use crate::heads::Heads;
use crate::projection::each;
use crate::seen::Seen;
#[cfg(target_arch = "x86_64")]
use crate::widest::wide;

/// Multiply–adds from which attention is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 17;

/// Queries that are taken together, heads that share keys counted each, and the scores that they may have.
const QUERIES: usize = 48;
const SCORES: usize = 1 << 17;

/// Parts of the queries per thread.
const PARTS: usize = 4;

/// Columns of a tile with AVX-512.
#[cfg(target_arch = "x86_64")]
const WIDEST: usize = 64;

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

impl Attention<'_> {
    /// Writes `[batch, positions, heads, value width]`; zeros where a query looks at nothing.
    ///
    /// # Panics
    /// If shapes do not fit together, or `seen` names keys that there are not.
    pub fn run(&self, out: &mut [f32]) {
        let best = WAYS.iter().find(|way| (way.available)());
        self.run_by(best.unwrap_or_else(|| unreachable!("the last always is")), out);
    }

    /// [`Self::run`] with some instructions.
    ///
    /// # Panics
    /// As there, or if the machine has none of them.
    fn run_by(&self, way: &Way, out: &mut [f32]) {
        assert!((way.available)(), "this machine has no {}", way.name);
        self.check(out);
        if out.is_empty() {
            return;
        }
        let ([batch, heads, positions], keys) = (self.query.shape, self.key.shape[2]);
        let work = batch * positions * heads * keys * (self.key.width + self.value.width);
        each(work >= PARALLEL_FROM, self.parts(out), |(part, mut out)| {
            (way.run)(self, &part, &mut out);
        });
    }

    /// All queries, in as few parts as keep all threads busy, since each prepares its keys; with where their vectors go.
    fn parts<'a>(&self, out: &'a mut [f32]) -> Vec<(Part, Columns<'a>)> {
        let ([batch, heads, positions], width) = (self.query.shape, self.value.width);
        let ([_, key_heads, keys], group) = (self.key.shape, self.group());
        let at_once = (QUERIES.min(SCORES / keys.max(1)) / group).max(1);
        let shares = (PARTS * rayon::current_num_threads()).div_ceil(batch * key_heads);
        let per_part = positions.div_ceil(at_once).div_ceil(shares) * at_once;
        let mut parts = Vec::new();
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
                    parts.push((part, here));
                }
            }
        }
        parts
    }

    /// Panics unless shapes fit together.
    fn check(&self, out: &[f32]) {
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
    }

    /// # Safety
    /// The machine must have AVX-512 where `WIDE` is [`WIDEST`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    unsafe fn part<const FUSED: bool, const WIDE: usize>(&self, part: &Part, out: &mut Columns<'_>) {
        let end = part.first + part.positions;
        // SAFETY: the caller vouches for AVX-512.
        let prepared = unsafe { Prepared::new::<WIDE>(self, part) };
        let mut rest = out.borrow();
        for first in (part.first..end).step_by(part.at_once) {
            let positions = first..end.min(first + part.at_once);
            let (mut here, others) = rest.split_rows_at(positions.len());
            rest = others;
            let block = Block {
                attention: self,
                part,
                positions,
                prepared: &prepared,
            };
            block.run::<FUSED, WIDE>(&mut here);
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
}

/// Instructions that a part is computed with.
struct Way {
    name: &'static str,
    /// Whether this machine has them.
    available: fn() -> bool,
    /// Only where it has.
    run: fn(&Attention<'_>, &Part, &mut Columns<'_>),
}

/// The first that is available is taken.
const WAYS: &[Way] = &[
    #[cfg(target_arch = "x86_64")]
    Way {
        name: "AVX-512",
        available: wide,
        run: |attention, part, out| {
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
            fn sixteen(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
                // SAFETY: the function names the instructions.
                unsafe { attention.part::<true, WIDEST>(part, out) };
            }
            // SAFETY: whoever runs it has asked the machine for all of it.
            unsafe { sixteen(attention, part, out) }
        },
    },
    #[cfg(target_arch = "x86_64")]
    Way {
        name: "AVX2 and FMA",
        available: || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        run: |attention, part, out| {
            #[target_feature(enable = "avx2,fma")]
            fn eight(attention: &Attention<'_>, part: &Part, out: &mut Columns<'_>) {
                // SAFETY: AVX-512 is not taken for granted.
                unsafe { attention.part::<true, 16>(part, out) };
            }
            // SAFETY: whoever runs it has asked the machine for both.
            unsafe { eight(attention, part, out) }
        },
    },
    #[cfg(target_arch = "aarch64")]
    Way {
        name: "NEON",
        available: || true,
        // SAFETY: AVX-512 is not taken for granted.
        run: |attention, part, out| unsafe { attention.part::<true, 16>(part, out) },
    },
    Way {
        name: "portable",
        available: || true,
        // SAFETY: as above.
        run: |attention, part, out| unsafe { attention.part::<false, 16>(part, out) },
    },
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
