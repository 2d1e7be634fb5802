//! What a model shows while it runs calibration samples, into sums.

use std::collections::BTreeSet;

use secateur_model::batch::Batch;
use secateur_model::layerwise::{Between, Resumed, Visits};
use secateur_model::observe::{MoeObservation, MoeObserver, Question};
use secateur_model::{Model, ModelError};

use crate::accumulate::{Ingredient, LayerSample, ingredients};
use crate::error::PruningError;
use crate::statistics::{EVERY_EXPERT_TOKENS, LayerStatistics, Statistic};

/// What is done with the layers' sums when a wave is through a layer.
pub(crate) type BetweenLayers<'a> = &'a mut dyn FnMut(&mut [LayerStatistics], &Between<'_>) -> Result<(), PruningError>;

/// Some samples of a corpus, in the batches in which they go through the model together.
pub(crate) struct Wave<'a> {
    pub(crate) batches: &'a [Batch],
    pub(crate) samples: &'a [Vec<u32>],
    pub(crate) corpus: &'a str,
    /// Number of the first sample in the corpus.
    pub(crate) first: usize,
}

/// Puts what the model shows into the layers' sums.
pub(crate) struct Collector {
    /// In decoder order.
    pub(crate) layers: Vec<LayerStatistics>,
    ingredients: BTreeSet<Ingredient>,
    asks: Vec<Question>,
    /// Samples that each layer is shown.
    samples: usize,
    /// Layers seen in this wave, once for each sample.
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

    /// Runs a wave, from where it was left behind `layers_done` layers, if it was.
    ///
    /// # Errors
    /// If the model fails, said of the sample it fails on where it is the sample's, or shows other layers than it has.
    pub(crate) fn run(
        &mut self,
        model: &Model,
        wave: &Wave<'_>,
        from: Option<(usize, Resumed)>,
        between: BetweenLayers<'_>,
    ) -> Result<(), PruningError> {
        let (layers_done, from) = from.map_or((0, None), |(done, from)| (done, Some(from)));
        let before = self.layers.iter().filter(|layer| layer.shape.layer < layers_done);
        (self.samples, self.seen) = (wave.samples.len(), before.count() * wave.samples.len());
        let mut onlooker = Onlooker {
            collector: self,
            between,
        };
        let result = model.observe_wave(wave.batches, from, &mut onlooker);
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match result {
            Ok(()) => {}
            // The weights', whatever the sample.
            Err(error @ ModelError::Checkpoint(_)) => return Err(error.into()),
            Err(error) => {
                let (sample, source) = self.culprit(model, wave).unwrap_or((0, error));
                return Err(PruningError::Sample {
                    corpus: wave.corpus.into(),
                    sample: wave.first + sample,
                    source: Box::new(source),
                });
            }
        }
        let seen = self.seen / self.samples.max(1);
        if seen == self.layers.len() {
            return Ok(());
        }
        Err(PruningError::ImpossibleLayer {
            layer: self.layers[seen].shape.layer,
            reason: format!("the model showed {seen} of its {} expert layers", self.layers.len()),
        })
    }

    /// The first sample of a wave that the model fails on alone, and how. Where every try reads all weights, only the samples of the
    /// batch that was not seen again are tried.
    fn culprit(&self, model: &Model, wave: &Wave<'_>) -> Option<(usize, ModelError)> {
        let mut tried = 0..wave.samples.len();
        if matches!(model.visits(), Visits::LayerByLayer { .. }) {
            let seen = self.seen % self.samples.max(1);
            let ends = wave.batches.iter().scan(0, |end, batch| {
                *end += batch.batch;
                Some(*end)
            });
            tried = seen..ends.into_iter().find(|&end| end > seen)?;
        }
        tried.find_map(|sample| Some((sample, model.observe(&wave.samples[sample], &mut Blind).err()?)))
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

/// Who looks on at a wave.
struct Onlooker<'a, 'b> {
    collector: &'a mut Collector,
    between: BetweenLayers<'b>,
}

impl MoeObserver for Onlooker<'_, '_> {
    fn asks(&self) -> Option<&[Question]> {
        Some(&self.collector.asks)
    }

    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        self.collector.observe(moe)
    }

    fn between_layers(&mut self, between: &Between<'_>) -> Result<(), ModelError> {
        (self.between)(&mut self.collector.layers, between).map_err(|error| self.collector.refused(error))
    }
}

impl Collector {
    /// Keeps the error that the model only passes on.
    fn refused(&mut self, error: PruningError) -> ModelError {
        let message = error.to_string();
        self.error = Some(error);
        ModelError::Observer(message)
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
        added.map_err(|error| self.refused(error))
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
