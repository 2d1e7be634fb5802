//! All files of a set: what is there stays, what may be fetched is fetched, the rest is explained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secateur_datasets::data_cards::{Access, CardFile, DataCard};
use url::Url;

use crate::Watcher;
use crate::archive::{Kind, Member, unpack};
use crate::download::{Wanted, download};
use crate::error::FetchError;
use crate::settings::{HUB, Settings};
use crate::state::{State, folder, look, place};

/// What became of one file.
#[derive(Debug)]
pub enum Outcome {
    /// It was there.
    Present,
    /// It is there now; `verified` where the card has a checksum.
    Fetched {
        /// Size in bytes.
        bytes: u64,
        /// SHA-256, hexadecimal.
        sha256: String,
        /// Held against the card's checksum.
        verified: bool,
    },
    /// It has to be had by hand; why.
    ByHand(String),
    /// It was there, or was tried, and something is wrong.
    Failed(FetchError),
}

/// Brings the files of `card` below `root`. With `force`, files that are there are fetched again.
///
/// Every file has an outcome, in the card's order: one that fails does not keep the others away.
pub fn fetch(
    card: &DataCard,
    root: &Path,
    settings: &Settings,
    force: bool,
    watcher: &mut dyn Watcher,
) -> Vec<(String, Outcome)> {
    let mut job = Job {
        card,
        root,
        settings,
        force,
        watcher,
        archives: BTreeMap::new(),
    };
    let outcomes = card
        .file
        .iter()
        .map(|file| (file.name.clone(), job.file(file)))
        .collect();
    for path in job.archives.into_values() {
        let _ = std::fs::remove_file(path);
    }
    outcomes
}

struct Job<'a> {
    card: &'a DataCard,
    root: &'a Path,
    settings: &'a Settings,
    force: bool,
    watcher: &'a mut dyn Watcher,
    /// Archives fetched for this set, by address; removed at the end.
    archives: BTreeMap<String, PathBuf>,
}

impl Job<'_> {
    fn file(&mut self, file: &CardFile) -> Outcome {
        match self.try_file(file) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        }
    }

    fn try_file(&mut self, file: &CardFile) -> Result<Outcome, FetchError> {
        let target = place(self.root, self.card, file)?;
        let state = look(self.root, self.card, file)?;
        if state.is_usable() && !self.force {
            return Ok(Outcome::Present);
        }
        if let Some(obstacle) = obstacle(self.card, file, self.settings) {
            return Ok(Outcome::ByHand(match state {
                State::Missing | State::Partial { .. } => obstacle,
                _ if state.is_usable() => return Ok(Outcome::Present),
                _ => format!("{} has the {}; {obstacle}", target.display(), state.words()),
            }));
        }
        let sha256 = Some(file.sha256.as_str()).filter(|sha256| !sha256.is_empty());
        let received = if file.member.is_empty() {
            let wanted = Wanted {
                name: &file.name,
                url: &file.url,
                target: &target,
                bytes: file.bytes,
                sha256,
            };
            download(self.settings, wanted, self.watcher)?
        } else {
            let (archive, kind) = self.archive(file)?;
            let member = Member {
                path: &file.member,
                target: &target,
                bytes: file.bytes,
                sha256,
            };
            unpack(&archive, kind, member)?
        };
        Ok(Outcome::Fetched {
            bytes: received.bytes,
            sha256: received.sha256,
            verified: sha256.is_some(),
        })
    }

    /// The archive that holds `file`, fetched once for all its members.
    fn archive(&mut self, file: &CardFile) -> Result<(PathBuf, Kind), FetchError> {
        let kind = Kind::of(&file.url).ok_or_else(|| FetchError::Address {
            url: file.url.clone(),
            reason: "its `member` is asked for, but the name does not end in .zip, .tar, .tar.gz, .tgz or .gz".into(),
        })?;
        if let Some(path) = self.archives.get(&file.url) {
            return Ok((path.clone(), kind));
        }
        let target = folder(self.root, self.card).join(format!(".archive-{}", self.archives.len()));
        let name = format!("archive of {}", file.name);
        let wanted = Wanted {
            name: &name,
            url: &file.url,
            target: &target,
            bytes: None,
            sha256: None,
        };
        download(self.settings, wanted, self.watcher)?;
        self.archives.insert(file.url.clone(), target.clone());
        Ok((target, kind))
    }
}

/// Why a file cannot be fetched by a program, with what to do instead.
#[must_use]
pub fn obstacle(card: &DataCard, file: &CardFile, settings: &Settings) -> Option<String> {
    let how = format!("{} ({})", card.how_to_get, card.source);
    let url = settings.mirrored(&file.url);
    let on_hub = Url::parse(&url).is_ok_and(|url| {
        let hub = Url::parse(&settings.endpoint).or_else(|_| Url::parse(HUB));
        hub.is_ok_and(|hub| hub.origin() == url.origin())
    });
    match card.access {
        Access::Registration => Some(format!("its authors ask for a registration or an agreement: {how}")),
        Access::NotRedistributable => Some(format!("nobody may pass it on: {how}")),
        _ if file.url.is_empty() => Some(format!("the card knows no address for it: {how}")),
        Access::Gated if on_hub && settings.token.is_some() => None,
        Access::Gated => Some(format!(
            "it is given to whoever accepts its terms: {how}; then set HF_TOKEN to a token of your account"
        )),
        Access::Open => None,
    }
}
