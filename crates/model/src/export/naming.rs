//! Where a family keeps its experts: plain data that says what an export slices.

/// Names of a family's expert tensors. `{layer}` and `{expert}` stand for decimal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoeNaming {
    /// What the names of one expert's tensors begin with, if each expert has tensors of its own.
    pub expert_prefix: Option<&'static str>,
    /// Whole names of router tensors with one row per expert: weight, bias, selection bias.
    pub row_sliced: &'static [&'static str],
    /// Whole names of tensors that hold all experts of a layer, `[experts, …]`.
    pub fused: &'static [&'static str],
    /// Fields of config.json that state the number of experts; those that exist are changed. `outer.inner` for nested ones.
    pub expert_count_keys: &'static [&'static str],
}

/// What a tensor is to an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Belongs to one expert; its name is `before + expert + after`.
    Expert {
        layer: usize,
        expert: usize,
        before: String,
        after: String,
    },
    /// Has one slice per expert of this layer on its first dimension.
    Sliced { layer: usize },
    /// Neither.
    Other,
}

impl MoeNaming {
    pub(super) fn role(&self, name: &str) -> Role {
        if let Some(prefix) = self.expert_prefix
            && let Some((numbers, rest)) = begins(prefix, name)
            && let [layer, expert] = numbers[..]
        {
            let digits = expert.to_string().len();
            let tail = prefix.rsplit("{expert}").next().unwrap_or_default().len() + rest.len();
            let at = name.len() - tail - digits;
            return Role::Expert {
                layer,
                expert,
                before: name[..at].into(),
                after: name[at + digits..].into(),
            };
        }
        let whole = |pattern: &&str| match begins(pattern, name) {
            Some((numbers, "")) => numbers.first().copied(),
            _ => None,
        };
        self.row_sliced
            .iter()
            .chain(self.fused)
            .find_map(whole)
            .map_or(Role::Other, |layer| Role::Sliced { layer })
    }
}

/// The layer of a tensor of the decoder.
pub(super) fn layer_of(name: &str) -> Option<usize> {
    begins("model.layers.{layer}.", name)?.0.first().copied()
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
            layer,
            expert,
            before: before.into(),
            after: after.into(),
        };
        let role = |name: &str| MLP_EXPERTS.role(name);
        assert_eq!(
            role("model.layers.12.mlp.experts.103.up_proj.weight"),
            expert(12, 103, "model.layers.12.mlp.experts.", ".up_proj.weight")
        );
        assert_eq!(role("model.layers.0.mlp.gate.weight"), Role::Sliced { layer: 0 });
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
                layer_of("model.layers.61.eh_proj.weight"),
                layer_of("model.norm.weight")
            ),
            (Some(61), None)
        );
    }
}
