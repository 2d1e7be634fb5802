//! A sweep with everything opened and checked that it names, before any weight is loaded.

use std::path::PathBuf;

use secateur_datasets::corpora::CorpusSpec;
use secateur_datasets::error::DatasetError;
use secateur_datasets::toml_place::Spot;
use secateur_model::{Device, DeviceKind};
use secateur_results::location::Location;
use secateur_results::safe::SafeSection;
use secateur_results::store::{Store, SweepIdentity};
use serde_json::json;

use super::cell::{Question, Setting};
use super::definition::{ModelEntry, Sweep};
use super::grid::{self, RankingCell};
use super::plan::{PlannedCell, plan};
use super::pruned::Pruned;
use super::refused::Refused;
use super::safe;
use super::scorers::Scorers;
use super::served::{self, seen};
use super::subject::Subject;
use super::tasks::{self, LoadedTask};
use crate::talk;

/// Folder of the judges' kept replies, beside the sweeps' folders: sweeps that ask the same share them.
const JUDGED: &str = ".judge-replies";

/// What decides, besides its file, which sweep it is and where its results lie.
#[derive(Debug, Clone)]
pub struct Place {
    /// Folder that holds the sweep's folder, or its address in an object store.
    pub results: PathBuf,
    /// Instead of the sweep file's device.
    pub device: Option<DeviceKind>,
    /// At most so many items per task, for a quick look.
    pub limit: Option<usize>,
    /// Leave unusable records of every task out. Not part of the sweep's identity: what is asked is part of each cell's key.
    pub skip_bad_items: bool,
}

/// An opened sweep.
pub struct Opened<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// What is here to run on.
    pub device: Device,
    /// What it runs on.
    pub kind: DeviceKind,
    /// Its models.
    pub subjects: Vec<Subject>,
    /// Its tasks.
    pub tasks: Vec<LoadedTask>,
    /// What counts as safe.
    pub safe: SafeSection,
    /// What it ranks by.
    pub rankings: Vec<RankingCell>,
    /// Its cells.
    pub plan: Vec<PlannedCell>,
    place: Place,
}

impl<'a> Opened<'a> {
    /// Opens a sweep in order to run it.
    ///
    /// # Errors
    /// If anything is missing, malformed or does not fit together.
    pub fn to_run(sweep: &'a Sweep, place: &Place) -> anyhow::Result<(Self, Scorers)> {
        let kind = place.device.unwrap_or(sweep.device);
        let (mut opened, scorers) = Self::on(sweep, place, kind, Device::open(kind, sweep.precision)?)?;
        let place = opened.directory();
        seen::meet(&mut opened.subjects, &place)?;
        Ok((opened, scorers))
    }

    /// Opens a sweep in order to look at it, also where its device is not, and where its servers are not running.
    ///
    /// # Errors
    /// As [`Opened::to_run`].
    pub fn to_look_at(sweep: &'a Sweep, place: &Place) -> anyhow::Result<Self> {
        let kind = place.device.unwrap_or(sweep.device);
        let device = Device::open(kind, sweep.precision).or_else(|_| Device::open(DeviceKind::Cpu, sweep.precision))?;
        let mut opened = Self::on(sweep, place, kind, device)?.0;
        let place = opened.directory();
        seen::recall(&mut opened.subjects, &place)?;
        Ok(opened)
    }

    fn on(sweep: &'a Sweep, place: &Place, kind: DeviceKind, device: Device) -> anyhow::Result<(Self, Scorers)> {
        Self::checked(sweep, place, kind, device).map_err(|error| sweep.placed(error))
    }

