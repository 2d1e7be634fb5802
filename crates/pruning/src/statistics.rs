//! The sums that every score is made from, per Mixture-of-Experts layer and expert, for one calibration corpus.
//!
//! Sums are f64: a million f32 additions would lose the small terms. Symbols, for token `t` and expert `i`: `x_t` the layer's
//! input after the norm; `z_t` the residual stream before that norm; `E_i(x_t)` the expert's unweighted output; `g_ti` the
//! weight that the model multiplies it by; `p_ti` the router's full softmax (or sigmoid) score; `T_i` the tokens routed to `i`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::PruningError;
use crate::shape::LayerShape;

/// Tokens of each sample that [`Statistic::EveryExpertOutputNorm`] looks at.
pub const EVERY_EXPERT_TOKENS: usize = 256;

/// One number per expert, collected in a pass over tokens or read off the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// `n_i = |T_i|`, tokens.
    RoutedTokens,
    /// `Σ_t p_ti` over all tokens, routed to the expert or not.
    RouterScore,
    /// `Σ_{T_i} g_ti`.
    Gate,
    /// `Σ_{T_i} ‖E_i(x_t)‖₂`.
    OutputNorm,
    /// `Σ_{T_i} ‖E_i(x_t)‖₂²`.
    SquaredOutputNorm,
    /// `Σ_{T_i} g_ti ‖E_i(x_t)‖₂`.
    GatedOutputNorm,
    /// `Σ_{T_i} s_t g_ti ‖E_i(x_t)‖₂`, `s_t = max(0, 1 − cos(z_t, z_t + Σ_j g_tj E_j(x_t)))`.
    ResidualChangeOutputNorm,
    /// `Σ_{T_i} g_ti ‖E_i(x_t)‖₂` with `E_i` as the code of arXiv:2607.01444 computes it: gate and up rows taken for halves, which
    /// is wrong where they lie alternately (GPT-OSS) and the same elsewhere. So too in the next two.
    MisreadGatedOutputNorm,
    /// `Σ_{T_i} s_t g_ti ‖E_i(x_t)‖₂` with `s_t = 1 − cos(x_t, x_t + Σ_j g_tj E_j(x_t))`: the normed input, and no clamp.
    InputChangeOutputNorm,
    /// `Σ ‖E_i(x_t)‖₂` over the first 256 tokens of each sample, routed to the expert or not.
    EveryExpertOutputNorm,
    /// `max_{T_i} ‖E_i(x_t)‖₂`; 0 where no token was routed.
    LargestOutputNorm,
    /// `max_{T_i} max_h |E_i(x_t)_h|`; 0 where no token was routed.
    LargestOutput,
    /// Elements of the expert's matrices (gate, up, down), biases left out.
    WeightCount,
    /// `Σ|W|` over those elements.
    AbsoluteWeight,
    /// `ΣW²` over those elements.
    SquaredWeight,
    /// `‖W_gate‖_F`; 0 for experts without a gate matrix.
    GateMatrixNorm,
    /// `‖W_up‖_F`.
    UpMatrixNorm,
    /// `‖W_down‖_F`.
    DownMatrixNorm,
    /// `‖router row i‖₂`.
    RouterRowNorm,
}

/// How the values of two parts of a pass become those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// Added.
    Sum,
    /// The larger one.
    Maximum,
    /// A property of the weights: both parts must agree.
    Same,
}

