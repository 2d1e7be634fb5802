//! Tokens sent to their experts, and what these say added up: nothing is copied to be grouped, or back.
//!
//! A few experts at a time write what they say to scratch, from where it is added to each token's sum while it is in a cache. A token's experts
//! are added in the order of the groups, whatever the batch and the threads.

use rayon::prelude::*;

use crate::experts::{Expert, SCRATCH, Share, run};
use crate::precision::Precision;
use crate::scratch::Scratch;
use crate::tokens::{Tokens, Visit};
use crate::widest::{Work, widest};

/// Values from which adding up is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Tokens whose sums one thread works on at a time.
const TOKENS: usize = 32;

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
    pub fn run(&self, mut loudness: Option<&mut [Loudness]>, out: &mut [f32]) {
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
        let mut rest = self.groups;
        if rest.is_empty() {
            out.fill(0.0);
        }
        while !rest.is_empty() {
            let mut scratch = 0;
            let fits = rest.iter().take_while(|(expert, visits)| {
                let before = scratch;
                scratch += Share::scratch(expert, visits.len(), hidden);
                before < SCRATCH
            });
            let (wave, others) = rest.split_at(fits.count());
            let first = rest.len() == self.groups.len();
            rest = others;
            let rows: usize = wave.iter().map(|(_, visits)| visits.len()).sum();
            let said = &mut *Scratch::new(rows * hidden);
            self.wave(wave, said);
            if let Some(all) = loudness.take() {
                let (here, others) = all.split_at_mut(rows);
                listen(said, hidden, here);
                loudness = Some(others);
            }
            add(wave, said, hidden, first, out);
        }
    }

    /// What some experts say, `[visits, hidden]`.
    fn wave(&self, groups: &[(Expert<'_>, &[Visit])], mut said: &mut [f32]) {
        let mut shares = Vec::with_capacity(groups.len());
        for (expert, visits) in groups.iter().filter(|(_, visits)| !visits.is_empty()) {
            let (to, others) = said.split_at_mut(visits.len() * self.hidden);
            said = others;
            shares.push(Share::new(expert, Tokens::of(self.x, self.hidden, visits), to));
        }
        run(self.precision, shares, self.hidden);
    }
}

/// Adds what experts said to the tokens' sums, which begin with the `first` of them.
fn add(groups: &[(Expert<'_>, &[Visit])], said: &[f32], hidden: usize, first: bool, out: &mut [f32]) {
    let add_to = |(part, out): (usize, &mut [f32])| {
        if first {
            out.fill(0.0);
        }
        widest(Sums {
            groups,
            said,
            hidden,
            first: part * TOKENS,
            out,
        });
    };
    if said.len().max(out.len()) < PARALLEL_FROM {
        out.chunks_mut(TOKENS * hidden).enumerate().for_each(add_to);
    } else {
        out.par_chunks_mut(TOKENS * hidden).enumerate().for_each(add_to);
    }
}

/// What experts said, to be added to the sums of some tokens from `first` on.
struct Sums<'a> {
    groups: &'a [(Expert<'a>, &'a [Visit])],
    /// `[visits, hidden]`.
    said: &'a [f32],
    hidden: usize,
    first: usize,
    /// `[tokens, hidden]`.
    out: &'a mut [f32],
}

impl Work for Sums<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(self) {
        let (hidden, first, mut rows) = (self.hidden, self.first, self.said);
        for (_, visits) in self.groups {
            let (here, others) = rows.split_at(visits.len() * hidden);
            rows = others;
            let start = visits.partition_point(|visit| visit.token < first);
            let end = visits.partition_point(|visit| visit.token < first + self.out.len() / hidden);
            let here = here[start * hidden..end * hidden].chunks_exact(hidden);
            for (visit, said) in visits[start..end].iter().zip(here) {
                let sum = &mut self.out[(visit.token - first) * hidden..][..hidden];
                for (sum, said) in sum.iter_mut().zip(said) {
                    *sum += visit.output_weight * said;
                }
            }
        }
    }
}

/// How much each row of `said` is.
fn listen(said: &[f32], hidden: usize, loudness: &mut [Loudness]) {
    let rows = (loudness, said);
    let each = |(loudness, said): (&mut Loudness, &[f32])| *loudness = Loudness::of(said);
    if said.len() < PARALLEL_FROM {
        rows.0.iter_mut().zip(rows.1.chunks_exact(hidden)).for_each(each);
    } else {
        rows.0
            .par_iter_mut()
            .zip(rows.1.par_chunks_exact(hidden))
            .for_each(each);
    }
}

impl Loudness {
    fn of(said: &[f32]) -> Self {
        let (mut sums, mut most) = ([0.0f64; LANES], [0.0f32; LANES]);
        for step in said.chunks(LANES) {
            for ((sum, most), &value) in sums.iter_mut().zip(&mut most).zip(step) {
                *sum += f64::from(value) * f64::from(value);
                // NaN is larger than anything, and stays.
                *most = if value.abs() <= *most || most.is_nan() {
                    *most
                } else {
                    value.abs()
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
    use crate::experts::experts;
    use crate::projection::{Projection, ProjectionWeights};
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

    /// Against experts on rows that were grouped by hand, for waves of one expert and of all, and threads.
    #[test]
    fn says_what_grouped_tokens_say() {
        let (tokens, hidden, inner) = if cfg!(miri) { (5, 6, 4) } else { (70, 48, 33) };
        let value = |i: usize| ((i * 7919) % 61) as f32 / 61.0 - 0.5;
        let x: Vec<f32> = (0..tokens * hidden).map(value).collect();
        let bytes: Vec<u8> = (0..9 * hidden * inner)
            .flat_map(|i| value(i + 5).to_le_bytes())
            .collect();
        let matrix = |at: usize, rows: usize, columns: usize| Projection {
            weights: ProjectionWeights::Plain(Weights {
                bytes: &bytes[4 * at * hidden * inner..][..4 * hidden * inner],
                dtype: WeightDtype::F32,
                rows,
                columns,
            }),
            bias: None,
        };
        let expert = |e: usize| Expert {
            gate: Some(matrix(3 * e, inner, hidden)),
            up: matrix(3 * e + 1, inner, hidden),
            down: matrix(3 * e + 2, hidden, inner),
            activation: Activation::SiluGated,
        };
        let visits: Vec<Vec<Visit>> = (0..3)
            .map(|e| {
                let goes = |t: &usize| e != 1 && !(t + e).is_multiple_of(3);
                let visit = |token| Visit {
                    token,
                    input_weight: 1.0 + e as f32,
                    output_weight: value(token + e),
                };
                (0..tokens).filter(goes).map(visit).collect()
            })
            .collect();
        let (mut expected, mut loudness_expected) = (vec![0.0f32; x.len()], Vec::new());
        for (e, visits) in visits.iter().enumerate() {
            let row = |visit: &Visit| {
                let row = &x[visit.token * hidden..(visit.token + 1) * hidden];
                row.iter().map(|x| visit.input_weight * x).collect::<Vec<f32>>()
            };
            let grouped: Vec<f32> = visits.iter().flat_map(row).collect();
            let mut said = vec![0.0; grouped.len()];
            experts(&grouped, hidden, &[(expert(e), visits.len())], &mut said);
            for (visit, said) in visits.iter().zip(said.chunks_exact(hidden)) {
                loudness_expected.push(Loudness::of(said));
                let sum = &mut expected[visit.token * hidden..][..hidden];
                sum.iter_mut()
                    .zip(said)
                    .for_each(|(sum, said)| *sum += visit.output_weight * said);
            }
        }
        let groups: Vec<(Expert<'_>, &[Visit])> = visits
            .iter()
            .enumerate()
            .map(|(e, v)| (expert(e), v.as_slice()))
            .collect();
        let mixture = Mixture {
            x: &x,
            hidden,
            groups: &groups,
            precision: Precision::Exact,
        };
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut out, mut loudness) = (
                vec![f32::NAN; x.len()],
                vec![Loudness::default(); loudness_expected.len()],
            );
            pool.install(|| mixture.run(Some(&mut loudness), &mut out));
            assert_eq!(out, expected);
            assert_eq!(loudness, loudness_expected);
        }
        let mut out = vec![0.0; x.len()];
        mixture.run(None, &mut out);
        assert_eq!(out, expected);
    }
}
