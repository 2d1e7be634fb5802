//! Labelled sets, one file each. All read the files of their authors, in their authors' layout; where only a part of them is at hand
//! they give what can be measured with it, and say what cannot.

pub mod frank;
pub mod xsum;
pub mod kqa;
pub mod refchecker;
pub mod factscore;
pub mod paper;
pub mod medec;
pub mod halueval;
mod annotators;

use std::path::Path;

use secateur_datasets::source::{Source, sha256_hex};

use crate::error::ValidityError;
use crate::labelled::Labelled;

/// A reader.
pub trait Set: Sync {
    /// Folder of its files below the data directory.
    fn folder(&self) -> &'static str;

    /// Files of which at least one must be there for the set to count as present.
    fn files(&self) -> &'static [&'static str];

    /// Whether the authors say which items are for choices and which for figures.
    fn has_own_halves(&self) -> bool {
        false
    }

    /// What is labelled, in one or more sets. `Labelled::files` is filled in by the caller.
    ///
    /// # Errors
    /// If a file cannot be read or a record is not what its format says.
    fn read(&self, source: &mut Source) -> Result<Vec<Labelled>, ValidityError>;
}

/// In the order of reports.
pub const SETS: &[&dyn Set] = &[
    &frank::Frank,
    &xsum::XSum,
    &kqa::Kqa,
    &refchecker::RefChecker,
    &factscore::FActScore,
    &paper::Paper,
    &medec::Medec,
    &halueval::HaluEval,
];

/// All sets below `directory`; those that are not there are left out.
///
/// # Errors
/// If none is there, or one that is there cannot be read.
pub fn read_all(directory: &Path) -> Result<Vec<Labelled>, ValidityError> {
    let mut all = Vec::new();
    for set in SETS {
        let folder = directory.join(set.folder());
        if set.files().iter().any(|file| folder.join(file).is_file()) {
            all.extend(read(*set, &folder)?);
        }
    }
    if all.is_empty() {
        let expected: Vec<&str> = SETS.iter().map(|set| set.folder()).collect();
        return Err(ValidityError::NoSets {
            directory: directory.display().to_string(),
            expected: expected.join(", "),
        });
    }
    Ok(all)
}

/// The sets of one folder.
///
/// # Errors
/// As [`Set::read`].
pub fn read(set: &dyn Set, folder: &Path) -> Result<Vec<Labelled>, ValidityError> {
    let mut source = Source::new(set.folder(), folder, "it comes from the set's authors", false);
    let mut all = set.read(&mut source)?;
    let files = source.read_so_far();
    for labelled in &mut all {
        labelled.files.clone_from(&files);
        if !set.has_own_halves() {
            labelled.halve();
        }
    }
    all.retain(|labelled| !labelled.items.is_empty() || !labelled.notes.is_empty());
    Ok(all)
}

/// A short name for a long text that items share.
fn document_of(text: &str) -> String {
    sha256_hex(text.as_bytes())[..16].to_owned()
}
