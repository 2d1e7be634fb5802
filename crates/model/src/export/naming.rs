//! Where a family keeps its experts: plain data that says what an export slices.

use std::borrow::Cow;
use std::fmt;

/// Names of a family's expert tensors. `{layer}` and `{expert}` stand for decimal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeNaming {
    /// What the names of one expert's tensors begin with, if each expert has tensors of its own.
    pub expert_prefix: Option<&'static str>,
    /// Whole names of router tensors with one row per expert: weight, bias, selection bias.
    pub row_sliced: &'static [&'static str],
    /// Whole names of router tensors `[1, experts]`.
    pub column_sliced: &'static [&'static str],
    /// Whole names of tensors that hold all experts of a layer, `[experts, …]`.
    pub fused: &'static [&'static str],
    /// Fields of config.json that state the number of experts; those that exist are changed. `outer.inner` for nested ones.
    pub expert_count_keys: &'static [&'static str],
    /// Fields that state how many experts a token uses; the first that is there counts.
    pub top_k_keys: &'static [&'static str],
    /// The object of config.json that describes the decoder: `text_config`; empty for the whole file.
    pub config_object: &'static str,
    /// What the names of a layer's tensors begin with.
    pub layer_prefix: &'static str,
}

/// Where a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A numbered layer of the decoder.
    Decoder(usize),
    /// A multi-token-prediction layer with names of its own, `mtp.layers.N.`, otherwise named as those of the decoder.
    Prediction(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decoder(layer) => write!(f, "layer {layer}"),
            Self::Prediction(layer) => write!(f, "multi-token-prediction layer {layer}"),
        }
    }
}

/// What a tensor is to an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Belongs to one expert; its name is `before + expert + after`.
    Expert {
        place: Place,
        expert: usize,
        before: String,
        after: String,
    },
    /// Has one slice per expert of this layer, on its first dimension that is not 1.
    Sliced { place: Place },
    /// Neither.
    Other,
}

impl MoeNaming {
    /// The usual places, and no experts: what each family's constant starts from.
    pub const NONE: Self = Self {
        expert_prefix: None,
        row_sliced: &[],
        column_sliced: &[],
        fused: &[],
        expert_count_keys: &[],
        top_k_keys: &["num_experts_per_tok"],
        config_object: "",
        layer_prefix: "model.layers.{layer}.",
    };

    pub(super) fn role(&self, name: &str) -> Role {
        if let Some(prefix) = self.expert_prefix
            && let Some((place, numbers, rest)) = placed(prefix, name)
            && let [_, expert] = numbers[..]
        {
            let digits = expert.to_string().len();
            let tail = prefix.rsplit("{expert}").next().unwrap_or_default().len() + rest.len();
            let at = name.len() - tail - digits;
            return Role::Expert {
                place,
                expert,
                before: name[..at].into(),
                after: name[at + digits..].into(),
            };
        }
        let whole = |pattern: &&str| match placed(pattern, name) {
            Some((place, _, "")) => Some(place),
            _ => None,
        };
        self.row_sliced
            .iter()
            .chain(self.column_sliced)
            .chain(self.fused)
            .find_map(whole)
            .map_or(Role::Other, |place| Role::Sliced { place })
    }

    /// Whether an export renumbers or slices this tensor.
    #[must_use]
    pub fn touches(&self, name: &str) -> bool {
        self.role(name) != Role::Other
    }

    /// The layer of a tensor of the decoder.
    pub(super) fn layer_of(&self, name: &str) -> Option<usize> {
        begins(self.layer_prefix, name)?.0.first().copied()
    }
}

/// [`begins`], for a pattern of the decoder and its like in a multi-token-prediction layer.
fn placed<'a>(pattern: &str, name: &'a str) -> Option<(Place, Vec<usize>, &'a str)> {
    const PREDICTION: &str = "mtp.layers.";
    let (pattern, place): (_, fn(usize) -> Place) = if name.starts_with(PREDICTION) {
        let (_, rest) = pattern.split_once("layers.")?;
        (format!("{PREDICTION}{rest}").into(), Place::Prediction)
    } else {
        (Cow::Borrowed(pattern), Place::Decoder)
    };
    let (numbers, rest) = begins(&pattern, name)?;
    Some((place(*numbers.first()?), numbers, rest))
}

/// The numbers at the placeholders of a pattern that a name begins with, and the rest of the name.
fn begins<'a>(pattern: &str, name: &'a str) -> Option<(Vec<usize>, &'a str)> {
    let mut numbers = Vec::new();
    let mut rest = name;
    for (position, part) in pattern.split('{').enumerate() {
        let literal = if position == 0 {
            part
        } else {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: usize = rest[..digits].parse().ok()?;
            // `01` would not come back as it was.
            (number.to_string().len() == digits).then(|| numbers.push(number))?;
            rest = &rest[digits..];
            part.split_once('}')?.1
        };
        rest = rest.strip_prefix(literal)?;
    }
    Some((numbers, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{BLOCK_SPARSE_EXPERTS, MLP_EXPERTS};

    #[test]
    fn names_are_told_apart() {
        let expert = |layer, expert, before: &str, after: &str| Role::Expert {
            place: Place::Decoder(layer),
            expert,
            before: before.into(),
            after: after.into(),
        };
        let role = |name: &str| MLP_EXPERTS.role(name);
        assert_eq!(
            role("model.layers.12.mlp.experts.103.up_proj.weight"),
            expert(12, 103, "model.layers.12.mlp.experts.", ".up_proj.weight")
        );
        assert_eq!(
            role("model.layers.0.mlp.gate.weight"),
            Role::Sliced {
                place: Place::Decoder(0)
            }
        );
        for other in [
            "model.layers.0.mlp.gate.weight_scale",
            "model.layers.0.mlp.gate_proj.weight",
            "model.layers.00.mlp.experts.1.x",
            "model.layers.x.mlp.experts.1.x",
            "model.layers.0.mlp.experts.99999999999999999999.x",
            "lm_head.weight",
            "",
            "model.layers.0.mlp.experts.1",
        ] {
            assert_eq!(role(other), Role::Other, "{other}");
        }
        assert_eq!(
            BLOCK_SPARSE_EXPERTS.role("model.layers.1.block_sparse_moe.experts.7.w1.weight"),
            expert(1, 7, "model.layers.1.block_sparse_moe.experts.", ".w1.weight")
        );
        assert_eq!(
            (
                MLP_EXPERTS.layer_of("model.layers.61.eh_proj.weight"),
                MLP_EXPERTS.layer_of("model.norm.weight")
            ),
            (Some(61), None)
        );
    }

    #[test]
    fn prediction_layers_are_named_as_those_of_the_decoder() {
        let place = Place::Prediction(0);
        assert_eq!(
            MLP_EXPERTS.role("mtp.layers.0.mlp.experts.12.up_proj.weight"),
            Role::Expert {
                place,
                expert: 12,
                before: "mtp.layers.0.mlp.experts.".into(),
                after: ".up_proj.weight".into()
            }
        );
        assert_eq!(MLP_EXPERTS.role("mtp.layers.0.mlp.gate.weight"), Role::Sliced { place });
        assert_eq!(MLP_EXPERTS.role("mtp.fc.weight"), Role::Other);
        assert_eq!(MLP_EXPERTS.layer_of("mtp.layers.0.mlp.gate.weight"), None);
    }
}
