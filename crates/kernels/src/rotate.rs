//! Rotary embedding: pairs of a vector's dimensions turned by angles of its position.

use rayon::prelude::*;

use crate::heads::Heads;
use crate::norm::row_in_place;
use crate::widest::{Work, widest};

/// Values from which turning is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Which dimensions are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `i` with `i + angles`.
    Halves,
    /// `2i` with `2i + 1`.
    Neighbours,
}

/// A norm by the root of the mean square, [`crate::rms_norm`], of what is turned.
#[derive(Debug, Clone, Copy)]
pub struct NormFirst<'a> {
    /// Values of a token that have a norm together: those of a vector, or of some.
    pub columns: usize,
    /// One per column; `None` is ones.
    pub weight: Option<&'a [f32]>,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Turns the first `2 · angles` dimensions of every vector and copies the others; `cosine` and `sine` are `[batch, positions, angles]`, `out`
/// is `[batch, positions, heads, width]`. With a norm, vectors take it first, to the same bits as if it had been written and read again.
///
/// # Panics
/// If the lengths do not fit together.
pub fn rotate(x: &Heads<'_>, norm: Option<NormFirst<'_>>, [cosine, sine]: [&[f32]; 2], pairs: Pairs, out: &mut [f32]) {
    let [batch, heads, positions] = x.shape;
    let (tokens, token) = (batch * positions, heads * x.width);
    assert_eq!(out.len(), tokens * token, "out does not hold as many vectors as x");
    if out.is_empty() {
        return;
    }
    let angles = cosine.len() / tokens;
    assert!(
        cosine.len() == tokens * angles && sine.len() == cosine.len() && 2 * angles <= x.width,
        "angles do not fit vectors of {}",
        x.width
    );
    if let Some(NormFirst { columns, weight, .. }) = norm {
        assert!(
            columns > 0 && token.is_multiple_of(columns) && weight.is_none_or(|weight| weight.len() == columns),
            "a norm of {columns} values does not fit tokens of {token}"
        );
    }
    let turn_token = |(at, out): (usize, &mut [f32])| {
        let here = at * angles..(at + 1) * angles;
        let (cosine, sine) = (&cosine[here.clone()], &sine[here]);
        widest(Turn {
            x,
            norm,
            place: [at / positions, at % positions],
            angles: [cosine, sine],
            pairs,
            out,
        });
    };
    if out.len() < PARALLEL_FROM {
        out.chunks_exact_mut(token).enumerate().for_each(turn_token);
    } else {
        out.par_chunks_exact_mut(token).enumerate().for_each(turn_token);
    }
}

/// All heads of a token.
struct Turn<'a> {
    x: &'a Heads<'a>,
    norm: Option<NormFirst<'a>>,
    /// Sequence and position.
    place: [usize; 2],
    /// Cosines and sines.
    angles: [&'a [f32]; 2],
    pairs: Pairs,
    out: &'a mut [f32],
}

