//! Vectors laid side by side: `[count, width]` becomes `[width, count]`.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

/// Vectors and their values that are turned at a time, where the machine has as many lanes.
#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 16;

/// `to[d · apart + i] = vectors(i)[d]`, `i` below `count`.
///
/// # Panics
/// If the vectors are not as wide, or there is no room.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn turn<'a>(vectors: impl Fn(usize) -> &'a [f32], [count, width]: [usize; 2], to: &mut [f32], apart: usize) {
    for i in 0..count {
        for (d, &value) in vectors(i)[..width].iter().enumerate() {
            to[d * apart + i] = value;
        }
    }
}

/// [`turn`] with AVX-512: the same.
///
/// # Safety
/// The machine must have AVX-512 F.
///
/// # Panics
/// As there.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) unsafe fn turn_blocks<'a>(
    vectors: impl Fn(usize) -> &'a [f32],
    [count, width]: [usize; 2],
    to: &mut [f32],
    apart: usize,
) {
    let (whole, blocks) = (count / BLOCK * BLOCK, width / BLOCK * BLOCK);
    for first in (0..whole).step_by(BLOCK) {
        let rows: [&[f32]; BLOCK] = std::array::from_fn(|i| &vectors(first + i)[..width]);
        for d in (0..blocks).step_by(BLOCK) {
            let to = &mut to[d * apart + first..][..(BLOCK - 1) * apart + BLOCK];
            // SAFETY: `d + BLOCK ≤ width`, of which each row has as many; the last of sixteen stores ends where `to` does. The caller vouches
            // for the instructions.
            unsafe { block(&rows, d, to.as_mut_ptr(), apart) };
        }
        for d in blocks..width {
            for (i, row) in rows.iter().enumerate() {
                to[d * apart + first + i] = row[d];
            }
        }
    }
    if whole < count {
        turn(|i| vectors(whole + i), [count - whole, width], &mut to[whole..], apart);
    }
}

/// Sixteen values from `d` on of sixteen rows.
///
/// # Safety
/// The machine must have AVX-512 F, each row sixteen values there, and `to` room for sixteen of them, `apart` from each other.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
unsafe fn block(rows: &[&[f32]; BLOCK], d: usize, to: *mut f32, apart: usize) {
    // SAFETY: the caller vouches for the instructions, the values and the room.
    unsafe {
        let mut block = [_mm512_loadu_ps(rows[0].as_ptr().add(d)); BLOCK];
        for i in 1..BLOCK {
            block[i] = _mm512_loadu_ps(rows[i].as_ptr().add(d));
        }
        for (i, column) in turned(block).into_iter().enumerate() {
            _mm512_storeu_ps(to.add(i * apart), column);
        }
    }
}

/// Rows become columns.
///
/// # Safety
/// The machine must have AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) unsafe fn turned(rows: [__m512; BLOCK]) -> [__m512; BLOCK] {
    // Four rows, of which each quarter of a vector becomes four values of a column.
    macro_rules! four {
        ($first:literal) => {{
            let (a, b, c, d) = (rows[$first], rows[$first + 1], rows[$first + 2], rows[$first + 3]);
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (lower, upper) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let (third, fourth) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            [
                _mm512_castpd_ps(_mm512_unpacklo_pd(lower, upper)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(lower, upper)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(third, fourth)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(third, fourth)),
            ]
        }};
    }
    // The first and third quarters of two vectors, or the second and fourth.
    macro_rules! even {
        ($x:expr, $y:expr) => {
            _mm512_shuffle_f32x4::<0b10_00_10_00>($x, $y)
        };
    }
    macro_rules! odd {
        ($x:expr, $y:expr) => {
            _mm512_shuffle_f32x4::<0b11_01_11_01>($x, $y)
        };
    }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (a, b, c, d) = (four!(0), four!(4), four!(8), four!(12));
        let mut columns = [a[0]; BLOCK];
        for at in 0..4 {
            let (ab, cd) = (even!(a[at], b[at]), even!(c[at], d[at]));
            (columns[at], columns[8 + at]) = (even!(ab, cd), odd!(ab, cd));
            let (ab, cd) = (odd!(a[at], b[at]), odd!(c[at], d[at]));
            (columns[4 + at], columns[12 + at]) = (even!(ab, cd), odd!(ab, cd));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::turn;

    #[test]
    fn columns_become_rows() {
        for [count, width] in [[1, 1], [3, 5], [16, 16], [17, 40], [64, 64], [33, 15], [0, 7]] {
            let values: Vec<f32> = (0..count * width).map(|i| i as f32).collect();
            let apart = count + 3;
            let mut expected = vec![-1.0; width * apart];
            for (i, row) in values.chunks_exact(width).enumerate() {
                for (d, &value) in row.iter().enumerate() {
                    expected[d * apart + i] = value;
                }
            }
            let vectors = |i: usize| &values[i * width..(i + 1) * width];
            let mut found = vec![-1.0; expected.len()];
            turn(vectors, [count, width], &mut found, apart);
            assert_eq!(found, expected);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx512f") {
                let mut found = vec![-1.0; expected.len()];
                // SAFETY: the machine was asked for it.
                unsafe { super::turn_blocks(vectors, [count, width], &mut found, apart) };
                assert_eq!(found, expected);
            }
        }
    }
}
