//! One member out of a zip, tar, tar.gz or gz file, and nothing else of it.
//!
//! The member goes to the name that the card gives it, so that no path inside an archive can lead elsewhere. Sizes that an
//! archive claims are not believed: unpacking stops at the card's size, or where a member grows out of proportion.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;

use crate::download::Received;
use crate::error::FetchError;
use crate::landing::Landing;

/// Without a size in the card, a member may be so many times as large as its archive …
const LARGEST_GROWTH: u64 = 100;
/// … or so large, if that is more, in bytes.
const SMALL: u64 = 64 << 20;

/// What is taken out of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its path inside; for a plain `.gz`, which has no paths, it is not looked at.
    pub path: &'a str,
    /// Where it goes.
    pub target: &'a Path,
    /// Its size in bytes, where known.
    pub bytes: Option<u64>,
    /// Its SHA-256, where known.
    pub sha256: Option<&'a str>,
}

/// A kind of archive, told by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.zip`
    Zip,
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.gz`
    Gz,
}

impl Kind {
    /// The kind of the file at `url`; a query does not count.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let ends = [
            (".zip", Self::Zip),
            (".tar.gz", Self::TarGz),
            (".tgz", Self::TarGz),
            (".tar", Self::Tar),
            (".gz", Self::Gz),
        ];
        ends.into_iter()
            .find(|(end, _)| path.ends_with(end))
            .map(|(_, kind)| kind)
    }
}

/// Takes a member out of the archive at `path`.
///
/// # Errors
/// If the archive is damaged, has no such member, the member is no plain file, is larger than it may be, or not what the card says.
pub fn unpack(path: &Path, kind: Kind, member: Member<'_>) -> Result<Received, FetchError> {
    let file = File::open(path).map_err(|e| FetchError::io("read", path, e))?;
    let size = file.metadata().map_err(|e| FetchError::io("read", path, e))?.len();
    let job = Job {
        archive: path,
        member,
        limit: member.bytes.unwrap_or(SMALL.max(size.saturating_mul(LARGEST_GROWTH))),
        // What stands before the member has to be unpacked too.
        whole: SMALL
            .max(size.saturating_mul(LARGEST_GROWTH))
            .max(member.bytes.unwrap_or(0).saturating_mul(2)),
    };
    let file = BufReader::new(file);
    match kind {
        Kind::Zip => job.zip(file),
        Kind::Tar => job.tar(file),
        Kind::TarGz => job.tar(MultiGzDecoder::new(file)),
        Kind::Gz => job.land(MultiGzDecoder::new(file)),
    }
}

struct Job<'a> {
    archive: &'a Path,
    member: Member<'a>,
    /// Largest size of the member, bytes.
    limit: u64,
    /// Largest size of what is read of the unpacked archive, bytes.
    whole: u64,
}

impl Job<'_> {
    fn error(&self, reason: impl Into<String>) -> FetchError {
        FetchError::Archive {
            archive: self.archive.to_owned(),
            member: self.member.path.to_owned(),
            reason: reason.into(),
        }
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> FetchError {
        self.error(format!(
            "the archive cannot be read ({error}): fetch it again with --force"
        ))
    }

    fn zip(&self, file: BufReader<File>) -> Result<Received, FetchError> {
        let mut archive = zip::ZipArchive::new(file).map_err(|e| self.damaged(&e))?;
        let index = archive.index_for_name(self.member.path).ok_or_else(|| self.absent())?;
        let member = archive.by_index(index).map_err(|e| self.damaged(&e))?;
        if !member.is_file() || member.is_symlink() {
            return Err(self.error("it is a folder or a link, expected a plain file"));
        }
        self.land(member)
    }

    fn tar(&self, reader: impl Read) -> Result<Received, FetchError> {
        let mut archive = tar::Archive::new(reader.take(self.whole));
        for entry in archive.entries().map_err(|e| self.damaged(&e))? {
            let entry = entry.map_err(|e| self.damaged(&e))?;
            let path = entry.path().map_err(|e| self.damaged(&e))?;
            if !same_path(&path, Path::new(self.member.path)) {
                continue;
            }
            if !entry.header().entry_type().is_file() {
                return Err(self.error("it is a folder or a link, expected a plain file"));
            }
            let size = entry.size();
            let received = self.land(entry)?;
            if received.bytes != size {
                let _ = std::fs::remove_file(self.member.target);
                return Err(self.damaged(&format!("{} of {size} bytes of the member", received.bytes)));
            }
            return Ok(received);
        }
        Err(self.absent())
    }

    fn absent(&self) -> FetchError {
        self.error("there is no such member; correct `member` in the data card")
    }

    /// Writes the member to its place once it is known to be right.
    fn land(&self, mut reader: impl Read) -> Result<Received, FetchError> {
        let target = self.member.target;
        let (mut landing, _) = Landing::open(target, "")?;
        landing.restart()?;
        if let Err(error) = self.pour(&mut reader, &mut landing) {
            landing.discard();
            return Err(error);
        }
        let received = Received {
            bytes: landing.length(),
            sha256: landing.sha256(),
        };
        if let Err(error) = self.verify(&received) {
            landing.discard();
            return Err(error);
        }
        landing.publish()?;
        Ok(received)
    }

    fn pour(&self, reader: &mut impl Read, landing: &mut Landing) -> Result<(), FetchError> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.damaged(&error)),
            };
            if landing.length() + n as u64 > self.limit {
                let limit = self.limit;
                return Err(self.error(format!(
                    "it unpacks to more than {limit} bytes, the most that is expected"
                )));
            }
            landing.append(&buffer[..n])?;
        }
    }

    fn verify(&self, received: &Received) -> Result<(), FetchError> {
        if let Some(expected) = self.member.bytes.filter(|&expected| expected != received.bytes) {
            return Err(self.error(format!(
                "it has {} bytes, but the data card says {expected}",
                received.bytes
            )));
        }
        match self.member.sha256 {
            Some(expected) if !expected.eq_ignore_ascii_case(&received.sha256) => Err(self.error(format!(
                "it has sha256 {}, but the data card says {expected}",
                received.sha256
            ))),
            _ => Ok(()),
        }
    }
}

/// Equal but for `./` at the beginning.
fn same_path(left: &Path, right: &Path) -> bool {
    let plain = |path: &Path| -> Vec<_> {
        let parts = path.components().filter(|part| *part != Component::CurDir);
        parts.map(|part| part.as_os_str().to_owned()).collect()
    };
    plain(left) == plain(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_names() {
        assert_eq!(Kind::of("https://a/b.ZIP?download=1"), Some(Kind::Zip));
        assert_eq!(Kind::of("https://a/b.tar.gz"), Some(Kind::TarGz));
        assert_eq!(Kind::of("https://a/b.jsonl.gz"), Some(Kind::Gz));
        assert_eq!(Kind::of("https://a/b.rar"), None);
    }
}