impl Work for Turn<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    fn run(self) {
        let ([sequence, position], [cosine, sine]) = (self.place, self.angles);
        let vectors = self.out.chunks_exact_mut(self.x.width).enumerate();
        for (head, out) in vectors {
            out.copy_from_slice(self.x.vector(sequence, head, position));
        }
        if let Some(norm) = self.norm {
            for row in self.out.chunks_exact_mut(norm.columns) {
                row_in_place(row, norm.weight, norm.epsilon);
            }
        }
        for vector in self.out.chunks_exact_mut(self.x.width) {
            turn(vector, cosine, sine, self.pairs);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn turn(vector: &mut [f32], cosine: &[f32], sine: &[f32], pairs: Pairs) {
    let angles = cosine.len();
    let vector = &mut vector[..2 * angles];
    match pairs {
        Pairs::Halves => {
            let (a, b) = vector.split_at_mut(angles);
            let (b, sine) = (&mut b[..angles], &sine[..angles]);
            for i in 0..angles {
                (a[i], b[i]) = (a[i] * cosine[i] - b[i] * sine[i], b[i] * cosine[i] + a[i] * sine[i]);
            }
        }
        Pairs::Neighbours => {
            for (pair, (cosine, sine)) in vector.chunks_exact_mut(2).zip(cosine.iter().zip(sine)) {
                let (x, y) = (pair[0], pair[1]);
                (pair[0], pair[1]) = (x * cosine - y * sine, y * cosine + x * sine);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::{NormFirst, Pairs, rotate};
    use crate::heads::Heads;
    use crate::norm::rms_norm;
    use crate::tests::{bits, is_refused};

    #[test]
    fn a_quarter_turn_by_hand() {
        // One sequence of two positions and one head of five dimensions; the second position is turned by 90° and by 0°.
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let (cosine, sine) = ([1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]);
        let turned = |pairs| {
            let mut out = [0.0; 10];
            rotate(
                &Heads::by_token(&x, [1, 1, 2], 5),
                None,
                [&cosine, &sine],
                pairs,
                &mut out,
            );
            assert_eq!(out[..5], x[..5]);
            out[5..].to_vec()
        };
        assert_eq!(turned(Pairs::Halves), [-3.0, 2.0, 1.0, 4.0, 5.0]);
        assert_eq!(turned(Pairs::Neighbours), [-2.0, 1.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn vectors_are_found_wherever_they_lie() {
        let (heads, positions, width) = (3, if cfg!(miri) { 5 } else { 700 }, 40);
        let by_token: Vec<f32> = (0..heads * positions * width).map(|i| (i % 17) as f32).collect();
        let mut by_head = vec![0.0; by_token.len()];
        for (i, &value) in by_token.iter().enumerate() {
            let (position, head, d) = (i / width / heads, i / width % heads, i % width);
            by_head[(head * positions + position) * width + d] = value;
        }
        let angles: Vec<f32> = (0..positions * 20).map(|i| i as f32 * 0.1).collect();
        let cosine: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sine: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        let one = Heads::by_token(&by_token, [1, heads, positions], width);
        let other = Heads {
            values: &by_head,
            strides: [0, positions * width, width],
            ..one
        };
        let turned = |x: &Heads<'_>| {
            let mut out = vec![0.0; by_token.len()];
            rotate(x, None, [&cosine, &sine], Pairs::Halves, &mut out);
            out
        };
        assert_eq!(turned(&one), turned(&other));
    }

    /// As if it had been written, and read again.
    #[test]
    fn a_norm_first_is_that_of_its_kernel() {
        let (heads, positions, width) = (3, if cfg!(miri) { 5 } else { 700 }, 40);
        let x: Vec<f32> = (0..heads * positions * width).map(|i| (i as f32 * 0.7).sin()).collect();
        let angles: Vec<f32> = (0..positions * 16).map(|i| i as f32 * 0.1).collect();
        let (cosine, sine): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
        for (columns, pairs) in [(width, Pairs::Halves), (heads * width, Pairs::Neighbours)] {
            let weight: Vec<f32> = (0..columns).map(|i| 1.0 + i as f32 * 0.01).collect();
            for weight in [None, Some(&weight[..])] {
                let turned = |x: &[f32], norm| {
                    let mut out = vec![f32::NAN; x.len()];
                    let x = Heads::by_token(x, [1, heads, positions], width);
                    rotate(&x, norm, [&cosine, &sine], pairs, &mut out);
                    bits(&out)
                };
                let mut normed = vec![0.0; x.len()];
                rms_norm(&x, columns, weight, 1e-5, &mut normed);
                let norm = NormFirst {
                    columns,
                    weight,
                    epsilon: 1e-5,
                };
                assert_eq!(turned(&x, Some(norm)), turned(&normed, None), "{columns}");
                let uneven = NormFirst { columns: 7, ..norm };
                assert!(is_refused(|| turned(&x, Some(uneven)).len()));
            }
        }
    }
}
