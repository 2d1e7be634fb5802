//! All paths that this machine has, and models of some, against a sum in f64, and each against itself however the work is cut.

use crate::activations::{PATHS, Path};
use crate::columns::Columns;
use crate::precision::{Precision, to_bf16};
use crate::tokens::Tokens;
use crate::turned::FROM;
use crate::weights::{WeightDtype, Weights};
use crate::wide::MODELS;

pub(crate) const DTYPES: [WeightDtype; 3] = [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32];
const PRECISIONS: [Precision; 2] = [Precision::Exact, Precision::Fast];

pub(crate) fn pseudo_random(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..n).map(|_| next() as f32).collect()
}

/// The bytes of `values` behind one byte more, so that they are not aligned.
pub(crate) fn stored(values: &[f32], dtype: WeightDtype) -> Vec<u8> {
    let value = |&v: &f32| match dtype {
        WeightDtype::Bf16 => half::bf16::from_f32(v).to_le_bytes().to_vec(),
        WeightDtype::F16 => half::f16::from_f32(v).to_le_bytes().to_vec(),
        WeightDtype::F32 => v.to_le_bytes().to_vec(),
    };
    std::iter::once(0).chain(values.iter().flat_map(value)).collect()
}

fn widened(w: Weights<'_>) -> Vec<f32> {
    let pairs = || w.bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match w.dtype {
        WeightDtype::Bf16 => pairs().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
        WeightDtype::F16 => pairs().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
        WeightDtype::F32 => (w.bytes.chunks_exact(4))
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    }
}

pub(crate) fn product(path: &Path, precision: Precision, x: &[f32], w: Weights<'_>) -> Vec<f32> {
    let mut y = vec![f32::NAN; x.len() / w.columns * w.rows];
    let packed = path.pack(Tokens::all(x, w.columns), w.dtype, precision, false);
    packed.product(w, None, &mut Columns::new(&mut y, w.rows));
    y
}

/// Whether it panics.
pub(crate) fn is_refused<T>(call: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(call()))).is_err()
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Calls `check` with every path that fits weights of each dtype in each precision.
fn each_path(mut check: impl FnMut(&Path, WeightDtype, Precision)) {
    for path in PATHS.iter().chain(&MODELS) {
        if !(path.available)() {
            println!("skipped: this machine has no {}", path.name);
        }
        for dtype in DTYPES {
            for precision in PRECISIONS {
                if path.fits(dtype, precision) {
                    check(path, dtype, precision);
                }
            }
        }
    }
}

/// A product against its sum in f64: the error of sums in f32, beside that of activations.
fn check_sums(path: &Path, precision: Precision, w: Weights<'_>, tokens: usize) {
    let (rows, columns) = (w.rows, w.columns);
    let x = pseudo_random(tokens * columns, 7);
    let found = product(path, precision, &x, w);
    let weights = widened(w);
    for t in 0..tokens {
        for r in 0..rows {
            let of = |c: usize| {
                let x = x[t * columns + c];
                let x = if precision == Precision::Fast { to_bf16(x) } else { x };
                f64::from(x) * f64::from(weights[r * columns + c])
            };
            let (exact, size) = (0..columns).map(of).fold((0.0, 0.0), |(a, b), p| (a + p, b + p.abs()));
            let error = (f64::from(found[t * rows + r]) - exact).abs();
            assert!(
                error <= 2e-7 * size + 1e-30,
                "{}, {precision:?}, {:?} {rows}×{columns}, {tokens} tokens: {} at {t}, {r} is off by {error}",
                path.name,
                w.dtype,
                found[t * rows + r],
            );
        }
    }
}

/// Every tail of columns, rows and tokens, spans of columns, blocks of rows, weights that are not aligned.
#[test]
fn sums_equal_those_in_f64() {
    // Miri is a thousand times slower.
    let (tails, long) = if cfg!(miri) {
        (9, vec![33, 1030])
    } else {
        (67, vec![127, 256, 1023, 1025, 2049, 2880])
    };
    each_path(|path, dtype, precision| {
        let check = |rows: usize, columns: usize, tokens: usize| {
            let bytes = stored(&pseudo_random(rows * columns, 3), dtype);
            let w = unaligned(&bytes, dtype, [rows, columns]);
            check_sums(path, precision, w, tokens);
        };
        for columns in (1..=tails).chain(long.clone()) {
            for (rows, tokens) in [(1, 1), (9, 1), (2, 3), (3, 7), (5, 5), (7, 2), (4, 6)] {
                check(rows, columns, tokens);
            }
        }
        if !cfg!(miri) {
            for rows in 1..=26 {
                for tokens in 1..=14 {
                    check(rows, 37, tokens);
                }
            }
            check(211, 520, 5);
            check(150, 1100, 9);
        }
        if path.pairs && !cfg!(miri) {
            for tokens in [FROM, FROM + 1, FROM + 11] {
                for rows in [1, 15, 16, 17, 31, 32, 33, 80] {
                    check(rows, 37, tokens);
                }
                for columns in [1, 2, 31, 32, 33, 64, 1100, 2085] {
                    check(9, columns, tokens);
                }
            }
        }
    });
}

