//! Mixers with a recurrent state as data.

use serde::Serialize;

/// A mixer that remembers a state of fixed size instead of keys and values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum MixerSpec {
    /// Selective state space.
    Mamba2(Mamba2Spec),
    /// Gated delta rule.
    DeltaNet(DeltaNetSpec),
    /// Gated short convolution.
    ShortConv(ShortConvSpec),
}

impl MixerSpec {
    /// Names after the layer's prefix, and shapes, of all tensors.
    #[must_use]
    pub fn tensors(&self, hidden: usize) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Mamba2(spec) => spec.tensors(hidden),
            Self::DeltaNet(spec) => spec.tensors(hidden),
            Self::ShortConv(spec) => spec.tensors(hidden),
        }
    }
}

/// A Mamba2 mixer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mamba2Spec {
    /// Tensor names start with this after the layer's prefix: `mixer.`.
    pub prefix: String,
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Groups of heads that share B and C; divides `heads`.
    pub groups: usize,
    /// Width of the state.
    pub state: usize,
    /// Taps of the convolution.
    pub kernel: usize,
    /// The convolution has a bias.
    pub conv_bias: bool,
    /// The projections in and out have biases.
    pub bias: bool,
    /// ε of the gated norm.
    pub norm_epsilon: f64,
}

impl Mamba2Spec {
    pub(crate) fn inner(&self) -> usize {
        self.heads * self.head_dim
    }

    pub(crate) fn conv_channels(&self) -> usize {
        self.inner() + 2 * self.groups * self.state
    }

    /// Rows of the input projection: `[gate | x | B | C | dt]`.
    pub(crate) fn projected(&self) -> usize {
        self.inner() + self.conv_channels() + self.heads
    }

    /// Names after the layer's prefix, and shapes, of all tensors.
    #[must_use]
    pub fn tensors(&self, hidden: usize) -> Vec<(String, Vec<usize>)> {
        let (inner, channels, projected) = (self.inner(), self.conv_channels(), self.projected());
        let mut list = vec![
            ("in_proj.weight", vec![projected, hidden]),
            ("conv1d.weight", vec![channels, 1, self.kernel]),
            ("dt_bias", vec![self.heads]),
            ("A_log", vec![self.heads]),
            ("D", vec![self.heads]),
            ("norm.weight", vec![inner]),
            ("out_proj.weight", vec![hidden, inner]),
        ];
        if self.conv_bias {
            list.push(("conv1d.bias", vec![channels]));
        }
        if self.bias {
            list.extend([("in_proj.bias", vec![projected]), ("out_proj.bias", vec![hidden])]);
        }
        list.into_iter()
            .map(|(name, shape)| (format!("{}{name}", self.prefix), shape))
            .collect()
    }
}

/// A gated `DeltaNet` mixer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeltaNetSpec {
    /// Tensor names start with this after the layer's prefix: `linear_attn.`.
    pub prefix: String,
    /// Heads of queries and keys; divides `value_heads`.
    pub key_heads: usize,
    /// Heads of values; consecutive ones share a key head.
    pub value_heads: usize,
    /// Width of a key.
    pub key_dim: usize,
    /// Width of a value.
    pub value_dim: usize,
    /// Taps of the convolution.
    pub kernel: usize,
    /// How the input projections are stored.
    pub layout: DeltaNetLayout,
    /// ε of the norm of the outputs.
    pub norm_epsilon: f64,
}

/// How the input projections are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DeltaNetLayout {
    /// `in_proj_qkv` `[q | k | v]`, `in_proj_z`, `in_proj_b`, `in_proj_a` (Qwen3.5).
    Separate,
    /// `in_proj_qkvz` and `in_proj_ba`, rows grouped by key head: `[q | k | v of its value heads | z of them]`, `[b | a]` (Qwen3-Next).
    PerKeyHead,
}

impl DeltaNetSpec {
    pub(crate) fn keys(&self) -> usize {
        self.key_heads * self.key_dim
    }

    pub(crate) fn values(&self) -> usize {
        self.value_heads * self.value_dim
    }

    pub(crate) fn conv_channels(&self) -> usize {
        2 * self.keys() + self.values()
    }

    /// Names and rows of the input projections.
    pub(crate) fn projections(&self) -> Vec<(&'static str, usize)> {
        match self.layout {
            DeltaNetLayout::Separate => vec![
                ("in_proj_qkv", self.conv_channels()),
                ("in_proj_z", self.values()),
                ("in_proj_b", self.value_heads),
                ("in_proj_a", self.value_heads),
            ],
            DeltaNetLayout::PerKeyHead => vec![
                ("in_proj_qkvz", self.conv_channels() + self.values()),
                ("in_proj_ba", 2 * self.value_heads),
            ],
        }
    }

    /// Names after the layer's prefix, and shapes, of all tensors.
    #[must_use]
    pub fn tensors(&self, hidden: usize) -> Vec<(String, Vec<usize>)> {
        let mut list: Vec<(String, Vec<usize>)> = self
            .projections()
            .into_iter()
            .map(|(name, rows)| (format!("{name}.weight"), vec![rows, hidden]))
            .collect();
        list.extend([
            ("conv1d.weight".into(), vec![self.conv_channels(), 1, self.kernel]),
            ("dt_bias".into(), vec![self.value_heads]),
            ("A_log".into(), vec![self.value_heads]),
            ("norm.weight".into(), vec![self.value_dim]),
            ("out_proj.weight".into(), vec![hidden, self.values()]),
        ]);
        list.into_iter()
            .map(|(name, shape)| (format!("{}{name}", self.prefix), shape))
            .collect()
    }
}

/// LFM2's gated short convolution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShortConvSpec {
    /// Tensor names start with this after the layer's prefix: `conv.`.
    pub prefix: String,
    /// Taps of the convolution.
    pub kernel: usize,
    /// Biases on both projections and the convolution.
    pub bias: bool,
}

impl ShortConvSpec {
    /// Names after the layer's prefix, and shapes, of all tensors.
    #[must_use]
    pub fn tensors(&self, hidden: usize) -> Vec<(String, Vec<usize>)> {
        let mut list = vec![
            ("in_proj.weight", vec![3 * hidden, hidden]),
            ("conv.weight", vec![hidden, 1, self.kernel]),
            ("out_proj.weight", vec![hidden, hidden]),
        ];
        if self.bias {
            list.extend([
                ("in_proj.bias", vec![3 * hidden]),
                ("conv.bias", vec![hidden]),
                ("out_proj.bias", vec![hidden]),
            ]);
        }
        list.into_iter()
            .map(|(name, shape)| (format!("{}{name}", self.prefix), shape))
            .collect()
    }
}
