//! 4-bit floats with a shared scale, as bf16.

#![allow(unsafe_code)]

/// Values per block, and its bytes.
pub(crate) const BLOCK: usize = 32;
pub(crate) const BLOCK_BYTES: usize = 16;

/// By the four bits: sign, two bits of exponent, one of mantissa.
const VALUES: [f32; 16] = [
    0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0,
];

/// By the scale: the lower bytes of all sixteen values as bf16, and the upper ones.
static TABLES: [[[u8; 16]; 2]; 256] = tables();

const fn tables() -> [[[u8; 16]; 2]; 256] {
    let mut tables = [[[0; 16]; 2]; 256];
    let mut scale = 0;
    while scale < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            // Two bits of mantissa: nothing is lost below.
            let [_, _, lower, upper] = (VALUES[nibble] * power_of_two(scale as u8)).to_le_bytes();
            tables[scale][0][nibble] = lower;
            tables[scale][1][nibble] = upper;
            nibble += 1;
        }
        scale += 1;
    }
    tables
}

/// 2^(exponent − 127); the smallest is subnormal, the largest NaN.
const fn power_of_two(exponent: u8) -> f32 {
    f32::from_bits(match exponent {
        0 => 1 << 22,
        u8::MAX => 0x7fc0_0000,
        _ => (exponent as u32) << 23,
    })
}

/// Unpacks blocks, one per scale, into little-endian bf16.
///
/// # Panics
/// If the lengths do not fit together.
pub(crate) fn unpack(blocks: &[u8], scales: &[u8], to: &mut [u8]) {
    assert!(blocks.len() == scales.len() * BLOCK_BYTES && to.len() == scales.len() * BLOCK * 2);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("ssse3") {
        // SAFETY: the instructions are there.
        return unsafe { shuffled(blocks, scales, to) };
    }
    looked_up(blocks, scales, to);
}

/// [`unpack`] on any machine.
fn looked_up(blocks: &[u8], scales: &[u8], to: &mut [u8]) {
    let blocks = blocks.chunks_exact(BLOCK_BYTES).zip(to.chunks_exact_mut(BLOCK * 2));
    for ((bytes, to), &scale) in blocks.zip(scales) {
        let [lower, upper] = &TABLES[usize::from(scale)];
        for (byte, to) in bytes.iter().zip(to.chunks_exact_mut(4)) {
            let (even, odd) = (usize::from(byte & 15), usize::from(byte >> 4));
            to.copy_from_slice(&[lower[even], upper[even], lower[odd], upper[odd]]);
        }
    }
}

/// [`unpack`] with an instruction that looks sixteen bytes up at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn shuffled(blocks: &[u8], scales: &[u8], to: &mut [u8]) {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_shuffle_epi8, _mm_srli_epi16, _mm_storeu_si128,
        _mm_unpackhi_epi8, _mm_unpacklo_epi8,
    };
    let mask = _mm_set1_epi8(15);
    let blocks = blocks.chunks_exact(BLOCK_BYTES).zip(to.chunks_exact_mut(BLOCK * 2));
    for ((bytes, to), &scale) in blocks.zip(scales) {
        let tables = &TABLES[usize::from(scale)];
        let to: *mut __m128i = to.as_mut_ptr().cast();
        // SAFETY: sixteen bytes are read from slices and arrays of sixteen, and four times sixteen written to a slice of 64; none need be
        // aligned.
        unsafe {
            let (lower, upper) = (
                _mm_loadu_si128(tables[0].as_ptr().cast()),
                _mm_loadu_si128(tables[1].as_ptr().cast()),
            );
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            let (even, odd) = (
                _mm_and_si128(bytes, mask),
                _mm_and_si128(_mm_srli_epi16::<4>(bytes), mask),
            );
            for (half, nibbles) in [_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)]
                .into_iter()
                .enumerate()
            {
                let (lower, upper) = (_mm_shuffle_epi8(lower, nibbles), _mm_shuffle_epi8(upper, nibbles));
                _mm_storeu_si128(to.add(2 * half), _mm_unpacklo_epi8(lower, upper));
                _mm_storeu_si128(to.add(2 * half + 1), _mm_unpackhi_epi8(lower, upper));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, VALUES, looked_up, power_of_two, unpack};

    /// Every byte under every scale, in the machine's way and in the plain one, against the product in f32.
    #[test]
    fn every_byte_and_scale() {
        let blocks: Vec<u8> = (0..=u8::MAX).collect();
        for scale in 0..=u8::MAX {
            let scales = [scale; 16];
            let (mut found, mut plain) = (vec![1u8; 16 * BLOCK * 2], vec![2u8; 16 * BLOCK * 2]);
            unpack(&blocks, &scales, &mut found);
            looked_up(&blocks, &scales, &mut plain);
            assert_eq!(found, plain);
            for (byte, four) in blocks.iter().zip(found.chunks_exact(4)) {
                let two = [(byte & 15, &four[..2]), (byte >> 4, &four[2..])];
                for (nibble, half) in two {
                    let expected = VALUES[usize::from(nibble)] * power_of_two(scale);
                    let found = half::bf16::from_le_bytes([half[0], half[1]]).to_f32();
                    assert!(
                        found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()),
                        "{nibble:x} under {scale}: {found:e}, expected {expected:e}"
                    );
                }
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn scales_are_powers_of_two_and_nan() {
        assert_eq!(power_of_two(0), f32::MIN_POSITIVE / 2.0);
        assert_eq!(power_of_two(127), 1.0);
        assert_eq!(power_of_two(254), 2.0 / f32::MIN_POSITIVE);
        assert!(power_of_two(255).is_nan());
    }
}
