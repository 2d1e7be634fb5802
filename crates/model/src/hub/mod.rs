//! Models by hub id: from Hugging Face's cache if they are there, downloaded into it otherwise.
//!
//! The cache has the layout that other tools share (`models--ORG--NAME/{blobs,refs,snapshots}`), so nothing is downloaded twice. Only
//! config, tokenizer, chat template and safetensors files are fetched. What is cached and complete is used without asking the hub for
//! a newer version.

mod download;
mod progress;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, CheckpointError, files};
pub use settings::HubSettings;

/// Why a model argument leads to no directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Neither a directory nor a hub id.
    #[error(
        "`{argument}` is neither an existing directory nor a hub id (expected `organisation/name`, or `organisation/name@revision`)"
    )]
    NoModel {
        /// As given.
        argument: String,
    },
    /// Offline, and not in the cache.
    #[error(
        "{model} is not complete in the cache {cache} and HF_HUB_OFFLINE is set: {missing}; unset it, or name a local directory"
    )]
    NotCached {
        /// Hub id.
        model: String,
        /// Cache directory.
        cache: PathBuf,
        /// What is missing.
        missing: String,
    },
    /// The hub cannot be reached.
    #[error(
        "cannot reach {endpoint} for {model}, which is not complete in the cache {cache}: {reason}; check the network, or name a local directory"
    )]
    Unreachable {
        /// Hub id.
        model: String,
        /// Address of the hub.
        endpoint: String,
        /// Cache directory.
        cache: PathBuf,
        /// The transport's message.
        reason: String,
    },
    /// The hub refuses.
    #[error("{endpoint} answered {status} for {model}{file}: {hint}")]
    Refused {
        /// Hub id.
        model: String,
        /// `/file` or empty.
        file: String,
        /// Address of the hub.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// What it usually means.
        hint: &'static str,
    },
    /// The repository lacks what a model needs.
    #[error("{model} at {endpoint} cannot be used: {reason}")]
    Unusable {
        /// Hub id.
        model: String,
        /// Address of the hub.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// A file did not arrive as announced.
    #[error(
        "{file} of {model} was not downloaded as announced ({reason}); what arrived was deleted, run again to fetch it anew"
    )]
    Damaged {
        /// Hub id.
        model: String,
        /// File.
        file: String,
        /// Expected and found.
        reason: String,
    },
    /// The cache cannot be written or read.
    #[error("cannot use {path}: {source}")]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A cached file is malformed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A hub id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// `organisation/name`.
    pub name: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl HubId {
    /// Parses `organisation/name` or `organisation/name@revision`; `None` for everything else.
    #[must_use]
    pub fn parse(argument: &str) -> Option<Self> {
        let (name, revision) = argument.split_once('@').unwrap_or((argument, "main"));
        let (organisation, model) = name.split_once('/')?;
        let plain = |part: &str| {
            let edges = part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
            let inside = part.contains("--") || part.contains("..");
            let characters = part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            !part.is_empty() && part.len() <= 96 && characters && !edges && !inside
        };
        let valid = plain(organisation) && plain(model) && plain(revision);
        valid.then(|| Self {
            name: name.into(),
            revision: revision.into(),
        })
    }

    /// Directory of the model in the cache.
    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("models--{}", self.name.replace('/', "--")))
    }

    /// Directory of this revision's files in the cache, if the cache knows the revision.
    fn snapshot(&self, cache: &Path) -> Option<PathBuf> {
        let folder = self.folder(cache);
        let commit = match fs::read_to_string(folder.join("refs").join(&self.revision)) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => self.revision.clone(),
        };
        let plain = !commit.is_empty() && commit.chars().all(|c| c.is_ascii_alphanumeric());
        let snapshot = folder.join("snapshots").join(commit);
        (plain && snapshot.is_dir()).then_some(snapshot)
    }
}

/// The directory of a model argument: the argument itself if it is a directory, else the cached or downloaded snapshot of a hub id.
///
/// # Errors
///
/// [`HubError`], saying whether the argument, the network, the permission or the repository is the problem.
pub fn resolve(argument: &str, settings: &HubSettings) -> Result<PathBuf, HubError> {
    let path = Path::new(argument);
    if path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let Some(id) = HubId::parse(argument).filter(|_| !path.exists()) else {
        return Err(HubError::NoModel {
            argument: argument.into(),
        });
    };
    let missing = match id.snapshot(&settings.cache) {
        Some(snapshot) => match missing_in(&snapshot)? {
            None => return Ok(snapshot),
            Some(file) => format!("it lacks {file}"),
        },
        None => "it has no such model or revision".into(),
    };
    if settings.offline {
        return Err(HubError::NotCached {
            model: id.name,
            cache: settings.cache.clone(),
            missing,
        });
    }
    download::download(&id, settings)
}

/// Name of a file that a snapshot needs and does not have.
fn missing_in(snapshot: &Path) -> Result<Option<String>, HubError> {
    // A dangling link is what an interrupted download leaves.
    let missing = |name: &str| !snapshot.join(name).is_file();
    if let Some(name) = ["config.json", "tokenizer.json"].into_iter().find(|name| missing(name)) {
        return Ok(Some(name.into()));
    }
    if !missing("model.safetensors") {
        return Ok(None);
    }
    if missing(checkpoint::INDEX) {
        return Ok(Some("model.safetensors".into()));
    }
    Ok(shards_of(snapshot)?.into_iter().find(|name| missing(name)))
}

/// Shards that the index of a snapshot names.
fn shards_of(snapshot: &Path) -> Result<Vec<String>, HubError> {
    let text = files::read_text(snapshot, checkpoint::INDEX, files::INDEX_LIMIT)?.unwrap_or_default();
    Ok(checkpoint::shard_names(&snapshot.join(checkpoint::INDEX), &text)?)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
