//! Answers that are none: empty, going round in circles, cut off, or without anything that could be read as an answer.

use crate::error::{Result, not_empty};
use crate::text;
use crate::value::{Aspect, Definition, Direction};

/// Share of empty answers.
pub const EMPTY_RATE: Definition = rate("empty_rate");
/// Share of answers that end in a loop.
pub const LOOPING_RATE: Definition = rate("looping_rate");
/// Share of answers cut off at the length limit.
pub const TRUNCATED_RATE: Definition = rate("truncated_rate");
/// Share of answers from which no answer could be read.
pub const UNPARSABLE_RATE: Definition = rate("unparsable_rate");

const fn rate(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::LowerIsBetter, Aspect::Reliability)
}

/// Whether there is nothing but white space.
#[must_use]
pub fn is_empty(answer: &str) -> bool {
    answer.chars().all(text::is_space)
}

/// When the end of a sequence counts as a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopRule {
    /// Longest unit that is looked for.
    pub longest_unit: usize,
    /// The unit must stand at the end at least this often in full; a part of it may follow the last copy.
    pub repeats: usize,
    /// The repeated stretch must be at least this long.
    pub shortest_tail: usize,
}

/// Words: a unit of at most 64 words, 3 times, over at least 8 words.
pub const WORD_LOOP: LoopRule = LoopRule {
    longest_unit: 64,
    repeats: 3,
    shortest_tail: 8,
};

/// Characters other than white space: a unit of at most 8, 4 times, over at least 32. Finds what has no blanks.
pub const CHARACTER_LOOP: LoopRule = LoopRule {
    longest_unit: 8,
    repeats: 4,
    shortest_tail: 32,
};

/// Whether an answer ends in a loop: its words do by [`WORD_LOOP`], or its characters by [`CHARACTER_LOOP`]. Words are
/// compared as written. A repetition that the answer leaves again is none.
#[must_use]
pub fn is_looping(answer: &str) -> bool {
    let words: Vec<&str> = text::words(answer).collect();
    let characters: Vec<char> = words.iter().flat_map(|word| word.chars()).collect();
    repeated_tail(&words, WORD_LOOP).is_some() || repeated_tail(&characters, CHARACTER_LOOP).is_some()
}

/// Length of the shortest unit whose repetition ends the sequence, if `rule` calls that a loop. Works on token ids as well.
///
/// A unit of length `u` repeats over the longest end of the sequence in which every element equals the one `u` before it.
#[must_use]
pub fn repeated_tail<T: PartialEq>(sequence: &[T], rule: LoopRule) -> Option<usize> {
    (1..=rule.longest_unit.min(sequence.len())).find(|&unit| {
        let later = sequence.iter().rev();
        let earlier = sequence.iter().rev().skip(unit);
        let equal = later.zip(earlier).take_while(|(a, b)| a == b).count();
        let tail = equal + unit;
        tail >= rule.repeats * unit && tail >= rule.shortest_tail
    })
}

/// Share of `true`.
///
/// # Errors
/// If there are no answers.
pub fn share(flags: &[bool]) -> Result<f64> {
    not_empty("rate", flags)?;
    Ok(flags.iter().filter(|&&flag| flag).count() as f64 / flags.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loops() {
        for answer in [
            "no no no no no no no no",
            "It helps. the mill runs the mill runs the mill runs",
            "so it is and so it is and so it is and so it",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "x: -=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=",
        ] {
            assert!(is_looping(answer), "{answer}");
        }
    }

    #[test]
    fn no_loops() {
        for answer in [
            "",
            "no no no",
            "the mill runs the mill runs the mill runs until the evening",
            "one two three four five six seven eight nine ten",
            "It is used for pain, for fever, and for inflammation.",
        ] {
            assert!(!is_looping(answer), "{answer}");
        }
    }

    #[test]
    fn the_shortest_unit_is_named_and_tokens_work_too() {
        assert_eq!(repeated_tail(&[9, 1, 2, 1, 2, 1, 2, 1, 2], WORD_LOOP), Some(2));
        assert_eq!(repeated_tail::<u32>(&[], WORD_LOOP), None);
    }

    #[test]
    fn empty_and_rates() {
        assert!(is_empty(" \n\u{a0}") && !is_empty("."));
        assert!((share(&[true, false, false, false]).unwrap() - 0.25).abs() < 1e-15);
        assert!(share(&[]).is_err());
    }
}
