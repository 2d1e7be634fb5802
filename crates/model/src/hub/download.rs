//! Fetching the files of one commit into the cache. Interrupted transfers go on where they stopped; size and SHA-256 are checked.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::progress::TransferProgress;
use super::{HubError, HubId, HubSettings, shards_of};
use crate::checkpoint;

/// Attempts after the first that a transfer may take, at growing distances.
const RETRIES: u32 = 4;
/// Longest list of files that is read from the hub.
const INFO_LIMIT: u64 = 64 << 20;
/// Besides the weights.
const SMALL_FILES: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// What the hub says about a repository.
#[derive(Debug, Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Downloads what is missing of a model; gives its snapshot directory.
pub(super) fn download(id: &HubId, settings: &HubSettings) -> Result<PathBuf, HubError> {
    let session = Session { id, settings };
    let api = session.api()?;
    let branch = || Repo::with_revision(id.name.clone(), RepoType::Model, id.revision.clone());
    let info = session.info(&api.repo(branch()))?;
    let commit = api.repo(Repo::with_revision(id.name.clone(), RepoType::Model, info.sha.clone()));
    let snapshot = id.folder(&settings.cache).join("snapshots").join(&info.sha);

    let listed = |name: &str| info.siblings.iter().find(|sibling| sibling.rfilename == name);
    for needed in ["config.json", "tokenizer.json"] {
        listed(needed).ok_or_else(|| session.unusable(format!("the repository has no {needed}")))?;
    }
    for name in SMALL_FILES {
        if let Some(sibling) = listed(name) {
            session.fetch(&commit, sibling, &snapshot)?;
        }
    }
    if let Some(sibling) = listed("model.safetensors") {
        session.fetch(&commit, sibling, &snapshot)?;
    } else if let Some(sibling) = listed(checkpoint::INDEX) {
        session.fetch(&commit, sibling, &snapshot)?;
        for shard in shards_of(&snapshot)? {
            let sibling = listed(&shard).ok_or_else(|| {
                session.unusable(format!("its index names {shard}, which the repository does not have"))
            })?;
            session.fetch(&commit, sibling, &snapshot)?;
        }
    } else {
        return Err(session.unusable(
            "the repository has no model.safetensors and no index of shards (other formats are not read)".into(),
        ));
    }
    // So that the branch leads here next time, without the network.
    let cache = Cache::new(settings.cache.clone());
    cache
        .repo(branch())
        .create_ref(&info.sha)
        .map_err(|source| HubError::Cache {
            path: settings.cache.clone(),
            source,
        })?;
    Ok(snapshot)
}

struct Session<'a> {
    id: &'a HubId,
    settings: &'a HubSettings,
}

