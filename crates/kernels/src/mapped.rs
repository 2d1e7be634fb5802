//! A file mapped read-only into memory.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

/// The bytes of a file, paged in when they are read.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps the whole of `file`, which may be closed afterwards.
    ///
    /// Whoever shortens the file while it is mapped ends this program with a bus error at the next read of the lost part:
    /// checkpoints are replaced by renaming, never edited in place.
    ///
    /// # Errors
    ///
    /// What the operating system reports: not a regular file, no address space, no permission.
    pub fn map(file: &File) -> io::Result<Self> {
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // SAFETY: the mapping is read-only and owned by the value returned, and its bytes are only lent out as `&[u8]`,
        // for which every bit pattern is valid. What remains is another process writing to the file meanwhile: weights
        // would change under us as with any program that maps them. No length, offset or UTF-8 text that was checked
        // is read from the map a second time, so such a write changes numbers, not memory safety.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(map))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    fn scratch(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("secateur-mapped-{}-{name}", std::process::id()));
        File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    #[test]
    fn a_mapped_file_reads_as_its_bytes_after_the_handle_is_closed() {
        let path = scratch("full", b"secateur");
        let map = MappedFile::map(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&*map, b"secateur");
        assert_eq!(map.as_ref().len(), 8);
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes() {
        let path = scratch("empty", b"");
        let map = MappedFile::map(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(map.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_refused() {
        let directory = File::open(std::env::temp_dir()).unwrap();
        assert_eq!(
            MappedFile::map(&directory).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
