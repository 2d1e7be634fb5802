//! Two responses, a repeated request, and how a response begins and ends.

use crate::text::is_space;

/// Whether `******` divides the text into two different responses; a blank one is passed over at either end only.
#[must_use]
pub fn has_two_responses(text: &str) -> bool {
    let parts: Vec<&str> = text.split("******").map(|part| part.trim_matches(is_space)).collect();
    let last = parts.len() - 1;
    if parts
        .iter()
        .enumerate()
        .any(|(i, part)| part.is_empty() && i != 0 && i != last)
    {
        return false;
    }
    let filled: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    matches!(filled.as_slice(), [one, other] if one != other)
}

/// Whether the text begins with the request, any case.
#[must_use]
pub fn repeats(text: &str, request: &str) -> bool {
    let fold = |text: &str| text.trim_matches(is_space).to_lowercase();
    fold(text).starts_with(&fold(request))
}

/// Whether the text ends with the phrase, any case; quotation marks after it do not count.
#[must_use]
pub fn ends_with(text: &str, phrase: &str) -> bool {
    let text = text.trim_matches(is_space).trim_matches('"').to_lowercase();
    text.ends_with(&phrase.trim_matches(is_space).to_lowercase())
}

/// Whether the whole text stands in double quotation marks.
#[must_use]
pub fn is_quoted(text: &str) -> bool {
    let text = text.trim_matches(is_space);
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert!(has_two_responses("a ****** b") && has_two_responses("******a******b******"));
        assert!(!has_two_responses("a******a ") && !has_two_responses("a************b") && !has_two_responses("a"));
        assert!(repeats(" Write X. Ok", "write x."));
        assert!(ends_with("It is. Peace!\" ", "peace!") && !ends_with("Peace! Bye", "Peace!"));
        assert!(is_quoted(" \"a\" ") && !is_quoted("\"") && !is_quoted("\"a\"."));
    }
}
