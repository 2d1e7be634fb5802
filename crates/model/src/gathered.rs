//! What an observer asks for, computed on an adapter layer by layer and read once behind the last layer.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::{ExpertOutputs, Said, indices};
use crate::blocks::router::{Selected, host_f64};
use crate::error::ModelError;
use crate::layer_pass::{LayerPass, Source, unheard};
use crate::mask::ExpertId;
use crate::observe::{MoeObservation, MoeObserver, Question};

/// The answers of the layers so far, on the adapter.
#[derive(Debug)]
pub struct Gathering {
    questions: Vec<Question>,
    layers: Vec<Layer>,
}

/// One layer's answers, flat, one behind the other.
#[derive(Debug)]
struct Layer {
    index: usize,
    experts: usize,
    top_k: usize,
    residual_scale: f64,
    values: Tensor<1>,
}

impl Gathering {
    pub(crate) fn new(questions: &[Question]) -> Self {
        Self {
            questions: questions.to_vec(),
            layers: Vec::new(),
        }
    }

    /// Computes what is asked of one layer.
    pub(crate) fn add(&mut self, pass: &LayerPass<'_>, batch: &Batch) -> Result<(), ModelError> {
        let routing = &pass.outputs.routing;
        let selected = match &routing.selected {
            Selected::Device(ids) => flat(ids.clone().float()),
            Selected::Host(ids) => {
                let ids: Vec<f32> = ids.iter().map(|id| id.0 as f32).collect();
                Tensor::from_data(ids.as_slice(), pass.device.options())
            }
        };
        let mut parts = vec![selected, flat(routing.weights.clone())];
        for &question in &self.questions {
            parts.push(answer(question, pass, batch)?);
        }
        self.layers.push(Layer {
            index: pass.layer,
            experts: routing.scores.dims()[1],
            top_k: routing.selected.top_k(batch.ids.len()),
            residual_scale: pass.residual_scale,
            values: Tensor::cat(parts, 0),
        });
        Ok(())
    }

    /// Reads everything and shows it, layer by layer and sequence by sequence.
    pub(crate) fn show(self, batch: &Batch, observer: &mut dyn MoeObserver) -> Result<(), ModelError> {
        let values = self.layers.iter().map(|layer| layer.values.clone()).collect::<Vec<_>>();
        if values.is_empty() {
            return Ok(());
        }
        let values = host_f64(Tensor::cat(values, 0), "what the observer asks for")?;
        let mut rest = values.as_slice();
        for layer in &self.layers {
            let mut take = |width: usize, rows: usize| {
                let (own, behind) = rest.split_at(width * rows);
                rest = behind;
                own
            };
            let cells = batch.ids.len();
            let selected = take(layer.top_k, cells);
            let weights = take(layer.top_k, cells);
            let answers: Vec<(Question, usize, &[f64])> = self
                .questions
                .iter()
                .map(|&question| {
                    let width = width(question, layer);
                    (question, width, take(width, rows(question, batch)))
                })
                .collect();
            let mut asked_rows = 0;
            for row in 0..batch.batch {
                let (first, tokens) = (row * batch.length, batch.tokens(row));
                let part = |values: &[f64], width: usize, first: usize, tokens: usize| {
                    values[first * width..(first + tokens) * width].to_vec()
                };
                let mut limited = 0;
                let of_row = |&(question, width, values): &(Question, usize, &[f64])| {
                    let values = match question {
                        Question::AllExpertOutputNorms(limit) => {
                            limited = tokens.min(limit);
                            part(values, width, asked_rows, limited)
                        }
                        Question::ResidualCosine | Question::InputCosine => {
                            cosines(&part(values, width, first, tokens), layer.residual_scale)
                        }
                        _ => part(values, width, first, tokens),
                    };
                    (question, values)
                };
                let answers = answers.iter().map(of_row).collect();
                asked_rows += limited;
                let selected = part(selected, layer.top_k, first, tokens);
                #[allow(clippy::cast_sign_loss)] // Indices, which f32 holds.
                let selected = selected.into_iter().map(|id| ExpertId(id as usize)).collect();
                observer.observe(&MoeObservation::new(
                    layer.index,
                    tokens,
                    layer.experts,
                    selected,
                    part(weights, layer.top_k, first, tokens),
                    Source::Gathered(answers),
                ))?;
            }
        }
        Ok(())
    }
}

/// Values per row of an answer.
fn width(question: Question, layer: &Layer) -> usize {
    match question {
        Question::Scores | Question::AllExpertOutputNorms(_) => layer.experts,
        Question::OutputNorms | Question::OutputMaxAbs | Question::MisreadOutputNorms => layer.top_k,
        Question::ResidualCosine | Question::InputCosine => 3,
    }
}

/// Rows of an answer.
fn rows(question: Question, batch: &Batch) -> usize {
    match question {
        Question::AllExpertOutputNorms(limit) => (0..batch.batch).map(|row| batch.tokens(row).min(limit)).sum(),
        _ => batch.ids.len(),
    }
}

