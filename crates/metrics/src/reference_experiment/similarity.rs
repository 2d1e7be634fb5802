//! Squared error of similarity scores from 0 to 5 that are given in words.

use std::collections::BTreeSet;

use crate::error::{Result, not_empty, same_length};
use crate::text::{self, Pattern};

const METRIC: &str = "similarity_mse";
/// Squared distance of the ends of the scale.
const WORST: f64 = 25.0;

/// Decimal digits of any script.
static DIGITS: Pattern = Pattern::new(|| text::pattern(r"\p{Nd}+"));

/// Mean squared error. An item costs 25, as much as the worst answer, if either text does not hold
/// exactly one distinct whole number or its number is above 5. So `2.0` (numbers 2 and 0) is
/// unreadable, `2 2 2` is 2 and `-5` is 5.
///
/// # Errors
/// If there is no item, or not one prediction for each reference.
pub fn mean_squared_error(references: &[String], predictions: &[String]) -> Result<f64> {
    not_empty(METRIC, references)?;
    same_length(METRIC, "predictions", predictions.len(), references.len())?;
    let error = |(reference, prediction): (&String, &String)| match (score(reference), score(prediction)) {
        (Some(reference), Some(prediction)) => f64::from(reference.abs_diff(prediction)).powi(2),
        _ => WORST,
    };
    let sum: f64 = references.iter().zip(predictions).map(error).sum();
    Ok(sum / references.len() as f64)
}

/// The one number in a text, if it is at most 5.
fn score(text: &str) -> Option<u32> {
    let significant = |digits: &str| -> Vec<u32> { digits.chars().filter_map(digit).skip_while(|&d| d == 0).collect() };
    let numbers: BTreeSet<Vec<u32>> = DIGITS
        .find_iter(text)
        .map(|found| significant(found.as_str()))
        .collect();
    match numbers.first().map(Vec::as_slice) {
        _ if numbers.len() != 1 => None,
        Some([]) => Some(0),
        Some(&[digit @ 1..=5]) => Some(digit),
        _ => None,
    }
}

/// The value of a decimal digit. Every script has its ten digits in a row, so it is the number of
/// digits right before it, modulo ten.
fn digit(c: char) -> Option<u32> {
    let is_digit = |code: u32| char::from_u32(code).is_some_and(|c| DIGITS.is_match(c.encode_utf8(&mut [0; 4])));
    let code = u32::from(c);
    is_digit(code).then(|| (1..=code).take_while(|back| is_digit(code - back)).count() as u32 % 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mse(reference: &str, prediction: &str) -> f64 {
        mean_squared_error(&[reference.to_owned()], &[prediction.to_owned()]).unwrap()
    }

    #[test]
    fn one_number_up_to_five_is_read() {
        for (reference, prediction, expected) in [
            ("3", "03", 0.0),
            ("2", "2 2 2", 0.0),
            ("5", "-5", 0.0),
            ("٣", "score: 1", 4.0),
            ("2", "2.0", 25.0),
            ("1", "7", 25.0),
            ("4", "four", 25.0),
            ("6", "6", 25.0),
            ("0", "000", 0.0),
        ] {
            assert!(
                (mse(reference, prediction) - expected).abs() < 1e-15,
                "{reference} {prediction}"
            );
        }
        assert!(mean_squared_error(&[], &[]).is_err());
    }

    #[test]
    fn digits_of_every_script() {
        assert_eq!(
            "0٣９𝟘𝟵७".chars().map(digit).collect::<Option<Vec<_>>>(),
            Some(vec![0, 3, 9, 0, 9, 7])
        );
        assert_eq!(digit('²'), None);
    }
}
