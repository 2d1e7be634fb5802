//! The note in the model card that says which experts a pruned checkpoint has.

use std::fmt::Write as _;

use super::naming::Place;
use super::plan::Plan;
use crate::mask::ExpertMask;

/// The old card, or a new one, with a section about the mask at its end (its beginning may be metadata that the hub reads).
pub(super) fn with_note(card: Option<&str>, mask: &ExpertMask, plan: &Plan) -> String {
    let mut text = match card.map(str::trim_end) {
        Some(card) if !card.is_empty() => format!("{card}\n\n"),
        _ => String::new(),
    };
    let Plan {
        experts_before,
        experts,
        kept,
        ..
    } = plan;
    let decoder_layers = kept.keys().filter(|place| matches!(place, Place::Decoder(_))).count();
    let _ = write!(
        text,
        "## Experts removed\n\nThis checkpoint was made by Secateur from one with {experts_before} experts per layer: {experts} of them are kept \
         in each of {} layers, nothing was trained afterwards. What the original is good for, this one need not be: measure it before use.\n\n\
         Kept experts by layer, by their index in the original, in the order of their index here{}:\n\n```json\n{{\n",
        kept.len(),
        if mask.kept.len() < decoder_layers {
            " (layers that the mask does not name keep all)"
        } else {
            ""
        },
    );
    let rows: Vec<String> = kept
        .iter()
        .map(|(place, ids)| match place {
            Place::Decoder(layer) => format!("  \"{layer}\": {ids:?}"),
            Place::Prediction(layer) => format!("  \"mtp.{layer}\": {ids:?}"),
        })
        .collect();
    let _ = write!(text, "{}\n}}\n```\n", rows.join(",\n"));
    text
}
