//! What can be wrong with a model directory.

use std::io;
use std::path::PathBuf;

/// Everything that is refused about a model directory, with where, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The path does not lead to a directory.
    #[error(
        "`{path}` {found}; a model is a directory with config.json, tokenizer.json and model.safetensors \
         (or model.safetensors.index.json and its shards)"
    )]
    NotADirectory {
        /// As given.
        path: PathBuf,
        /// "does not exist", "is a file", ….
        found: String,
    },
    /// A file could not be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file that every checkpoint has is not there.
    #[error("{directory} has no {file}: {hint}")]
    MissingFile {
        /// The model directory.
        directory: PathBuf,
        /// Name of the file.
        file: String,
        /// What to do.
        hint: String,
    },
    /// Weights exist only as Python pickles, which can run code when they are read.
    #[error(
        "{directory} has its weights only as {found} (Python pickles, which can run code when read); Secateur reads safetensors: \
         convert them first, for example with `save_pretrained(…, safe_serialization=True)` in transformers"
    )]
    Pickle {
        /// The model directory.
        directory: PathBuf,
        /// Name of the first such file, and how many more there are.
        found: String,
    },
    /// A file is larger than any honest file of its kind.
    #[error("{file} is {bytes} bytes, and at most {limit} are accepted for such a file")]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// A path inside the model directory leads out of it, or to something that is not a regular file.
    #[error("{file} {found}; the files of a model must be regular files in its directory{advice}")]
    OutsideDirectory {
        /// The path in the directory.
        file: PathBuf,
        /// Where it leads.
        found: String,
        /// What to do, with its leading punctuation.
        advice: &'static str,
    },
    /// Text that is not JSON of the expected form.
    #[error("{file} is not the expected JSON: {}", middle_cut(.reason))]
    Json {
        /// The file.
        file: PathBuf,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// A field of config.json is missing, or has the wrong type or value.
    #[error("{file}: field `{field}` is {found}, expected {expected}")]
    Field {
        /// The file.
        file: PathBuf,
        /// Name of the field; fields of nested objects as `outer.inner`.
        field: String,
        /// "missing", or the value as JSON, shortened.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A safetensors file breaks the format.
    #[error("{file} is not a valid safetensors file: {}", middle_cut(.reason))]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An entry of a safetensors header breaks the format.
    #[error("{file} is not a valid safetensors file: tensor `{tensor}` {reason}")]
    Tensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// The index and the shards do not agree, or the index names something that is no shard.
    #[error("{file}: {reason}")]
    Index {
        /// The index file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// config.json implies a tensor that no file has.
    #[error(
        "tensor `{tensor}` {expected:?} is in none of the {files} safetensors file(s) of {directory}, but config.json implies it{others}"
    )]
    MissingTensor {
        /// The first such tensor.
        tensor: String,
        /// Its shape by config.json.
        expected: Vec<usize>,
        /// Files searched.
        files: usize,
        /// The model directory.
        directory: PathBuf,
        /// How many more are missing, as text; empty if none.
        others: String,
    },
    /// A tensor's shape contradicts config.json.
    #[error("tensor `{tensor}` is {found:?} in {file}, but config.json implies {expected:?}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// The file that holds it.
        file: PathBuf,
        /// Shape by config.json.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A weight in a dtype that the forward pass does not read.
    #[error("tensor `{tensor}` in {file} has dtype {found}; supported dtypes of weights are BF16, F16 and F32")]
    UnsupportedDtype {
        /// The tensor.
        tensor: String,
        /// The file that holds it.
        file: PathBuf,
        /// Name of the dtype in the file.
        found: &'static str,
    },
    /// A weight that is not a number.
    #[error(
        "tensor `{tensor}` in {file} holds {value} at element {index}, expected finite weights: the file is damaged, or training diverged"
    )]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The file that holds it.
        file: PathBuf,
        /// Row-major index of the first such element.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: f32,
    },
}

/// A parser's message, which may quote the file: control characters escaped, the middle of a long one left out (line and column are at
/// its end).
pub(crate) fn middle_cut(message: &str) -> String {
    const BEGIN: usize = 300;
    const END: usize = 60;
    let plain: Vec<char> = message
        .chars()
        .take(1 << 20)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if plain.len() <= BEGIN + END + 1 {
        return plain.into_iter().collect();
    }
    let (begin, end) = (&plain[..BEGIN], &plain[plain.len() - END..]);
    begin.iter().chain([&'…']).chain(end).collect()
}
