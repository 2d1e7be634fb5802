//! What stays, as several commands let the user say it: by a method on statistics, by a ranking, or by a mask.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::hub;
use secateur_model::model::moe_layers;
use secateur_pruning::import::{Imported, import};
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::ranking::{Ranking, rank};
use secateur_pruning::shape::LayerShape;
use secateur_pruning::statistics::Statistics;

use crate::sweep::definition::variant;
use crate::sweep::subject::inspected;
use crate::talk;

/// A ranking from statistics.
#[derive(Debug, Args)]
pub struct Scoring {
    /// `method` or `method@profile`: reap, reap@paper, frequency, …
    #[arg(long, value_name = "METHOD[@PROFILE]")]
    pub method: Option<String>,
    /// Statistics that `secateur calibrate` wrote; once for each domain, if there are several.
    #[arg(long, value_name = "FILE")]
    pub statistics: Vec<PathBuf>,
    /// Seed of the random method.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl Scoring {
    /// The statistics, read and checked.
    pub fn load(&self) -> anyhow::Result<Vec<Statistics>> {
        let load = |path: &PathBuf| {
            let found = Statistics::load(path)?;
            talk::detail(|| format!("{}: statistics of {} tokens", path.display(), found.provenance.tokens));
            Ok(found)
        };
        self.statistics.iter().map(load).collect()
    }

    /// Ranks the experts of a model with these layers by `statistics`, which must be of the model with this content hash, if one
    /// is given.
    pub fn ranking(
        &self,
        statistics: &[Statistics],
        shapes: &[LayerShape],
        hash: Option<&str>,
    ) -> anyhow::Result<Ranking> {
        let Some(method) = &self.method else {
            bail!("say by which method to rank: --method reap, for example");
        };
        let variant = variant(method)?;
        ensure!(
            variant.method.needs(variant.profile).is_empty() || !statistics.is_empty(),
            "method `{}` ranks by statistics: name the file that `secateur calibrate` wrote with --statistics FILE",
            variant.method.name()
        );
        if let Some(hash) = hash {
            for found in statistics {
                found.check_model(hash, shapes)?;
            }
        }
        let domains: Vec<&Statistics> = statistics.iter().collect();
        Ok(rank(variant.method, variant.profile, self.seed, shapes, &domains)?)
    }
}

/// A mask or ranking file; a ranking needs a ratio, a mask has its own.
pub fn imported_from(file: &Path, ratio: Option<f64>, shapes: &[LayerShape]) -> anyhow::Result<Imported> {
    match (import(file, shapes)?, ratio) {
        (Imported::Mask(_), Some(_)) => bail!(
            "{} is a mask, which says by itself what stays: leave --ratio out",
            file.display()
        ),
        (Imported::Ranking(_), None) => bail!(
            "{} is a ranking: say with --ratio which share of each layer's experts to remove",
            file.display()
        ),
        (found, _) => Ok(found),
    }
}

/// The plan that a mask or ranking file gives.
pub fn plan_from(file: &Path, ratio: Option<f64>, shapes: &[LayerShape]) -> anyhow::Result<Plan> {
    match (imported_from(file, ratio, shapes)?, ratio) {
        (Imported::Mask(plan), _) => Ok(plan),
        (Imported::Ranking(ranking), ratio) => {
            let ratio = ratio.unwrap_or_default();
            Ok(Plan::new(&ranking, shapes, ratio, &Protected::new())?)
        }
    }
}

/// An opened checkpoint with its expert layers; nothing of its weights has been read.
pub struct Opened {
    /// Files and config.
    pub checkpoint: Checkpoint,
    /// Expert layers in decoder order.
    pub shapes: Vec<LayerShape>,
}

impl Opened {
    /// Opens a directory, or a hub id.
    pub fn open(model: &str) -> anyhow::Result<Self> {
        let directory = hub::resolve(model, &talk::hub()).with_context(|| format!("model `{model}`"))?;
        talk::detail(|| format!("model `{model}`: {}", directory.display()));
        let checkpoint = Checkpoint::open(&directory)?;
        let (_, spec, _) = inspected(&checkpoint)?;
        let shapes: Vec<LayerShape> = moe_layers(&spec).iter().map(LayerShape::from).collect();
        ensure!(
            !shapes.is_empty(),
            "model `{model}` has no layers with experts: there is nothing to prune"
        );
        Ok(Self { checkpoint, shapes })
    }
}