impl Statistic {
    /// All of them, in the order of the file.
    pub const ALL: &'static [Self] = &[
        Self::RoutedTokens,
        Self::RouterScore,
        Self::Gate,
        Self::OutputNorm,
        Self::SquaredOutputNorm,
        Self::GatedOutputNorm,
        Self::ResidualChangeOutputNorm,
        Self::MisreadGatedOutputNorm,
        Self::InputChangeOutputNorm,
        Self::EveryExpertOutputNorm,
        Self::LargestOutputNorm,
        Self::LargestOutput,
        Self::WeightCount,
        Self::AbsoluteWeight,
        Self::SquaredWeight,
        Self::GateMatrixNorm,
        Self::UpMatrixNorm,
        Self::DownMatrixNorm,
        Self::RouterRowNorm,
    ];

    /// Name in files and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RoutedTokens => "routed_tokens",
            Self::RouterScore => "router_score",
            Self::Gate => "gate",
            Self::OutputNorm => "output_norm",
            Self::SquaredOutputNorm => "squared_output_norm",
            Self::GatedOutputNorm => "gated_output_norm",
            Self::ResidualChangeOutputNorm => "residual_change_output_norm",
            Self::MisreadGatedOutputNorm => "misread_gated_output_norm",
            Self::InputChangeOutputNorm => "input_change_output_norm",
            Self::EveryExpertOutputNorm => "every_expert_output_norm",
            Self::LargestOutputNorm => "largest_output_norm",
            Self::LargestOutput => "largest_output",
            Self::WeightCount => "weight_count",
            Self::AbsoluteWeight => "absolute_weight",
            Self::SquaredWeight => "squared_weight",
            Self::GateMatrixNorm => "gate_matrix_norm",
            Self::UpMatrixNorm => "up_matrix_norm",
            Self::DownMatrixNorm => "down_matrix_norm",
            Self::RouterRowNorm => "router_row_norm",
        }
    }

    /// The statistic of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// How two parts of a pass combine.
    #[must_use]
    pub fn combination(self) -> Combination {
        match self {
            Self::LargestOutputNorm | Self::LargestOutput => Combination::Maximum,
            _ if self.is_of_weights() => Combination::Same,
            _ => Combination::Sum,
        }
    }

    /// Whether it is read off the weights: no token is needed, and no corpus changes it.
    #[must_use]
    pub fn is_of_weights(self) -> bool {
        self >= Self::WeightCount
    }

    /// Whether it counts things: a whole number, exact up to 2⁵³.
    #[must_use]
    pub fn is_count(self) -> bool {
        matches!(self, Self::RoutedTokens | Self::WeightCount)
    }
}

/// Where a set of statistics comes from. Two sets with equal provenance hold equal numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Content hash of the model's weights and configuration, hex.
    pub model_hash: String,
    /// Model family, as in `config.json`'s `model_type`.
    pub family: String,
    /// Name of the calibration corpus: the domain. Empty for weight-only statistics.
    pub corpus: String,
    /// Content hash of the token sequences' source, hex.
    pub corpus_hash: String,
    /// Seed that chose and ordered the samples.
    pub seed: u64,
    /// Samples seen, one forward pass each.
    pub samples: u64,
    /// Tokens seen, no padding.
    pub tokens: u64,
    /// Tokens after which samples were cut, if they were.
    pub truncation: Option<u64>,
    /// Whether the model's chat template was applied.
    pub chat_template: bool,
    /// Arithmetic of the forward pass, e.g. `f32`.
    pub precision: String,
    /// Version of the program.
    pub program_version: String,
}

/// One layer's statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerStatistics {
    /// The layer.
    pub shape: LayerShape,
    /// Tokens that went through it.
    pub tokens: u64,
    /// `[experts]` each; what was not asked for is absent.
    pub values: BTreeMap<Statistic, Vec<f64>>,
}

impl LayerStatistics {
    /// Zeros for the `wanted` statistics.
    #[must_use]
    pub fn zeros(shape: LayerShape, wanted: &BTreeSet<Statistic>) -> Self {
        let values = wanted.iter().map(|&s| (s, vec![0.0; shape.experts])).collect();
        Self {
            shape,
            tokens: 0,
            values,
        }
    }

    /// `[experts]`, or nothing where the statistic was not collected.
    #[must_use]
    pub fn get(&self, statistic: Statistic) -> Option<&[f64]> {
        self.values.get(&statistic).map(Vec::as_slice)
    }

    fn check(&self) -> Result<(), PruningError> {
        self.shape.check()?;
        let (layer, experts) = (self.shape.layer, self.shape.experts);
        for (statistic, values) in &self.values {
            if values.len() != experts {
                return Err(PruningError::ImpossibleLayer {
                    layer,
                    reason: format!(
                        "statistic `{}` has {} values for {experts} experts",
                        statistic.name(),
                        values.len()
                    ),
                });
            }
            if let Some((expert, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
                let quantity = statistic.name().to_string();
                return Err(PruningError::NotFinite {
                    layer,
                    expert,
                    quantity,
                    value,
                });
            }
        }
        let counts = self.get(Statistic::RoutedTokens).unwrap_or_default();
        if let Some(expert) = counts.iter().position(|&n| n > self.tokens as f64) {
            return Err(PruningError::ImpossibleLayer {
                layer,
                reason: format!("expert {expert} got {} of only {} tokens", counts[expert], self.tokens),
            });
        }
        Ok(())
    }

    fn absorb(&mut self, other: &Self) {
        self.tokens += other.tokens;
        for (statistic, values) in &mut self.values {
            let added = other.get(*statistic).unwrap_or_default();
            for (value, &more) in values.iter_mut().zip(added) {
                match statistic.combination() {
                    Combination::Sum => *value += more,
                    Combination::Maximum => *value = value.max(more),
                    Combination::Same => {}
                }
            }
        }
    }
}

/// The statistics of all Mixture-of-Experts layers for one corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Where they come from.
    pub provenance: Provenance,
    /// In decoder order.
    pub layers: Vec<LayerStatistics>,
}

