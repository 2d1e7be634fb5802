//! Everything that can go wrong between a cell and its report.

use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The results directory belongs to another sweep.
    #[error(
        "results directory {} holds the sweep `{found}` (definition {found_hash}), not `{wanted}` (definition {wanted_hash}); \
         give this sweep another name or results directory, or move the old one away",
        directory.display()
    )]
    AnotherSweep {
        /// The directory.
        directory: PathBuf,
        /// Name of the sweep in it.
        found: String,
        /// First digits of that sweep's hash.
        found_hash: String,
        /// Name of the sweep that asked.
        wanted: String,
        /// First digits of its hash.
        wanted_hash: String,
    },
    /// There is no sweep in the directory.
    #[error("{} holds no sweep: expected the file `sweep.json` that a sweep writes first; run the sweep, or name its directory", directory.display())]
    NoSweep {
        /// The directory.
        directory: PathBuf,
    },
    /// Two cells are one.
    #[error("duplicate cells: {first} and {second} have the same inputs (key {key}); remove one of them")]
    DuplicateCells {
        /// One cell in words.
        first: String,
        /// The other.
        second: String,
        /// Their key.
        key: String,
    },
    /// Two records describe one cell.
    #[error(
        "records {first} and {second} both describe {cell}; they differ in {differs}; \
         keep one: move the other's file out of `records/`"
    )]
    CellTwice {
        /// The cell in words.
        cell: String,
        /// Key of one record.
        first: String,
        /// Key of the other.
        second: String,
        /// Which inputs differ, with both values.
        differs: String,
    },
    /// The disk, the quota or the file-size limit is exhausted.
    #[error("no room to write {}: {source}; finished cells are kept, so free some space and start the same command again", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The place cannot be written.
    #[error("cannot write {}: {source}; choose a results directory that this user may write, or change its permissions", path.display())]
    NotWritable {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The folder is gone.
    #[error(
        "cannot write {}: {source}; the folder was there when this began (is it mounted?): bring it back and start the same command again, \
         finished cells are kept in it",
        path.display()
    )]
    Vanished {
        /// What was being written.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Trouble with an object store.
    #[error(transparent)]
    Remote(#[from] secateur_remote::Error),
    /// Any other trouble with a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file does not hold what its place promises.
    #[error("{}: {found}, but expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A record that must not be published.
    #[error("record of {cell}: {found}, but expected {expected}; the cell is not recorded")]
    BadRecord {
        /// The cell in words.
        cell: String,
        /// What is wrong.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A newer program wrote the file.
    #[error("{} has layout {found}, but this program knows layouts up to {known}; use the newer program", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        known: u32,
    },
    /// Something that decides what counts as safe makes no sense.
    #[error("safe.{key} is {found}, but expected {expected}")]
    SafeOption {
        /// The key in `[safe]`.
        key: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// An answer that has no JSON form.
    #[error("an answer for {} cannot be written as JSON: {source}", path.display())]
    Answer {
        /// The answers file.
        path: PathBuf,
        /// The serialiser's words.
        source: serde_json::Error,
    },
    /// Polars failed.
    #[error("table {}: {message}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// Polars' words.
        message: String,
    },
    /// The shipped fonts do not load.
    #[error("the fonts that are part of this program do not load; it was built wrongly")]
    Font,
    /// A chart could not be drawn.
    #[error("chart `{chart}`: {message}")]
    Draw {
        /// Its title.
        chart: String,
        /// What happened.
        message: String,
    },
    /// Masks that cannot be compared.
    #[error("{what}: {source}")]
    Masks {
        /// Whose masks.
        what: String,
        /// Why.
        source: secateur_metrics::error::MetricError,
    },
    /// The tests of a comparison could not be corrected for their number.
    #[error("tests of metrics: {source}")]
    Tests {
        /// Why.
        source: secateur_metrics::error::MetricError,
    },
    /// The report's template failed.
    #[error("report page: {message}")]
    Page {
        /// The template engine's words.
        message: String,
    },
}

impl Error {
    /// Sorts a system error by what the user can do about it.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.to_path_buf();
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::DiskFull { path, source },
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied if action != "read" => Self::NotWritable { path, source },
            Kind::NotFound if action != "read" => Self::Vanished { path, source },
            _ => Self::Io { action, path, source },
        }
    }
}
