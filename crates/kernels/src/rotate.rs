//! Rotary embedding: pairs of a vector's dimensions turned by angles of its position.

use rayon::prelude::*;

use crate::heads::Heads;
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

/// Turns the first `2 · angles` dimensions of every vector and copies the others; `cosine` and `sine` are `[batch, positions, angles]`, `out`
/// is `[batch, positions, heads, width]`.
///
/// # Panics
/// If the lengths do not fit together.
pub fn rotate(x: &Heads<'_>, [cosine, sine]: [&[f32]; 2], pairs: Pairs, out: &mut [f32]) {
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
    let turn_token = |(at, out): (usize, &mut [f32])| {
        let here = at * angles..(at + 1) * angles;
        let (cosine, sine) = (&cosine[here.clone()], &sine[here]);
        widest(Turn {
            x,
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
        for (head, out) in self.out.chunks_exact_mut(self.x.width).enumerate() {
            turn(self.x.vector(sequence, head, position), cosine, sine, self.pairs, out);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn turn(x: &[f32], cosine: &[f32], sine: &[f32], pairs: Pairs, out: &mut [f32]) {
    let angles = cosine.len();
    let (x, rest) = x.split_at(2 * angles);
    let (out, rest_out) = out.split_at_mut(2 * angles);
    rest_out.copy_from_slice(rest);
    match pairs {
        Pairs::Halves => {
            let ((a, b), (to_a, to_b)) = (x.split_at(angles), out.split_at_mut(angles));
            let (b, to_b, sine) = (&b[..angles], &mut to_b[..angles], &sine[..angles]);
            for i in 0..angles {
                to_a[i] = a[i] * cosine[i] - b[i] * sine[i];
                to_b[i] = b[i] * cosine[i] + a[i] * sine[i];
            }
        }
        Pairs::Neighbours => {
            for ((x, out), (cosine, sine)) in x
                .chunks_exact(2)
                .zip(out.chunks_exact_mut(2))
                .zip(cosine.iter().zip(sine))
            {
                out[0] = x[0] * cosine - x[1] * sine;
                out[1] = x[1] * cosine + x[0] * sine;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::{Pairs, rotate};
    use crate::heads::Heads;

    #[test]
    fn a_quarter_turn_by_hand() {
        // One sequence of two positions and one head of five dimensions; the second position is turned by 90° and by 0°.
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let (cosine, sine) = ([1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]);
        let turned = |pairs| {
            let mut out = [0.0; 10];
            rotate(&Heads::by_token(&x, [1, 1, 2], 5), [&cosine, &sine], pairs, &mut out);
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
            rotate(x, [&cosine, &sine], Pairs::Halves, &mut out);
            out
        };
        assert_eq!(turned(&one), turned(&other));
    }
}
