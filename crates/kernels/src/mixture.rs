//! Tokens sent to their experts, and what these say added up: nothing is copied to be grouped, or back. Where experts' inputs are not weighted,
//! tokens are packed once for all experts.
//!
//! A thread takes some columns of what a few experts say, one expert after the other, and adds them to each token's sum while they are in its
//! cache. A token's experts are added in the order of the groups, whatever the batch and the threads.

use rayon::prelude::*;

use crate::activations::Activations;
use crate::columns::Columns;
use crate::experts::{Expert, SCRATCH, Share, inner, worth_threads};
use crate::given::{Given, Shared};
use crate::precision::Precision;
use crate::projection::{each, rows_per_job};
use crate::scratch::Scratch;
use crate::tile::LINE;
use crate::tokens::{Tokens, Visit};
use crate::widest::{Work, prefetch, widest};

/// Values from which listening is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Visits between fetching a token's sums and adding to them.
const AHEAD: usize = 8;

/// Sums side by side.
const LANES: usize = 8;

/// How much an expert said of a token, before the weight.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loudness {
    /// Root of the sum of squares, which is taken in f64.
    pub norm: f64,
    /// Largest absolute value.
    pub largest: f32,
}

/// A layer's experts, and who goes to them.
#[derive(Debug, Clone, Copy)]
pub struct Mixture<'a> {
    /// `[tokens, hidden]`.
    pub x: &'a [f32],
    /// Values of a token.
    pub hidden: usize,
    /// Experts with their visits, ascending by token.
    pub groups: &'a [(Expert<'a>, &'a [Visit])],
    /// How products are taken.
    pub precision: Precision,
}

impl Mixture<'_> {
    /// `out[t] = Σ_e output weight · e(input weight · x[t])` over the experts that `t` visits, `[tokens, hidden]`. If `loudness` is asked for, it
    /// has one value for each visit, group by group.
    ///
    /// # Panics
    /// If lengths or weights do not fit together, or a visit is of no token or out of order.
    pub fn run(&self, loudness: Option<&mut [Loudness]>, out: &mut [f32]) {
        self.run_within(SCRATCH, loudness, out);
    }

    /// [`Mixture::run`], with about so many values of scratch.
    fn run_within(&self, limit: usize, mut loudness: Option<&mut [Loudness]>, out: &mut [f32]) {
        let hidden = self.hidden;
        let visits: usize = self.groups.iter().map(|(_, visits)| visits.len()).sum();
        assert!(
            hidden > 0 && out.len() == self.x.len() && out.len().is_multiple_of(hidden),
            "x and out are not [tokens, {hidden}]"
        );
        assert!(
            loudness.as_ref().is_none_or(|said| said.len() == visits),
            "one loudness per visit"
        );
        let ascends = |visits: &[Visit]| visits.is_sorted_by(|a, b| a.token < b.token);
        assert!(
            self.groups.iter().all(|(_, visits)| ascends(visits)),
            "visits do not ascend by token"
        );
        let weighted = |visit: &Visit| visit.input_weight.to_bits() != 1.0f32.to_bits();
        let shared = (!self.groups.iter().any(|(_, visits)| visits.iter().any(weighted))).then(|| {
            let experts = self.groups.iter().map(|(expert, _)| expert);
            Shared::new(Tokens::all(self.x, hidden), experts, self.precision)
        });
        let mut rest = self.groups;
        if rest.is_empty() {
            out.fill(0.0);
        }
        while !rest.is_empty() {
            let mut scratch = 0;
            let fits = rest.iter().take_while(|(expert, visits)| {
                let before = scratch;
                scratch += Share::scratch(expert, visits.len(), hidden);
                before < limit
            });
            let (wave, others) = rest.split_at(fits.count());
            let first = rest.len() == self.groups.len();
            rest = others;
            let Some(all) = loudness.take() else {
                self.wave(wave, shared.as_ref(), None, first, out);
                continue;
            };
            let rows: usize = wave.iter().map(|(_, visits)| visits.len()).sum();
            let said = &mut *Scratch::new(rows * hidden);
            self.wave(wave, shared.as_ref(), Some(said), first, out);
            let (here, others) = all.split_at_mut(rows);
            listen(said, hidden, here);
            loudness = Some(others);
        }
    }

    /// Adds what some experts say to the tokens' sums, which begin with the `first` of them; writes it to `said` too, `[visits, hidden]`.
    fn wave(
        &self,
        groups: &[(Expert<'_>, &[Visit])],
        shared: Option<&Shared<'_>>,
        mut said: Option<&mut [f32]>,
        first: bool,
        out: &mut [f32],
    ) {
        let hidden = self.hidden;
        let groups = groups.iter().filter(|(_, visits)| !visits.is_empty());
        let (shares, visits): (Vec<_>, Vec<_>) = groups
            .map(|(expert, visits)| {
                let own = || Given::Own(Tokens::of(self.x, hidden, visits));
                let given = shared.map_or_else(own, |shared| Given::Shared(shared, visits));
                (Share::new(expert, given), *visits)
            })
            .unzip();
        let parallel = worth_threads(&shares);
        let inners = inner(self.precision, &shares, parallel);
        let most = visits.iter().map(|visits| visits.len()).max().unwrap_or(0);
        let count = rows_per_job(hidden, most);
        let parts = Columns::new(out, hidden).chunks(count);
        let mut jobs: Vec<_> = (parts.into_iter())
            .map(|(start, out)| Part {
                shares: &shares,
                visits: &visits,
                inners: &inners,
                start,
                first,
                said: Vec::new(),
                out,
            })
            .collect();
        for share in &shares {
            if let Some(all) = said.take() {
                let (here, others) = all.split_at_mut(share.count() * hidden);
                said = Some(others);
                let parts = Columns::new(here, hidden).chunks(count);
                jobs.iter_mut()
                    .zip(parts)
                    .for_each(|(job, (_, part))| job.said.push(part));
            }
        }
        each(parallel, jobs, Part::run);
    }
}

/// Some columns of what experts say, added up in the order of the experts.
struct Part<'a> {
    shares: &'a [Share<'a>],
    visits: &'a [&'a [Visit]],
    inners: &'a [Activations<'static>],
    /// The first column.
    start: usize,
    /// Whether sums begin here.
    first: bool,
    /// Where each expert's outputs are kept, `[visits, some columns]`; empty if they are not.
    said: Vec<Columns<'a>>,
    /// `[tokens, some columns]`.
    out: Columns<'a>,
}

