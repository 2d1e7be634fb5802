//! What a model shows while it runs calibration samples, into sums.

use std::collections::BTreeSet;

use secateur_model::batch::Batch;
use secateur_model::layerwise::Visits;
use secateur_model::observe::{MoeObservation, MoeObserver, Question};
use secateur_model::{Model, ModelError};

use crate::accumulate::{Ingredient, LayerSample, ingredients};
use crate::error::PruningError;
use crate::statistics::{EVERY_EXPERT_TOKENS, LayerStatistics, Statistic};

/// Puts what the model shows into the layers' sums.
pub(crate) struct Collector {
    /// In decoder order.
    pub(crate) layers: Vec<LayerStatistics>,
    ingredients: BTreeSet<Ingredient>,
    asks: Vec<Question>,
    /// Samples that each layer is shown.
    samples: usize,
    /// Layers seen in this pass, once for each sample.
    seen: usize,
    error: Option<PruningError>,
}

impl Collector {
    pub(crate) fn new(layers: Vec<LayerStatistics>, wanted: &BTreeSet<Statistic>) -> Self {
        let ingredients: BTreeSet<Ingredient> = wanted.iter().flat_map(|&s| ingredients(s)).copied().collect();
        Self {
            layers,
            asks: ingredients.iter().copied().map(question).collect(),
            ingredients,
            samples: 0,
            seen: 0,
            error: None,
        }
    }

    /// Runs a wave of batches of some samples, of which the first is number `first` of the corpus. `progress` is told how many layers
    /// are done, of how many: all at once where the weights stay in memory.
    ///
    /// # Errors
    /// If the model fails, said of the sample it fails on, or shows other layers than it has.
    pub(crate) fn run(
        &mut self,
        model: &Model,
        wave: &[Batch],
        samples: &[Vec<u32>],
        corpus: &str,
        first: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), PruningError> {
        (self.samples, self.seen) = (samples.len(), 0);
        let layers = model.spec().layers.len();
        let one_by_one = matches!(model.visits(), Visits::LayerByLayer { .. });
        let result = model.observe_wave(wave, self, &mut |done| {
            if one_by_one && done < layers {
                progress(done, layers);
            }
        });
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        result.map_err(|error| {
            let (sample, source) = culprit(model, samples).unwrap_or((0, error));
            PruningError::Sample {
                corpus: corpus.into(),
                sample: first + sample,
                source: Box::new(source),
            }
        })?;
        let seen = self.seen / self.samples.max(1);
        if seen == self.layers.len() {
            progress(layers, layers);
            return Ok(());
        }
        Err(PruningError::ImpossibleLayer {
            layer: self.layers[seen].shape.layer,
            reason: format!("the model showed {seen} of its {} expert layers", self.layers.len()),
        })
    }

    fn look(&self, moe: &MoeObservation<'_>) -> Result<LayerSample, ModelError> {
        let mut sample = LayerSample {
            tokens: moe.tokens(),
            selected: moe.selected().to_vec(),
            weights: moe.weights().to_vec(),
            ..LayerSample::default()
        };
        for ingredient in &self.ingredients {
            match ingredient {
                Ingredient::OutputNorms => sample.output_norms = Some(moe.output_norms()?),
                Ingredient::MisreadOutputNorms => sample.misread_output_norms = Some(moe.misread_output_norms()?),
                Ingredient::LargestOutputs => sample.largest_outputs = Some(moe.output_max_abs()?),
                Ingredient::RouterScores => sample.router_scores = Some(moe.scores()?),
                Ingredient::ResidualCosine => sample.residual_cosine = Some(moe.residual_cosine()?),
                Ingredient::InputCosine => sample.input_cosine = Some(moe.input_cosine()?),
                Ingredient::EveryExpertNorms => {
                    sample.every_expert_norms = Some(moe.all_expert_output_norms(EVERY_EXPERT_TOKENS)?);
                }
            }
        }
        Ok(sample)
    }
}

/// What a model is asked for an ingredient.
fn question(ingredient: Ingredient) -> Question {
    match ingredient {
        Ingredient::OutputNorms => Question::OutputNorms,
        Ingredient::MisreadOutputNorms => Question::MisreadOutputNorms,
        Ingredient::LargestOutputs => Question::OutputMaxAbs,
        Ingredient::RouterScores => Question::Scores,
        Ingredient::ResidualCosine => Question::ResidualCosine,
        Ingredient::InputCosine => Question::InputCosine,
        Ingredient::EveryExpertNorms => Question::AllExpertOutputNorms(EVERY_EXPERT_TOKENS),
    }
}

impl MoeObserver for Collector {
    fn asks(&self) -> Option<&[Question]> {
        Some(&self.asks)
    }

    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let sample = self.look(moe)?;
        let place = self.seen / self.samples.max(1);
        self.seen += 1;
        let added = match self.layers.get_mut(place).filter(|l| l.shape.layer == moe.layer()) {
            Some(layer) => layer.add(&sample),
            None => Err(PruningError::ImpossibleLayer {
                layer: moe.layer(),
                reason: format!("the model showed it as expert layer number {place}"),
            }),
        };
        added.map_err(|error| {
            let message = error.to_string();
            self.error = Some(error);
            ModelError::Observer(message)
        })
    }
}

/// Nobody: for a pass whose error is of interest.
struct Blind;

impl MoeObserver for Blind {
    fn observe(&mut self, _: &MoeObservation<'_>) -> Result<(), ModelError> {
        Ok(())
    }

    fn asks(&self) -> Option<&[Question]> {
        Some(&[])
    }
}

/// The first of some sequences that the model fails on alone, and how.
fn culprit(model: &Model, samples: &[Vec<u32>]) -> Option<(usize, ModelError)> {
    let failure = |(index, tokens): (usize, &Vec<u32>)| Some((index, model.observe(tokens, &mut Blind).err()?));
    samples.iter().enumerate().find_map(failure)
}
