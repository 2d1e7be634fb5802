//! Every tensor that a decoder reads, with its shape.

use crate::checkpoint::Expected;
use crate::spec::{
    AttentionSpec, BlockSpec, DecoderSpec, DenseSpec, ExpertLayout, FusedNames, LatentAttentionSpec, MlpNames, MoeSpec,
    NormKind, NormSpec, NormWidth,
};

/// Every tensor that the decoder reads, with its shape. The order is part of the demo's training: weights are drawn in it.
#[must_use]
pub fn expected(spec: &DecoderSpec) -> Vec<Expected> {
    let hidden = spec.hidden;
    let shape = vec![spec.vocabulary, hidden];
    let mut list = vec![Expected::new(&spec.names.embedding, shape.clone())];
    Tensors::new(&mut list, "").norm(&spec.names.final_norm, hidden, spec.final_norm);
    if !spec.tied_embeddings {
        Tensors::new(&mut list, "").linear(&spec.names.output, shape, spec.output_bias);
    } else if spec.output_bias {
        list.push(Expected::new(
            format!("{}.bias", spec.names.output),
            vec![spec.vocabulary],
        ));
    }
    for layer in &spec.layers {
        let mut tensors = Tensors::new(&mut list, &layer.prefix);
        for step in &layer.steps {
            tensors.norm(&step.norm, hidden, step.norm_spec);
        }
        for step in &layer.steps {
            match &step.block {
                BlockSpec::Attention(attention) => tensors.attention(attention, hidden),
                BlockSpec::LatentAttention(attention) => tensors.latent_attention(attention, hidden),
                BlockSpec::Mixer(mixer) => mixer
                    .tensors(hidden)
                    .into_iter()
                    .for_each(|(name, shape)| tensors.add(&name, shape)),
                BlockSpec::Dense(dense) => tensors.dense(dense, hidden),
                BlockSpec::Moe(moe) => tensors.moe(moe, hidden),
            }
        }
    }
    list
}

/// A list under way, and what its next names begin with.
pub(crate) struct Tensors<'a> {
    list: &'a mut Vec<Expected>,
    prefix: String,
}

impl<'a> Tensors<'a> {
    pub(crate) fn new(list: &'a mut Vec<Expected>, prefix: &str) -> Self {
        Self {
            list,
            prefix: prefix.to_owned(),
        }
    }

    /// A tensor by its whole name.
    pub(crate) fn add(&mut self, name: &str, shape: Vec<usize>) {
        self.list.push(Expected::new(format!("{}{name}", self.prefix), shape));
    }

    /// `{name}.weight` and, if it has one, `{name}.bias`.
    pub(crate) fn linear(&mut self, name: &str, shape: Vec<usize>, bias: bool) {
        let outputs = shape[0];
        self.add(&format!("{name}.weight"), shape);
        if bias {
            self.add(&format!("{name}.bias"), vec![outputs]);
        }
    }

    pub(crate) fn norm(&mut self, name: &str, width: usize, spec: NormSpec) {
        if spec.kind != NormKind::RmsPlain {
            self.linear(name, vec![width], spec.kind == NormKind::Layer);
        }
    }

    fn attention(&mut self, spec: &AttentionSpec, hidden: usize) {
        let (queries, keys) = (spec.heads * spec.head_dim, spec.key_value_heads * spec.head_dim);
        let gated = if spec.output_gate { 2 } else { 1 };
        let named = |name: &str| format!("{}{name}", spec.prefix);
        let [q, k, v, o] = &spec.projections;
        self.linear(&named(q), vec![gated * queries, hidden], spec.input_bias);
        self.linear(&named(k), vec![keys, hidden], spec.input_bias);
        self.linear(&named(v), vec![keys, hidden], spec.input_bias);
        self.linear(&named(o), vec![hidden, queries], spec.output_bias);
        if let Some(norm) = &spec.query_key_norm {
            let widths = match norm.width {
                NormWidth::PerHead => [spec.head_dim; 2],
                NormWidth::Flat => [queries, keys],
            };
            for (name, width) in norm.names.iter().zip(widths) {
                self.norm(&named(name), width, norm.norm);
            }
        }
        if spec.sinks {
            self.add(&named("sinks"), vec![spec.heads]);
        }
    }

