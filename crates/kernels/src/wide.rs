//! What the paths of AVX-512 do, in plain Rust: the same steps, tiles and order of additions. Their sixteen lanes are tested on every machine
//! this way, and the instructions against it where they are.

#![allow(unsafe_code)]

use half::f16;

use crate::activations::{Path, path};
use crate::columns::Columns;
use crate::packed::Packed;
use crate::turned::{LANES, Turns, turned_for};
use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16, Weights};

/// Tested like [`crate::activations::PATHS`].
pub(crate) const MODELS: [Path; 2] = [
    path::<WidePairs>("model of AVX-512 BF16"),
    path::<Wide>("model of AVX-512"),
];

/// Sixteen f32.
#[derive(Clone, Copy)]
pub(crate) struct Wide;

impl Vector for Wide {
    type Value = f32;
    type Factors = [f32; LANES];
    type Sums = [f32; LANES];

    const WIDTH: usize = 32;
    const PARTS: usize = 2;
    const SPLITS: bool = true;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = [2, 4, 2, 4, 4, 2, 0, 0];
    const ALONE: usize = 6;
    const BESIDE: usize = 5;
    const AHEAD: usize = 2 << 10;
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        true
    }

    unsafe fn zero() -> Self::Sums {
        [0.0; LANES]
    }

    unsafe fn activations(from: *const f32) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe { from.cast::<[f32; LANES]>().read_unaligned() }
    }

    unsafe fn weights<const DTYPE: u8>(from: *const u8, part: usize) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe {
            match DTYPE {
                BF16 => {
                    let values = bf16s(from);
                    std::array::from_fn(|lane| widened(values[2 * lane + part]))
                }
                F16 => (from.add(part * LANES * 2).cast::<[[u8; 2]; LANES]>())
                    .read_unaligned()
                    .map(|bytes| f16::from_le_bytes(bytes).to_f32()),
                _ => (from.add(part * LANES * 4).cast::<[[u8; 4]; LANES]>())
                    .read_unaligned()
                    .map(f32::from_le_bytes),
            }
        }
    }

    unsafe fn multiply_add(x: Self::Factors, w: Self::Factors, sums: Self::Sums) -> Self::Sums {
        std::array::from_fn(|lane| x[lane].mul_add(w[lane], sums[lane]))
    }

    unsafe fn totals(sums: [Self::Sums; 4]) -> [f32; 4] {
        sums.map(total)
    }

    unsafe fn store(weights: Self::Factors, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { to.cast::<Self::Factors>().write_unaligned(weights) }
    }

    compiled_for!();
}

/// Sixteen pairs of bf16, whose products are summed in f32.
#[derive(Clone, Copy)]
pub(crate) struct WidePairs;

impl Vector for WidePairs {
    type Value = u16;
    type Factors = [u16; 2 * LANES];
    type Sums = [f32; LANES];

    const WIDTH: usize = 32;
    const PARTS: usize = 1;
    const SPLITS: bool = false;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = [2, 2, 2, 4, 4, 4, 2, 2];
    const ALONE: usize = 8;
    const AHEAD: usize = 2 << 10;
    const SPAN: usize = 2048;
    const PAIRS: bool = true;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        true
    }

    unsafe fn zero() -> Self::Sums {
        [0.0; LANES]
    }

    unsafe fn activations(from: *const u16) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe { from.cast::<[u16; 2 * LANES]>().read_unaligned() }
    }

    unsafe fn weights<const DTYPE: u8>(from: *const u8, _: usize) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe { bf16s(from) }
    }

    unsafe fn multiply_add(x: Self::Factors, w: Self::Factors, sums: Self::Sums) -> Self::Sums {
        std::array::from_fn(|lane| {
            let pair = |of: &Self::Factors| [of[2 * lane], of[2 * lane + 1]];
            dot(pair(&x), pair(&w), sums[lane])
        })
    }

    unsafe fn totals(sums: [Self::Sums; 4]) -> [f32; 4] {
        sums.map(total)
    }

    unsafe fn store(weights: Self::Factors, to: *mut u16) {
        // SAFETY: the caller vouches for the room.
        unsafe { to.cast::<Self::Factors>().write_unaligned(weights) }
    }

    fn product(x: &Packed<'_, Self>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
        crate::turned::product(x, w, then, out);
    }

    compiled_for!();
}

impl Turns for WidePairs {
    unsafe fn turn(rows: &[*const u8; LANES], offset: usize) -> [Self::Factors; LANES] {
        // SAFETY: the caller vouches for the values.
        let rows = rows.map(|row| unsafe { bf16s(row.add(offset)) });
        std::array::from_fn(|pair| std::array::from_fn(|at| rows[at / 2][2 * pair + at % 2]))
    }

