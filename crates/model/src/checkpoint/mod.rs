//! A Hugging Face model directory: config.json and safetensors, mapped into memory and checked before any weight is read.

mod config;
mod dtype;
mod error;
pub mod files;
mod finite;
mod hash;
mod header;
mod index;
mod plausible;
mod region;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;
use secateur_kernels::mapped::MappedFile;

pub use config::Config;
pub(crate) use config::describe;
pub(crate) use config::quoted_python_floats;
pub use dtype::Dtype;
pub use error::CheckpointError;
pub(crate) use error::middle_cut;
pub use finite::first_non_finite;
pub(crate) use finite::first_not_finite_scale;
pub use hash::ContentHash;
pub(crate) use hash::{digits, hex};
pub(crate) use header::shorten;
pub use header::{HEADER_LIMIT, HeaderEntry, parse as parse_header};
pub use plausible::check_counts;
pub(crate) use region::Region;
pub use survey::{Survey, survey};

const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Bytes of a tensor that one thread scans at a time; a multiple of every element size.
const SCAN_BYTES: usize = 4 << 20;

/// One tensor on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
    /// The safetensors file that holds it.
    pub file: PathBuf,
    /// Its bytes in that file.
    pub range: Range<usize>,
    /// Position of the file among those of the checkpoint.
    shard: usize,
}

/// A tensor that the model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Name.
    pub name: String,
    /// Sizes that config.json implies, row-major.
    pub shape: Vec<usize>,
    /// Bytes that a block unpacks, not numbers.
    pub packed: bool,
}

impl Expected {
    /// A tensor of this name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            packed: false,
        }
    }

    /// Packed bytes of this name and shape.
    pub fn packed(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            packed: true,
            ..Self::new(name, shape)
        }
    }

    /// Whether the tensor has this shape; a vector may be stored as one row.
    #[must_use]
    pub fn has_shape_of(&self, tensor: &TensorEntry) -> bool {
        let is_row = self.shape.len() == 1 && tensor.shape.len() == 2 && tensor.shape[0] == 1;
        tensor.shape == self.shape || is_row && tensor.shape[1..] == self.shape
    }

    /// Whether the tensor's element type can be read: bytes where packed, else BF16, F16 or F32.
    #[must_use]
    pub fn is_readable_from(&self, tensor: &TensorEntry) -> bool {
        if self.packed {
            tensor.dtype == Dtype::U8
        } else {
            tensor.dtype.is_weight()
        }
    }
}

/// A model directory whose files are well-formed and agree with each other.
#[derive(Debug)]
pub struct Checkpoint {
    directory: PathBuf,
    config: Config,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, TensorEntry>,
}

/// A safetensors file.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    map: Arc<MappedFile>,
    /// The same bytes, to be shared in parts.
    content: Bytes,
}

