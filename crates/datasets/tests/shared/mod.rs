//! Reference material beside the repository, where there is any.

use std::path::{Path, PathBuf};

/// `../shared` of the repository, or `None` with a printed reason.
pub fn shared(part: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let path = root.parent()?.join("shared").join(part);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no ../shared/{part}");
    None
}