/// NaN and infinity in a weight or an activation, in every column of a row with a tail, reach their outputs and no others.
#[test]
fn not_finite_stays_where_it_is() {
    let columns = if cfg!(miri) { 7 } else { 45 };
    // One tile, for most paths panels, and turned weights.
    let tokens: &[usize] = if cfg!(miri) { &[2] } else { &[2, 13, FROM] };
    each_path(|path, dtype, precision| {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for column in 0..columns {
                for &tokens in tokens {
                    let ones = (vec![1.0; tokens * columns], vec![1.0; 3 * columns]);
                    let (mut x, mut values) = ones.clone();
                    values[columns + column] = bad;
                    reaches(path, dtype, precision, bad, (&ones.0, &values, columns), |_, row| {
                        row == 1
                    });
                    x[columns + column] = bad;
                    reaches(path, dtype, precision, bad, (&x, &ones.1, columns), |token, _| {
                        token == 1
                    });
                }
            }
        }
    });
}

/// Three rows of ones and tokens of ones, one value of which is `bad`.
fn reaches(
    path: &Path,
    dtype: WeightDtype,
    precision: Precision,
    bad: f32,
    (x, values, columns): (&[f32], &[f32], usize),
    is_reached: impl Fn(usize, usize) -> bool,
) {
    let bytes = stored(values, dtype);
    let w = unaligned(&bytes, dtype, [3, columns]);
    for (i, y) in product(path, precision, x, w).into_iter().enumerate() {
        let right = match (is_reached(i / 3, i % 3), bad.is_nan()) {
            (false, _) => y == columns as f32,
            (true, true) => y.is_nan(),
            (true, false) => y == bad,
        };
        let tokens = x.len() / columns;
        assert!(
            right,
            "{} {dtype:?} {precision:?}, {tokens} tokens: {bad}, and output {i} is {y}",
            path.name
        );
    }
}

/// An output has the same bits whatever the batch that its token is in, and the rows beside its row, as long as weights are turned for none of its
/// batches or for all.
#[test]
fn bits_do_not_depend_on_how_a_product_is_cut() {
    // A row more than whole tiles of three or of four.
    let (tokens, rows) = if cfg!(miri) { (13, 13) } else { (53, 85) };
    // Enough for panels on every path, also with a single token behind the last whole tile.
    let whole_tiles = (tokens - 1) / 12 * 12;
    let widths: &[usize] = if cfg!(miri) { &[13] } else { &[13, 256, 640, 1031, 2050] };
    each_path(|path, dtype, precision| {
        for &columns in widths {
            let of_tokens = [
                (0, 1),
                (tokens - 1, 1),
                (3, 2),
                (1, 3),
                (2, 4),
                (4, 5),
                (2, 6),
                (1, 7),
                (2, 10),
                (0, whole_tiles + 1),
                // Between tiles and panels, where AVX-512 has f32.
                (3, if cfg!(miri) { 10 } else { 20 }),
            ];
            let of_rows = [(0, 1), (rows - 1, 1), (5, 2), (1, 3), (2, 4), (3, 5), (1, 7), (2, 8)];
            same_however_cut((path, dtype, precision), [tokens, rows, columns], &of_tokens, &of_rows);
        }
    });
}

#[test]
fn bits_of_turned_weights_do_not_depend_on_how_a_product_is_cut() {
    let (tokens, rows) = (FROM + 53, 85);
    let widths: &[usize] = if cfg!(miri) { &[3] } else { &[13, 256, 1031, 2050] };
    let of_tokens = [(0, FROM), (3, FROM + 7), (52, FROM + 1)];
    let of_rows = [(0, 1), (84, 1), (5, 16), (1, 31), (2, 64)];
    each_path(|path, dtype, precision| {
        for &columns in widths.iter().filter(|_| path.pairs) {
            same_however_cut((path, dtype, precision), [tokens, rows, columns], &of_tokens, &of_rows);
        }
    });
}

