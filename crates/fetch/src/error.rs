//! What can go wrong between a card and a file, each with one message that says what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The card's address is none that can be fetched.
    #[error("`{url}` is no address of a file: {reason}; correct `url` in the data card")]
    Address {
        /// As the card says it.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server wants to know who asks.
    #[error("{url} answered {status}: {advice}")]
    Denied {
        /// Address.
        url: String,
        /// 401 or 403.
        status: u16,
        /// What the user can do.
        advice: String,
    },
    /// The server does not have it, or does not want to give it.
    #[error("{url} answered {status}{reason}; {advice}")]
    Refused {
        /// Address.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's words for it.
        reason: String,
        /// What the user can do.
        advice: &'static str,
    },
    /// Trouble that may pass.
    #[error(
        "{url}: {reason}, after {attempts} attempts; what arrived is kept, and the same command goes on from there"
    )]
    GaveUp {
        /// Address.
        url: String,
        /// The last trouble.
        reason: String,
        /// Attempts made without any progress.
        attempts: u32,
    },
    /// The network was forbidden.
    #[error("{url} is not here and HF_HUB_OFFLINE is set: unset it, or copy the file by hand")]
    Offline {
        /// Address.
        url: String,
    },
    /// Sent round in circles, or to where nobody should be sent.
    #[error("{url}: {reason}")]
    Redirect {
        /// Address asked first.
        url: String,
        /// What happened.
        reason: String,
    },
    /// More or fewer bytes than the card says.
    #[error(
        "{url} has {found}, but the data card says {expected} bytes: the file has changed since, or is not the one meant; nothing was kept"
    )]
    Size {
        /// Address.
        url: String,
        /// Bytes, in words.
        found: String,
        /// Bytes of the card.
        expected: u64,
    },
    /// Not the bytes of the card.
    #[error(
        "{url} has sha256 {found}, but the data card says {expected}: the file has changed since, or was damaged on the way; nothing was kept"
    )]
    Checksum {
        /// Address.
        url: String,
        /// Hexadecimal.
        found: String,
        /// Hexadecimal.
        expected: String,
    },
    /// The disk, the quota or the file-size limit is exhausted.
    #[error(
        "no room to write {path}: {source}; free some space and start the same command again, it goes on from there"
    )]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Any other trouble with a file.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another process fetches the same file.
    #[error("{path} is being written by another process: wait for it, then start again")]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// An archive that does not hold what the card says, or that should not be opened.
    #[error("{archive}, member `{member}`: {reason}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// The member asked for.
        member: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A name in a card that leads out of the folder of its set.
    #[error("`{name}` is not a relative path inside the folder of the set; correct `name` in the data card")]
    Name {
        /// As the card says it.
        name: String,
    },
}

impl FetchError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::DiskFull { path, source },
            _ => Self::Io { action, path, source },
        }
    }
}
