//! The identity of a cell: a hash of everything that decides its result.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::Error;

/// SHA-256 of a cell's inputs, as 64 lower-case hexadecimal digits.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use secateur_results::key::RecordKey;
///
/// let cell = |mask: &str| RecordKey::from_inputs(&BTreeMap::from([("mask".into(), mask.into()), ("seed".into(), "0".into())]));
/// assert_eq!(cell("a"), cell("a"));
/// assert_ne!(cell("a"), cell("b"));
/// assert_eq!(RecordKey::parse(cell("a").as_str()), Some(cell("a")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(String);

impl RecordKey {
    /// Hashes the canonical JSON of the inputs: one object, keys in byte order, no white space, UTF-8, only `"`, `\` and
    /// control characters escaped.
    #[must_use]
    pub fn from_inputs(inputs: &BTreeMap<String, String>) -> Self {
        let members: Vec<String> = inputs
            .iter()
            .map(|(name, value)| format!("{}:{}", json(name), json(value)))
            .collect();
        Self(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }

    /// Reads a key from text; `None` unless it is 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 64 && digits).then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for messages.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses a plan in which two cells have one key. Each cell comes with its description for the message.
///
/// # Errors
/// [`Error::DuplicateCells`] names the first two.
pub fn refuse_duplicates<'a>(cells: impl IntoIterator<Item = (&'a RecordKey, &'a str)>) -> Result<(), Error> {
    let mut seen: BTreeMap<&RecordKey, &str> = BTreeMap::new();
    for (key, words) in cells {
        if let Some(first) = seen.insert(key, words) {
            return Err(Error::DuplicateCells {
                first: first.to_owned(),
                second: words.to_owned(),
                key: key.short().to_owned(),
            });
        }
    }
    Ok(())
}

/// Hexadecimal SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(digest: &[u8]) -> String {
    use fmt::Write;
    digest.iter().fold(String::new(), |mut out, byte| {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn key_is_the_hash_of_the_canonical_json() {
        let key = RecordKey::from_inputs(&inputs(&[("task", "medqa \"é\"\n"), ("dtype", "bf16")]));
        let text = "{\"dtype\":\"bf16\",\"task\":\"medqa \\\"é\\\"\\n\"}";
        assert_eq!(key.as_str(), sha256(text.as_bytes()));
        assert_eq!(RecordKey::parse(key.as_str()), Some(key));
    }

    #[test]
    fn empty_inputs_hash_as_an_empty_object() {
        // sha256sum of `{}`.
        let expected = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(RecordKey::from_inputs(&BTreeMap::new()).as_str(), expected);
    }

    #[test]
    fn moving_a_character_between_name_and_value_changes_the_key() {
        let a = RecordKey::from_inputs(&inputs(&[("ab", "c")]));
        let b = RecordKey::from_inputs(&inputs(&[("a", "bc")]));
        assert_ne!(a, b);
    }

    #[test]
    fn only_lower_case_digits_of_the_right_length_are_a_key() {
        assert!(RecordKey::parse(&"a".repeat(64)).is_some());
        assert!(RecordKey::parse(&"A".repeat(64)).is_none());
        assert!(RecordKey::parse(&"a".repeat(63)).is_none());
        assert!(RecordKey::parse("../../etc/passwd").is_none());
    }

    #[test]
    fn duplicate_cells_are_named() {
        let key = RecordKey::from_inputs(&BTreeMap::new());
        let error = refuse_duplicates([(&key, "reap at 0.5"), (&key, "reap again")]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("reap at 0.5") && message.contains("reap again"));
        assert!(message.contains("44136fa355b3"));
    }
}
