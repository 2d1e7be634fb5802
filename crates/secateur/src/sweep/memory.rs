//! What a sweep takes of memory and reads from disk, by a plan that reads no weight.

use std::convert::Infallible;

use secateur_evaluation::evaluate::{CHUNKS_PER_LARGE_CALL, EvaluationOptions};
use secateur_model::layerwise::{MemoryPlan, Visits, memory_limits, memory_plan};
use serde::Serialize;

use super::estimate::amount;
use super::opened::Opened;
use super::subject::{Subject, inspected};
use crate::doctor::memory::{limits, order};
use crate::doctor::print::bytes;

/// What a model takes for a sweep.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    #[serde(flatten)]
    plan: MemoryPlan,
    /// Memory that is no file's, for the largest pass over a corpus or call of a task, each sample as long as it may be.
    anonymous_bytes_at_most: u64,
    /// Read from disk for a pass over each corpus, if the weights are not in memory before.
    calibration_read_bytes: u64,
    /// The same for each mask, where nothing is written: decoding reads as it goes.
    mask_read_bytes: u64,
}

impl Memory {
    /// Of a model under the limits of this process.
    ///
    /// # Errors
    /// If there is too little memory.
    pub(super) fn of(opened: &Opened<'_>, subject: &Subject) -> anyhow::Result<Self> {
        let (_, spec, _) = inspected(&subject.checkpoint)?;
        let plan = memory_plan(&subject.checkpoint, &spec, &memory_limits())?;
        let mut most = 0;
        let mut reads = |calls: u64, tokens: u64| {
            most = most.max(tokens);
            calls * plan.readings(tokens) * plan.weight_bytes
        };
        let corpora = opened.sweep.corpora.iter();
        let calibration = corpora
            .map(|corpus| reads(1, (corpus.samples * corpus.max_tokens) as u64))
            .sum();
        let by_layer = matches!(plan.visits, Visits::LayerByLayer { .. });
        let mut masks = plan.weight_bytes;
        if by_layer {
            let items_per_call = EvaluationOptions::default().chunk * CHUNKS_PER_LARGE_CALL;
            // A token of text has at least a byte, and all are asked for.
            let read = opened.tasks.iter().filter(|task| task.spec.generation.is_none());
            masks = read
                .map(|task| {
                    let Ok((bytes, _)) = amount::<Infallible>(task, &|text: &str| Ok(text.len()));
                    let calls = task.data.items.len().div_ceil(items_per_call).max(1);
                    reads(calls as u64, (bytes / calls) as u64)
                })
                .sum();
        }
        Ok(Self {
            anonymous_bytes_at_most: plan.anonymous_at_most(most),
            calibration_read_bytes: calibration,
            mask_read_bytes: masks,
            plan,
        })
    }

    /// Prints it for people.
    pub(super) fn print(&self) {
        let limits = limits(&self.plan.limits);
        println!("  {}", order(&self.plan));
        println!(
            "  memory: {} of weights at a time and up to {} besides; allowed are {}",
            bytes(self.plan.resident_file_bytes),
            bytes(self.anonymous_bytes_at_most),
            if limits.is_empty() {
                "all there is".to_owned()
            } else {
                limits.join(", ")
            }
        );
        if matches!(self.plan.visits, Visits::LayerByLayer { .. }) {
            println!(
                "  read from disk: at most {} for calibration and {} per mask, without what is read to write answers",
                bytes(self.calibration_read_bytes),
                bytes(self.mask_read_bytes)
            );
        }
    }
}
