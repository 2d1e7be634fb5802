//! Texts in parts: sentences, paragraphs, chunks, first words.
//!
//! Sentences are those of [`secateur_metrics::ifeval::sentences`], which decides as NLTK's English Punkt does but for rare
//! abbreviations.

use std::ops::Range;

use secateur_metrics::ifeval::sentences::sentences as punkt;

/// Sentences, without the white space between them.
#[must_use]
pub fn sentences(text: &str) -> Vec<String> {
    let found = punkt(text.trim());
    found
        .into_iter()
        .filter(|sentence| !sentence.trim().is_empty())
        .collect()
}

/// Sentences of every line: no sentence goes beyond a line break.
#[must_use]
pub fn sentences_of_lines(text: &str) -> Vec<String> {
    text.lines().flat_map(sentences).collect()
}

/// Parts between empty lines or, where there is none, between line breaks, without white space around them.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<String> {
    let between = if text.contains("\n\n") { "\n\n" } else { "\n" };
    text.split(between)
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Number of words between white space.
#[must_use]
pub fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The text up to the end of its `count`-th word, white space inside as it is.
#[must_use]
pub fn first_words(text: &str, count: usize) -> &str {
    let Some(last) = count.checked_sub(1) else {
        return "";
    };
    let ends = text
        .split_whitespace()
        .nth(last)
        .map(|word| word.as_ptr() as usize - text.as_ptr() as usize + word.len());
    ends.map_or(text, |end| &text[..end])
}

/// Consecutive runs of at most `size` parts, joined by blanks.
#[must_use]
pub fn runs(parts: &[String], size: usize) -> Vec<String> {
    parts.chunks(size.max(1)).map(|run| run.join(" ")).collect()
}

/// Consecutive ranges of parts whose sizes add up to at most `most`; a part beyond that is a range of its own.
#[must_use]
pub fn filled(sizes: &[usize], most: usize) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut full = 0;
    for (index, &size) in sizes.iter().enumerate() {
        match ranges.last_mut() {
            Some(range) if full + size <= most => {
                range.end = index + 1;
                full += size;
            }
            _ => {
                ranges.push(Range {
                    start: index,
                    end: index + 1,
                });
                full = size;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_marks_and_at_lines_where_asked() {
        let text = "Dr. Smith left. He was\ntired!";
        assert_eq!(sentences(text), ["Dr. Smith left.", "He was\ntired!"]);
        assert_eq!(sentences_of_lines(text), ["Dr. Smith left.", "He was", "tired!"]);
        assert!(sentences(" \n ").is_empty() && sentences_of_lines("").is_empty());
    }

    #[test]
    fn paragraphs_are_between_empty_lines_if_there_are_any() {
        assert_eq!(paragraphs("a\nb\n\n c \n\n\n"), ["a\nb", "c"]);
        assert_eq!(paragraphs("a\nb"), ["a", "b"]);
    }

    #[test]
    fn words_are_cut_where_they_end() {
        assert_eq!(first_words(" a  bé\nc d", 3), " a  bé\nc");
        assert_eq!(first_words(" a b ", 2), " a b");
        assert_eq!(first_words(" a b ", 3), " a b ");
        assert_eq!(first_words("a", 0), "");
        assert_eq!(words(" a\tb  c\n"), 3);
    }

    #[test]
    fn chunks_are_filled_in_order() {
        assert_eq!(filled(&[3, 3, 3, 9, 1], 6), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(filled(&[], 6), Vec::<Range<usize>>::new());
        let parts = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(runs(&parts, 2), ["a b", "c"]);
    }
}
