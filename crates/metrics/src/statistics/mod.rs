//! How sure a number is, and whether two of them differ.

pub mod clusters;

pub mod bootstrap;

pub mod resampling;

pub mod proportion;

pub mod mcnemar;

pub mod wilcoxon;

pub mod power;

pub mod seeds;

pub mod noninferiority;

pub mod fixed_sequence;

pub mod randomisation;

pub mod multiple;

pub use bootstrap::{
    Bootstrap, Estimate, PairedEstimate, bootstrap, bootstrap_mean, bootstrap_over, paired_bootstrap,
    paired_bootstrap_statistic,
};
pub use clusters::Clusters;
pub use mcnemar::{McNemar, mcnemar, mcnemar_exact, mcnemar_mid_p};
pub use multiple::{benjamini_hochberg, holm};
pub use proportion::{wilson, wilson_clustered};
pub use randomisation::paired_randomisation;
pub use resampling::{Resampled, resample_flips, resample_mean, resample_statistic};
pub use wilcoxon::{Wilcoxon, wilcoxon};

use crate::error::{MetricError, Result};

/// Confidence of the intervals in records.
pub const CONFIDENCE: f64 = 0.95;

/// Refuses a confidence outside (0, 1).
pub(crate) fn check_confidence(metric: &'static str, confidence: f64) -> Result<()> {
    if confidence > 0.0 && confidence < 1.0 {
        Ok(())
    } else {
        Err(MetricError::Option {
            metric,
            option: "confidence",
            found: confidence.to_string(),
            expected: "a fraction strictly between 0 and 1",
        })
    }
}
