//! Every token looks at all tokens of its sequence.

use burn::tensor::{Tensor, activation};

use super::batch::Run;
use super::dense::Dense;
use super::disentangled::Disentangled;
use super::relative::Prepared;
use crate::error::JudgeError;

/// Self-attention over whole sequences.
#[derive(Debug, Clone)]
pub struct Attention {
    /// `[heads · width, hidden]`.
    pub query: Dense,
    /// `[heads · width, hidden]`.
    pub key: Dense,
    /// `[heads · width, hidden]`.
    pub value: Dense,
    /// `[hidden, heads · width]`.
    pub output: Dense,
    /// Number of heads.
    pub heads: usize,
    /// Multiplies all scores.
    pub scale: f64,
    /// Scores of content and position, where the family has them.
    pub disentangled: Option<Disentangled>,
}

impl Attention {
    /// `[rows, hidden]` → `[rows, hidden]`; `relative` has one entry per run.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, x: Tensor<2>, runs: &[Run], relative: &[Prepared]) -> Result<Tensor<2>, JudgeError> {
        // Scaling queries scales all scores that they take part in.
        let query = self.query.then(x.clone(), self.scale, None)?;
        let key = self.key.apply(x.clone())?;
        let value = self.value.apply(x)?;
        let mut mixed: Vec<Tensor<2>> = runs
            .iter()
            .zip(relative)
            .map(|(run, relative)| {
                let [query, key, value] = [&query, &key, &value].map(|all| by_head(all, *run, self.heads));
                self.mix(query, key, value, relative)
            })
            .collect();
        let mixed = match mixed.pop() {
            Some(only) if mixed.is_empty() => only,
            Some(last) => {
                mixed.push(last);
                Tensor::cat(mixed, 0)
            }
            None => return Ok(query),
        };
        self.output.apply(mixed)
    }

    /// `[sequences, heads, length, width]` each → `[sequences · length, heads · width]`.
    fn mix(&self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, relative: &Prepared) -> Tensor<2> {
        let [sequences, heads, length, width] = query.dims();
        let mut scores = query.clone().matmul(key.clone().swap_dims(2, 3));
        match (relative, &self.disentangled) {
            (Prepared::Bias(bias), _) => scores = scores + bias.as_ref().clone(),
            (Prepared::Rows(rows), Some(disentangled)) => scores = disentangled.add(scores, query, key, rows),
            _ => {}
        }
        let mixed = activation::softmax(scores, 3).matmul(value);
        mixed.swap_dims(1, 2).reshape([sequences * length, heads * width])
    }
}

/// A run's rows `[rows, heads · width]` as a view `[sequences, heads, length, width]`.
fn by_head(all: &Tensor<2>, run: Run, heads: usize) -> Tensor<4> {
    let width = all.dims()[1] / heads;
    let rows = all.clone().narrow(0, run.first, run.sequences * run.length);
    rows.reshape([run.sequences, run.length, heads, width]).swap_dims(1, 2)
}