impl Part<'_> {
    fn run(mut self) {
        if self.first {
            (0..self.out.rows()).for_each(|token| self.out.row(token).fill(0.0));
        }
        let count = self.out.count();
        let most = self.visits.iter().map(|visits| visits.len()).max().unwrap_or(0);
        let mut scratch = Scratch::new(if self.said.is_empty() { most * count } else { 0 });
        let mut kept = self.said.into_iter();
        for (at, (share, visits)) in self.shares.iter().zip(self.visits).enumerate() {
            let mut said = match kept.next() {
                Some(said) => said,
                None => Columns::new(&mut scratch[..visits.len() * count], count),
            };
            let then = self.shares.get(at + 1).map(|share| (&share.expert.down, self.start));
            let down = &share.expert.down;
            down.apply(&self.inners[at], self.start, then, &mut said);
            widest(Sums {
                visits,
                said,
                out: &mut self.out,
            });
        }
    }
}

/// What an expert said, to be added to the sums of its tokens.
struct Sums<'a, 'b> {
    visits: &'a [Visit],
    /// `[visits, some columns]`.
    said: Columns<'a>,
    /// `[tokens, the same columns]`.
    out: &'a mut Columns<'b>,
}

impl Work for Sums<'_, '_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(mut self) {
        for (row, visit) in self.visits.iter().enumerate() {
            // Sums lie far apart, and those that come next are only known here.
            if let Some(next) = self.visits.get(row + AHEAD) {
                self.out
                    .row(next.token)
                    .chunks(LINE / size_of::<f32>())
                    .for_each(|line| prefetch(line.as_ptr().cast()));
            }
            let said = self.said.row(row);
            for (sum, said) in self.out.row(visit.token).iter_mut().zip(said) {
                *sum += visit.output_weight * *said;
            }
        }
    }
}

/// How much each row of `said` is.
fn listen(said: &[f32], hidden: usize, loudness: &mut [Loudness]) {
    let rows = (PARALLEL_FROM / 8 / hidden).max(1);
    let some = |(loudness, said)| widest(Listen { said, hidden, loudness });
    if said.len() < PARALLEL_FROM {
        return some((loudness, said));
    }
    let parts = loudness.par_chunks_mut(rows).zip(said.par_chunks(rows * hidden));
    parts.for_each(some);
}

/// Some rows of what experts said.
struct Listen<'a> {
    said: &'a [f32],
    hidden: usize,
    loudness: &'a mut [Loudness],
}

impl Work for Listen<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(self) {
        let rows = self.loudness.iter_mut().zip(self.said.chunks_exact(self.hidden));
        rows.for_each(|(loudness, said)| *loudness = Loudness::of(said));
    }
}

