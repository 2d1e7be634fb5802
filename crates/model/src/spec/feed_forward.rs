//! Feed-forward networks, experts and routers as data.

use serde::Serialize;

/// What is between the input and output projections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Activation {
    /// `silu(gate) · up`.
    SiluGated,
    /// `(up + 1) · gate · sigmoid(alpha · gate)`, with `gate ≤ limit` and `|up| ≤ limit` (GPT-OSS).
    ClampedGated {
        /// Steepness of the sigmoid.
        alpha: f64,
        /// Clamp.
        limit: f64,
    },
    /// `relu(up)²`: no gate.
    ReluSquared,
}

/// One feed-forward network for all tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DenseSpec {
    /// Names start with this after the layer's prefix: `mlp.`.
    pub prefix: String,
    /// Names of its matrices after that.
    pub names: MlpNames,
    /// Width between up and down.
    pub intermediate: usize,
    /// What happens there.
    pub activation: Activation,
    /// Biases on all projections.
    pub bias: bool,
}

/// Names of a network's matrices, without `.weight`; `gate` is not read where the activation has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MlpNames {
    /// `[intermediate, hidden]`.
    pub gate: String,
    /// `[intermediate, hidden]`.
    pub up: String,
    /// `[hidden, intermediate]`.
    pub down: String,
}

/// A mixture-of-experts block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoeSpec {
    /// Experts in the checkpoint.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Width between up and down of one expert.
    pub intermediate: usize,
    /// What happens there.
    pub activation: Activation,
    /// How experts are stored.
    pub layout: ExpertLayout,
    /// Who decides.
    pub router: RouterSpec,
    /// What every token goes through besides.
    pub shared: Option<SharedExpertSpec>,
}

/// How the experts of a layer are stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ExpertLayout {
    /// Each has matrices of its own, whose names begin with `prefix` after the layer's; `{expert}` stands for its index.
    PerExpert {
        /// `mlp.experts.{expert}.`.
        prefix: String,
        /// Names after that.
        names: MlpNames,
    },
    /// One tensor for the gate and up projections of all experts, one for the down projections.
    Fused(FusedNames),
}

/// Tensors that hold all experts of a layer. Names follow the layer's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FusedNames {
    /// `[experts, 2 · intermediate, hidden]`, or `[experts, hidden, 2 · intermediate]` where transposed.
    pub gate_up: String,
    /// `[experts, hidden, intermediate]`, or `[experts, intermediate, hidden]` where transposed.
    pub down: String,
    /// Used as `x W` rather than `x Wᵀ`.
    pub transposed: bool,
    /// Gate rows are even and up rows odd; else the gate is the first half.
    pub interleaved: bool,
    /// `gate_up_bias` `[experts, 2 · intermediate]` and `down_bias` `[experts, hidden]`.
    pub biases: Option<[String; 2]>,
    /// Stored as 4-bit blocks `…_blocks` `[experts, outputs, inputs/32, 16]` and `…_scales` `[experts, outputs, inputs/32]`.
    pub mxfp4: bool,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouterSpec {
    /// `[experts, hidden]`, after the layer's prefix.
    pub weight: String,
    /// `[experts]`, added to the logits.
    pub bias: Option<String>,
    /// How logits become weights.
    pub scoring: Scoring,
    /// `[experts]`, added to the scores for selection only.
    pub selection_bias: Option<String>,
    /// Selection within groups.
    pub groups: Option<GroupSpec>,
    /// What the weights of the selected are divided by.
    pub normalise: Normalise,
    /// Weights are multiplied by this at the end.
    pub scale: f64,
}

/// How logits become scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Scoring {
    /// Softmax over all experts; the largest are selected.
    Softmax,
    /// Sigmoid of each.
    Sigmoid,
    /// The largest logits are selected, their weights are a softmax among them.
    SoftmaxOfSelected,
    /// Two experts, each with its share among those near it (`sparsemixer`, <https://arxiv.org/abs/2409.12136>).
    Sparsemixer {
        /// Relative distance from the best, halved, beyond which an expert does not count.
        jitter: f64,
    },
    /// The largest logits are selected; the sigmoid of each multiplies the expert's *input*.
    SigmoidOnInput,
}

/// Experts in contiguous groups, of which only the best are chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GroupSpec {
    /// Number of groups; divides the experts.
    pub groups: usize,
    /// Groups that a token may use.
    pub chosen: usize,
    /// What makes a group good.
    pub score: GroupScore,
}

/// What makes a group good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum GroupScore {
    /// Its best expert.
    Max,
    /// Its two best experts.
    SumOfTopTwo,
}

/// What the weights of the selected experts are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Normalise {
    /// Nothing.
    None,
    /// `max(Σ + epsilon, floor)`.
    Sum {
        /// Added to the sum.
        epsilon: f64,
        /// Least divisor.
        floor: f64,
    },
}

/// A network that every token goes through besides its experts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedExpertSpec {
    /// Names start with this after the layer's prefix: `mlp.shared_expert.`.
    pub prefix: String,
    /// Names of its matrices after that.
    pub names: MlpNames,
    /// Width between up and down.
    pub intermediate: usize,
    /// `[1, hidden]`, after the layer's prefix: its output is multiplied by sigmoid(gate · x).
    pub gate: Option<String>,
}

impl MlpNames {
    /// Names in the order gate, up, down.
    #[must_use]
    pub fn new([gate, up, down]: [&str; 3]) -> Self {
        Self {
            gate: gate.into(),
            up: up.into(),
            down: down.into(),
        }
    }

    /// `gate_proj`, `up_proj`, `down_proj`.
    #[must_use]
    pub fn projections() -> Self {
        Self::new(["gate_proj", "up_proj", "down_proj"])
    }

    /// `w1`, `w3`, `w2`.
    #[must_use]
    pub fn numbered() -> Self {
        Self::new(["w1", "w3", "w2"])
    }
}

impl Activation {
    /// Whether there is a gate projection.
    #[must_use]
    pub fn is_gated(self) -> bool {
        !matches!(self, Self::ReluSquared)
    }
}

impl Normalise {
    /// Divided by the sum, or not at all.
    #[must_use]
    pub fn by_sum(yes: bool) -> Self {
        if yes {
            Self::Sum {
                epsilon: 0.0,
                floor: 0.0,
            }
        } else {
            Self::None
        }
    }
}

impl RouterSpec {
    /// Softmax over all experts, without biases or groups.
    #[must_use]
    pub fn softmax(weight: &str, normalise: bool) -> Self {
        Self {
            weight: weight.into(),
            bias: None,
            scoring: Scoring::Softmax,
            selection_bias: None,
            groups: None,
            normalise: Normalise::by_sum(normalise),
            scale: 1.0,
        }
    }
}

impl DenseSpec {
    /// `prefix.{gate,up,down}_proj`, `SiLU`, no biases.
    #[must_use]
    pub fn silu(prefix: &str, intermediate: usize) -> Self {
        Self {
            prefix: prefix.into(),
            names: MlpNames::projections(),
            intermediate,
            activation: Activation::SiluGated,
            bias: false,
        }
    }
}

impl ExpertLayout {
    /// `prefix` holds `{expert}`.
    #[must_use]
    pub fn per_expert(prefix: &str, names: MlpNames) -> Self {
        Self::PerExpert {
            prefix: prefix.into(),
            names,
        }
    }
}
