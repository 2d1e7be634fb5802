//! Which letter did a model choose, when it answers in words?

use crate::text;

/// The choice (0 for A) that an answer names unmistakably, out of `choices` (at most 26); `None` is unparsable.
///
/// After an optional lead-in (`Answer:`, `The answer is`, `Option`, `Choice`, any case) the answer must be one letter, in
/// brackets, quotes or asterisks if it likes, and then end or go on after `.`, `)`, `]`, `:`, `,`, `;` or a line break. So
/// `B`, `(b)`, `**C**`, `B. Aspirin` and `The answer is D` are answers, and `a patient`, `A or B`, `Cat` are not.
#[must_use]
pub fn parse_strict(output: &str, choices: usize) -> Option<usize> {
    let rest = without_lead_in(output);
    let rest = rest.trim_start_matches(|c| text::is_space(c) || "([{*_\"'`".contains(c));
    let mut characters = rest.chars();
    let letter = characters.next().filter(char::is_ascii_alphabetic)?;
    let choice = usize::from(letter.to_ascii_uppercase() as u8 - b'A');
    let after = characters.as_str().trim_start_matches(['*', '_', '"', '\'', '`']);
    let ended = match after.chars().next() {
        None => true,
        Some(c) => ".)]}:,;\n\r".contains(c) || after.chars().all(text::is_space),
    };
    (ended && choice < choices && !names_another(after, choices)).then_some(choice)
}

/// Whether the rest is a list of further letters (`, B`), which makes the answer ambiguous.
fn names_another(after: &str, choices: usize) -> bool {
    let Some(rest) = after.strip_prefix([',', ';']) else {
        return false;
    };
    let mut words = text::words(rest);
    let next = words.find(|word| !["or", "and"].contains(&word.to_lowercase().as_str()));
    next.is_some_and(|word| {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        matches!(bare.as_bytes(), [letter] if letter.is_ascii_alphabetic()
            && usize::from(letter.to_ascii_uppercase() - b'A') < choices)
    })
}

fn without_lead_in(output: &str) -> &str {
    const LEAD_INS: [&str; 7] = ["the", "correct", "final", "answer", "option", "choice", "is"];
    let mut rest = output.trim_start_matches(text::is_space);
    loop {
        let next = rest.trim_start_matches(|c| text::is_space(c) || c == '*' || c == ':');
        let word = LEAD_INS.iter().find(|word| {
            let starts = next.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
            let boundary = next.get(word.len()..).and_then(|s| s.chars().next());
            starts && boundary.is_none_or(|c| !c.is_alphanumeric())
        });
        match word {
            Some(word) => rest = next[word.len()..].trim_start_matches([':', ' ', '*']),
            None => return rest,
        }
    }
}

/// Right by the rule of the reference experiment (arXiv:2607.01444): the output in lower case without ASCII punctuation
/// equals or starts with the gold answer in the same form. `a patient …` is therefore right where A is; use it only to
/// compare with that experiment's numbers.
#[must_use]
pub fn is_right_paper(output: &str, gold: &str) -> bool {
    let gold = normalise_paper(gold);
    !gold.is_empty() && normalise_paper(output).starts_with(&gold)
}

/// Lower case, ASCII punctuation deleted, white space collapsed.
#[must_use]
pub fn normalise_paper(text: &str) -> String {
    text::collapse(&text::lower_without_punctuation(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_reads_what_is_unmistakable() {
        for (output, expected) in [
            ("B", 1),
            (" b ", 1),
            ("(A)", 0),
            ("**C**", 2),
            ("\"D\"", 3),
            ("B. Aspirin", 1),
            ("B) Aspirin", 1),
            ("Answer: C", 2),
            ("The answer is D.", 3),
            ("The correct answer is: **B**", 1),
            ("A\nBecause it lowers the fever.", 0),
            ("C, because it is the oldest", 2),
        ] {
            assert_eq!(parse_strict(output, 4), Some(expected), "{output}");
        }
    }

    #[test]
    fn strict_refuses_the_rest() {
        for output in [
            "",
            "a patient",
            "A or B",
            "A, B",
            "Cat",
            "E",
            "1",
            "I think B",
            "Ａ",
            "the",
            "answer",
        ] {
            assert_eq!(parse_strict(output, 4), None, "{output}");
        }
    }

    #[test]
    fn paper_counts_any_beginning() {
        assert!(is_right_paper("A patient with fever", "A"));
        assert!(is_right_paper("(B) x", "b"));
        assert!(is_right_paper("Yes.", "yes"));
        assert!(!is_right_paper("The answer is D", "D"));
        assert!(!is_right_paper("anything", ""));
    }
}