impl Statistics {
    /// The layers' shapes, in decoder order.
    #[must_use]
    pub fn shapes(&self) -> Vec<LayerShape> {
        self.layers.iter().map(|l| l.shape).collect()
    }

    /// Which of `wanted` some layer lacks.
    #[must_use]
    pub fn missing(&self, wanted: &BTreeSet<Statistic>) -> Vec<Statistic> {
        let lacks = |s: &&Statistic| self.layers.is_empty() || self.layers.iter().any(|l| l.get(**s).is_none());
        wanted.iter().filter(lacks).copied().collect()
    }

    /// Checks lengths, finiteness, counts and the order of layers.
    ///
    /// # Errors
    ///
    /// [`PruningError::NotFinite`] names layer and expert; [`PruningError::ImpossibleLayer`] says what contradicts what.
    pub fn check(&self) -> Result<(), PruningError> {
        self.layers.iter().try_for_each(LayerStatistics::check)?;
        for pair in self.layers.windows(2) {
            if pair[0].shape.layer >= pair[1].shape.layer {
                return Err(PruningError::ImpossibleLayer {
                    layer: pair[1].shape.layer,
                    reason: format!("it follows layer {}; layers must ascend", pair[0].shape.layer),
                });
            }
        }
        Ok(())
    }

    /// Checks that the statistics are of the model with this content hash and these layers.
    ///
    /// # Errors
    ///
    /// [`PruningError::Mismatch`] with both values.
    pub fn check_model(&self, model_hash: &str, shapes: &[LayerShape]) -> Result<(), PruningError> {
        let left = format!("statistics of `{}`", self.provenance.corpus);
        let right = "the model".to_string();
        if self.provenance.model_hash != model_hash {
            return Err(PruningError::Mismatch {
                left,
                right,
                what: "the model's content hash".into(),
                found: format!("{} ({})", self.provenance.model_hash, self.provenance.family),
                expected: model_hash.into(),
            });
        }
        check_shapes(left, right, &self.shapes(), shapes)
    }

    /// Adds another part of the same pass: the same model, corpus and options, other samples.
    ///
    /// # Errors
    ///
    /// [`PruningError::Mismatch`] if anything but the sample and token counts differs.
    pub fn merge(mut self, other: &Self) -> Result<Self, PruningError> {
        let (left, right) = ("the second part of a pass".to_string(), "the first".to_string());
        let mut provenance = other.provenance.clone();
        provenance.samples = self.provenance.samples;
        provenance.tokens = self.provenance.tokens;
        let mismatch = |what: &str, found: String, expected: String| PruningError::Mismatch {
            left: left.clone(),
            right: right.clone(),
            what: what.into(),
            found,
            expected,
        };
        if provenance != self.provenance {
            return Err(mismatch(
                "the provenance",
                format!("{provenance:?}"),
                format!("{:?}", self.provenance),
            ));
        }
        check_shapes(left.clone(), right.clone(), &other.shapes(), &self.shapes())?;
        for (mine, theirs) in self.layers.iter_mut().zip(&other.layers) {
            let at = |what: &str| format!("{what} of layer {}", theirs.shape.layer);
            let names = |l: &LayerStatistics| l.values.keys().map(|s| s.name()).collect::<Vec<_>>().join(" ");
            if names(mine) != names(theirs) {
                return Err(mismatch(&at("the list of statistics"), names(theirs), names(mine)));
            }
            let differs = |s: &&Statistic| s.is_of_weights() && mine.get(**s) != theirs.get(**s);
            if let Some(statistic) = mine.values.keys().find(differs) {
                let of = |l: &LayerStatistics| format!("{:?}", l.get(*statistic));
                return Err(mismatch(&at(statistic.name()), of(theirs), of(mine)));
            }
            mine.absorb(theirs);
        }
        self.provenance.samples += other.provenance.samples;
        self.provenance.tokens += other.provenance.tokens;
        Ok(self)
    }
}