/// A matrix that begins at the second of some bytes.
fn unaligned(bytes: &[u8], dtype: WeightDtype, [rows, columns]: [usize; 2]) -> Weights<'_> {
    Weights {
        bytes: &bytes[1..],
        dtype,
        rows,
        columns,
    }
}

/// Some tokens alone, and some rows alone, each from one on and so many, have the bits that they have in the whole product.
fn same_however_cut(
    (path, dtype, precision): (&Path, WeightDtype, Precision),
    [tokens, rows, columns]: [usize; 3],
    of_tokens: &[(usize, usize)],
    of_rows: &[(usize, usize)],
) {
    let x = pseudo_random(tokens * columns, 5);
    let bytes = stored(&pseudo_random(rows * columns, 9), dtype);
    let w = unaligned(&bytes, dtype, [rows, columns]);
    let place = format!("{} {dtype:?} {precision:?}, {columns} columns", path.name);
    let whole = product(path, precision, &x, w);
    for &(token, count) in of_tokens {
        let part = product(path, precision, &x[token * columns..][..count * columns], w);
        let expected = &whole[token * rows..][..count * rows];
        assert_eq!(bits(&part), bits(expected), "{place}: {count} tokens");
    }
    for &(row, count) in of_rows {
        let part = product(path, precision, &x, w.slice_rows(row, count));
        for (part, whole) in part.chunks_exact(count).zip(whole.chunks_exact(rows)) {
            assert_eq!(bits(part), bits(&whole[row..row + count]), "{place}: {count} rows");
        }
    }
}

/// Threads change no bit.
#[test]
fn bits_do_not_depend_on_threads() {
    let (tokens, rows, columns) = if cfg!(miri) { (3, 30, 8) } else { (13, 301, 1031) };
    let x = pseudo_random(tokens * columns, 5);
    for dtype in DTYPES {
        let bytes = stored(&pseudo_random(rows * columns, 9), dtype);
        let w = unaligned(&bytes, dtype, [rows, columns]);
        for precision in PRECISIONS {
            let mut single = vec![f32::NAN; tokens * rows];
            precision.matmul_single(&x, w, &mut single);
            for threads in [1, 2, 7] {
                let mut y = vec![f32::NAN; tokens * rows];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| precision.matmul(&x, w, &mut y));
                assert_eq!(bits(&y), bits(&single), "{dtype:?} {precision:?}: {threads} threads");
            }
        }
    }
}

/// What `fast` rounds away is no more than bf16 does, and it does round.
#[test]
fn fast_is_off_by_the_rounding_of_activations() {
    let (tokens, rows, columns) = (3, 5, 300);
    let x = pseudo_random(tokens * columns, 5);
    let bytes = stored(&pseudo_random(rows * columns, 9), WeightDtype::Bf16);
    let w = unaligned(&bytes, WeightDtype::Bf16, [rows, columns]);
    let (mut exact, mut fast) = (vec![0.0; tokens * rows], vec![0.0; tokens * rows]);
    Precision::Exact.matmul(&x, w, &mut exact);
    Precision::Fast.matmul(&x, w, &mut fast);
    let weights = widened(w);
    assert_ne!(bits(&exact), bits(&fast));
    for (i, (exact, fast)) in exact.iter().zip(&fast).enumerate() {
        let (t, r) = (i / rows, i % rows);
        let size: f32 = (0..columns)
            .map(|c| (x[t * columns + c] * weights[r * columns + c]).abs())
            .sum();
        assert!((exact - fast).abs() <= size / 256.0, "{exact} became {fast}");
    }
}

#[test]
fn no_tokens_and_no_rows_are_no_work() {
    let w = |rows| Weights {
        bytes: &[0; 24][..rows * 8],
        dtype: WeightDtype::F32,
        rows,
        columns: 2,
    };
    Precision::Exact.matmul(&[], w(3), &mut []);
    Precision::Fast.matmul(&[1.0, 2.0], w(0), &mut []);
}

#[test]
fn the_best_path_is_told_by_name() {
    for dtype in DTYPES {
        for precision in PRECISIONS {
            let name = crate::instructions(dtype, precision);
            let first = PATHS.iter().find(|path| path.fits(dtype, precision)).unwrap();
            assert_eq!(name, first.name);
            println!("{dtype:?} {precision:?}: {name}");
        }
    }
}
