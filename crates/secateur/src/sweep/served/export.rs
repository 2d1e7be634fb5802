//! What was removed from a served checkpoint, as the file beside an export tells.

use anyhow::{Context, bail};
use secateur_model::checkpoint::{Checkpoint, files};
use secateur_model::export::PROVENANCE;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::model::MoeLayer;
use serde_json::Value;

use crate::sweep::pruned::MaskName;

/// A provenance file lists a number per layer and kept expert.
const PROVENANCE_LIMIT: u64 = 64 << 20;

/// A pruned checkpoint, as `secateur.json` beside it tells.
pub struct Export {
    /// By what the experts were chosen.
    pub name: MaskName,
    /// Share of each layer's experts that is gone.
    pub fraction: f64,
    /// The experts that stayed, by their ids in the source.
    pub mask: ExpertMask,
    /// Experts per `MoE` layer of the source.
    pub total: Vec<usize>,
    /// Hash of the source's weights.
    pub source: String,
}

impl Export {
    /// Reads the file beside a checkpoint; `None` where there is none: nothing was removed.
    ///
    /// # Errors
    /// If it is malformed, or of another checkpoint.
    pub fn read(checkpoint: &Checkpoint, layers: &[MoeLayer]) -> anyhow::Result<Option<Self>> {
        let Some(file) = files::read_json(checkpoint.directory(), PROVENANCE, PROVENANCE_LIMIT)? else {
            return Ok(None);
        };
        let place = checkpoint.directory().join(PROVENANCE);
        Self::parse(&file, layers)
            .map(Some)
            .with_context(|| place.display().to_string())
    }

    fn parse(file: &Value, layers: &[MoeLayer]) -> anyhow::Result<Self> {
        let before = file["experts_before"]
            .as_u64()
            .context("`experts_before` is no number")?;
        let before = usize::try_from(before)?;
        let kept = file["kept"].as_object().context("`kept` is no object of layers")?;
        let mut mask = ExpertMask::default();
        for layer in layers {
            let ids = kept.get(&layer.layer.to_string()).and_then(Value::as_array);
            let ids = ids.with_context(|| format!("`kept` lacks layer {}", layer.layer))?;
            let ids: Option<Vec<ExpertId>> = ids
                .iter()
                .map(|id| {
                    usize::try_from(id.as_u64()?)
                        .ok()
                        .filter(|&id| id < before)
                        .map(ExpertId)
                })
                .collect();
            let ids = ids.with_context(|| format!("`kept` of layer {} holds no ids below {before}", layer.layer))?;
            if ids.len() != layer.experts {
                bail!(
                    "`kept` of layer {} has {} experts, config.json {}: the file is not of this checkpoint",
                    layer.layer,
                    ids.len(),
                    layer.experts
                );
            }
            mask.kept.insert(layer.layer, ids);
        }
        let chosen = &file["chosen_by"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kept = layers.first().map_or(before, |layer| layer.experts);
        let domains = chosen["calibrated_on"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(Self {
            name: MaskName {
                method: chosen["method"].as_str().unwrap_or("imported mask").to_owned(),
                profile: chosen["profile"].as_str().unwrap_or("reference").to_owned(),
                seed: chosen["seed"].as_u64().unwrap_or_default(),
                calibration: domains.iter().map(text).collect::<Vec<_>>().join("+"),
            },
            fraction: chosen["fraction_removed"]
                .as_f64()
                .unwrap_or_else(|| 1.0 - kept as f64 / before.max(1) as f64),
            mask,
            total: vec![before; layers.len()],
            source: file["source_weights_sha256"]
                .as_str()
                .context("`source_weights_sha256` is no text")?
                .to_owned(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn layers() -> Vec<MoeLayer> {
        let layer = |layer| MoeLayer {
            layer,
            experts: 2,
            top_k: 1,
            groups: 1,
            topk_groups: 1,
        };
        vec![layer(0), layer(2)]
    }

    fn file() -> Value {
        json!({"program": "secateur 0.1.0", "source": "m", "source_weights_sha256": "abc", "family": "olmoe",
            "chosen_by": {"method": "reap", "profile": "reference", "seed": 3, "calibrated_on": ["a", "b"], "fraction_removed": 0.5},
            "experts_before": 4, "experts": 2, "kept": {"0": [1, 3], "2": [0, 1], "mtp.5": [0, 1]}})
    }

    #[test]
    fn an_export_is_named_by_what_it_was_pruned_by() {
        let export = Export::parse(&file(), &layers()).unwrap();
        let name = &export.name;
        assert_eq!(
            (name.method.as_str(), name.profile.as_str(), name.seed),
            ("reap", "reference", 3)
        );
        assert_eq!((name.calibration.as_str(), export.fraction), ("a+b", 0.5));
        assert_eq!(
            (export.total, export.mask.kept[&0].clone()),
            (vec![4, 4], vec![ExpertId(1), ExpertId(3)])
        );
        let mut imported = file();
        imported["chosen_by"] = json!({"mask": {"file": "m.json"}});
        imported["experts_before"] = json!(8);
        let export = Export::parse(&imported, &layers()).unwrap();
        assert_eq!((export.name.method.as_str(), export.fraction), ("imported mask", 0.75));
    }

    #[test]
    fn a_file_of_another_checkpoint_is_refused() {
        for (place, value, word) in [
            ("/kept/0", json!([1]), "1 experts, config.json 2"),
            ("/kept/2", json!([0, 4]), "below 4"),
            ("/kept", json!({"0": [0, 1]}), "lacks layer 2"),
            ("/experts_before", json!("4"), "experts_before"),
            ("/source_weights_sha256", json!(null), "source_weights_sha256"),
        ] {
            let mut file = file();
            *file.pointer_mut(place).unwrap() = value;
            let message = Export::parse(&file, &layers()).err().unwrap().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