/// Bytes that keep the map.
struct Kept(Arc<MappedFile>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Checkpoint {
    /// Opens a model directory: parses config.json, maps `model.safetensors` (or, where there is none, the shards of
    /// `model.safetensors.index.json`) and checks every header. Reads no weight.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] for whatever is missing, malformed or points out of the directory.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let directory = directory.as_ref();
        require_directory(directory)?;
        let config = open_config(directory)?;
        let (shards, tensors) = if files::exists(directory, SINGLE) {
            open_shards(directory, &[SINGLE.to_owned()])?
        } else if let Some(text) = files::read_text(directory, INDEX, files::INDEX_LIMIT)? {
            open_sharded(directory, &text)?
        } else {
            return Err(no_weights(directory));
        };
        check_counts(&config, &tensors)?;
        let tensors = tensors
            .into_iter()
            .map(|tensor| (tensor.name.clone(), tensor))
            .collect();
        Ok(Self {
            directory: directory.to_path_buf(),
            config,
            shards,
            tensors,
        })
    }

    /// The directory this was opened from.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// config.json.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Safetensors files, in the order of the index.
    pub fn shard_files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// Names of all tensors, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// All tensors, ascending by name.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorEntry> {
        self.tensors.values()
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry> {
        self.tensors.get(name)
    }

    /// The tensor's little-endian bytes, from the map without a copy. Only where the file leaves a tensor unaligned to its element
    /// size, which few writers do, are they copied, so that they can always be viewed as elements.
    ///
    /// # Panics
    ///
    /// If `tensor` comes from another checkpoint.
    #[must_use]
    pub fn bytes(&self, tensor: &TensorEntry) -> Bytes {
        let bytes = self.raw_bytes(tensor);
        let element = (tensor.dtype.bits() / 8).max(1);
        if bytes.as_ptr().align_offset(element) == 0 {
            bytes
        } else {
            aligned_copy(&bytes)
        }
    }

    fn raw_bytes(&self, tensor: &TensorEntry) -> Bytes {
        let shard = &self.shards[tensor.shard];
        assert_eq!(shard.path, tensor.file, "the tensor is of another checkpoint");
        shard.content.slice(tensor.range.clone())
    }

    /// Lets the memory behind a tensor's bytes go until they are looked at again: what passes over a whole checkpoint once must not
    /// hold it in memory.
    pub(crate) fn release(&self, tensor: &TensorEntry) {
        self.shards[tensor.shard].map.release(tensor.range.clone());
    }

    /// Checks that every expected tensor is there in its shape and in a dtype that can be read. Gives the names of the tensors that
    /// are neither expected nor recognised by `skip`. Reads no weight.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::MissingTensor`], [`CheckpointError::WrongShape`], [`CheckpointError::UnsupportedDtype`].
    pub fn check(&self, expected: &[Expected], skip: &dyn Fn(&str) -> bool) -> Result<Vec<String>, CheckpointError> {
        let missing: Vec<&Expected> = expected
            .iter()
            .filter(|e| !self.tensors.contains_key(&e.name))
            .collect();
        if let Some(first) = missing.first() {
            return Err(CheckpointError::MissingTensor {
                tensor: first.name.clone(),
                expected: first.shape.clone(),
                files: self.shards.len(),
                directory: self.directory.clone(),
                others: if missing.len() > 1 {
                    format!("; {} more are missing", missing.len() - 1)
                } else {
                    String::new()
                },
            });
        }
        let mut unused: BTreeSet<&str> = self.names().filter(|name| !skip(name)).collect();
        for wanted in expected {
            let tensor = &self.tensors[&wanted.name];
            let (name, file) = (wanted.name.clone(), tensor.file.clone());
            unused.remove(name.as_str());
            if !wanted.has_shape_of(tensor) {
                return Err(CheckpointError::WrongShape {
                    tensor: name,
                    file,
                    expected: wanted.shape.clone(),
                    found: tensor.shape.clone(),
                });
            }
            if !wanted.is_readable_from(tensor) {
                return Err(CheckpointError::UnsupportedDtype {
                    tensor: name,
                    file,
                    found: tensor.dtype.name(),
                });
            }
        }
        Ok(unused.into_iter().map(str::to_owned).collect())
    }

    /// Index and value of the first NaN or infinity of a BF16, F16 or F32 tensor.
    #[must_use]
    pub fn find_non_finite(&self, tensor: &TensorEntry) -> Option<(usize, f32)> {
        first_non_finite(tensor.dtype, &self.raw_bytes(tensor))
    }

    /// Checks that the exponents of MXFP4 blocks, a tensor of bytes, leave all values finite: 255 is NaN, and 6 · 2¹²⁶ is beyond f32.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotFinite`] for the first that does not.
    pub fn verify_scales(&self, tensor: &TensorEntry) -> Result<(), CheckpointError> {
        match first_not_finite_scale(&self.raw_bytes(tensor)) {
            None => Ok(()),
            Some((index, value)) => Err(CheckpointError::NotFinite {
                tensor: tensor.name.clone(),
                file: tensor.file.clone(),
                index,
                value,
            }),
        }
    }

    /// Reads all weights but those that `skip` recognises, on all cores, and checks that they are finite.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotFinite`] for the first such element of the first such tensor by name.
    pub fn verify_finite(&self, skip: &(dyn Fn(&str) -> bool + Sync)) -> Result<(), CheckpointError> {
        let used: Vec<&TensorEntry> = self
            .tensors()
            .filter(|tensor| tensor.dtype.is_weight() && !skip(&tensor.name))
            .collect();
        let pieces: Vec<(&TensorEntry, usize)> = used
            .iter()
            .flat_map(|tensor| {
                (0..tensor.range.len())
                    .step_by(SCAN_BYTES)
                    .map(move |begin| (*tensor, begin))
            })
            .collect();
        let found = pieces.par_iter().find_map_first(|&(tensor, begin)| {
            let bytes = self.raw_bytes(tensor);
            let end = bytes.len().min(begin + SCAN_BYTES);
            let (index, value) = first_non_finite(tensor.dtype, &bytes[begin..end])?;
            Some((tensor, begin / (tensor.dtype.bits() / 8) + index, value))
        });
        match found {
            None => Ok(()),
            Some((tensor, index, value)) => Err(CheckpointError::NotFinite {
                tensor: tensor.name.clone(),
                file: tensor.file.clone(),
                index,
                value,
            }),
        }
    }
}