    fn checked(sweep: &'a Sweep, place: &Place, kind: DeviceKind, device: Device) -> anyhow::Result<(Self, Scorers)> {
        let open = |entry: &ModelEntry| {
            let spot = || Spot::key("models").entry(&entry.name).then("path");
            Subject::open(entry).map_err(|error| Refused::because_of(spot(), error))
        };
        let mut subjects = sweep.models.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        grid::check(sweep, &subjects)?;
        served::check(&subjects)?;
        // What an export is compared with comes before it.
        subjects.sort_by_key(|subject| subject.export().is_some());
        let replies = Location::directory(&place.results)?.join(JUDGED);
        let mut tasks = tasks::load(sweep, place.limit, place.skip_bad_items)?;
        let scorers = Scorers::open(sweep, &device, &tasks, &replies)?;
        scorers.attach(&mut tasks);
        let safe = safe::section(sweep, &tasks, &scorers)?;
        for corpus in &sweep.corpora {
            let loaded = corpus.load(sweep.base(), sweep.seeds[0]);
            let data = loaded.map_err(|error| of_corpus(corpus, error))?;
            talk::detail(|| {
                let (name, file, samples) = (&corpus.name, corpus.file.display(), data.samples.len());
                format!("corpus `{name}`: {samples} samples drawn from {file}")
            });
        }
        let rankings = grid::rankings(sweep);
        let opened = Self {
            plan: plan(sweep, &subjects, &tasks, &rankings),
            sweep,
            device,
            kind,
            subjects,
            tasks,
            safe,
            rankings,
            place: place.clone(),
        };
        Ok((opened, scorers))
    }

    /// The sweep's results directory, or its address.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.place.results.join(&self.sweep.name)
    }

    /// The store in it, made if need be.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.directory(), &self.identity())?)
    }

    /// The store in it, if the sweep has been started; nothing is written.
    ///
    /// # Errors
    /// As [`Store::open_if_started`].
    pub fn store_if_started(&self) -> anyhow::Result<Option<Store>> {
        Ok(Store::open_if_started(&self.directory(), &self.identity())?)
    }

    fn identity(&self) -> SweepIdentity {
        let (definition, limit) = (&self.sweep.definition, self.place.limit);
        let definition = json!({ "sweep": definition, "limit": limit, "device": self.kind }).to_string();
        SweepIdentity::new(&self.sweep.name, &definition)
    }

    /// A question to a model, as one of its masks.
    #[must_use]
    pub fn question<'b>(&'b self, subject: usize, task: usize, pruned: &'b Pruned) -> Question<'b> {
        Question {
            subject: &self.subjects[subject],
            unpruned: &self.subjects[self.unpruned(subject)],
            task: &self.tasks[task],
            pruned,
        }
    }

    /// Index of the model that a model's pruned cells are compared with: its own, unless it is an export that is served.
    #[must_use]
    pub fn unpruned(&self, subject: usize) -> usize {
        let name = self.subjects[subject].reported_as();
        let found = self.subjects.iter().position(|other| other.name == name);
        found.unwrap_or(subject)
    }

    /// What all cells share.
    #[must_use]
    pub fn setting<'b>(&'b self, store: &'b Store) -> Setting<'b> {
        Setting {
            sweep: self.sweep,
            store,
            device: &self.device,
            kind: self.kind,
        }
    }
}

/// The error, with what the sweep file says of the corpus where that is to blame; what is wrong in its file says where by itself.
fn of_corpus(corpus: &CorpusSpec, error: DatasetError) -> anyhow::Error {
    let spot = Spot::key("corpora").entry(&corpus.name);
    match &error {
        // `samples of corpus bio`
        DatasetError::Setting { setting, .. } => {
            let key = setting.split(' ').next().unwrap_or_default();
            Refused::because_of(spot.then(key), error)
        }
        DatasetError::MissingFile { .. } | DatasetError::Unreadable { .. } | DatasetError::EmptyCorpus { .. } => {
            Refused::because_of(spot.then("file"), error)
        }
        DatasetError::SmallCorpus { .. } => Refused::because_of(spot.then("samples"), error),
        DatasetError::Checksum { .. } => Refused::because_of(spot.then("sha256"), error),
        _ => error.into(),
    }
}
