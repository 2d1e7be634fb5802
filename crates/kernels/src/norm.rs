//! Root-mean-square norm in one pass over memory.

use rayon::prelude::*;

use crate::widest::{Work, widest};

/// Values from which a norm is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Sums side by side.
const LANES: usize = 16;

/// `out[r, c] = x[r, c] · weight[c] / √(Σ x[r]² / columns + epsilon)`; `x` is `[rows, columns]`, and no `weight` is one of ones.
///
/// # Panics
/// If the lengths do not fit together.
pub fn rms_norm(x: &[f32], columns: usize, weight: Option<&[f32]>, epsilon: f32, out: &mut [f32]) {
    assert!(
        columns > 0 && x.len().is_multiple_of(columns) && out.len() == x.len(),
        "x and out are not [rows, {columns}]"
    );
    assert!(
        weight.is_none_or(|weight| weight.len() == columns),
        "one weight per column"
    );
    let rows = (PARALLEL_FROM / 8 / columns).max(1) * columns;
    let some = |(x, out)| {
        widest(Rows {
            x,
            columns,
            weight,
            epsilon,
            out,
        });
    };
    if x.len() < PARALLEL_FROM {
        some((x, out));
    } else {
        x.par_chunks(rows).zip(out.par_chunks_mut(rows)).for_each(some);
    }
}

/// [`rms_norm`] of one row, where it is.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn row_in_place(x: &mut [f32], weight: Option<&[f32]>, epsilon: f32) {
    let scale = scale(x, epsilon);
    match weight {
        Some(weight) => x
            .iter_mut()
            .zip(weight)
            .for_each(|(x, weight)| *x = *x * scale * weight),
        None => x.iter_mut().for_each(|x| *x *= scale),
    }
}

/// Some rows, and what becomes of them.
struct Rows<'a> {
    x: &'a [f32],
    columns: usize,
    weight: Option<&'a [f32]>,
    epsilon: f32,
    out: &'a mut [f32],
}

impl Work for Rows<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(self) {
        let rows = self.x.chunks_exact(self.columns);
        for (x, out) in rows.zip(self.out.chunks_exact_mut(self.columns)) {
            row(x, self.weight, self.epsilon, out);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn row(x: &[f32], weight: Option<&[f32]>, epsilon: f32, out: &mut [f32]) {
    let scale = scale(x, epsilon);
    match weight {
        Some(weight) => {
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * scale * weight;
            }
        }
        None => out.iter_mut().zip(x).for_each(|(out, x)| *out = x * scale),
    }
}

/// What a row is multiplied by before the weight.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn scale(x: &[f32], epsilon: f32) -> f32 {
    1.0 / (squares(x) / x.len() as f32 + epsilon).sqrt()
}

/// Σ x².
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn squares(x: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let steps = x.chunks_exact(LANES);
    for (sum, x) in sums.iter_mut().zip(steps.remainder()) {
        *sum = x * x;
    }
    for step in steps {
        for lane in 0..LANES {
            sums[lane] += step[lane] * step[lane];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::rms_norm;

    #[test]
    fn by_hand_and_on_threads() {
        let mut out = [0.0; 4];
        rms_norm(&[3.0, 4.0, 0.0, 0.0], 2, Some(&[2.0, 1.0]), 0.5, &mut out);
        let scale = 1.0 / 13.0f32.sqrt();
        assert!((out[0] - 6.0 * scale).abs() < 1e-6 && (out[1] - 4.0 * scale).abs() < 1e-6);
        assert!(out[2..].iter().all(|&y| y.abs() < f32::EPSILON));

        let (rows, columns) = if cfg!(miri) { (3, 21) } else { (1100, 101) };
        let x: Vec<f32> = (0..rows * columns).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
        let (mut all, mut one) = (vec![0.0; x.len()], vec![0.0; columns]);
        rms_norm(&x, columns, None, 1e-5, &mut all);
        for (x, all) in x.chunks_exact(columns).zip(all.chunks_exact(columns)) {
            rms_norm(x, columns, None, 1e-5, &mut one);
            assert_eq!(all, one);
            let mean = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / columns as f64;
            let expected = f64::from(x[1]) / (mean + 1e-5).sqrt();
            assert!((f64::from(all[1]) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn nan_stays_in_its_row() {
        let mut out = [0.0; 4];
        rms_norm(&[f32::NAN, 1.0, 1.0, 1.0], 2, None, 0.0, &mut out);
        assert!(out[..2].iter().all(|y| y.is_nan()) && out[2..].iter().all(|y| y.is_finite()));
    }
}
