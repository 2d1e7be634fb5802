//! One sample's routed tokens into one layer's sums.

use secateur_model::mask::ExpertId;

use crate::error::PruningError;
use crate::statistics::{EVERY_EXPERT_TOKENS, LayerStatistics, Statistic};

/// What one layer did with the `T` tokens of one sample: only what the wanted statistics need is filled in.
#[derive(Debug, Clone, Default)]
pub struct LayerSample {
    /// `T`.
    pub tokens: usize,
    /// `[T · top_k]`.
    pub selected: Vec<ExpertId>,
    /// `[T · top_k]`: `g`.
    pub weights: Vec<f64>,
    /// `[T · top_k]`: `‖E‖₂`.
    pub output_norms: Option<Vec<f64>>,
    /// `[T · top_k]`: `‖E‖₂` of outputs with gate and up rows taken for halves.
    pub misread_output_norms: Option<Vec<f64>>,
    /// `[T · top_k]`: `max|E|`.
    pub largest_outputs: Option<Vec<f64>>,
    /// `[T · experts]`: `p`.
    pub router_scores: Option<Vec<f64>>,
    /// `[T]`: `cos(z, z + routed)`.
    pub residual_cosine: Option<Vec<f64>>,
    /// `[T]`: `cos(x, x + routed)`.
    pub input_cosine: Option<Vec<f64>>,
    /// `[min(T, 256) · experts]`: `‖E‖₂` of every expert.
    pub every_expert_norms: Option<Vec<f64>>,
}

/// A part of [`LayerSample`] that costs something to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ingredient {
    /// [`LayerSample::output_norms`].
    OutputNorms,
    /// [`LayerSample::misread_output_norms`].
    MisreadOutputNorms,
    /// [`LayerSample::largest_outputs`].
    LargestOutputs,
    /// [`LayerSample::router_scores`].
    RouterScores,
    /// [`LayerSample::residual_cosine`].
    ResidualCosine,
    /// [`LayerSample::input_cosine`].
    InputCosine,
    /// [`LayerSample::every_expert_norms`].
    EveryExpertNorms,
}

/// What of a sample a statistic is made from, besides selection and weights.
#[must_use]
pub fn ingredients(statistic: Statistic) -> &'static [Ingredient] {
    use Ingredient as I;
    match statistic {
        Statistic::RouterScore => &[I::RouterScores],
        Statistic::OutputNorm
        | Statistic::SquaredOutputNorm
        | Statistic::GatedOutputNorm
        | Statistic::LargestOutputNorm => &[I::OutputNorms],
        Statistic::ResidualChangeOutputNorm => &[I::OutputNorms, I::ResidualCosine],
        Statistic::MisreadGatedOutputNorm => &[I::MisreadOutputNorms],
        Statistic::InputChangeOutputNorm => &[I::MisreadOutputNorms, I::InputCosine],
        Statistic::EveryExpertOutputNorm => &[I::EveryExpertNorms],
        Statistic::LargestOutput => &[I::LargestOutputs],
        _ => &[],
    }
}

impl LayerStatistics {
    /// Adds one sample to every statistic of tokens that the layer holds.
    ///
    /// # Errors
    ///
    /// [`PruningError::ImpossibleLayer`] if a list has the wrong length or names an expert that there is not.
    pub fn add(&mut self, sample: &LayerSample) -> Result<(), PruningError> {
        let experts = self.shape.experts;
        check(sample, experts, self.shape.top_k).map_err(|reason| PruningError::ImpossibleLayer {
            layer: self.shape.layer,
            reason,
        })?;
        self.tokens += sample.tokens as u64;
        for (&statistic, sums) in &mut self.values {
            match statistic {
                Statistic::RouterScore => add_rows(sums, sample.router_scores.as_deref(), experts),
                Statistic::EveryExpertOutputNorm => {
                    add_rows(sums, sample.every_expert_norms.as_deref(), experts);
                }
                _ if statistic.is_of_weights() => {}
                _ => add_routed(statistic, sums, sample, self.shape.top_k),
            }
        }
        if let Some(missing) = self
            .values
            .keys()
            .flat_map(|&s| ingredients(s))
            .find(|&&i| !has(sample, i))
        {
            let reason = format!("the sample lacks {missing:?}");
            return Err(PruningError::ImpossibleLayer {
                layer: self.shape.layer,
                reason,
            });
        }
        Ok(())
    }
}

