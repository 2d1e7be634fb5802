//! Placeholders and postscripts.

use crate::text::{self, Pattern};

static PLACEHOLDER: Pattern = Pattern::new(|| text::pattern(r"\[.*?\]"));
static PS: Pattern = Pattern::new(|| text::pattern(r"p\.[\s\x1c-\x1f]?s\."));
static PPS: Pattern = Pattern::new(|| text::pattern(r"p\.[\s\x1c-\x1f]?p\.[\s\x1c-\x1f]?s"));

/// Texts in square brackets, on one line each.
#[must_use]
pub fn placeholders(text: &str) -> usize {
    PLACEHOLDER.find_iter(text).count()
}

/// Whether a postscript marker occurs anywhere, any case; `P.S.` and `P.P.S` may be written with blanks.
#[must_use]
pub fn has_postscript(text: &str, marker: &str) -> bool {
    let text = text.to_lowercase();
    match marker.trim_matches(crate::text::is_space) {
        "P.S." => PS.is_match(&text),
        "P.P.S" => PPS.is_match(&text),
        other => text.contains(&other.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(placeholders("[a] [b [c] [d\n]"), 2);
        assert!(has_postscript("Bye. p. s. x", "P.S."));
        assert!(!has_postscript("P.S x", "P.S."));
        assert!(has_postscript("P.P.S x", "P.P.S") && !has_postscript("P.S. x", "P.P.S"));
        assert!(has_postscript("note: x", "NOTE:"));
    }
}
