//! Experts on tokens that are already grouped by expert.
//!
//! Gate, up and what is between are computed a few rows at a time, so that neither is written out and read again; the tokens of an expert are
//! packed once for both. Threads share the rows of experts, not experts: they are all busy whether one token goes through eight experts or
//! most tokens go through one.

use std::ops::Range;

use crate::activation::Activation;
use crate::activations::Activations;
use crate::blank::{Blank, Part};
use crate::columns::Columns;
use crate::given::Given;
use crate::precision::Precision;
use crate::projection::{Projection, each, map, rows_per_job};
use crate::scratch::Scratch;
use crate::tokens::Tokens;
use crate::widest::{Work, widest};

/// Multiply–adds from which a layer's experts are worth more than one thread.
const PARALLEL_FROM: usize = 1 << 18;

/// Values of scratch from which experts wait for those before them.
pub(crate) const SCRATCH: usize = 8 << 20;

/// `down(activation(gate x, up x))`.
#[derive(Debug, Clone, Copy)]
pub struct Expert<'a> {
    /// `[intermediate, hidden]`; `None` where the activation has no gate.
    pub gate: Option<Projection<'a>>,
    /// `[intermediate, hidden]`.
    pub up: Projection<'a>,
    /// `[hidden, intermediate]`.
    pub down: Projection<'a>,
    /// What is between.
    pub activation: Activation,
}