    unsafe fn sums(from: *const f32) -> Self::Sums {
        // SAFETY: the caller vouches for the values.
        unsafe { from.cast::<Self::Sums>().read_unaligned() }
    }

    unsafe fn multiply_pair<const R: usize>(
        x: *const u16,
        column: usize,
        w: &[Self::Factors; R],
        sums: [Self::Sums; R],
    ) -> [Self::Sums; R] {
        // SAFETY: the caller vouches for the values.
        let pair = unsafe { x.add(column).cast::<[u16; 2]>().read_unaligned() };
        let x = std::array::from_fn(|at| pair[at % 2]);
        // SAFETY: no particular instructions are needed.
        std::array::from_fn(|r| unsafe { Self::multiply_add(x, w[r], sums[r]) })
    }

    unsafe fn keep(sums: Self::Sums, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { to.cast::<Self::Sums>().write_unaligned(sums) }
    }

    turned_for!();
}

/// A lane of VDPBF16PS.
///
/// Source: Intel, Software Developer's Manual, volume 2, VDPBF16PS: the second product of a pair is added before the first, each sum is
/// rounded to the nearest f32, and subnormal numbers are zeros wherever they come up.
fn dot(x: [u16; 2], w: [u16; 2], sum: f32) -> f32 {
    let add = |sum, i: usize| flushed(flushed(widened(x[i])).mul_add(flushed(widened(w[i])), sum));
    add(add(flushed(sum), 1), 0)
}

fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

fn widened(bf16: u16) -> f32 {
    f32::from_bits(u32::from(bf16) << 16)
}

/// The step of bf16 that begins there.
///
/// # Safety
/// It must be readable.
unsafe fn bf16s(from: *const u8) -> [u16; 2 * LANES] {
    // SAFETY: the caller vouches for the values.
    unsafe { from.cast::<[[u8; 2]; 2 * LANES]>().read_unaligned() }.map(u16::from_le_bytes)
}

/// The lanes added up as AVX-512 does: what lies half of them apart, until one is left.
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut apart = LANES / 2;
    while apart > 0 {
        for lane in 0..apart {
            sums[lane] += sums[lane + apart];
        }
        apart /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::dot;
    use crate::precision::bf16_bits;

    fn dot_of(x: [f32; 2], w: [f32; 2], sum: f32) -> f32 {
        dot(x.map(bf16_bits), w.map(bf16_bits), sum)
    }

    #[test]
    fn pairs_by_hand() {
        let tiny = f32::MIN_POSITIVE;
        assert_eq!(dot_of([2.0, 3.0], [5.0, 7.0], 0.5), 31.5);
        // The second product comes first.
        assert_eq!(
            dot_of([1e-9, -1.0], [1.0, 1.0], 1.0),
            dot_of([1e-9, 0.0], [1.0, 0.0], 0.0)
        );
        assert_eq!(dot_of([-1.0, 1e-9], [1.0, 1.0], 1.0), 0.0);
        // Subnormal numbers: a weight, a sum before, a product, a sum after.
        assert_eq!(dot_of([1e30, 0.0], [tiny / 2.0, 0.0], 0.0), 0.0);
        assert_eq!(dot_of([0.0, 0.0], [0.0, 0.0], tiny / 2.0), 0.0);
        assert_eq!(dot_of([0.5, 0.0], [tiny, 0.0], 0.0), 0.0);
        assert_eq!(dot_of([-1.0, 0.0], [tiny, 0.0], 1.5 * tiny), 0.0);
        // A product beyond the largest f32 is not rounded before it is added.
        assert_eq!(
            dot_of([0.0, 2.0], [0.0, 2.0_f32.powi(127)], -f32::MAX).to_bits(),
            2.0_f32.powi(104).to_bits()
        );
        assert!(dot_of([f32::INFINITY, 0.0], [tiny / 2.0, 0.0], 0.0).is_nan());
    }
}

/// The instructions against the model, where this machine has them.
#[cfg(all(test, target_arch = "x86_64"))]
mod instructions {
    use super::{LANES, Wide, WidePairs};
    use crate::activations::{Path, path};
    use crate::avx512::{Avx512, Avx512Bf16};
    use crate::precision::Precision;
    use crate::tests::{DTYPES, bits, product, pseudo_random, stored};
    use crate::vector::Vector;
    use crate::weights::{BF16, WeightDtype, Weights};

    #[test]
    fn models_have_the_shape_of_the_paths() {
        fn shape<V: Vector>() -> impl PartialEq + std::fmt::Debug {
            let tile = (V::WIDTH, V::PARTS, V::SPLITS, V::TOKENS, V::ROWS, V::SPAN, V::PAIRS);
            let streams = (V::STREAMS, V::ALONE, V::BESIDE);
            (tile, streams, std::any::type_name::<V::Value>())
        }
        fn same<V: Vector, M: Vector>() {
            assert_eq!(format!("{:?}", shape::<V>()), format!("{:?}", shape::<M>()));
        }
        same::<Avx512, Wide>();
        same::<Avx512Bf16, WidePairs>();
    }