/// Opens only config.json, for a look at `model_type` before anything else.
///
/// # Errors
///
/// As [`Checkpoint::open`].
pub fn open_config(directory: &Path) -> Result<Config, CheckpointError> {
    require_directory(directory)?;
    let Some(text) = files::read_text(directory, "config.json", files::CONFIG_LIMIT)? else {
        let hint = "expected a Hugging Face model directory".into();
        return Err(CheckpointError::MissingFile {
            directory: directory.to_path_buf(),
            file: "config.json".into(),
            hint,
        });
    };
    Config::parse(&directory.join("config.json"), &text)
}

/// Files that the text of an index names, ascending, each checked to be a plain file name.
pub(crate) fn shard_names(file: &Path, index_text: &str) -> Result<Vec<String>, CheckpointError> {
    index::parse(file, index_text).map(|index| index.shards)
}

fn require_directory(path: &Path) -> Result<(), CheckpointError> {
    let not = |found: String| {
        Err(CheckpointError::NotADirectory {
            path: path.to_path_buf(),
            found,
        })
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => not("is not a directory".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => not("does not exist".into()),
        Err(error) => not(format!("cannot be opened ({error})")),
    }
}

/// Paths with mapped contents, and the tensors in them.
type Shards = (Vec<Shard>, Vec<TensorEntry>);

fn open_shards(directory: &Path, names: &[String]) -> Result<Shards, CheckpointError> {
    let mut shards = Vec::new();
    let mut tensors = Vec::new();
    for (shard, name) in names.iter().enumerate() {
        let file = directory.join(name);
        let map = MappedFile::map(&files::open(directory, name)?).map_err(|source| CheckpointError::Read {
            file: file.clone(),
            source: without_addresses(source),
        })?;
        let entries = header::parse(&file, &map)?;
        tensors.extend(entries.into_iter().map(
            |HeaderEntry {
                 name,
                 dtype,
                 shape,
                 range,
             }| TensorEntry {
                name,
                dtype,
                shape,
                file: file.clone(),
                range,
                shard,
            },
        ));
        let map = Arc::new(map);
        shards.push(Shard {
            path: file,
            content: Bytes::from_owner(Kept(Arc::clone(&map))),
            map,
        });
    }
    Ok((shards, tensors))
}

/// A file takes as many addresses as it has bytes, whatever is in memory of it.
fn without_addresses(error: std::io::Error) -> std::io::Error {
    if error.kind() == std::io::ErrorKind::OutOfMemory {
        let message =
            format!("{error}: a mapped file needs addresses for all its bytes; raise the limit on them (`ulimit -v`)");
        return std::io::Error::new(error.kind(), message);
    }
    error
}

fn open_sharded(directory: &Path, index_text: &str) -> Result<Shards, CheckpointError> {
    let file = directory.join(INDEX);
    let index = index::parse(&file, index_text)?;
    if let Some(missing) = index.shards.iter().find(|shard| !files::exists(directory, shard)) {
        let reason = format!("it names the file {missing}, which is not there (an unfinished download?)");
        return Err(CheckpointError::Index { file, reason });
    }
    let (shards, tensors) = open_shards(directory, &index.shards)?;
    index.check(&file, &tensors)?;
    Ok((shards, tensors))
}

/// Why there is nothing to map.
fn no_weights(directory: &Path) -> CheckpointError {
    let names = || {
        fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
    };
    let with = |endings: &[&str]| {
        let mut found: Vec<String> = names()
            .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
            .collect();
        found.sort();
        found
    };
    let directory = directory.to_path_buf();
    let shards = with(&[".safetensors"]);
    if !shards.is_empty() {
        let hint = format!(
            "without it, the {} safetensors file(s) there ({}, …) cannot be put together",
            shards.len(),
            shards[0]
        );
        return CheckpointError::MissingFile {
            directory,
            file: format!("{SINGLE} and no {INDEX}"),
            hint,
        };
    }
    let pickles = with(&[".bin", ".pt", ".pth", ".ckpt"]);
    match pickles.as_slice() {
        [] => CheckpointError::MissingFile {
            directory,
            file: SINGLE.into(),
            hint: format!("expected it, or {INDEX} with its shards"),
        },
        [one] => CheckpointError::Pickle {
            directory,
            found: one.clone(),
        },
        [first, rest @ ..] => CheckpointError::Pickle {
            directory,
            found: format!("{first} and {} more", rest.len()),
        },
    }
}

/// The same bytes at an address that is a multiple of 8.
fn aligned_copy(bytes: &[u8]) -> Bytes {
    struct Aligned(Vec<u64>, usize);
    impl AsRef<[u8]> for Aligned {
        fn as_ref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.0)[..self.1]
        }
    }
    let mut words = vec![0_u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    Bytes::from_owner(Aligned(words, bytes.len()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
#[cfg(test)]
pub(crate) use tests::safetensors as test_file;