/// [`Precision::experts`], exactly.
///
/// # Panics
/// As there.
pub fn experts(x: &[f32], hidden: usize, groups: &[(Expert<'_>, usize)], out: &mut [f32]) {
    Precision::Exact.experts(x, hidden, groups, out);
}

impl Precision {
    /// Runs consecutive groups of rows of `x` through one expert each: `x` and `out` are `[Σ rows, hidden]`.
    ///
    /// # Panics
    /// If the rows of the groups do not add up to those of `x` and `out`, or the weights do not fit together.
    pub fn experts(self, x: &[f32], hidden: usize, groups: &[(Expert<'_>, usize)], out: &mut [f32]) {
        self.experts_within(SCRATCH, x, hidden, groups, out);
    }

    /// [`Precision::experts`], with about so many values of scratch.
    pub(crate) fn experts_within(
        self,
        limit: usize,
        x: &[f32],
        hidden: usize,
        groups: &[(Expert<'_>, usize)],
        out: &mut [f32],
    ) {
        let rows = (groups.iter()).try_fold(0usize, |sum, (_, rows)| sum.checked_add(*rows));
        let values = rows.and_then(|rows| rows.checked_mul(hidden));
        assert!(
            hidden > 0 && values == Some(x.len()) && out.len() == x.len(),
            "groups do not cover x and out"
        );
        let (mut x, mut out) = (x, out);
        let (mut wave, mut scratch) = (Vec::new(), 0);
        for (expert, rows) in groups.iter().filter(|(_, rows)| *rows > 0) {
            let (here, rest) = x.split_at(rows * hidden);
            let (to, rest_out) = out.split_at_mut(rows * hidden);
            (x, out) = (rest, rest_out);
            wave.push((Share::new(expert, Given::Own(Tokens::all(here, hidden))), to));
            scratch += Share::scratch(expert, *rows, hidden);
            if scratch >= limit {
                write(self, std::mem::take(&mut wave), hidden);
                scratch = 0;
            }
        }
        write(self, wave, hidden);
    }
}

/// Runs experts side by side, and writes what each says to where its tokens have room.
fn write(precision: Precision, wave: Vec<(Share<'_>, &mut [f32])>, hidden: usize) {
    let (shares, outs): (Vec<_>, Vec<_>) = wave.into_iter().unzip();
    let parallel = worth_threads(&shares);
    let inners = inner(precision, &shares, parallel);
    let mut jobs = Vec::new();
    for ((share, x), out) in shares.iter().zip(&inners).zip(outs) {
        let parts = Columns::new(out, hidden).chunks(rows_per_job(hidden, share.count()));
        jobs.extend(parts.into_iter().map(|part| (x, share.expert, part)));
    }
    each(parallel, jobs, |(x, expert, (start, mut part))| {
        expert.down.apply(x, start, None, &mut part);
    });
}

/// An expert's tokens.
pub(crate) struct Share<'a> {
    pub expert: &'a Expert<'a>,
    x: Given<'a>,
}

impl<'a> Share<'a> {
    /// Panics unless the weights fit together.
    pub(crate) fn new(expert: &'a Expert<'a>, x: Given<'a>) -> Self {
        let width = expert.up.weights.rows();
        for projection in expert.gate.iter().chain([&expert.up]) {
            let weights = &projection.weights;
            weights.check();
            assert!(
                weights.columns() == x.columns() && weights.rows() == width,
                "gate and up are not [{width}, {}]",
                x.columns()
            );
        }
        let down = &expert.down.weights;
        down.check();
        assert!(
            down.columns() == width && down.rows() == x.columns() && width > 0,
            "down is not [{}, {width}]",
            x.columns()
        );
        Self { expert, x }
    }

    /// Tokens.
    pub(crate) fn count(&self) -> usize {
        self.x.count()
    }

    /// Values of scratch: both inputs packed, and what is between.
    pub(crate) fn scratch(expert: &Expert<'_>, rows: usize, hidden: usize) -> usize {
        rows * (hidden + 2 * expert.up.weights.rows())
    }
}

/// Whether experts are worth more than one thread.
pub(crate) fn worth_threads(shares: &[Share<'_>]) -> bool {
    let work = |share: &Share<'_>| 3 * share.count() * share.x.columns() * share.expert.up.weights.rows();
    shares.iter().map(work).sum::<usize>() >= PARALLEL_FROM
}

/// What the experts' last projections take.
pub(crate) fn inner(precision: Precision, shares: &[Share<'_>], parallel: bool) -> Vec<Activations<'static>> {
    let inputs = map(parallel, shares, |share| {
        Inputs::new(share.x, share.expert, precision, parallel)
    });
    let mut inners: Vec<Blank> = (shares.iter())
        .map(|share| {
            let down = &share.expert.down.weights;
            Blank::new(share.count(), down.columns(), down.dtype(), precision)
        })
        .collect();
    let mut jobs = Vec::new();
    for ((share, inputs), inner) in shares.iter().zip(&inputs).zip(&mut inners) {
        let (width, tokens) = (share.expert.up.weights.rows(), share.count());
        let count = rows_per_job(width, tokens);
        for (start, part) in inner.parts(count) {
            let rows = start..width.min(start + count);
            jobs.push((inputs, share.expert, tokens, rows, part));
        }
    }
    each(parallel, jobs, |(inputs, expert, tokens, rows, part)| {
        inputs.gated(expert, tokens, rows, part);
    });
    drop(inputs);
    inners.into_iter().map(Blank::filled).collect()
}

/// An expert's tokens as its first projections take them.
struct Inputs<'a> {
    up: Activations<'a>,
    /// Where the gate has weights of another dtype.
    gate: Option<Activations<'a>>,
}

impl<'a> Inputs<'a> {
    fn new(x: Given<'a>, expert: &Expert<'_>, precision: Precision, parallel: bool) -> Self {
        let pack = |projection: &Projection<'_>| x.packed(projection.weights.dtype(), precision, parallel);
        let own = |gate: &&Projection<'_>| gate.weights.dtype() != expert.up.weights.dtype();
        Self {
            up: pack(&expert.up),
            gate: expert.gate.as_ref().filter(own).map(pack),
        }
    }

    /// Some values of what the last projection takes, for all tokens.
    fn gated(&self, expert: &Expert<'_>, tokens: usize, rows: Range<usize>, to: Part<'_>) {
        let count = rows.len();
        let mut ups = Scratch::new(tokens * count);
        let gate = expert.gate.as_ref();
        let then = gate.map(|gate| (gate, rows.start));
        (expert.up).apply(&self.up, rows.start, then, &mut Columns::new(&mut ups, count));
        let mut gates = Scratch::new(if gate.is_some() { tokens * count } else { 0 });
        if let Some(gate) = gate {
            let x = self.gate.as_ref().unwrap_or(&self.up);
            let then = Some((&expert.up, rows.end));
            gate.apply(x, rows.start, then, &mut Columns::new(&mut gates, count));
        }
        widest(Between {
            activation: expert.activation,
            gates: &gates,
            ups: &mut ups,
            count,
            to,
        });
    }
}

/// What is between an expert's projections, for some rows of all its tokens.
struct Between<'a, 'b> {
    activation: Activation,
    /// `[tokens, count]`; empty where there is no gate.
    gates: &'a [f32],
    /// `[tokens, count]`.
    ups: &'a mut [f32],
    count: usize,
    to: Part<'b>,
}

impl Work for Between<'_, '_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(mut self) {
        for (token, ups) in self.ups.chunks_exact_mut(self.count).enumerate() {
            let gates = self.gates.get(token * self.count..(token + 1) * self.count);
            self.activation.apply(gates.unwrap_or_default(), ups);
            self.to.put(token, ups);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Expert, experts};
    use crate::activation::Activation;
    use crate::projection::{Projection, ProjectionWeights};
    use crate::weights::{WeightDtype, Weights};

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn plain(bytes: &[u8], rows: usize, columns: usize) -> Projection<'_> {
        Projection {
            weights: ProjectionWeights::Plain(Weights {
                bytes,
                dtype: WeightDtype::F32,
                rows,
                columns,
            }),
            bias: None,
        }
    }

    fn near(found: &[f32], expected: &[f32]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }

    #[test]
    fn two_experts_by_hand() {
        let (gate, up, down, double) = (
            bytes(&[1.0, 0.0]),
            bytes(&[0.0, 1.0]),
            bytes(&[1.0, -1.0]),
            bytes(&[2.0, -2.0]),
        );
        let first = Expert {
            gate: Some(plain(&gate, 1, 2)),
            up: plain(&up, 1, 2),
            down: plain(&down, 2, 1),
            activation: Activation::SiluGated,
        };
        let second = Expert {
            down: plain(&double, 2, 1),
            ..first
        };
        let mut out = [0.0; 4];
        experts(&[1.0, 3.0, 1.0, 3.0], 2, &[(first, 1), (second, 1)], &mut out);
        let silu = 1.0 / (1.0 + (-1.0f32).exp());
        near(&out, &[3.0 * silu, -3.0 * silu, 6.0 * silu, -6.0 * silu]);
    }

    #[test]
    fn clamps_biases_and_squares_by_hand() {
        let (gate, up, down) = (bytes(&[1.0, 0.0]), bytes(&[0.0, 1.0]), bytes(&[1.0, -1.0]));
        let clamped = Expert {
            gate: Some(Projection {
                bias: Some(&[9.0]),
                ..plain(&gate, 1, 2)
            }),
            up: Projection {
                bias: Some(&[-12.0]),
                ..plain(&up, 1, 2)
            },
            down: Projection {
                bias: Some(&[0.5, 0.25]),
                ..plain(&down, 2, 1)
            },
            activation: Activation::ClampedGated { alpha: 2.0, limit: 7.0 },
        };
        let mut out = [0.0; 2];
        experts(&[1.0, 3.0], 2, &[(clamped, 1)], &mut out);
        // gate = min(10, 7), up = max(−9, −7): (−7 + 1) · 7 · sigmoid(14).
        let inner = -42.0 / (1.0 + (-14.0f32).exp());
        near(&out, &[inner + 0.5, -inner + 0.25]);

        let squared = Expert {
            gate: None,
            up: plain(&up, 1, 2),
            down: plain(&down, 2, 1),
            activation: Activation::ReluSquared,
        };
        experts(&[1.0, 3.0], 2, &[(squared, 1)], &mut out);
        near(&out, &[9.0, -9.0]);
        experts(&[1.0, -3.0], 2, &[(squared, 1)], &mut out);
        near(&out, &[0.0, 0.0]);
    }
}