    /// Shapes with every kind of tail.
    fn same_bits(found: &Path, model: &Path, dtype: WeightDtype, precision: Precision) {
        for (rows, columns, tokens) in [
            (1, 1, 1),
            (9, 45, 1),
            (7, 64, 3),
            (5, 1100, 6),
            (9, 70, 8),
            (5, 33, 11),
            (150, 2085, 13),
            (37, 70, 193),
            (9, 2085, 192),
        ] {
            let x = pseudo_random(tokens * columns, 5);
            let bytes = stored(&pseudo_random(rows * columns, 9), dtype);
            let bytes = &bytes[1..];
            let w = Weights {
                bytes,
                dtype,
                rows,
                columns,
            };
            let [found, model] = [found, model].map(|path| bits(&product(path, precision, &x, w)));
            assert!(
                found == model,
                "{dtype:?} {precision:?}, {rows}×{columns}, {tokens} tokens"
            );
        }
    }

    #[test]
    fn avx_512_has_the_bits_of_its_model() {
        if !Avx512::available() {
            return println!("skipped: this machine has no AVX-512");
        }
        for dtype in DTYPES {
            for precision in [Precision::Exact, Precision::Fast] {
                same_bits(&path::<Avx512>("AVX-512"), &path::<Wide>("model"), dtype, precision);
            }
        }
    }

    #[test]
    #[ignore = "nothing but the last bits hang on the order in which a machine adds the products of a pair"]
    fn avx_512_bf16_has_the_bits_of_its_model() {
        assert!(Avx512Bf16::available(), "this machine has no AVX-512 BF16");
        let (found, model) = (path::<Avx512Bf16>("AVX-512 BF16"), path::<WidePairs>("model"));
        same_bits(&found, &model, WeightDtype::Bf16, Precision::Fast);
    }

    /// # Safety
    /// As that of [`Vector::multiply_add`]; `V::Sums` must be sixteen f32.
    unsafe fn multiply_add<V: Vector<Value = u16>>(
        x: &[u16; 2 * LANES],
        w: &[u16; 2 * LANES],
        sums: [f32; LANES],
    ) -> [f32; LANES] {
        const { assert!(size_of::<V::Sums>() == size_of::<[f32; LANES]>()) };
        // SAFETY: the caller vouches for the instructions and the type of sums; a step of weights and activations is 32 values.
        unsafe {
            let (x, w) = (V::activations(x.as_ptr()), V::weights::<BF16>(w.as_ptr().cast(), 0));
            let sums = V::multiply_add(x, w, std::mem::transmute_copy(&sums));
            std::mem::transmute_copy(&sums)
        }
    }

    /// One pair in a lane, beside zeros: there is but one order of additions.
    #[test]
    fn products_of_bf16_are_those_of_the_model() {
        if !Avx512Bf16::available() {
            return println!("skipped: this machine has no AVX-512 BF16");
        }
        // Zeros, subnormal numbers, the smallest normal ones, others, the largest, infinity, NaN.
        let magnitudes = [
            0, 1, 0x7f, 0x80, 0x81, 0x1fff, 0x3f80, 0x3fc1, 0x4049, 0x5eff, 0x7f00, 0x7f7f, 0x7f80, 0x7fc0,
        ];
        let values: Vec<u16> = magnitudes.iter().flat_map(|&m| [m, m | 0x8000]).collect();
        let starts = [0.0, 1.0, -3.3, f32::MIN_POSITIVE, -1e-40, 3e38, f32::MIN, f32::INFINITY];
        for &x in &values {
            for &w in &values {
                for start in starts {
                    for second in [0, 1] {
                        // Another lane each time, to see all of them.
                        let lane = usize::from(x ^ w) % LANES;
                        let (mut xs, mut ws, mut sums) = ([0; 2 * LANES], [0; 2 * LANES], [0.0; LANES]);
                        (xs[2 * lane + second], ws[2 * lane + second], sums[lane]) = (x, w, start);
                        // SAFETY: the machine has the instructions.
                        let found = unsafe { multiply_add::<Avx512Bf16>(&xs, &ws, sums) };
                        // SAFETY: no particular instructions are needed.
                        let expected = unsafe { multiply_add::<WidePairs>(&xs, &ws, sums) };
                        for (found, expected) in found.iter().zip(&expected) {
                            assert!(
                                found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
                                "{x:04x} × {w:04x} + {start:e} is {found:e}, expected {expected:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}
