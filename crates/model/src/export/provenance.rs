//! `secateur.json` beside a pruned checkpoint: what was removed, by what, from what.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::ExportError;
use super::naming::Place;
use super::plan::Plan;
use crate::checkpoint::files;

/// Name of the file.
pub const PROVENANCE: &str = "secateur.json";

/// The file's text. `told` is what the caller knows: source, method, statistics. A source that was pruned before brings its own
/// file along under `source_provenance`.
pub(super) fn text(source: &Path, told: &Map<String, Value>, plan: &Plan) -> Result<String, ExportError> {
    let kept: Map<String, Value> = plan
        .kept
        .iter()
        .map(|(place, ids)| match place {
            Place::Decoder(layer) => (layer.to_string(), json!(ids)),
            Place::Prediction(layer) => (format!("mtp.{layer}"), json!(ids)),
        })
        .collect();
    let mut fields = Map::new();
    fields.insert("program".into(), json!(concat!("secateur ", env!("CARGO_PKG_VERSION"))));
    fields.extend(told.clone());
    fields.insert("experts_before".into(), json!(plan.experts_before));
    fields.insert("experts".into(), json!(plan.experts));
    fields.insert("kept".into(), Value::Object(kept));
    fields.insert("tensors_left_out".into(), json!(plan.dropped));
    if let Some(earlier) = files::read_json(source, PROVENANCE, files::CONFIG_LIMIT)? {
        fields.insert("source_provenance".into(), earlier);
    }
    Ok(format!("{:#}\n", Value::Object(fields)))
}
