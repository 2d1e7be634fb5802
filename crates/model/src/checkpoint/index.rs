//! `model.safetensors.index.json`: which shard holds which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::header::shorten;
use super::{CheckpointError, TensorEntry};

/// Tensor → file name of its shard, and the shards in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    /// Tensor → shard.
    pub weight_map: BTreeMap<String, String>,
    /// Distinct shards, ascending.
    pub shards: Vec<String>,
}

/// Parses the index and checks that every shard is a plain file name.
///
/// # Errors
///
/// [`CheckpointError::Json`] and [`CheckpointError::Index`].
pub fn parse(file: &Path, text: &str) -> Result<ShardIndex, CheckpointError> {
    let json_error = |error: serde_json::Error| CheckpointError::Json {
        file: file.to_path_buf(),
        reason: error.to_string(),
    };
    let RawIndex {
        weight_map: UniqueMap(weight_map),
    } = serde_json::from_str(text).map_err(json_error)?;
    let index_error = |reason: String| CheckpointError::Index {
        file: file.to_path_buf(),
        reason,
    };
    if weight_map.is_empty() {
        return Err(index_error(
            "`weight_map` is empty, expected tensor names with their files".into(),
        ));
    }
    for (tensor, shard) in &weight_map {
        if let Some(reason) = refusal(shard) {
            let (tensor, shard) = (shorten(tensor), shorten(shard));
            return Err(index_error(format!(
                "tensor `{tensor}` is said to be in `{shard}`, which {reason}; expected the name of a .safetensors file beside the index"
            )));
        }
    }
    let shards: BTreeSet<&String> = weight_map.values().collect();
    let shards = shards.into_iter().cloned().collect();
    Ok(ShardIndex { weight_map, shards })
}

/// Why a shard name is not a plain file name, or `None` if it is one on every system.
fn refusal(shard: &str) -> Option<&'static str> {
    if shard.is_empty() {
        Some("is empty")
    } else if shard.starts_with("\\\\") || shard.starts_with("//") {
        Some("is a network path")
    } else if shard.starts_with('/') || shard.starts_with('\\') {
        Some("is an absolute path")
    } else if shard.contains(':') {
        Some("names a drive or a stream")
    } else if shard.split(['/', '\\']).any(|part| part == "..") {
        Some("leads out of the directory")
    } else if shard.contains(['/', '\\']) {
        Some("is a path")
    } else if shard.chars().any(char::is_control) {
        Some("has a control character")
    } else if shard.len() > 255 {
        Some("is too long for a file name")
    } else if !shard.ends_with(".safetensors") || shard == ".safetensors" {
        Some("is no safetensors file")
    } else {
        None
    }
}

impl ShardIndex {
    /// Checks that the shards hold exactly the tensors that the index places in them.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Index`] naming the first tensor that is elsewhere or nowhere.
    pub fn check(&self, file: &Path, tensors: &[TensorEntry]) -> Result<(), CheckpointError> {
        let index_error = |reason: String| CheckpointError::Index {
            file: file.to_path_buf(),
            reason,
        };
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        for tensor in tensors {
            let shard = tensor
                .file
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let name = shorten(&tensor.name);
            match self.weight_map.get(&tensor.name) {
                None => {
                    return Err(index_error(format!(
                        "{shard} holds tensor `{name}`, which `weight_map` does not list"
                    )));
                }
                Some(listed) if listed != shard => {
                    return Err(index_error(format!(
                        "{shard} holds tensor `{name}`, which `weight_map` places in {listed}"
                    )));
                }
                Some(_) => found.insert(&tensor.name, shard),
            };
        }
        match self
            .weight_map
            .iter()
            .find(|(name, _)| !found.contains_key(name.as_str()))
        {
            Some((name, shard)) => Err(index_error(format!(
                "`weight_map` places tensor `{}` in {shard}, which does not hold it",
                shorten(name)
            ))),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct RawIndex {
    weight_map: UniqueMap,
}

/// A map of strings in which no key may occur twice.
struct UniqueMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = UniqueMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensor names with their files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if entries.contains_key(&name) {
                map.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format!("tensor `{}` is listed twice", shorten(&name))));
            }
            let shard = map.next_value()?;
            entries.insert(name, shard);
        }
        Ok(UniqueMap(entries))
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
