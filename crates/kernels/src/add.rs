//! Sums of two vectors, as residual streams are.

use rayon::prelude::*;

use crate::widest::{Work, widest};

/// Values that one thread adds at a time; fewer than two such parts are worth one thread.
const PART: usize = if cfg!(miri) { 1 << 4 } else { 1 << 14 };

/// `out = x + scale · y`.
///
/// # Panics
/// If lengths differ.
pub fn add(x: &[f32], y: &[f32], scale: f32, out: &mut [f32]) {
    assert!(
        x.len() == y.len() && x.len() == out.len(),
        "as many values in all three"
    );
    let parts = x.chunks(PART).zip(y.chunks(PART)).zip(out.chunks_mut(PART));
    if x.len() < 2 * PART {
        return parts.for_each(|((x, y), out)| widest(Sum { x, y, scale, out }));
    }
    let parts = x.par_chunks(PART).zip(y.par_chunks(PART)).zip(out.par_chunks_mut(PART));
    parts.for_each(|((x, y), out)| widest(Sum { x, y, scale, out }));
}

struct Sum<'a> {
    x: &'a [f32],
    y: &'a [f32],
    scale: f32,
    out: &'a mut [f32],
}

impl Work for Sum<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(self) {
        for ((out, x), y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            *out = x + self.scale * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PART, add};

    #[test]
    fn sums_are_those_of_each_value() {
        for count in [0, 1, 100, 2 * PART + 7] {
            let x: Vec<f32> = (0..count).map(|i| (i as f32).sin()).collect();
            let y: Vec<f32> = (0..count).map(|i| (i as f32).cos()).collect();
            for scale in [1.0, 0.5] {
                let mut out = vec![f32::NAN; count];
                add(&x, &y, scale, &mut out);
                let plain: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + scale * y).collect();
                assert_eq!(crate::tests::bits(&out), crate::tests::bits(&plain));
            }
        }
    }
}
