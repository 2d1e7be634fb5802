//! What lies on the disk, held against a card.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use secateur_datasets::data_cards::{CardFile, DataCard};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::FetchError;
use crate::landing::part_path;

/// State of one official file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not there.
    Missing,
    /// A download was interrupted.
    Partial {
        /// Bytes that arrived.
        bytes: u64,
    },
    /// There; the card has no checksum to hold it against.
    Unverified {
        /// Its size.
        bytes: u64,
    },
    /// There, and its checksum is the card's.
    Complete {
        /// Its size.
        bytes: u64,
    },
    /// There, but of another size than the card says.
    WrongSize {
        /// Its size.
        bytes: u64,
        /// Of the card.
        expected: u64,
    },
    /// There, but not the bytes of the card.
    WrongChecksum {
        /// Its SHA-256.
        sha256: String,
        /// Of the card.
        expected: String,
    },
}

impl State {
    /// Whether nothing speaks against using the file.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Unverified { .. } | Self::Complete { .. })
    }

    /// In words, for tables.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Partial { .. } => "partial",
            Self::Unverified { .. } => "present",
            Self::Complete { .. } => "complete",
            Self::WrongSize { .. } => "wrong size",
            Self::WrongChecksum { .. } => "wrong checksum",
        }
    }
}

/// Where the files of a set lie.
#[must_use]
pub fn folder(root: &Path, card: &DataCard) -> PathBuf {
    root.join(&card.set)
}

/// Where a file of a set lies.
///
/// # Errors
/// If the card's name for it leads out of the folder.
pub fn place(root: &Path, card: &DataCard, file: &CardFile) -> Result<PathBuf, FetchError> {
    let inside = |name: &str| {
        let path = Path::new(name);
        !name.is_empty() && !name.contains('\\') && path.components().all(|part| matches!(part, Component::Normal(_)))
    };
    for name in [&card.set, &file.name] {
        if !inside(name) {
            return Err(FetchError::Name { name: name.clone() });
        }
    }
    Ok(folder(root, card).join(&file.name))
}

/// Looks at a file, and reads all of it where the card has a checksum.
///
/// # Errors
/// If it is there but cannot be read, or its name leads out of the folder.
pub fn look(root: &Path, card: &DataCard, file: &CardFile) -> Result<State, FetchError> {
    let path = place(root, card, file)?;
    let bytes = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let part = std::fs::metadata(part_path(&path));
            return Ok(part.map_or(State::Missing, |part| State::Partial { bytes: part.len() }));
        }
        Err(error) => return Err(FetchError::io("read", &path, error)),
    };
    if let Some(expected) = file.bytes.filter(|&expected| expected != bytes) {
        return Ok(State::WrongSize { bytes, expected });
    }
    if file.sha256.is_empty() {
        return Ok(State::Unverified { bytes });
    }
    let sha256 = sha256(&path).map_err(|error| FetchError::io("read", &path, error))?;
    Ok(if sha256.eq_ignore_ascii_case(&file.sha256) {
        State::Complete { bytes }
    } else {
        State::WrongChecksum {
            sha256,
            expected: file.sha256.clone(),
        }
    })
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secateur_datasets::data_cards::card;

    #[test]
    fn names_stay_in_their_folder() {
        let mut card = card("pubmedqa").unwrap();
        let root = Path::new("r");
        assert_eq!(
            place(root, &card, &card.file[0]).unwrap(),
            root.join("pubmedqa/ori_pqal.json")
        );
        for name in ["../x", "/etc/passwd", "a/../../b", "", "a\\..\\b"] {
            card.file[0].name = name.to_owned();
            assert!(
                matches!(place(root, &card, &card.file[0]), Err(FetchError::Name { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_file_is_what_its_bytes_are() {
        let root = tempfile::tempdir().unwrap();
        let mut card = card("pubmedqa").unwrap();
        let mut file = CardFile {
            sha256: String::new(),
            bytes: None,
            ..card.file.remove(0)
        };
        let state = |file: &CardFile| look(root.path(), &card, file).unwrap();
        assert_eq!(state(&file), State::Missing);
        let path = place(root.path(), &card, &file).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(part_path(&path), b"ab").unwrap();
        assert_eq!(state(&file), State::Partial { bytes: 2 });
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(state(&file), State::Unverified { bytes: 3 });
        file.bytes = Some(4);
        assert_eq!(state(&file), State::WrongSize { bytes: 3, expected: 4 });
        file.bytes = Some(3);
        file.sha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD".into();
        assert_eq!(state(&file), State::Complete { bytes: 3 });
        file.sha256 = "0".repeat(64);
        assert_eq!(state(&file).words(), "wrong checksum");
    }
}
