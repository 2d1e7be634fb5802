//! What must be said alike to every command on one sweep, besides where its results lie.

use std::path::Path;

use clap::Args;
use secateur_model::DeviceKind;

use super::device;
use crate::sweep::opened::Place;

/// Instead of, or beside, what the sweep file says.
#[derive(Debug, Args)]
pub struct Terms {
    /// What to run on, instead of the sweep file's device.
    #[arg(long, value_parser = device::parser())]
    device: Option<DeviceKind>,
    /// At most so many items per task: a quick look, kept apart from the full sweep.
    #[arg(long)]
    limit: Option<usize>,
    /// Leave unusable records of all tasks out and count them, as `skip_bad_items = true` does for one task in the sweep file.
    #[arg(long)]
    skip_bad_items: bool,
}

impl Terms {
    /// A sweep under these terms, with its results in this folder or at this address.
    pub fn place(&self, results: &Path) -> Place {
        Place {
            results: results.to_path_buf(),
            device: self.device,
            limit: self.limit,
            skip_bad_items: self.skip_bad_items,
        }
    }

    /// The options that say the same to another command.
    pub fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if let Some(device) = self.device {
            options.extend(["--device".to_owned(), device.to_string()]);
        }
        if let Some(limit) = self.limit {
            options.extend(["--limit".to_owned(), limit.to_string()]);
        }
        if self.skip_bad_items {
            options.push("--skip-bad-items".to_owned());
        }
        options
    }
}
