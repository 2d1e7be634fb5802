//! Sentences, by the decisions of Punkt (Kiss & Strunk 2006, <https://aclanthology.org/J06-4003>), the splitter that the reference uses.
//!
//! Every `.`, `?` or `!` before white space or punctuation may end a sentence. A question or exclamation mark does; a full stop does unless its
//! word is an abbreviation, an initial or a number and what follows does not look like a beginning. The original learns abbreviations
//! and the usual case of words from newspaper text; here both are short lists of English words, so the two can differ on rare abbreviations and after
//! initials.

mod lists;

use crate::ifeval::case::{is_lower, is_upper};
use crate::text::is_space;
use lists::{begins_sentences, is_abbreviation, is_usually_lower};

/// Punctuation that is no part of a word.
const NON_WORD: &str = ")\";}]*:@'({[‘’“”«»?!";
/// Characters that no word begins with.
const NO_START: &str = "(\"`{[:;&#*@)}]-,";
/// Marks that belong to the sentence before them.
const CLOSING: &str = "\"')]}‘’“”«»";

/// The sentences of a text, without the white space between them.
#[must_use]
pub fn sentences(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let spans = realigned(&text, &spans(&text));
    spans
        .into_iter()
        .map(|(start, end)| text[start..end].iter().collect())
        .collect()
}

/// A place where a sentence may end.
struct Candidate {
    /// Start of its word.
    word: usize,
    /// Its mark.
    mark: usize,
    /// End of what follows it: a punctuation mark, or the next word.
    context_end: usize,
    /// Start of the next word where white space comes between.
    next: Option<usize>,
}

fn is_in(c: char, set: &str) -> bool {
    set.contains(c)
}

/// Where the run of characters from `start` on ends.
fn run(text: &[char], start: usize, holds: impl Fn(char) -> bool) -> usize {
    text[start..]
        .iter()
        .position(|&c| !holds(c))
        .map_or(text.len(), |length| start + length)
}

fn candidates(text: &[char]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut word = 0;
    let mut after_mark = 0;
    for mark in (0..text.len()).filter(|&i| is_in(text[i], ".?!")) {
        let Some(&follows) = text.get(mark + 1) else { break };
        let (context_end, next) = if is_in(follows, NON_WORD) {
            (mark + 2, None)
        } else if is_space(follows) {
            let next = run(text, mark + 1, is_space);
            if next == text.len() {
                continue;
            }
            (run(text, next, |c| !is_space(c)), Some(next))
        } else {
            continue;
        };
        // The word begins after the last white space since the mark before; a space right at that mark is not seen.
        let last_space = (after_mark..mark)
            .rev()
            .find(|&i| text[i].is_ascii_whitespace() || text[i] == '\u{b}');
        let start = last_space.filter(|&i| i > after_mark).map_or(word, |i| i + 1);
        let candidate = Candidate {
            word: start,
            mark,
            context_end,
            next,
        };
        match found.last_mut() {
            // Several marks of one word: the last one counts.
            Some(last) if last.mark > start => *last = candidate,
            _ => found.push(candidate),
        }
        word = start;
        after_mark = mark;
    }
    found
}

fn spans(text: &[char]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = 0;
    for candidate in candidates(text) {
        if ends_sentence(&text[candidate.word..candidate.context_end]) {
            spans.push((start, candidate.mark + 1));
            start = candidate.next.unwrap_or(candidate.mark + 1);
        }
    }
    let end = text.iter().rposition(|&c| !is_space(c)).map_or(0, |last| last + 1);
    spans.push((start, end.max(start)));
    spans
}

/// Closing marks at the beginning of a sentence go to the one before.
fn realigned(text: &[char], spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut result = Vec::with_capacity(spans.len());
    let mut taken = 0;
    for (i, &(start, end)) in spans.iter().enumerate() {
        let start = (start + taken).min(end);
        let closing = spans
            .get(i + 1)
            .and_then(|&(next, stop)| closing_marks(&text[next..stop]));
        taken = closing.map_or(0, |(_, width)| width);
        match closing {
            Some((marks, _)) => result.push((start, spans[i + 1].0 + marks)),
            None if start < end => result.push((start, end)),
            None => {}
        }
    }
    result
}

/// Closing marks before white space, `--` or the end: how many, and with the white space after them.
fn closing_marks(sentence: &[char]) -> Option<(usize, usize)> {
    let marks = run(sentence, 0, |c| is_in(c, CLOSING));
    let rest = &sentence[marks..];
    let ends = rest.is_empty() || is_space(rest[0]) || rest.starts_with(&['-', '-']);
    (marks > 0 && ends).then(|| (marks, run(sentence, marks, is_space)))
}

/// A token of the context of a candidate.
struct Token {
    text: String,
    breaks: bool,
    abbreviation: bool,
    ellipsis: bool,
}

