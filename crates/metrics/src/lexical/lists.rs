//! Word lists that a user may give: names, drugs, genes, one term a line.

use std::collections::BTreeSet;

/// Longest term, in bytes.
const LONGEST: usize = 200;
/// Most terms of a list.
const MOST: usize = 2_000_000;

/// Terms that count whatever they look like, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WordLists {
    /// Names of any kind.
    pub names: BTreeSet<String>,
    /// Drugs.
    pub drugs: BTreeSet<String>,
    /// Genes and proteins.
    pub genes: BTreeSet<String>,
}

/// A line of a word list that is no term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: found {found}; expected {expected}")]
pub struct ListError {
    /// From 1.
    pub line: usize,
    /// What is there.
    pub found: String,
    /// What should be.
    pub expected: &'static str,
}

/// The terms of a list, in lower case: one a line; blank lines and lines that begin with `#` are passed over.
///
/// # Errors
/// If a line holds control characters, no letter or digit, or more than 200 bytes; or if there are more than two million terms.
pub fn parse_list(text: &str) -> Result<BTreeSet<String>, ListError> {
    let mut terms = BTreeSet::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let term = line.trim();
        if term.is_empty() || term.starts_with('#') {
            continue;
        }
        let complain = |found: String, expected| ListError {
            line: index + 1,
            found,
            expected,
        };
        if term.len() > LONGEST {
            return Err(complain(
                format!("{} bytes", term.len()),
                "one term of at most 200 bytes",
            ));
        }
        if let Some(control) = term.chars().find(|c| c.is_control()) {
            return Err(complain(
                format!("the control character U+{:04X}", u32::from(control)),
                "one term, without tabs or other control characters",
            ));
        }
        if !term.chars().any(char::is_alphanumeric) {
            return Err(complain(format!("{term:?}"), "a term with a letter or digit"));
        }
        if terms.len() >= MOST {
            return Err(complain("one term more".into(), "at most two million terms"));
        }
        terms.insert(term.to_lowercase());
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn terms_are_read_or_refused_with_their_line() {
        let terms = parse_list("# drugs\nAspirin\r\n\n acetylsalicylic acid \nASPIRIN\n").unwrap();
        assert_eq!(
            terms.into_iter().collect::<Vec<_>>(),
            ["acetylsalicylic acid", "aspirin"]
        );
        let message = |text: &str| parse_list(text).unwrap_err().to_string();
        assert!(message("a\nb\tc").starts_with("line 2: found the control character U+0009"));
        assert!(message("--").contains("\"--\""));
        assert!(message(&"a".repeat(201)).contains("201 bytes"));
    }
}
