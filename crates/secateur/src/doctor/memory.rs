//! What a model takes of memory on the CPU here: whether it stays there, or is gone through layer by layer.

use secateur_model::checkpoint::Checkpoint;
use secateur_model::layerwise::{Limit, Limits, MemoryPlan, Visits, memory_limits, memory_plan};
use secateur_model::spec::DecoderSpec;
use serde::Serialize;

use super::print::bytes;

/// A plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// The model can be loaded.
    Plan(MemoryPlan),
    /// It cannot.
    Refused(String),
}

impl Memory {
    /// Of a checkpoint, under the limits of this process.
    pub(super) fn of(checkpoint: &Checkpoint, spec: &DecoderSpec) -> Self {
        match memory_plan(checkpoint, spec, &memory_limits()) {
            Ok(plan) => Self::Plan(plan),
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    /// For people: what, and how much.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Plan(plan) => lines(plan),
            Self::Refused(reason) => vec![("not enough", reason.clone())],
        }
    }
}

fn lines(plan: &MemoryPlan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("order", order(plan))];
    lines.extend(limits(&plan.limits).into_iter().map(|line| ("limit", line)));
    lines.push((
        "weights",
        format!(
            "{}, of which {} in memory at a time",
            bytes(plan.weight_bytes),
            bytes(plan.resident_file_bytes)
        ),
    ));
    let waiting = match plan.visits {
        Visits::PassByPass => String::new(),
        Visits::LayerByLayer { .. } => format!(", and {} for each token that waits", bytes(plan.waiting_token_bytes)),
    };
    lines.push(("besides", format!("up to {}{waiting}", bytes(plan.anonymous_bytes))));
    lines
}

/// The order in words.
pub fn order(plan: &MemoryPlan) -> String {
    match plan.visits {
        Visits::PassByPass => "pass by pass: the weights stay in memory".to_owned(),
        Visits::LayerByLayer { tokens } => {
            format!(
                "layer by layer: the weights are read once for up to {tokens} tokens; decoding reads them at every step"
            )
        }
    }
}

/// What limits memory here, and who says so.
pub fn limits(limits: &Limits) -> Vec<String> {
    let line = |limit: &Option<Limit>, of: &str| {
        let limit = limit.as_ref()?;
        Some(format!("{}{of} ({})", bytes(limit.bytes), limit.said_by))
    };
    [
        line(&limits.memory, ""),
        line(&limits.data, " outside of files"),
        line(&limits.addresses, " of addresses"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_in_a_few_lines() {
        let plan = |visits| MemoryPlan {
            visits,
            limits: Limits {
                memory: Some(Limit {
                    bytes: 6_000_000_000,
                    said_by: "a file".into(),
                }),
                ..Limits::default()
            },
            weight_bytes: 14_000_000_000,
            resident_file_bytes: 2_000_000_000,
            anonymous_bytes: 1_000_000_000,
            waiting_token_bytes: 8192,
        };
        let told = lines(&plan(Visits::LayerByLayer { tokens: 5000 }));
        let expected = [
            (
                "order",
                "layer by layer: the weights are read once for up to 5000 tokens; decoding reads them at every step",
            ),
            ("limit", "6.00 GB (a file)"),
            ("weights", "14.00 GB, of which 2.00 GB in memory at a time"),
            ("besides", "up to 1.00 GB, and 8.19 kB for each token that waits"),
        ]
        .map(|(name, text)| (name, text.to_owned()));
        assert_eq!(told, expected);
        let told = lines(&plan(Visits::PassByPass));
        assert_eq!(told.last().map(|(_, text)| text.as_str()), Some("up to 1.00 GB"));
    }
}
