//! The cells of a sweep, before anything is computed.

use secateur_datasets::toml_place::Spot;
use secateur_pruning::methods;
use secateur_pruning::plan::check_fraction;

use super::definition::{Sweep, Variant};
use super::refused::Refused;
use super::subject::Subject;

/// A way to prune: what yields one ranking.
#[derive(Clone)]
pub struct RankingCell {
    /// Method and profile.
    pub variant: Variant,
    /// Seed of data and of the random method.
    pub seed: u64,
    /// Corpora that the statistics are of; empty for methods that need no data.
    pub calibration: Vec<String>,
}

impl RankingCell {
    /// Corpora joined by `+`.
    #[must_use]
    pub fn calibration_name(&self) -> String {
        self.calibration.join("+")
    }
}

/// The rankings of a sweep. A method that needs no data has one per seed at most: other corpora would repeat it.
#[must_use]
pub fn rankings(sweep: &Sweep) -> Vec<RankingCell> {
    let mut cells = Vec::new();
    for variant in &sweep.methods {
        let needs_data = methods::needs_tokens(variant.method, variant.profile);
        let seeds = if needs_data || variant.method.is_seeded() {
            sweep.seeds.as_slice()
        } else {
            &sweep.seeds[..1]
        };
        for &seed in seeds {
            if needs_data {
                let cell = |calibration: &Vec<String>| RankingCell {
                    variant: *variant,
                    seed,
                    calibration: calibration.clone(),
                };
                cells.extend(sweep.calibrate_on.iter().map(cell));
            } else {
                cells.push(RankingCell {
                    variant: *variant,
                    seed,
                    calibration: Vec::new(),
                });
            }
        }
    }
    cells
}

/// Refuses fractions that leave fewer experts than a token needs, for every model that is pruned here and every method, before anything
/// runs.
///
/// # Errors
/// Names the first layer that refuses, and the largest fraction it allows.
pub fn check(sweep: &Sweep, subjects: &[Subject]) -> anyhow::Result<()> {
    for subject in subjects.iter().filter(|subject| subject.served.is_none()) {
        for variant in &sweep.methods {
            for &ratio in &sweep.ratios {
                check_fraction(&subject.shapes(), variant.method.budget(variant.profile), ratio).map_err(|error| {
                    let spot = Spot::key("ratios").value(&ratio.to_string());
                    let (model, method) = (&subject.name, variant.method.name());
                    Refused::at(spot, format!("model `{model}`, method `{method}`: {error}"))
                })?;
            }
        }
    }
    Ok(())
}
