//! Two JSON values side by side: floats within a tolerance, all else exactly.

use serde_json::Value;

/// What a comparison found so far.
#[derive(Debug)]
pub struct Comparison {
    tolerance: f64,
    /// Floats compared.
    pub floats: usize,
    /// Largest difference of two floats, relative to the reference where that is above 1.
    pub largest: f64,
    /// The first difference other than a float's.
    pub difference: Option<String>,
}

impl Comparison {
    /// Nothing compared yet.
    pub fn new(tolerance: f64) -> Self {
        Self {
            tolerance,
            floats: 0,
            largest: 0.0,
            difference: None,
        }
    }

    /// Compares `found` with `expected`; `place` leads to them in messages.
    pub fn compare(&mut self, place: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                for (key, expected) in expected {
                    match found.get(key) {
                        Some(found) => self.compare(&format!("{place}.{key}"), expected, found),
                        None => self.differ(format!("{place}: `{key}` is not computed")),
                    }
                }
                for key in found.keys().filter(|key| !expected.contains_key(*key)) {
                    self.differ(format!("{place}: `{key}` is not in the reference"));
                }
            }
            (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
                for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.compare(&format!("{place}[{i}]"), expected, found);
                }
            }
            (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
                let (expected, found) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
                self.floats += 1;
                let deviation = (expected - found).abs() / expected.abs().max(1.0);
                // `max` would drop a NaN.
                if deviation.is_nan() || deviation > self.largest {
                    self.largest = deviation;
                }
                if deviation.is_nan() || deviation > self.tolerance {
                    self.differ(format!("{place} is {found}, expected {expected}"));
                }
            }
            (expected, found) if expected == found => {}
            (expected, found) => self.differ(format!("{place} is {}, expected {}", short(found), short(expected))),
        }
    }

    fn differ(&mut self, difference: String) {
        self.difference.get_or_insert(difference);
    }
}

fn short(value: &Value) -> String {
    const MOST: usize = 300;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(expected: &Value, found: &Value) -> Comparison {
        let mut comparison = Comparison::new(1e-9);
        comparison.compare("case 0", expected, found);
        comparison
    }

    #[test]
    fn floats_have_a_tolerance_and_nothing_else_has() {
        let near = compared(&json!({"a": [1, 0.5, 0]}), &json!({"a": [1, 0.500_000_000_1, 0.0]}));
        assert!(near.difference.is_none() && near.floats == 2 && near.largest > 0.0);
        for (expected, found) in [
            (json!(0.5), json!(0.6)),
            (json!(1), json!(2)),
            (json!([1]), json!([1, 2])),
            (json!({"a": 1}), json!({})),
            (json!({}), json!({"a": 1})),
            (json!(true), json!(1)),
            (json!({"__float__": "nan"}), json!(null)),
        ] {
            assert!(compared(&expected, &found).difference.is_some(), "{expected} {found}");
        }
        assert!(
            compared(&json!({"__float__": "nan"}), &json!({"__float__": "nan"}))
                .difference
                .is_none()
        );
    }
}
