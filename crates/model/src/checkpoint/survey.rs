//! As much of a model directory as can be read, with every problem instead of the first: for a diagnosis.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secateur_kernels::mapped::MappedFile;

use super::header::{self, HeaderEntry, shorten};
use super::index::{self, ShardIndex};
use super::{CheckpointError, INDEX, SINGLE, TensorEntry, files, no_weights};

/// Names in one message.
const SHOWN: usize = 3;

/// Files and tensors of a model directory, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Survey {
    /// Safetensors files that could be opened, with their bytes.
    pub shards: Vec<(PathBuf, u64)>,
    /// Tensors of all shards whose header could be read, in file order.
    pub tensors: Vec<TensorEntry>,
    /// Everything that stops [`super::Checkpoint::open`], config.json apart.
    pub problems: Vec<CheckpointError>,
}

/// Reads the headers of all shards that there are. Reads no weight.
#[must_use]
pub fn survey(directory: &Path) -> Survey {
    let mut found = Survey::default();
    if files::exists(directory, SINGLE) {
        found.shard(directory, SINGLE);
        return found;
    }
    let index = match files::read_text(directory, INDEX, files::INDEX_LIMIT) {
        Ok(Some(text)) => index::parse(&directory.join(INDEX), &text),
        Ok(None) => Err(no_weights(directory)),
        Err(error) => Err(error),
    };
    match index {
        Err(error) => found.problems.push(error),
        Ok(index) => {
            for shard in &index.shards {
                found.shard(directory, shard);
            }
            found.compare(&directory.join(INDEX), &index);
        }
    }
    found
}

impl Survey {
    fn shard(&mut self, directory: &Path, name: &str) {
        let file = directory.join(name);
        let read = || -> Result<(u64, Vec<HeaderEntry>), CheckpointError> {
            let map = MappedFile::map(&files::open(directory, name)?).map_err(|source| CheckpointError::Read {
                file: file.clone(),
                source,
            })?;
            Ok((map.len() as u64, header::parse(&file, &map)?))
        };
        match read() {
            Err(error) => self.problems.push(error),
            Ok((bytes, entries)) => {
                let shard = self.shards.len();
                self.shards.push((file.clone(), bytes));
                self.tensors.extend(entries.into_iter().map(|entry| TensorEntry {
                    name: entry.name,
                    dtype: entry.dtype,
                    shape: entry.shape,
                    range: entry.range,
                    file: file.clone(),
                    shard,
                }));
            }
        }
    }

    /// Tensors that the index and the shards place differently, one message for each kind and shard.
    fn compare(&mut self, file: &Path, index: &ShardIndex) {
        let mut wrong: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
        let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        for tensor in &self.tensors {
            let shard = name_of(&tensor.file);
            match index.weight_map.get(&tensor.name) {
                None => wrong
                    .entry(("`weight_map` does not list", shard.clone()))
                    .or_default()
                    .push(&tensor.name),
                Some(listed) if *listed != shard => wrong
                    .entry(("`weight_map` places elsewhere", shard.clone()))
                    .or_default()
                    .push(&tensor.name),
                Some(_) => {}
            }
            found.insert(&tensor.name, shard);
        }
        let readable: Vec<String> = self.shards.iter().map(|(path, _)| name_of(path)).collect();
        for (name, shard) in &index.weight_map {
            if readable.contains(shard) && !found.contains_key(name.as_str()) {
                wrong
                    .entry(("the file does not hold", shard.clone()))
                    .or_default()
                    .push(name);
            }
        }
        let problems = wrong.into_iter().map(|((what, shard), names)| {
            let shown: Vec<String> = names
                .iter()
                .take(SHOWN)
                .map(|name| format!("`{}`", shorten(name)))
                .collect();
            CheckpointError::Index {
                file: file.to_path_buf(),
                reason: format!(
                    "{shard}: {what} {} tensor(s): {}{}",
                    names.len(),
                    shown.join(", "),
                    if names.len() > SHOWN { ", …" } else { "" }
                ),
            }
        });
        let problems: Vec<CheckpointError> = problems.collect();
        self.problems.extend(problems);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::safetensors;
    use super::*;

    #[test]
    fn every_problem_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let told = || {
            let found = survey(folder.path());
            let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
            (found.tensors.len(), problems)
        };
        assert!(told().1[0].contains("has no model.safetensors"));
        write(
            INDEX,
            br#"{"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors","d":"3.safetensors"}}"#,
        );
        write(
            "1.safetensors",
            &safetensors(&[
                ("a", "F32", &[1], &[0; 4]),
                ("c", "F32", &[1], &[0; 4]),
                ("x", "U8", &[1], &[0]),
            ]),
        );
        write("2.safetensors", b"short");
        let (tensors, problems) = told();
        assert_eq!((tensors, problems.len()), (3, 5), "{problems:?}");
        let all = problems.join("\n");
        for words in [
            "2.safetensors is not a valid safetensors file",
            "cannot read ",
            "1.safetensors: `weight_map` does not list 1 tensor(s): `x`",
            "1.safetensors: `weight_map` places elsewhere 1 tensor(s): `c`",
            "1.safetensors: the file does not hold 1 tensor(s): `b`",
        ] {
            assert!(all.contains(words), "{words}\n{all}");
        }
    }
}