impl Loudness {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn of(said: &[f32]) -> Self {
        let (mut sums, mut most) = ([0.0f64; LANES], [0.0f32; LANES]);
        let steps = said.chunks_exact(LANES);
        let mut last = [0.0; LANES];
        last[..steps.remainder().len()].copy_from_slice(steps.remainder());
        for step in steps.chain([&last[..]]) {
            for lane in 0..LANES {
                let (value, size) = (f64::from(step[lane]), step[lane].abs());
                sums[lane] += value * value;
                // NaN is larger than anything, and stays.
                most[lane] = if size <= most[lane] || most[lane].is_nan() {
                    most[lane]
                } else {
                    size
                };
            }
        }
        let larger = |a: f32, b: f32| if b <= a || a.is_nan() { a } else { b };
        Self {
            norm: sums.iter().sum::<f64>().sqrt(),
            largest: most.into_iter().fold(0.0, larger),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::mxfp4::Mxfp4;
    use crate::projection::{Projection, ProjectionWeights};
    use crate::tests::{pseudo_random, stored};
    use crate::weights::{WeightDtype, Weights};

    #[test]
    fn loudness_by_hand() {
        assert_eq!(
            Loudness::of(&[3.0, -4.0]),
            Loudness {
                norm: 5.0,
                largest: 4.0
            }
        );
        for at in 0..12 {
            let mut said = [1.0; 12];
            said[at] = f32::NAN;
            let found = Loudness::of(&said);
            assert!(found.norm.is_nan() && found.largest.is_nan(), "{at}");
        }
    }

    const HIDDEN: usize = if cfg!(miri) { 32 } else { 64 };
    const INNER: usize = 32;

    /// What an expert's projections are made of.
    #[derive(Debug, Clone, Copy)]
    enum Kind {
        F32,
        Bf16,
        /// A gate in bf16, and the others in f32.
        Both,
        Mxfp4,
    }

    /// Weights of an expert in every form, and what is added to outputs.
    struct Stored {
        f32: Vec<u8>,
        bf16: Vec<u8>,
        blocks: Vec<u8>,
        scales: Vec<u8>,
        bias: Vec<f32>,
    }

    impl Stored {
        fn new(seed: u32) -> Self {
            let count = 3 * HIDDEN * INNER;
            let values = pseudo_random(count, seed);
            let bytes = |dtype| stored(&values, dtype).split_off(1);
            Self {
                f32: bytes(WeightDtype::F32),
                bf16: bytes(WeightDtype::Bf16),
                blocks: (0..count / 2).map(|i| ((i + seed as usize) * 37 % 251) as u8).collect(),
                scales: (0..count / 32).map(|i| 122 + (i % 5) as u8).collect(),
                bias: pseudo_random(HIDDEN, seed + 100),
            }
        }

        fn expert<'a>(&'a self, kind: Kind) -> Expert<'a> {
            let projection = |place: usize, rows: usize, columns: usize| {
                let values = place * HIDDEN * INNER..(place + 1) * HIDDEN * INNER;
                let plain = |bytes: &'a [u8], dtype: WeightDtype| {
                    ProjectionWeights::Plain(Weights {
                        bytes: &bytes[values.start * dtype.size()..values.end * dtype.size()],
                        dtype,
                        rows,
                        columns,
                    })
                };
                let weights = match kind {
                    Kind::F32 => plain(&self.f32, WeightDtype::F32),
                    Kind::Both if place > 0 => plain(&self.f32, WeightDtype::F32),
                    Kind::Bf16 | Kind::Both => plain(&self.bf16, WeightDtype::Bf16),
                    Kind::Mxfp4 => ProjectionWeights::Mxfp4(Mxfp4 {
                        blocks: &self.blocks[values.start / 2..values.end / 2],
                        scales: &self.scales[values.start / 32..values.end / 32],
                        first: 0,
                        step: 1,
                        rows,
                        columns,
                    }),
                };
                let bias = (place != 1).then(|| &self.bias[..rows]);
                Projection { weights, bias }
            };
            Expert {
                gate: Some(projection(0, INNER, HIDDEN)),
                up: projection(1, INNER, HIDDEN),
                down: projection(2, HIDDEN, INNER),
                activation: Activation::SiluGated,
            }
        }
    }

    /// Who goes to each of three experts: nobody to the second.
    fn visits(tokens: usize, weighted: bool) -> Vec<Vec<Visit>> {
        let weights = pseudo_random(tokens, 11);
        let to = |e: usize| {
            let goes = move |t: &usize| e != 1 && !(t + e).is_multiple_of(3);
            let visit = |token: usize| Visit {
                token,
                input_weight: if weighted { 1.0 + e as f32 } else { 1.0 },
                output_weight: weights[(token + e) % tokens],
            };
            (0..tokens).filter(goes).map(visit).collect()
        };
        (0..3).map(to).collect()
    }

    /// What comes of it if each expert's tokens are grouped by hand, and what experts say is added up in their order.
    fn by_hand(mixture: &Mixture<'_>) -> (Vec<f32>, Vec<Loudness>) {
        let (mut sums, mut loudness) = (vec![0.0f32; mixture.x.len()], Vec::new());
        for (expert, visits) in mixture.groups {
            let row = |visit: &Visit| {
                let row = &mixture.x[visit.token * HIDDEN..(visit.token + 1) * HIDDEN];
                row.iter().map(|x| visit.input_weight * x).collect::<Vec<f32>>()
            };
            let grouped: Vec<f32> = visits.iter().flat_map(row).collect();
            let mut said = vec![0.0; grouped.len()];
            (mixture.precision).experts(&grouped, HIDDEN, &[(*expert, visits.len())], &mut said);
            for (visit, said) in visits.iter().zip(said.chunks_exact(HIDDEN)) {
                loudness.push(Loudness::of(said));
                let sum = &mut sums[visit.token * HIDDEN..][..HIDDEN];
                sum.iter_mut()
                    .zip(said)
                    .for_each(|(sum, said)| *sum += visit.output_weight * said);
            }
        }
        (sums, loudness)
    }

    /// Calls `check` with mixtures of every kind of weights, in both precisions, of inputs that are weighted and that experts share.
    fn each_mixture(mut check: impl FnMut(&Mixture<'_>, &str)) {
        let tokens = if cfg!(miri) { 5 } else { 70 };
        let x = pseudo_random(tokens * HIDDEN, 5);
        let stored = [1, 2, 3].map(Stored::new);
        let kinds: &[Kind] = if cfg!(miri) {
            &[Kind::Both]
        } else {
            &[Kind::F32, Kind::Bf16, Kind::Both, Kind::Mxfp4]
        };
        for &kind in kinds {
            for weighted in [false, true] {
                let visits = visits(tokens, weighted);
                let groups: Vec<_> = (stored.iter().zip(&visits))
                    .map(|(stored, visits)| (stored.expert(kind), visits.as_slice()))
                    .collect();
                let precisions = if cfg!(miri) {
                    &[Precision::Exact][..]
                } else {
                    &[Precision::Exact, Precision::Fast]
                };
                for &precision in precisions {
                    let mixture = Mixture {
                        x: &x,
                        hidden: HIDDEN,
                        groups: &groups,
                        precision,
                    };
                    check(&mixture, &format!("{kind:?}, weighted: {weighted}, {precision:?}"));
                }
            }
        }
    }

    /// In waves of one expert and of all, on any number of threads.
    #[test]
    fn says_what_grouped_tokens_say() {
        each_mixture(|mixture, name| {
            let (expected, loudness_expected) = by_hand(mixture);
            let ways = [(1, SCRATCH), (2, 1), (1, 1), (5, SCRATCH)];
            for &(threads, limit) in &ways[..if cfg!(miri) { 2 } else { 4 }] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut out = vec![f32::NAN; mixture.x.len()];
                let mut loudness = vec![Loudness::default(); loudness_expected.len()];
                pool.install(|| mixture.run_within(limit, Some(&mut loudness), &mut out));
                assert_eq!(out, expected, "{name}, {threads} threads");
                assert_eq!(loudness, loudness_expected, "{name}, {threads} threads");
                out.fill(f32::NAN);
                pool.install(|| mixture.run_within(limit, None, &mut out));
                assert_eq!(out, expected, "{name}, {threads} threads, nobody listens");
            }
        });
    }

    /// Experts that wait for each other say what they say side by side.
    #[test]
    fn experts_do_not_depend_on_scratch() {
        each_mixture(|mixture, name| {
            let rows = mixture.x.len() / HIDDEN;
            let groups: Vec<(Expert<'_>, usize)> = (mixture.groups.iter().zip([rows / 2, 0, rows - rows / 2]))
                .map(|((expert, _), rows)| (*expert, rows))
                .collect();
            let [together, apart] = [SCRATCH, 1].map(|limit| {
                let mut out = vec![f32::NAN; mixture.x.len()];
                (mixture.precision).experts_within(limit, mixture.x, HIDDEN, &groups, &mut out);
                out
            });
            assert_eq!(together, apart, "{name}");
            assert!(together.iter().all(|value| value.is_finite()), "{name}");
        });
    }
}
