//! All paths that this machine has, against a sum in f64.

use crate::matmul::{matmul, matmul_single};
use crate::portable;
use crate::weights::{WeightDtype, Weights};
#[cfg(target_arch = "x86_64")]
use crate::{avx2, avx512};

type Product = fn(&[f32], Weights<'_>, &mut [f32]);

fn pseudo_random(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..n).map(|_| next() as f32).collect()
}

fn stored(values: &[f32], dtype: WeightDtype) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&v| match dtype {
            WeightDtype::Bf16 => half::bf16::from_f32(v).to_le_bytes().to_vec(),
            WeightDtype::F16 => half::f16::from_f32(v).to_le_bytes().to_vec(),
            WeightDtype::F32 => v.to_le_bytes().to_vec(),
        })
        .collect()
}

/// Every tail of columns, rows and tokens, unaligned weights, against a sum in f64.
fn check(product: Product) {
    for dtype in [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32] {
        for columns in (1..=35).chain([64, 127, 256, 515]) {
            for (rows, tokens) in [(1, 1), (2, 3), (3, 7), (4, 6), (5, 5), (9, 13)] {
                let x = pseudo_random(tokens * columns, 7);
                let mut bytes = vec![0u8];
                bytes.extend(stored(&pseudo_random(rows * columns, 3), dtype));
                let w = Weights {
                    bytes: &bytes[1..],
                    dtype,
                    rows,
                    columns,
                };
                let mut widened = vec![0.0; rows * columns];
                portable::widen(w, &mut widened);
                let mut out = vec![f32::NAN; rows * tokens];
                product(&x, w, &mut out);
                for r in 0..rows {
                    for t in 0..tokens {
                        let exact: f64 = (0..columns)
                            .map(|c| f64::from(x[t * columns + c]) * f64::from(widened[r * columns + c]))
                            .sum();
                        let error = (f64::from(out[r * tokens + t]) - exact).abs();
                        assert!(
                            error < 2e-5,
                            "{dtype:?} {rows}×{columns}, {tokens} tokens: off by {error}"
                        );
                    }
                }
            }
        }
    }
}

fn check_not_finite(product: Product) {
    for (bad, test) in [
        (f32::NAN, f32::is_nan as fn(f32) -> bool),
        (f32::INFINITY, f32::is_infinite),
    ] {
        for column in [0, 15, 16, 18] {
            let mut weights = vec![1.0; 19];
            weights[column] = bad;
            let bytes = stored(&weights, WeightDtype::Bf16);
            let w = Weights {
                bytes: &bytes,
                dtype: WeightDtype::Bf16,
                rows: 1,
                columns: 19,
            };
            let mut out = vec![0.0; 1];
            product(&[1.0; 19], w, &mut out);
            assert!(test(out[0]), "{bad} in column {column} became {}", out[0]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn avx512_equals_f64() {
    if avx512::available() {
        check(avx512::product);
        check_not_finite(avx512::product);
    } else {
        println!("skipped: no AVX-512 here");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn avx2_equals_f64() {
    fn product(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
        avx2::product(&avx2::Packed::new(x, w.columns, false), w, out);
    }
    if avx2::available() {
        check(product);
        check_not_finite(product);
    } else {
        println!("skipped: no AVX2 here");
    }
}

#[test]
fn portable_equals_f64() {
    check(portable::product);
    check_not_finite(portable::product);
}

/// An output has the same bits whatever the batch that its token is in, the rows beside its row, and the threads.
#[test]
fn bits_do_not_depend_on_how_a_product_is_cut() {
    let (tokens, rows) = (29, 83);
    for dtype in [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32] {
        for columns in [13, 256, 640, 1031] {
            let x = pseudo_random(tokens * columns, 5);
            let bytes = stored(&pseudo_random(rows * columns, 9), dtype);
            let w = Weights {
                bytes: &bytes,
                dtype,
                rows,
                columns,
            };
            let mut whole = vec![f32::NAN; tokens * rows];
            matmul(&x, w, &mut whole);
            let mut single = vec![f32::NAN; tokens * rows];
            matmul_single(&x, w, &mut single);
            assert_eq!(bits(&whole), bits(&single), "{dtype:?}, {columns} columns: threads");
            for (token, count) in [(0, 1), (28, 1), (3, 2), (7, 3), (11, 17)] {
                let mut part = vec![f32::NAN; count * rows];
                matmul(&x[token * columns..][..count * columns], w, &mut part);
                let expected = &whole[token * rows..][..count * rows];
                assert_eq!(
                    bits(&part),
                    bits(expected),
                    "{dtype:?}, {columns} columns: {count} tokens"
                );
            }
            for (row, count) in [(0, 1), (82, 1), (5, 2), (40, 43)] {
                let mut part = vec![f32::NAN; count];
                matmul(&x[..columns], w.slice_rows(row, count), &mut part);
                assert_eq!(
                    bits(&part),
                    bits(&whole[row..][..count]),
                    "{dtype:?}, {columns} columns: {count} rows"
                );
            }
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
