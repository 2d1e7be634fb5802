//! Finding the first NaN or infinity in a tensor.

use half::{bf16, f16};

use super::Dtype;

/// Elements looked at before deciding: long enough for vector code, short enough to stop early.
const BLOCK: usize = 4096;

/// Index and value of the first element of little-endian `bytes` that is NaN or infinite; `None` for types that hold neither to us.
/// Works on any alignment; trailing bytes that do not fill an element are not looked at.
#[must_use]
pub fn first_non_finite(dtype: Dtype, bytes: &[u8]) -> Option<(usize, f32)> {
    // All exponent bits set: NaN or infinity.
    match dtype {
        Dtype::BF16 => scan::<2>(
            bytes,
            |b| u16::from_le_bytes(b) & 0x7f80 == 0x7f80,
            |b| bf16::from_le_bytes(b).to_f32(),
        ),
        Dtype::F16 => scan::<2>(
            bytes,
            |b| u16::from_le_bytes(b) & 0x7c00 == 0x7c00,
            |b| f16::from_le_bytes(b).to_f32(),
        ),
        Dtype::F32 => scan::<4>(
            bytes,
            |b| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000,
            f32::from_le_bytes,
        ),
        _ => None,
    }
}

/// Index and value of the first exponent of an MXFP4 block that does not leave all its values finite: 255 is NaN, and 6 · 2¹²⁶ is
/// beyond f32.
pub(crate) fn first_not_finite_scale(bytes: &[u8]) -> Option<(usize, f32)> {
    const LARGEST: u8 = 127 + 125;
    let index = bytes.iter().position(|&exponent| exponent > LARGEST)?;
    let value = if bytes[index] == 255 { f32::NAN } else { f32::INFINITY };
    Some((index, value))
}

fn scan<const N: usize>(
    bytes: &[u8],
    bad: impl Fn([u8; N]) -> bool,
    value: impl Fn([u8; N]) -> f32,
) -> Option<(usize, f32)> {
    let (elements, _) = bytes.as_chunks::<N>();
    for (block, chunk) in elements.chunks(BLOCK).enumerate() {
        // No early exit inside a block, so that the loop vectorises.
        if chunk.iter().fold(false, |any, &element| any | bad(element)) {
            let within = chunk.iter().position(|&element| bad(element))?;
            return Some((block * BLOCK + within, value(chunk[within])));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_element_is_found_in_each_type() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 1, 4095, 4096, 9999] {
                let mut values = vec![0.5_f32; 10_000];
                values[at] = bad;
                values[9999] = f32::NAN;
                let same = |found: Option<(usize, f32)>| {
                    let (index, value) = found.unwrap();
                    assert_eq!(index, at);
                    assert!(at == 9999 || value.to_bits() == bad.to_bits() || value.is_nan() && bad.is_nan());
                };
                same(first_non_finite(
                    Dtype::F32,
                    &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(),
                ));
                same(first_non_finite(
                    Dtype::BF16,
                    &values
                        .iter()
                        .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                        .collect::<Vec<_>>(),
                ));
                same(first_non_finite(
                    Dtype::F16,
                    &values
                        .iter()
                        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                        .collect::<Vec<_>>(),
                ));
            }
        }
    }

    #[test]
    fn the_largest_and_smallest_numbers_are_finite() {
        let extremes = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -0.0];
        assert_eq!(
            first_non_finite(
                Dtype::F32,
                &extremes.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()
            ),
            None
        );
        let extremes = [bf16::MAX, bf16::MIN];
        assert_eq!(
            first_non_finite(
                Dtype::BF16,
                &extremes.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()
            ),
            None
        );
        let extremes = [f16::MAX, f16::MIN];
        assert_eq!(
            first_non_finite(
                Dtype::F16,
                &extremes.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()
            ),
            None
        );
    }
}
