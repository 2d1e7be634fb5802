//! The exponential function in a form that the compiler turns into vectors.

/// What is added to an f32 below 2²² to round it to an integer, which then stands in its lowest bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts, of which the first has so few bits that its product with any exponent is exact.
const LN_2_UPPER: f32 = 0.693_359_4;
const LN_2_LOWER: f32 = (std::f64::consts::LN_2 - LN_2_UPPER as f64) as f32;

/// eˣ, off by less than 3 · 10⁻⁷ of it. NaN stays NaN, and what is too large or too small becomes infinity or 0.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn exp(x: f32) -> f32 {
    // eˣ = 2ⁿ eʳ. At the ends all results are infinity or 0 already.
    let x = x.clamp(-105.0, 90.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2_UPPER) - n * LN_2_LOWER;
    // Taylor's series: |r| ≤ ln 2 / 2.
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + coefficient;
    }
    // 2ⁿ in two factors: one alone could not be written where n is at an end.
    let n = rounded.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    let half = n >> 1;
    sum * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2ⁿ for |n| < 127.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn is_that_of_f64() {
        let steps = if cfg!(miri) { 200 } else { 2_000_000 };
        for step in 0..=steps {
            let x = -87.0 + 175.7 * step as f32 / steps as f32;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 3e-7, "exp({x}) is off by {error:e} of it");
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn ends() {
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
        for x in [88.8, 1e3, f32::MAX, f32::INFINITY] {
            assert_eq!(exp(x), f32::INFINITY, "{x}");
        }
        for x in [-104.5, -1e3, f32::MIN, f32::NEG_INFINITY] {
            assert_eq!(exp(x), 0.0, "{x}");
        }
        // Smaller than any normal number.
        for x in [-87.5, -95.0, -102.0] {
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) - expected).abs() < 3e-45, "{x}");
        }
    }
}
