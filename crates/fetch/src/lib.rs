//! Data cards in, verified files out.
//!
//! [`set::fetch`] brings the files of a [`secateur_datasets::data_cards::DataCard`] into the folder of the set: [`session`] speaks
//! HTTP, [`download`] goes on with what an earlier attempt left and gives a file its name only once size and checksum are right,
//! [`archive`] takes single members out of archives. [`state`] says what lies on the disk. Sets that may not be passed on are
//! explained, never fetched.

pub mod settings;
pub mod session;
pub mod download;
pub mod archive;
pub mod state;
pub mod set;
pub mod error;
mod landing;

pub use error::FetchError;
pub use settings::Settings;

/// Who looks on.
pub trait Watcher {
    /// A file begins: its name, its size in bytes where known, and the bytes that are there already.
    fn begins(&mut self, _name: &str, _size: Option<u64>, _there: u64) {}

    /// So many bytes are there now.
    fn reached(&mut self, _bytes: u64) {}

    /// Something worth a line: a broken connection, a wait.
    fn note(&mut self, _line: &str) {}

    /// The file that began last is finished, or given up.
    fn ends(&mut self) {}
}

/// Nobody.
impl Watcher for () {}
