//! What can be done here: devices, memory, room on disks, caches, and the models and judges that a sweep file names.

mod devices;
mod folders;
mod judges;

pub mod print;

use std::path::{Path, PathBuf};

use secateur_model::hub::{self, HubError, HubSettings};
use secateur_model::layerwise::{Limits, memory_limits};
use serde::Serialize;

use crate::sweep::Sweep;
use crate::sweep::environment;

pub use devices::{FoundDevice, devices};
pub use folders::Folder;
pub use judges::FoundJudge;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Devices that a build can know.
    pub devices: Vec<FoundDevice>,
    /// Threads that can run at the same time.
    pub threads: Option<usize>,
    /// Bytes of memory; absent where the system does not say.
    pub memory_bytes: Option<u64>,
    /// Those that are free, or can be made so.
    pub memory_available_bytes: Option<u64>,
    /// What a process may have of it.
    pub memory_limits: Limits,
    /// Folders that are read and written.
    pub folders: Vec<Folder>,
    /// Models that are in the hub's cache.
    pub cached_models: usize,
    /// Whether there is an access token for the hub.
    pub hub_token: bool,
    /// Whether the hub is never asked.
    pub hub_offline: bool,
    /// Models of the sweep file.
    pub models: Vec<FoundModel>,
    /// Judges of the sweep file.
    pub judges: Vec<FoundJudge>,
    /// What has to be mended before a sweep can run.
    pub problems: Vec<String>,
}

/// A model of a sweep file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundModel {
    /// How reports call it.
    pub name: String,
    /// Directory, or id on the hub.
    pub path: String,
    /// Whether it is here.
    pub here: bool,
}

/// Where to look.
pub struct Places<'a> {
    /// Folder of results.
    pub results: &'a Path,
    /// Folder of data sets.
    pub data: &'a Path,
    /// A sweep file with models and judges.
    pub sweep: Option<&'a Sweep>,
}

impl Machine {
    /// Looks around. Judges are connected to, and asked nothing.
    #[must_use]
    pub fn examine(places: &Places<'_>) -> Self {
        let hub = HubSettings::from_env();
        let folders: Vec<Folder> = [
            ("results", places.results, true),
            ("data sets", places.data, false),
            ("hub cache", hub.cache.as_path(), false),
        ]
        .map(|(what, path, written)| Folder::look(what, path, written))
        .into();
        let models: Vec<FoundModel> = places.sweep.map_or_else(Vec::new, |sweep| models(sweep, &hub));
        let judges: Vec<FoundJudge> = places
            .sweep
            .map_or_else(Vec::new, |sweep| sweep.judges.iter().map(FoundJudge::ask).collect());
        let absent = models.iter().filter(|model| !model.here && hub.offline).map(|model| {
            format!(
                "model `{}`: {} is not here, and HF_HUB_OFFLINE is set",
                model.name, model.path
            )
        });
        let problems = folders
            .iter()
            .filter_map(|folder| folder.problem.clone())
            .chain(absent)
            .chain(judges.iter().filter_map(|judge| judge.problem.clone()))
            .collect();
        Self {
            devices: devices(),
            threads: std::thread::available_parallelism().ok().map(std::num::NonZero::get),
            memory_bytes: environment::memory_bytes("MemTotal"),
            memory_available_bytes: environment::memory_bytes("MemAvailable"),
            memory_limits: memory_limits(),
            folders,
            cached_models: cached(&hub.cache),
            hub_token: hub.token.is_some(),
            hub_offline: hub.offline,
            models,
            judges,
            problems,
        }
    }
}

/// A model that is not complete here would be downloaded by the sweep; looking downloads nothing.
fn models(sweep: &Sweep, hub: &HubSettings) -> Vec<FoundModel> {
    let offline = HubSettings {
        offline: true,
        ..hub.clone()
    };
    let look = |entry: &crate::sweep::definition::ModelEntry| FoundModel {
        name: entry.name.clone(),
        path: entry.path.clone(),
        here: !matches!(
            hub::resolve(&entry.path, &offline),
            Err(HubError::NotCached { .. } | HubError::NoModel { .. })
        ),
    };
    sweep.models.iter().map(look).collect()
}

/// Folders of models in the cache.
fn cached(cache: &Path) -> usize {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let names = entries.map(|entry| PathBuf::from(entry.file_name()));
    names
        .filter(|name| name.to_string_lossy().starts_with("models--"))
        .count()
}