fn has(sample: &LayerSample, ingredient: Ingredient) -> bool {
    part(sample, ingredient).is_some()
}

fn part(sample: &LayerSample, ingredient: Ingredient) -> Option<&[f64]> {
    match ingredient {
        Ingredient::OutputNorms => sample.output_norms.as_deref(),
        Ingredient::MisreadOutputNorms => sample.misread_output_norms.as_deref(),
        Ingredient::LargestOutputs => sample.largest_outputs.as_deref(),
        Ingredient::RouterScores => sample.router_scores.as_deref(),
        Ingredient::ResidualCosine => sample.residual_cosine.as_deref(),
        Ingredient::InputCosine => sample.input_cosine.as_deref(),
        Ingredient::EveryExpertNorms => sample.every_expert_norms.as_deref(),
    }
}

fn add_rows(sums: &mut [f64], rows: Option<&[f64]>, experts: usize) {
    for row in rows.unwrap_or_default().chunks_exact(experts) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

fn add_routed(statistic: Statistic, sums: &mut [f64], sample: &LayerSample, top_k: usize) {
    let at = |values: &Option<Vec<f64>>, i: usize| values.as_ref().map_or(f64::NAN, |v| v[i]);
    for (i, (expert, gate)) in sample.selected.iter().zip(&sample.weights).enumerate() {
        let token = i / top_k;
        let norm = || at(&sample.output_norms, i);
        let misread = || at(&sample.misread_output_norms, i);
        let sum = &mut sums[expert.0];
        match statistic {
            Statistic::RoutedTokens => *sum += 1.0,
            Statistic::Gate => *sum += gate,
            Statistic::OutputNorm => *sum += norm(),
            Statistic::SquaredOutputNorm => *sum += norm() * norm(),
            Statistic::GatedOutputNorm => *sum += gate * norm(),
            Statistic::MisreadGatedOutputNorm => *sum += gate * misread(),
            Statistic::ResidualChangeOutputNorm => {
                *sum += clamped(1.0 - at(&sample.residual_cosine, token)) * gate * norm();
            }
            Statistic::InputChangeOutputNorm => {
                *sum += (1.0 - at(&sample.input_cosine, token)) * gate * misread();
            }
            Statistic::LargestOutputNorm => *sum = larger(*sum, norm()),
            Statistic::LargestOutput => *sum = larger(*sum, at(&sample.largest_outputs, i)),
            _ => {}
        }
    }
}

/// `max(0, value)`, which a NaN survives: `f64::max` would hide it.
fn clamped(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

/// The larger one, or NaN if either is.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

fn check(sample: &LayerSample, experts: usize, top_k: usize) -> Result<(), String> {
    let (tokens, routed) = (sample.tokens, sample.tokens * top_k);
    let same = |what: &str, found: usize, expected: usize| {
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "{what}: {found} values for {tokens} tokens, expected {expected}"
        ))
    };
    same("selected experts", sample.selected.len(), routed)?;
    same("routing weights", sample.weights.len(), routed)?;
    if let Some(expert) = sample.selected.iter().find(|e| e.0 >= experts) {
        return Err(format!("a token was routed to expert {} of {experts}", expert.0));
    }
    for (ingredient, expected) in [
        (Ingredient::OutputNorms, routed),
        (Ingredient::MisreadOutputNorms, routed),
        (Ingredient::LargestOutputs, routed),
        (Ingredient::RouterScores, tokens * experts),
        (Ingredient::ResidualCosine, tokens),
        (Ingredient::InputCosine, tokens),
        (Ingredient::EveryExpertNorms, tokens.min(EVERY_EXPERT_TOKENS) * experts),
    ] {
        if let Some(values) = part(sample, ingredient) {
            same(&format!("{ingredient:?}"), values.len(), expected)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::shape::LayerShape;

    /// Two tokens, three experts, top-2: token 0 goes to experts 2 and 0, token 1 to 2 and 1.
    fn sample() -> LayerSample {
        LayerSample {
            tokens: 2,
            selected: [2, 0, 2, 1].map(ExpertId).to_vec(),
            weights: vec![0.75, 0.25, 0.5, 0.5],
            output_norms: Some(vec![4.0, 2.0, 8.0, 6.0]),
            misread_output_norms: Some(vec![2.0, 4.0, 4.0, 2.0]),
            largest_outputs: Some(vec![3.0, 1.0, 5.0, 4.0]),
            router_scores: Some(vec![0.2, 0.1, 0.7, 0.1, 0.4, 0.5]),
            residual_cosine: Some(vec![0.5, 1.25]),
            input_cosine: Some(vec![0.0, 1.25]),
            every_expert_norms: Some(vec![2.0, 1.0, 4.0, 3.0, 6.0, 8.0]),
        }
    }

    fn layer() -> LayerStatistics {
        let wanted = Statistic::ALL.iter().copied().filter(|s| !s.is_of_weights()).collect();
        LayerStatistics::zeros(LayerShape::ungrouped(5, 3, 2), &wanted)
    }

    #[test]
    fn three_experts_by_hand() {
        let mut layer = layer();
        layer.add(&sample()).unwrap();
        let of = |s| layer.get(s).unwrap().to_vec();
        assert_eq!(layer.tokens, 2);
        assert_eq!(of(Statistic::RoutedTokens), [1.0, 1.0, 2.0]);
        assert_eq!(of(Statistic::Gate), [0.25, 0.5, 1.25]);
        assert_eq!(of(Statistic::OutputNorm), [2.0, 6.0, 12.0]);
        assert_eq!(of(Statistic::SquaredOutputNorm), [4.0, 36.0, 80.0]);
        assert_eq!(of(Statistic::GatedOutputNorm), [0.5, 3.0, 7.0]);
        // Token 1 moved along its residual: its factor −0.25 is clamped in one, and counts in the other.
        assert_eq!(of(Statistic::ResidualChangeOutputNorm), [0.25, 0.0, 1.5]);
        assert_eq!(of(Statistic::MisreadGatedOutputNorm), [1.0, 1.0, 3.5]);
        assert_eq!(of(Statistic::InputChangeOutputNorm), [1.0, -0.25, 1.0]);
        assert_eq!(of(Statistic::EveryExpertOutputNorm), [5.0, 7.0, 12.0]);
        assert_eq!(of(Statistic::LargestOutputNorm), [2.0, 6.0, 8.0]);
        assert_eq!(of(Statistic::LargestOutput), [1.0, 4.0, 5.0]);
        let scores = of(Statistic::RouterScore);
        for (found, expected) in scores.iter().zip([0.3, 0.5, 1.2]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn lists_of_the_wrong_length_are_refused() {
        let told = |change: &dyn Fn(&mut LayerSample)| {
            let mut sample = sample();
            change(&mut sample);
            layer().add(&sample).unwrap_err().to_string()
        };
        assert!(told(&|s| s.weights.truncate(3)).contains("routing weights: 3 values"));
        assert!(told(&|s| s.selected[0] = ExpertId(3)).contains("expert 3 of 3"));
        assert!(told(&|s| s.input_cosine = Some(vec![])).contains("InputCosine: 0 values"));
        assert!(told(&|s| s.output_norms = None).contains("lacks OutputNorms"));
        assert!(told(&|s| s.tokens = 9).contains("layer 5"));
    }

    #[test]
    fn nan_survives_clamps_and_maxima() {
        let mut sample = sample();
        sample.residual_cosine = Some(vec![f64::NAN, 0.0]);
        sample.largest_outputs.as_mut().unwrap()[0] = f64::NAN;
        let mut layer = layer();
        layer.add(&sample).unwrap();
        for s in [Statistic::ResidualChangeOutputNorm, Statistic::LargestOutput] {
            assert!(layer.get(s).unwrap()[2].is_nan());
        }
    }
}
