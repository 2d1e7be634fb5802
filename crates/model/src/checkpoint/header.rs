//! The safetensors header, read as if its writer wished us harm.
//!
//! Format: 8 bytes little-endian header length; that many bytes of JSON, `{name: {dtype, shape, data_offsets: [begin, end]}}` with an
//! optional `__metadata__` of strings; then the data, to which offsets are relative. The data must be covered without gap or overlap.
//! Source: <https://github.com/huggingface/safetensors>, README "Format".

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::{CheckpointError, Dtype};

/// Longest header that is read; the limit of the reference implementation.
pub const HEADER_LIMIT: u64 = 100_000_000;

/// One tensor of one file, its data range checked to lie in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderEntry {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
    /// Bytes in the file.
    pub range: Range<usize>,
}

/// Reads and checks the header of a safetensors file given whole. Entries come in the order of their data.
///
/// # Errors
///
/// [`CheckpointError::Header`] or [`CheckpointError::Tensor`] for everything that breaks the format.
pub fn parse(file: &Path, content: &[u8]) -> Result<Vec<HeaderEntry>, CheckpointError> {
    let text = header_text(file, content)?;
    let header_error = |reason: String| CheckpointError::Header {
        file: file.to_path_buf(),
        reason,
    };
    let RawHeader(mut raw) =
        serde_json::from_slice(text).map_err(|error| header_error(format!("its header does not parse: {error}")))?;
    let data_start = 8 + text.len();
    let data_length = content.len() - data_start;

    // Empty tensors come before the one that begins at the same place.
    raw.sort_by(|a, b| (a.1.data_offsets, &a.0).cmp(&(b.1.data_offsets, &b.0)));
    let mut covered = 0;
    let mut entries = Vec::with_capacity(raw.len());
    for (name, info) in raw {
        let tensor_error = |reason: String| CheckpointError::Tensor {
            file: file.to_path_buf(),
            tensor: shorten(&name),
            reason,
        };
        let (dtype, range) = check_tensor(&info, data_length, covered).map_err(tensor_error)?;
        covered = range.end;
        let range = data_start + range.start..data_start + range.end;
        entries.push(HeaderEntry {
            name,
            dtype,
            shape: info.shape,
            range,
        });
    }
    if covered != data_length {
        return Err(header_error(format!(
            "its tensors end at byte {covered} of the data, which has {data_length} bytes"
        )));
    }
    Ok(entries)
}

/// The bytes of the JSON text.
fn header_text<'a>(file: &Path, content: &'a [u8]) -> Result<&'a [u8], CheckpointError> {
    let error = |reason: String| {
        Err(CheckpointError::Header {
            file: file.to_path_buf(),
            reason,
        })
    };
    let Some((length, rest)) = content.split_first_chunk::<8>() else {
        return error(format!(
            "it has {} bytes, too few for the 8 bytes of its header length (truncated?)",
            content.len()
        ));
    };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_LIMIT {
        return error(format!(
            "its header claims {length} bytes, and at most {HEADER_LIMIT} are accepted"
        ));
    }
    let Some(text) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
        return error(format!(
            "its header claims {length} bytes, but only {} follow (truncated?)",
            rest.len()
        ));
    };
    if text.first() != Some(&b'{') {
        return error("its header does not start with `{`".into());
    }
    Ok(text)
}

/// Dtype and byte range in the data of one tensor, given how far the tensors before it reach.
fn check_tensor(info: &RawTensor, data_length: usize, covered: usize) -> Result<(Dtype, Range<usize>), String> {
    let Some(dtype) = Dtype::from_name(&info.dtype) else {
        return Err(format!("has the unknown dtype `{}`", shorten(&info.dtype)));
    };
    let (begin, end) = info.data_offsets;
    if begin > end {
        return Err(format!("begins at byte {begin} of the data, after its end at {end}"));
    }
    if end > data_length {
        return Err(format!(
            "ends at byte {end} of the data, which has {data_length} bytes (truncated?)"
        ));
    }
    let Some(expected) = dtype.bytes_of(&info.shape) else {
        return Err(format!(
            "of shape {} and dtype {} does not fit into whole addressable bytes",
            shape_text(&info.shape),
            dtype.name()
        ));
    };
    if end - begin != expected {
        let shape = shape_text(&info.shape);
        return Err(format!(
            "has {} bytes, but shape {shape} in {} takes {expected}",
            end - begin,
            dtype.name()
        ));
    }
    if begin < covered {
        return Err(format!(
            "begins at byte {begin} of the data, inside the tensor before it, which ends at {covered}"
        ));
    }
    if begin > covered {
        return Err(format!(
            "begins at byte {begin} of the data, leaving a gap after byte {covered}"
        ));
    }
    Ok((dtype, begin..end))
}

fn shape_text(shape: &[usize]) -> String {
    shorten(&format!("{shape:?}"))
}

/// The first 200 characters, control characters escaped: names come from strangers and go to a terminal.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(200)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if text.chars().nth(200).is_some() {
        short.push('…');
    }
    short
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// All tensors in file order; a name that occurs twice is an error, which a map would hide.
struct RawHeader(Vec<(String, RawTensor)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut names = BTreeSet::new();
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("`{}` occurs twice", shorten(&name))));
            }
            if name == "__metadata__" {
                map.next_value::<std::collections::BTreeMap<String, String>>()?;
            } else {
                tensors.push((name, map.next_value()?));
            }
        }
        Ok(RawHeader(tensors))
    }
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