/// Checks that two lists of layers are the same.
///
/// # Errors
///
/// [`PruningError::Mismatch`] with the first difference.
pub(crate) fn check_shapes(
    left: String,
    right: String,
    found: &[LayerShape],
    expected: &[LayerShape],
) -> Result<(), PruningError> {
    let mismatch = |what: String, found: String, expected: String| {
        Err(PruningError::Mismatch {
            left,
            right,
            what,
            found,
            expected,
        })
    };
    if found.len() != expected.len() {
        let count = |shapes: &[LayerShape]| shapes.len().to_string();
        return mismatch("the number of expert layers".into(), count(found), count(expected));
    }
    match found.iter().zip(expected).find(|(f, e)| f != e) {
        None => Ok(()),
        Some((f, e)) => mismatch(
            format!("the shape of layer {}", e.layer),
            format!("{f:?}"),
            format!("{e:?}"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// Two layers of four experts with all statistics, different in every place.
    pub(crate) fn sample() -> Statistics {
        let shapes = [LayerShape::ungrouped(1, 4, 2), LayerShape::ungrouped(3, 4, 2)];
        let layers = shapes
            .iter()
            .map(|&shape| {
                let value = |s: Statistic, e: usize| {
                    let (s, l) = (s as usize as f64, shape.layer as f64);
                    (1.0 + s * 0.5 + l) * [3.0, 1.0, 4.0, 2.0][(e + shape.layer / 3) % 4]
                };
                let values = Statistic::ALL
                    .iter()
                    .map(|&s| {
                        let row = (0..4).map(|e| value(s, e));
                        (
                            s,
                            if s.is_count() {
                                row.map(f64::floor).collect()
                            } else {
                                row.collect()
                            },
                        )
                    })
                    .collect();
                LayerStatistics {
                    shape,
                    tokens: 100,
                    values,
                }
            })
            .collect();
        let provenance = Provenance {
            model_hash: "aa".into(),
            family: "toy".into(),
            corpus: "medicine".into(),
            corpus_hash: "bb".into(),
            seed: 7,
            samples: 2,
            tokens: 100,
            truncation: Some(64),
            chat_template: true,
            precision: "f64".into(),
            program_version: "0".into(),
        };
        Statistics { provenance, layers }
    }

    #[test]
    fn names_are_unique_and_lead_back() {
        let names: BTreeSet<_> = Statistic::ALL.iter().map(|s| s.name()).collect();
        assert_eq!(names.len(), Statistic::ALL.len());
        for &s in Statistic::ALL {
            assert_eq!(Statistic::from_name(s.name()), Some(s));
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{}\"", s.name()));
        }
    }

    #[test]
    fn merging_adds_sums_takes_maxima_and_leaves_weights() {
        let merged = sample().merge(&sample()).unwrap();
        assert_eq!((merged.provenance.tokens, merged.provenance.samples), (200, 4));
        for (both, one) in merged.layers.iter().zip(&sample().layers) {
            assert_eq!(both.tokens, 200);
            for &s in Statistic::ALL {
                let factor = if s.combination() == Combination::Sum { 2.0 } else { 1.0 };
                let expected: Vec<f64> = one.get(s).unwrap().iter().map(|v| v * factor).collect();
                assert_eq!(both.get(s).unwrap(), expected, "{}", s.name());
            }
        }
    }

    #[test]
    fn merging_strangers_is_refused() {
        let mut other = sample();
        other.provenance.seed = 8;
        let message = sample().merge(&other).unwrap_err().to_string();
        assert!(message.contains("provenance"), "{message}");
        let mut other = sample();
        other.layers[1].values.get_mut(&Statistic::RouterRowNorm).unwrap()[0] = 0.0;
        let message = sample().merge(&other).unwrap_err().to_string();
        assert!(message.contains("router_row_norm of layer 3"), "{message}");
        let mut other = sample();
        other.layers[0].values.remove(&Statistic::Gate);
        assert!(sample().merge(&other).is_err());
    }

    #[test]
    fn damaged_statistics_name_layer_and_expert() {
        let mut bad = sample();
        bad.layers[1].values.get_mut(&Statistic::Gate).unwrap()[2] = f64::NAN;
        let message = bad.check().unwrap_err().to_string();
        assert!(message.contains("layer 3, expert 2: `gate` is NaN"), "{message}");
        let mut bad = sample();
        bad.layers[0].tokens = 1;
        assert!(bad.check().unwrap_err().to_string().contains("of only 1 tokens"));
        let message = sample().check_model("cc", &sample().shapes()).unwrap_err().to_string();
        assert!(message.contains("aa (toy)") && message.contains("cc"), "{message}");
        assert!(
            sample()
                .check_model("aa", &sample().shapes()[..1])
                .unwrap_err()
                .to_string()
                .contains("number of expert layers")
        );
    }
}