    fn latent_attention(&mut self, spec: &LatentAttentionSpec, hidden: usize) {
        let named = |name: &str| format!("{}{name}", spec.prefix);
        let (rank, rotary) = (spec.key_value_rank, spec.rope.width);
        let queries = spec.heads * (spec.plain_dim + rotary);
        match spec.query_rank {
            None => self.linear(&named("q_proj"), vec![queries, hidden], false),
            Some(rank) => {
                self.linear(&named("q_a_proj"), vec![rank, hidden], spec.bias);
                self.norm(&named("q_a_layernorm"), rank, spec.norm);
                self.linear(&named("q_b_proj"), vec![queries, rank], false);
            }
        }
        self.linear(&named("kv_a_proj_with_mqa"), vec![rank + rotary, hidden], spec.bias);
        self.norm(&named("kv_a_layernorm"), rank, spec.norm);
        let expanded = spec.heads * (spec.plain_dim + spec.value_dim);
        self.linear(&named("kv_b_proj"), vec![expanded, rank], false);
        self.linear(&named("o_proj"), vec![hidden, spec.heads * spec.value_dim], spec.bias);
    }

    fn dense(&mut self, spec: &DenseSpec, hidden: usize) {
        self.mlp(
            &spec.prefix,
            &spec.names,
            [hidden, spec.intermediate],
            spec.activation.is_gated(),
            spec.bias,
        );
    }

    fn mlp(&mut self, prefix: &str, names: &MlpNames, [hidden, inner]: [usize; 2], gated: bool, bias: bool) {
        if gated {
            self.linear(&format!("{prefix}{}", names.gate), vec![inner, hidden], bias);
        }
        self.linear(&format!("{prefix}{}", names.up), vec![inner, hidden], bias);
        self.linear(&format!("{prefix}{}", names.down), vec![hidden, inner], bias);
    }

    fn moe(&mut self, moe: &MoeSpec, hidden: usize) {
        self.add(&moe.router.weight, vec![moe.experts, hidden]);
        for bias in [&moe.router.bias, &moe.router.selection_bias].into_iter().flatten() {
            self.add(bias, vec![moe.experts]);
        }
        let gated = moe.activation.is_gated();
        match &moe.layout {
            ExpertLayout::PerExpert { prefix, names } => {
                for expert in 0..moe.experts {
                    let prefix = prefix.replace("{expert}", &expert.to_string());
                    self.mlp(&prefix, names, [hidden, moe.intermediate], gated, false);
                }
            }
            ExpertLayout::Fused(names) => self.fused(names, moe, hidden),
        }
        if let Some(shared) = &moe.shared {
            self.mlp(
                &shared.prefix,
                &shared.names,
                [hidden, shared.intermediate],
                gated,
                false,
            );
            if let Some(gate) = &shared.gate {
                self.add(gate, vec![1, hidden]);
            }
        }
    }

    fn fused(&mut self, names: &FusedNames, moe: &MoeSpec, hidden: usize) {
        let inner = moe.intermediate;
        for (name, outputs, inputs) in [(&names.gate_up, 2 * inner, hidden), (&names.down, hidden, inner)] {
            if names.mxfp4 {
                let blocks = vec![moe.experts, outputs, inputs / 32];
                self.packed(&format!("{name}_blocks"), [blocks.clone(), vec![16]].concat());
                self.packed(&format!("{name}_scales"), blocks);
            } else if names.transposed {
                self.add(name, vec![moe.experts, inputs, outputs]);
            } else {
                self.add(name, vec![moe.experts, outputs, inputs]);
            }
        }
        for (name, width) in names.biases.iter().flatten().zip([2 * inner, hidden]) {
            self.add(name, vec![moe.experts, width]);
        }
    }

    /// Bytes that a block unpacks.
    fn packed(&mut self, name: &str, shape: Vec<usize>) {
        self.list
            .push(Expected::packed(format!("{}{name}", self.prefix), shape));
    }
}
