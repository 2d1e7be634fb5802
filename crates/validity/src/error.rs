//! What stops a measurement.

use secateur_datasets::error::{BadItem, DatasetError};

/// Why scorers could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ValidityError {
    /// A data file is not what it should be.
    #[error(transparent)]
    Dataset(DatasetError),
    /// A record that cannot be used. Unlike a task's, it cannot be left out.
    #[error("{set}: {item}; correct the file, or get it again: labelled sets are measured whole")]
    BadItem {
        /// The set.
        set: String,
        /// The record.
        item: Box<BadItem>,
    },
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

impl From<DatasetError> for ValidityError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::BadItem { task, item } => Self::BadItem { set: task, item },
            other => Self::Dataset(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_is_offered_that_there_is_not() {
        let item = BadItem {
            file: "labels.csv".to_owned(),
            at: "line 3".to_owned(),
            field: "label".to_owned(),
            found: "nothing".to_owned(),
            expected: "yes or no".to_owned(),
        };
        let error = ValidityError::from(DatasetError::BadItem {
            task: "frank".to_owned(),
            item: Box::new(item),
        });
        let message = error.to_string();
        assert!(
            message.starts_with("frank: labels.csv, line 3, field `label`: found nothing"),
            "{message}"
        );
        assert!(!message.contains("--skip-bad-items"), "{message}");
    }
}
