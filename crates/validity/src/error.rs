//! What stops a measurement.

/// Why scorers could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ValidityError {
    /// A data file is not what it should be.
    #[error(transparent)]
    Dataset(#[from] secateur_datasets::error::DatasetError),
    /// A statistic has no value.
    #[error(transparent)]
    Metric(#[from] secateur_metrics::error::MetricError),
    /// A scorer failed, or did not answer each pair once.
    #[error("scorer {scorer} on {set}: {found}")]
    Scorer {
        /// Its name.
        scorer: String,
        /// The set.
        set: String,
        /// What happened.
        found: String,
    },
    /// No labelled set is where it was looked for.
    #[error(
        "{directory}: no labelled set; expected folders {expected} with the files of their authors (`secateur scorers --help`)"
    )]
    NoSets {
        /// The directory.
        directory: String,
        /// Names of the folders.
        expected: String,
    },
}
