//! Small products of matrices whose inner dimension is the first of both: sums of outer products, kept in registers.

/// Rows of a tile.
pub(crate) const ROWS: usize = 6;

/// Values a constant number apart from row to row.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

/// `c[r, n] = Σ_m a[r, m] · b[m, n]` for `m` below `inner`; `c` is `[rows, columns]` with rows `stride` apart. With `add`, sums go on from what
/// is there. With `FUSED`, products are not rounded before they are added: only for machines that have the instruction. A tile has `WIDE`
/// columns, 16 or more; the bits do not depend on it.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn product<const FUSED: bool, const WIDE: usize>(
    a: Matrix<'_>,
    b: Matrix<'_>,
    [rows, inner, columns]: [usize; 3],
    (c, stride): (&mut [f32], usize),
    add: bool,
) {
    let mut column = 0;
    while column < columns {
        let b = Matrix {
            values: &b.values[column..],
            ..b
        };
        let c = &mut c[column..];
        let left = columns - column;
        column += if left >= WIDE {
            strip::<FUSED, WIDE>(a, b, [rows, inner], (c, stride), add)
        } else if left >= 16 {
            strip::<FUSED, 16>(a, b, [rows, inner], (c, stride), add)
        } else {
            strip::<FUSED, 1>(a, b, [rows, inner], (c, stride), add)
        };
    }
}

/// [`product`] for `N` columns, which it returns.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn strip<const FUSED: bool, const N: usize>(
    a: Matrix<'_>,
    b: Matrix<'_>,
    [rows, inner]: [usize; 2],
    (c, stride): (&mut [f32], usize),
    add: bool,
) -> usize {
    for row in (0..rows).step_by(ROWS) {
        let a = Matrix {
            values: &a.values[row * a.stride..],
            ..a
        };
        let c = &mut c[row * stride..];
        match rows - row {
            1 => tile::<FUSED, 1, N>(a, b, (inner, add), c, stride),
            2 => tile::<FUSED, 2, N>(a, b, (inner, add), c, stride),
            3 => tile::<FUSED, 3, N>(a, b, (inner, add), c, stride),
            4 => tile::<FUSED, 4, N>(a, b, (inner, add), c, stride),
            5 => tile::<FUSED, 5, N>(a, b, (inner, add), c, stride),
            _ => tile::<FUSED, ROWS, N>(a, b, (inner, add), c, stride),
        }
    }
    N
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop)] // Indices that count up to constants are what becomes registers.
fn tile<const FUSED: bool, const R: usize, const N: usize>(
    a: Matrix<'_>,
    b: Matrix<'_>,
    (inner, add): (usize, bool),
    c: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0.0f32; N]; R];
    if add {
        for r in 0..R {
            sums[r].copy_from_slice(&c[r * stride..][..N]);
        }
    }
    // Cut twice: of the second length the compiler knows that it is `inner`, and checks no index below it.
    let mut rows = [&a.values[..inner]; R];
    for r in 1..R {
        rows[r] = &a.values[r * a.stride..][..inner];
    }
    for m in 0..inner {
        let factors = &b.values[m * b.stride..][..N];
        for r in 0..R {
            let x = rows[r][m];
            for n in 0..N {
                sums[r][n] = multiply_add::<FUSED>(x, factors[n], sums[r][n]);
            }
        }
    }
    for r in 0..R {
        c[r * stride..][..N].copy_from_slice(&sums[r]);
    }
}

/// `sum + x · y`.
#[inline(always)]
#[allow(clippy::inline_always, clippy::suboptimal_flops)] // Where there is no such instruction, the fused one is a function.
pub(crate) fn multiply_add<const FUSED: bool>(x: f32, y: f32, sum: f32) -> f32 {
    if FUSED { x.mul_add(y, sum) } else { sum + x * y }
}
