//! `repr(float)` and integers written in other bases.

/// Most digits `CPython` converts between text and an integer (`sys.int_info.default_max_str_digits`).
pub const MOST_INT_DIGITS: usize = 4300;

/// `repr(value)`: the shortest digits that read back as the same float, with an exponent below
/// 1e-4 and from 1e16 on.
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// Decimal digits of an integer given by its digits in `base`; leading zeros are dropped.
/// `None` where the result has more digits than Python would write.
pub fn to_decimal(digits: &str, base: u32) -> Option<String> {
    // Little-endian groups of nine decimal digits.
    const GROUP: u64 = 1_000_000_000;
    let mut groups: Vec<u64> = vec![0];
    for c in digits.chars().filter(|&c| c != '_') {
        let mut carry = u64::from(c.to_digit(base)?);
        for group in &mut groups {
            let sum = *group * u64::from(base) + carry;
            *group = sum % GROUP;
            carry = sum / GROUP;
        }
        if carry > 0 {
            groups.push(carry);
        }
        if groups.len() > MOST_INT_DIGITS / 9 + 2 {
            return None;
        }
    }
    let first = groups.pop().unwrap_or(0).to_string();
    let rest = groups.iter().rev().map(|group| format!("{group:09}"));
    let text = std::iter::once(first).chain(rest).collect::<Vec<_>>().concat();
    (text.len() <= MOST_INT_DIGITS).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_the_spelling_of_python() {
        let cases = [
            (1e3, "1000.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e-5, "1e-05"),
            (1e-4, "0.0001"),
            (1.5e300, "1.5e+300"),
            (123_456_789.123, "123456789.123"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in cases {
            assert_eq!(float_repr(value), expected);
        }
    }

    #[test]
    fn integers_of_any_base_and_size() {
        assert_eq!(to_decimal("10", 16).as_deref(), Some("16"));
        assert_eq!(to_decimal("1_0", 2).as_deref(), Some("2"));
        assert_eq!(
            to_decimal("ffffffffffffffffffff", 16).as_deref(),
            Some("1208925819614629174706175")
        );
        assert_eq!(to_decimal(&"f".repeat(5000), 16), None);
    }
}
