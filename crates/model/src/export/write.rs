//! Writing files so that what is on disk is what was meant.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ExportError;
use super::plan::{PlannedShard, PlannedTensor};
use crate::checkpoint::Checkpoint;

/// A safetensors file as written.
#[derive(Debug)]
pub(super) struct WrittenShard {
    pub(super) name: String,
    pub(super) tensors: Vec<String>,
    /// Of data, without the header.
    pub(super) bytes: u64,
}

/// Writes one safetensors file, its parts straight from the mapped file.
pub(super) fn shard(
    checkpoint: &Checkpoint,
    shard: &PlannedShard,
    directory: &Path,
) -> Result<WrittenShard, ExportError> {
    let path = directory.join(&shard.name);
    let tensors = ordered(shard);
    let written = || -> io::Result<u64> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
        let header = header(&tensors);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        let mut bytes = 0;
        for tensor in &tensors {
            let missing = || io::Error::other(format!("the tensor {} is gone", tensor.source));
            let entry = checkpoint.tensor(&tensor.source).ok_or_else(missing)?;
            let source = checkpoint.bytes(entry);
            for part in &tensor.parts {
                out.write_all(&source[part.clone()])?;
            }
            checkpoint.release(entry);
            bytes += tensor.bytes() as u64;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(bytes)
    };
    let bytes = written().map_err(|source| ExportError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(WrittenShard {
        name: shard.name.clone(),
        tensors: tensors.iter().map(|tensor| tensor.name.clone()).collect(),
        bytes,
    })
}

/// The tensors in the order of their data. Wide types first: with the padded header every tensor is aligned to its element size.
pub(super) fn ordered(shard: &PlannedShard) -> Vec<&PlannedTensor> {
    let mut tensors: Vec<&PlannedTensor> = shard.tensors.iter().collect();
    tensors.sort_by_key(|tensor| (std::cmp::Reverse(tensor.dtype.bits()), &tensor.name));
    tensors
}

/// Text of the header, padded.
pub(super) fn header(tensors: &[&PlannedTensor]) -> String {
    let mut fields = Map::new();
    fields.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut begin = 0;
    for tensor in tensors {
        let end = begin + tensor.bytes();
        fields.insert(
            tensor.name.clone(),
            json!({"dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": [begin, end]}),
        );
        begin = end;
    }
    let mut text = Value::Object(fields).to_string();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    text
}

/// Writes a new text file.
pub(super) fn text(path: &Path, text: &str) -> Result<(), ExportError> {
    copy(&mut text.as_bytes(), path)
}

/// Writes a new file.
pub(super) fn copy(from: &mut dyn Read, path: &Path) -> Result<(), ExportError> {
    let written = || -> io::Result<()> {
        let mut file = File::create_new(path)?;
        io::copy(from, &mut file)?;
        file.sync_all()
    };
    let mut written = written;
    written().map_err(|source| ExportError::Write {
        path: path.to_path_buf(),
        source,
    })
}