/// Of each expert that a token goes to, `[tokens * top_k]` each: the norm of what it says, and the largest absolute value.
fn loudness(said: &ExpertOutputs, pass: &LayerPass<'_>) -> Result<[Tensor<1>; 2], ModelError> {
    match &said.said {
        Said::There { norms, largest } => Ok([norms, largest].map(|values| flat(values.clone()))),
        Said::Outputs(_) | Said::Loudness(_) | Said::Nothing => Err(unheard(&format!("layer {}", pass.layer))),
    }
}

fn answer(question: Question, pass: &LayerPass<'_>, batch: &Batch) -> Result<Tensor<1>, ModelError> {
    let said = &pass.outputs.routed;
    let norms = |said: &ExpertOutputs| Ok::<_, ModelError>(loudness(said, pass)?[0].clone());
    Ok(match question {
        Question::Scores => flat(pass.outputs.routing.scores.clone()),
        Question::OutputNorms => norms(said)?,
        Question::OutputMaxAbs => loudness(said, pass)?[1].clone(),
        Question::MisreadOutputNorms => match pass.misread()? {
            Some(misread) => norms(&misread)?,
            None => norms(said)?,
        },
        Question::ResidualCosine => sums(pass.residual, &pass.outputs.routed.combined),
        Question::InputCosine => match pass.misread()? {
            Some(misread) => sums(pass.input, &misread.combined),
            None => sums(pass.input, &pass.outputs.routed.combined),
        },
        Question::AllExpertOutputNorms(limit) => {
            let cells: Vec<usize> = (0..batch.batch)
                .flat_map(|row| (0..batch.tokens(row).min(limit)).map(move |at| row * batch.length + at))
                .collect();
            let x = pass.input.clone().select(0, indices(&cells, pass.device));
            flat(pass.moe.experts.all_norms_misread(&x, pass.device))
        }
    })
}

fn flat(x: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = x.dims();
    x.reshape([rows * columns])
}

/// Per token `a·a`, `a·c` and `c·c`, from which the cosine of `a` and `a + s c` follows.
fn sums(a: &Tensor<2>, c: &Tensor<2>) -> Tensor<1> {
    let (a, c) = (a.clone(), c.clone());
    let sums = vec![
        a.clone().square().sum_dim(1),
        (a * c.clone()).sum_dim(1),
        c.square().sum_dim(1),
    ];
    flat(Tensor::cat(sums, 1))
}

/// Of `[tokens, 3]` such sums. With b = a + s c, `|a|²|b|² − (a·b)² = s² (|a|²|c|² − (a·c)²)`: the sine comes without cancellation, so that
/// `1 − cos`, which is what is used, keeps the digits of f32 sums. ε is 1e-8 on each norm, as in `observe`.
fn cosines(sums: &[f64], scale: f64) -> Vec<f64> {
    let of = |sums: &[f64]| {
        let [aa, ac, cc] = [sums[0], sums[1], sums[2]];
        let (dot, bb) = (aa + scale * ac, aa + 2.0 * scale * ac + scale * scale * cc);
        let (a, b) = (aa.sqrt(), bb.max(0.0).sqrt());
        if a < 1e-8 || b < 1e-8 || bb.is_nan() {
            return dot / (a.max(1e-8) * if bb.is_nan() { bb } else { b.max(1e-8) });
        }
        let sine_squared = scale * scale * (aa * cc - ac * ac) / (aa * bb);
        // NaN stays NaN in a comparison that fails.
        let cosine = if sine_squared < 0.0 {
            1.0
        } else {
            (1.0 - sine_squared.min(1.0)).sqrt()
        };
        let cosine = if sine_squared.is_nan() { sine_squared } else { cosine };
        cosine.copysign(dot)
    };
    sums.chunks_exact(3).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::cosines;

    #[test]
    fn a_cosine_from_sums_by_hand() {
        // a = (3, 4), c = (4, -3): orthogonal and as long, so that a + c is at 45° and a + 2c at atan 2.
        let found = cosines(&[25.0, 0.0, 25.0], 1.0);
        assert!((found[0] - 0.5f64.sqrt()).abs() < 1e-15);
        assert!((cosines(&[25.0, 0.0, 25.0], 2.0)[0] - 5f64.sqrt().recip()).abs() < 1e-15);
        // c = −2 a: turned round.
        assert!((cosines(&[25.0, -50.0, 100.0], 1.0)[0] + 1.0).abs() < 1e-15);
        // Nothing is added.
        assert!((cosines(&[25.0, 0.0, 0.0], 1.0)[0] - 1.0).abs() < 1e-15);
        assert!(cosines(&[0.0, 0.0, 0.0], 1.0)[0].abs() < 1e-15);
        assert!(cosines(&[f64::NAN, 0.0, 1.0], 1.0)[0].is_nan());
        assert!(cosines(&[25.0, f64::NAN, 1.0], 1.0)[0].is_nan());
        // A small change: 1 − cos = ε²/2 to its last digits.
        let small = 1.0 - cosines(&[1.0, 0.0, 1e-8], 1.0)[0];
        assert!((small / 5e-9 - 1.0).abs() < 1e-6);
    }
}
