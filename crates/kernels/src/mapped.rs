//! A file mapped read-only into memory.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

/// The bytes of a file, paged in when they are read: 2 MiB at a time where the system can.
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
        // An expert takes more pages of 4 KiB than a TLB holds. Where the file system cannot give larger ones, nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self(map))
    }

    /// Has the system begin to read these bytes from the file. Without effect where it has no such call, and for bytes beyond the end.
    pub fn ahead(&self, range: std::ops::Range<usize>) {
        let end = range.end.min(self.0.len());
        if range.start < end {
            #[cfg(unix)]
            let _ = self
                .0
                .advise_range(memmap2::Advice::WillNeed, range.start, end - range.start);
        }
    }

    /// Lets the memory behind these bytes go: they are read from the file again when they are next looked at. Without effect where
    /// the system has no such call, and for bytes beyond the end.
    pub fn release(&self, range: std::ops::Range<usize>) {
        let end = range.end.min(self.0.len());
        if range.start < end {
            // SAFETY: the mapping is of a file and never written to, so that a page that is dropped comes back with the same
            // bytes; slices of it stay valid. The range lies within the mapping.
            #[cfg(unix)]
            let _ = unsafe {
                self.0
                    .unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, end - range.start)
            };
        }
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
    fn released_bytes_come_back() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let path = scratch("released", &bytes);
        let map = MappedFile::map(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let slice = &map[4_000..90_000];
        assert_eq!(slice, &bytes[4_000..90_000]);
        for range in [5_000..80_000, 0..usize::MAX, 99_999..100_000, 7..7] {
            map.release(range.clone());
            map.ahead(range);
            assert_eq!(&*map, &bytes[..]);
        }
        assert_eq!(slice, &bytes[4_000..90_000]);
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
