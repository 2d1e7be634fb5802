//! `s3://bucket/prefix`: where results lie.

use std::fmt;

use crate::error::Error;

/// Kinds of stores, by the scheme of their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// Schemes that are known.
pub const SCHEMES: &[(&str, Kind)] = &[("s3", Kind::S3), ("gs", Kind::Gcs), ("az", Kind::Azure)];

/// A bucket, or Azure's container, and a folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Which kind of store.
    pub kind: Kind,
    /// The bucket.
    pub bucket: String,
    /// The folder in it, without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Address {
    /// Reads an address; `None` for a text that is none, such as a folder on the disk.
    ///
    /// # Errors
    /// [`Error::Address`] for a scheme that is not known, or without a bucket.
    pub fn parse(text: &str) -> Result<Option<Self>, Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(None);
        };
        let kind = SCHEMES.iter().find(|(known, _)| *known == scheme);
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        match kind {
            Some(&(_, kind)) if !bucket.is_empty() && !bucket.contains(['?', '#', '@', ':']) => Ok(Some(Self {
                kind,
                bucket: bucket.to_owned(),
                prefix: prefix
                    .split('/')
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("/"),
            })),
            _ => Err(Error::Address { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES
            .iter()
            .find(|(_, kind)| *kind == self.kind)
            .map_or("", |(s, _)| s);
        write!(f, "{scheme}://{}", self.bucket)?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_folders_are_none() {
        for (text, shown) in [
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("gs://bucket", "gs://bucket"),
            ("az://container//a", "az://container/a"),
        ] {
            assert_eq!(Address::parse(text).unwrap().unwrap().to_string(), shown);
        }
        for folder in ["results/sweeps", "/a/b", "C:\\results", "s3:"] {
            assert_eq!(Address::parse(folder).unwrap(), None, "{folder}");
        }
        for wrong in ["s3:///a", "ftp://host/a", "s3://user@host/a"] {
            let message = Address::parse(wrong).unwrap_err().to_string();
            assert!(message.contains(wrong) && message.contains("s3://bucket"), "{message}");
        }
    }
}
