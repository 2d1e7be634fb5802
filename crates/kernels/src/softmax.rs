//! Softmax of a query's scores, where it looks.

use std::ops::Range;

use crate::exp::exp;

const LANES: usize = 8;

/// Scores become e to the power of their distance to the largest, and 0 outside of `ranges`, which ascend; their sum, with the sink's.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn softmax(
    scores: &mut [f32],
    ranges: impl Iterator<Item = Range<usize>> + Clone,
    sink: Option<f32>,
) -> f32 {
    let most = (ranges.clone())
        .map(|range| largest(&scores[range]))
        .fold(sink.unwrap_or(f32::NEG_INFINITY), f32::max);
    let looks = ranges.clone().next().is_some();
    let mut sum = sink.filter(|_| looks).map_or(0.0, |sink| exp(sink - most));
    let mut done = 0;
    for here in ranges {
        scores[done..here.start].fill(0.0);
        done = here.end;
        let scores = &mut scores[here];
        whole_vectors(scores, |score| exp(score - most));
        let mut sums = [0.0; LANES];
        let steps = scores.chunks_exact(LANES);
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

/// Every value becomes another one, those behind the last whole vector side by side, too.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn whole_vectors(values: &mut [f32], value: impl Fn(f32) -> f32) {
    let each = |values: &mut [f32]| {
        for x in values {
            *x = value(*x);
        }
    };
    let mut steps = values.chunks_exact_mut(2 * LANES);
    (&mut steps).for_each(each);
    let rest = steps.into_remainder();
    if !rest.is_empty() {
        let mut last = [0.0; 2 * LANES];
        last[..rest.len()].copy_from_slice(rest);
        each(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// NaN is not looked at: it becomes one in the sum.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn largest(x: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; 2 * LANES];
    let steps = x.chunks_exact(2 * LANES);
    let rest = steps.remainder();
    let mut last = [f32::NEG_INFINITY; 2 * LANES];
    last[..rest.len()].copy_from_slice(rest);
    for step in steps.chain([&last[..]]) {
        for lane in 0..2 * LANES {
            most[lane] = if step[lane] > most[lane] {
                step[lane]
            } else {
                most[lane]
            };
        }
    }
    let larger = |most: f32, x: f32| if x > most { x } else { most };
    most.into_iter().fold(f32::NEG_INFINITY, larger)
}
