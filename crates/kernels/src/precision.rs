//! How exactly products are taken.

/// What becomes of activations in a product. Weights are exact and sums are f32 in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Activations stay f32: on bf16 and f16 weights the result is that of an f32 product.
    #[default]
    Exact,
    /// Activations are rounded to bf16, as inference in bf16 does elsewhere: a product is off by up to 2⁻⁸ of Σ |x · w|.
    ///
    /// Faster on bf16 weights where the machine multiplies pairs of bf16 (AVX-512 BF16; BF16 of Arm). Elsewhere it takes as long as
    /// [`Precision::Exact`], and differs from those machines by the rounding of sums, and by values below 2⁻¹²⁶, which they take for zero.
    Fast,
}

/// The bits of the nearest bf16, ties to even. NaN stays NaN.
#[inline]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let quiet = (bits >> 16) | 0x40;
    (if x.is_nan() { quiet } else { rounded }) as u16
}

/// The nearest bf16 as f32.
#[inline]
pub(crate) fn to_bf16(x: f32) -> f32 {
    f32::from_bits(u32::from(bf16_bits(x)) << 16)
}

#[cfg(test)]
mod tests {
    use super::{bf16_bits, to_bf16};

    #[test]
    fn rounds_as_half_does() {
        let edges = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
        for upper in 0..=u16::MAX {
            for lower in edges {
                let x = f32::from_bits(u32::from(upper) << 16 | lower);
                let expected = half::bf16::from_f32(x);
                assert_eq!(bf16_bits(x), expected.to_bits(), "{x:e}");
                assert_eq!(to_bf16(x).to_bits(), expected.to_f32().to_bits(), "{x:e}");
            }
        }
    }
}
