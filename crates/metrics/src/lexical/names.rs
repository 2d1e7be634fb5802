//! Names (see [`crate::support::entities`]): people, places, substances, whatever is written like one.

use super::document::Document;
use super::{Lexical, LexicalReading, mentions, share};
use crate::value::Definition;

/// Share of names that the source has. Every mention counts.
pub const LEXICAL_NAMES: Definition = share("lexical_names");

/// Looks at names.
pub struct Names;

impl Lexical for Names {
    fn definition(&self) -> Definition {
        LEXICAL_NAMES
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let known = source.known();
        let found = text.names().iter();
        mentions::reading(found.map(|name| {
            let range = name.start..name.start + name.written.len();
            (range, known.has(&name.written))
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn places_of_unsupported_names() {
        let lists = WordLists::default();
        let text = "We met Marie Curie in New Jersey.";
        let reading = Names
            .read(
                &Document::new(text, &lists),
                &Document::new("Marie Curie, New York", &lists),
            )
            .unwrap();
        assert_eq!(
            (reading.looked_at, &text[reading.unsupported[0].clone()]),
            (2, "New Jersey")
        );
        assert!((reading.score - 0.5).abs() < 1e-15);
    }
}