impl Session<'_> {
    fn api(&self) -> Result<Api, HubError> {
        let builder = ApiBuilder::from_cache(Cache::new(self.settings.cache.clone()))
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(self.settings.token.as_ref().map(|token| token.0.clone()))
            .with_retries(0)
            .with_progress(false);
        self.guarded("", || builder.build())
    }

    fn info(&self, repository: &ApiRepo) -> Result<Info, HubError> {
        let text = self.guarded("", || {
            let response = repository
                .info_request()
                .query("blobs", "true")
                .call()
                .map_err(Box::new)?;
            let mut text = String::new();
            response.into_reader().take(INFO_LIMIT).read_to_string(&mut text)?;
            Ok(text)
        })?;
        let info: Info = serde_json::from_str(&text)
            .map_err(|error| self.unusable(format!("its list of files does not parse ({error})")))?;
        // It becomes the name of a directory.
        if info.sha.len() < 7 || info.sha.len() > 64 || !info.sha.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(self.unusable("its commit is no hexadecimal number".into()));
        }
        Ok(info)
    }

    /// Downloads one file unless the snapshot has it.
    fn fetch(&self, repository: &ApiRepo, sibling: &Sibling, snapshot: &Path) -> Result<(), HubError> {
        let name = &sibling.rfilename;
        let target = snapshot.join(name);
        if target.is_file() {
            return Ok(());
        }
        let path = self.transfer(repository, sibling)?;
        if path != target {
            let reason = "the hub gave another commit than it announced".into();
            return Err(HubError::Damaged {
                model: self.id.name.clone(),
                file: name.clone(),
                reason,
            });
        }
        if let Some(reason) = difference(&target, sibling).map_err(|source| HubError::Cache {
            path: target.clone(),
            source,
        })? {
            if let Ok(blob) = fs::canonicalize(&target) {
                let _ = fs::remove_file(blob);
            }
            let _ = fs::remove_file(&target);
            return Err(HubError::Damaged {
                model: self.id.name.clone(),
                file: name.clone(),
                reason,
            });
        }
        Ok(())
    }

    /// Transfers a file, going on where the last attempt stopped. The library's own retries are not used: they append the file from
    /// its beginning to the part that is there.
    fn transfer(&self, repository: &ApiRepo, sibling: &Sibling) -> Result<PathBuf, HubError> {
        let name = &sibling.rfilename;
        let mut attempts = 0;
        loop {
            let result = self.guarded(name, || {
                repository.download_with_progress(name, TransferProgress::new(self.settings.quiet))
            });
            match result {
                // A part that is complete already cannot be continued.
                Err(HubError::Refused { status: 416, .. }) if self.remove_part(sibling) => {}
                Err(HubError::Unreachable { .. } | HubError::Refused { status: 500.., .. }) if attempts < RETRIES => {
                    std::thread::sleep(Duration::from_millis(500 << attempts));
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    /// Removes what an earlier attempt left of a file that the hub identifies by its SHA-256; whether there was something.
    fn remove_part(&self, sibling: &Sibling) -> bool {
        let Some(hash) = sibling.lfs.as_ref().and_then(|lfs| lfs.sha256.as_ref()) else {
            return false;
        };
        let plain = hash.chars().all(|c| c.is_ascii_hexdigit());
        let part = self
            .id
            .folder(&self.settings.cache)
            .join("blobs")
            .join(format!("{hash}.part"));
        plain && fs::remove_file(part).is_ok()
    }

    fn unusable(&self, reason: String) -> HubError {
        HubError::Unusable {
            model: self.id.name.clone(),
            endpoint: self.settings.endpoint.clone(),
            reason,
        }
    }

    /// Runs a call of the hub library, which panics on some answers of a broken server.
    fn guarded<T>(&self, file: &str, call: impl FnOnce() -> Result<T, ApiError>) -> Result<T, HubError> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.explain(file, &error)),
            Err(_) => Err(self.unusable(format!("the answer for {file} breaks the protocol"))),
        }
    }

    fn explain(&self, file: &str, error: &ApiError) -> HubError {
        let (model, endpoint, cache) = (
            self.id.name.clone(),
            self.settings.endpoint.clone(),
            self.settings.cache.clone(),
        );
        match error {
            ApiError::TooManyRetries(inner) => self.explain(file, inner),
            ApiError::RequestError(request) => match request.as_ref() {
                ureq::Error::Status(status, _) => {
                    let file = if file.is_empty() {
                        String::new()
                    } else {
                        format!("/{file}")
                    };
                    HubError::Refused {
                        model,
                        file,
                        endpoint,
                        status: *status,
                        hint: hint(*status),
                    }
                }
                ureq::Error::Transport(transport) => HubError::Unreachable {
                    model,
                    endpoint,
                    cache,
                    reason: transport.to_string(),
                },
            },
            ApiError::IoError(source) if of_network(source.kind()) => HubError::Unreachable {
                model,
                endpoint,
                cache,
                reason: format!("the transfer of {file} broke off ({source}); run again to go on"),
            },
            ApiError::IoError(source) => HubError::Cache {
                path: cache,
                source: io::Error::new(source.kind(), source.to_string()),
            },
            other => self.unusable(format!("the answer for {file} breaks the protocol ({other})")),
        }
    }
}

fn of_network(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    let broken = [
        Kind::ConnectionReset,
        Kind::ConnectionAborted,
        Kind::ConnectionRefused,
        Kind::NotConnected,
        Kind::TimedOut,
        Kind::WouldBlock,
        Kind::UnexpectedEof,
        Kind::BrokenPipe,
    ];
    broken.contains(&kind)
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => "the model does not exist, or it is private or gated and HF_TOKEN is missing or not valid",
        403 => "the token has no access: accept the model's licence on the hub, or use another HF_TOKEN",
        404 => "the model, the revision or the file does not exist",
        429 => "too many requests: wait, or set HF_TOKEN",
        500.. => "the hub has a problem: try again later",
        _ => "the hub does not serve it",
    }
}

/// How the file differs from what the hub announced.
fn difference(file: &Path, announced: &Sibling) -> io::Result<Option<String>> {
    let lfs = announced.lfs.as_ref();
    let found = fs::metadata(file)?.len();
    if let Some(size) = lfs.and_then(|lfs| lfs.size).or(announced.size)
        && size != found
    {
        return Ok(Some(format!("{found} bytes arrived, {size} were announced")));
    }
    let Some(expected) = lfs.and_then(|lfs| lfs.sha256.as_ref()) else {
        return Ok(None);
    };
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hasher)?;
    let found = checkpoint::digits(&hasher.finalize());
    Ok((found != expected.to_ascii_lowercase()).then(|| format!("its SHA-256 is {found}, {expected} was announced")))
}
