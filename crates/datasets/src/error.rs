//! Every way a data file, a task card or a corpus can be refused, each with one message that names the place and the remedy.

use std::path::PathBuf;

/// One record that cannot be scored: where it is, what was found and what was expected.
///
/// Returned inside [`DatasetError::BadItem`], or collected in `TaskData::skipped` where the caller asked to skip such records.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{file}, {at}, field `{field}`: found {found}, expected {expected}")]
pub struct BadItem {
    /// File name, relative to the data directory.
    pub file: String,
    /// Place in the file: `line 3`, `row 12`, `entry 45612`.
    pub at: String,
    /// Field at fault (`.` joins nested names).
    pub field: String,
    /// What is there, shortened.
    pub found: String,
    /// What should be there.
    pub expected: String,
}

/// What goes wrong between a file on disk and a list of items.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// No task of that name.
    #[error(
        "unknown task `{name}`{hint}; `secateur tasks` lists the built-in ones, and a path ending in `.toml` names a task card"
    )]
    UnknownTask {
        /// The name asked for.
        name: String,
        /// `": did you mean …?"`, or empty.
        hint: String,
    },
    /// No form of that name.
    #[error("task `{task}@{form}`: unknown form `{form}`{hint}; there are {known}")]
    UnknownForm {
        /// The task.
        task: String,
        /// The form asked for.
        form: String,
        /// `": did you mean …?"`, or empty.
        hint: String,
        /// All forms.
        known: String,
    },
    /// A form that the task cannot be put in.
    #[error("task `{task}@{form}`: {found}, but the form needs {expected}; it works on {works_on}")]
    UnsuitedForm {
        /// The task.
        task: String,
        /// The form.
        form: String,
        /// What stands in the way.
        found: String,
        /// What the form needs.
        expected: String,
        /// Tasks that have it.
        works_on: String,
    },
    /// A file that the task reads does not exist.
    #[error("{task}: {path} does not exist; {remedy}")]
    MissingFile {
        /// Task or corpus that wanted the file.
        task: String,
        /// Where it was looked for.
        path: PathBuf,
        /// Where to get it.
        remedy: String,
    },
    /// The operating system would not let us read it.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file as a whole is not what it should be.
    #[error("{path}: found {found}, expected {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A record that cannot be used.
    #[error(
        "{task}: {item}; correct the file, or leave such records out and have them counted: --skip-bad-items, or `skip_bad_items = true` for the task in a sweep file"
    )]
    BadItem {
        /// The task.
        task: String,
        /// The record.
        item: Box<BadItem>,
    },
    /// The bytes are not those that the card promises.
    #[error(
        "{path} has sha256 {found}, but the card says {expected}: get the file again, or correct the card if the file was meant to change"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Of the bytes on disk, in hexadecimal.
        found: String,
        /// Of the card, in hexadecimal.
        expected: String,
    },
    /// More few-shot examples than can be had.
    #[error("{task}: {asked} few-shot examples asked for, {available} available ({reason})")]
    FewShot {
        /// The task.
        task: String,
        /// Number asked for.
        asked: usize,
        /// Number there is.
        available: usize,
        /// Why there are no more.
        reason: String,
    },
    /// Nothing left to evaluate.
    #[error("{task}: no items ({reason})")]
    NoItems {
        /// The task.
        task: String,
        /// Why.
        reason: String,
    },
    /// A task card that contradicts itself or cannot be parsed.
    #[error("{message}")]
    Card {
        /// The card.
        path: PathBuf,
        /// Where in it, what is wrong, what to write instead, and the line with the place marked.
        message: String,
    },
    /// A corpus with nothing in it.
    #[error("{path} holds no calibration sample: found 0 records, expected at least {expected}")]
    EmptyCorpus {
        /// The corpus file.
        path: PathBuf,
        /// Samples asked for.
        expected: usize,
    },
    /// A corpus smaller than the number of samples asked for.
    #[error(
        "{path} holds {found} calibration samples, but {asked} were asked for: ask for at most {found}, or use a larger corpus"
    )]
    SmallCorpus {
        /// The corpus file.
        path: PathBuf,
        /// Samples in it.
        found: usize,
        /// Samples asked for.
        asked: usize,
    },
    /// A corpus record that is no conversation and no text.
    #[error("{path}, line {line}: found {found}, expected {expected}")]
    BadSample {
        /// The corpus file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// A setting outside its range.
    #[error("`{setting}` is {found}, expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: String,
        /// Its value.
        found: String,
        /// The range.
        expected: String,
    },
}

/// The first 80 characters of `text` on one line, for messages.
#[must_use]
pub fn shorten(text: &str) -> String {
    let mut characters = text.chars();
    let mut short = String::new();
    for character in characters.by_ref().take(80) {
        if character.is_control() {
            short.extend(character.escape_debug());
        } else {
            short.push(character);
        }
    }
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// `": did you mean `x`?"` for the known name closest to `name`, or nothing where none is close.
#[must_use]
pub fn nearest_hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(": did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::{nearest_hint, shorten};

    #[test]
    fn nearest_name_is_offered_only_when_near() {
        assert_eq!(
            nearest_hint("pubmdqa", ["piqa", "pubmedqa"]),
            ": did you mean `pubmedqa`?"
        );
        assert_eq!(nearest_hint("zzzzzzzzzz", ["piqa", "pubmedqa"]), "");
    }

    #[test]
    fn long_text_is_cut_and_kept_on_one_line() {
        assert_eq!(shorten("a\nb"), "a\\nb");
        assert_eq!(shorten(&"x".repeat(100)).chars().count(), 81);
    }
}