/// Whether a token ends a sentence with another token after it.
fn ends_sentence(context: &[char]) -> bool {
    let mut tokens: Vec<Token> = context.split(|&c| c == '\n').flat_map(words).map(Token::new).collect();
    for i in 1..tokens.len() {
        let (before, after) = tokens.split_at_mut(i);
        if let (Some(token), Some(next)) = (before.last_mut(), after.first()) {
            token.reconsider(next);
        }
    }
    let last = tokens.len().saturating_sub(1);
    tokens[..last].iter().any(|token| token.breaks)
}

impl Token {
    fn new(text: String) -> Self {
        let ellipsis = text.len() > 1 && text.chars().all(|c| c == '.');
        let mut token = Self {
            breaks: matches!(text.as_str(), "." | "?" | "!"),
            abbreviation: false,
            ellipsis,
            text,
        };
        if let Some(stem) = token
            .text
            .strip_suffix('.')
            .filter(|stem| !stem.is_empty() && !stem.ends_with('.'))
        {
            let stem = stem.to_lowercase();
            token.abbreviation = is_abbreviation(&stem) || stem.rsplit('-').next().is_some_and(is_abbreviation);
            token.breaks = !token.abbreviation;
        }
        token
    }

    /// What the next token says about a full stop that may belong to an abbreviation, an initial or a number.
    fn reconsider(&mut self, next: &Self) {
        if !self.text.ends_with('.') {
            return;
        }
        let initial = self.is_initial();
        if (self.abbreviation || self.ellipsis) && !initial {
            if next.begins_sentence() {
                self.breaks = true;
            }
        } else if (initial || self.is_number()) && (next.goes_on() || (initial && next.is_name())) {
            self.breaks = false;
        }
    }

    fn is_initial(&self) -> bool {
        let mut characters = self.text.chars();
        let letter = characters.next().is_some_and(char::is_alphabetic);
        letter && characters.as_str() == "."
    }

    fn is_number(&self) -> bool {
        let digits = self.text.trim_start_matches('-').trim_start_matches(['.', ',']);
        digits.starts_with(|c: char| c.is_numeric()) && digits.chars().all(|c| c.is_numeric() || ",.-".contains(c))
    }

    fn first(&self) -> String {
        self.text.chars().take(1).collect()
    }

    /// A capital on a word that often begins sentences.
    fn begins_sentence(&self) -> bool {
        is_upper(&self.first()) && begins_sentences(&self.stem())
    }

    /// A small letter or punctuation inside a sentence.
    fn goes_on(&self) -> bool {
        is_lower(&self.first()) || matches!(self.text.as_str(), ";" | ":" | "," | "." | "!" | "?")
    }

    fn is_name(&self) -> bool {
        is_upper(&self.first()) && !is_usually_lower(&self.stem())
    }

    fn stem(&self) -> String {
        self.text.trim_end_matches('.').to_lowercase()
    }
}

/// The tokens of one line.
fn words(line: &[char]) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < line.len() {
        if is_space(line[at]) {
            at += 1;
            continue;
        }
        let mut end = at + repeated_mark(&line[at..]).max(1);
        if end == at + 1 && !is_in(line[at], NO_START) {
            while end < line.len() && !ends_word(&line[end..]) {
                end += 1;
            }
        }
        tokens.push(line[at..end].iter().collect());
        at = end;
    }
    tokens
}

fn ends_word(rest: &[char]) -> bool {
    let stops = |rest: &[char]| match rest.first() {
        None => true,
        Some(&c) => is_space(c) || is_in(c, NON_WORD) || repeated_mark(rest) > 0,
    };
    stops(rest) || (rest[0] == ',' && stops(&rest[1..]))
}

/// Length of `--`, `..` or `. . .` at the beginning; 0 where there is none.
fn repeated_mark(text: &[char]) -> usize {
    for mark in ['-', '.'] {
        let length = run(text, 0, |c| c == mark);
        if length > 1 {
            return length;
        }
    }
    let spaced = text
        .chunks_exact(2)
        .take_while(|pair| pair[0] == '.' && is_space(pair[1]))
        .count();
    let ended = text.get(2 * spaced) == Some(&'.');
    match spaced {
        0 | 1 => 0,
        _ if ended => 2 * spaced + 1,
        2 => 0,
        _ => 2 * spaced - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::sentences;

    #[test]
    fn where_sentences_end() {
        for (text, expected) in [
            ("One. Two! Three? four", vec!["One.", "Two!", "Three?", "four"]),
            (
                "Dr. Smith met Mr. Jones. They left.",
                vec!["Dr. Smith met Mr. Jones.", "They left."],
            ),
            (
                "He said \"Go.\" Then he left.",
                vec!["He said \"Go.\"", "Then he left."],
            ),
            ("In the U.S. There it is.", vec!["In the U.S.", "There it is."]),
            ("What?! No.", vec!["What?!", "No."]),
            ("1. First item\n2. second", vec!["1.", "First item\n2. second"]),
            ("J. Smith. A. B.", vec!["J. Smith.", "A. B."]),
            (
                "Wait... what? It is 3.5 vs. two",
                vec!["Wait... what?", "It is 3.5 vs. two"],
            ),
            ("", vec![]),
            ("  no end  ", vec!["  no end"]),
        ] {
            assert_eq!(sentences(text), expected, "{text}");
        }
    }
}
