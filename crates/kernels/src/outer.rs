//! Small products of matrices whose inner dimension is the first of both: sums of outer products, kept in registers.

/// Rows and columns of a tile: twelve vectors of eight sums.
const ROWS: usize = 6;
const COLUMNS: usize = 16;

/// Values a constant number apart from row to row.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

/// `c[r, n] = Σ_m a[r, m] · b[m, n]` for `m` below `inner`; `c` is `[rows, columns]` with rows `stride` apart. With `FUSED`, products are not
/// rounded before they are added: only for machines that have the instruction.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn product<const FUSED: bool>(
    a: Matrix<'_>,
    b: Matrix<'_>,
    [rows, inner, columns]: [usize; 3],
    (c, stride): (&mut [f32], usize),
) {
    let mut column = 0;
    while column < columns {
        let wide = column + COLUMNS <= columns;
        for row in (0..rows).step_by(ROWS) {
            let a = Matrix {
                values: &a.values[row * a.stride..],
                ..a
            };
            let b = Matrix {
                values: &b.values[column..],
                ..b
            };
            let c = &mut c[row * stride + column..];
            match (wide, rows - row) {
                (true, 1) => tile::<FUSED, 1, COLUMNS>(a, b, inner, c, stride),
                (true, 2) => tile::<FUSED, 2, COLUMNS>(a, b, inner, c, stride),
                (true, 3) => tile::<FUSED, 3, COLUMNS>(a, b, inner, c, stride),
                (true, 4) => tile::<FUSED, 4, COLUMNS>(a, b, inner, c, stride),
                (true, 5) => tile::<FUSED, 5, COLUMNS>(a, b, inner, c, stride),
                (true, _) => tile::<FUSED, ROWS, COLUMNS>(a, b, inner, c, stride),
                (false, left) => {
                    for row in 0..left.min(ROWS) {
                        let a = Matrix {
                            values: &a.values[row * a.stride..],
                            ..a
                        };
                        tile::<FUSED, 1, 1>(a, b, inner, &mut c[row * stride..], stride);
                    }
                }
            }
        }
        column += if wide { COLUMNS } else { 1 };
    }
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop)] // Indices that count up to constants are what becomes registers.
fn tile<const FUSED: bool, const R: usize, const N: usize>(
    a: Matrix<'_>,
    b: Matrix<'_>,
    inner: usize,
    c: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0.0f32; N]; R];
    let rows: [&[f32]; R] = std::array::from_fn(|r| &a.values[r * a.stride..r * a.stride + inner]);
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
