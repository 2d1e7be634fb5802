//! Whole sequences read at once, as a benchmark reads them.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::matrix::in_pool;
use crate::model::Model;

/// Rows of logits that are there at a time.
const ROWS_PER_PROJECTION: usize = 512;

impl Model {
    /// The largest logit at each position of each sequence, `[tokens]` each; all sequences run in one batch.
    ///
    /// Logits are computed at every position, as by a program that returns them all; of `[512, vocabulary]` at a time the largest are kept.
    ///
    /// # Errors
    /// If a sequence is empty, a token out of range, a logit not finite, or the device fails.
    pub fn largest_logits(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f64>>, ModelError> {
        if let Some(place) = sequences.iter().position(|sequence| sequence.is_empty()) {
            return Err(ModelError::Tokens(format!(
                "sequence {place} is empty: it has no logits"
            )));
        }
        in_pool(self.device(), || self.largest_of_batch(sequences))
    }

    /// [`Model::largest_logits`] of sequences none of which is empty.
    fn largest_of_batch(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f64>>, ModelError> {
        let batch = Batch::right_padded(sequences);
        let hidden = self.decoder.forward(&batch, None, &mut Watch::Nobody)?;
        let rows: Vec<usize> = (0..batch.ids.len())
            .filter(|&cell| batch.documents[cell].is_some())
            .collect();
        let mut largest = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_PER_PROJECTION) {
            let picked = hidden.clone().select(0, indices(rows, self.device()));
            largest.extend(self.largest_of(picked)?);
        }
        let mut largest = largest.into_iter();
        Ok(sequences
            .iter()
            .map(|sequence| largest.by_ref().take(sequence.len()).collect())
            .collect())
    }

    /// `[rows, hidden]` → `[rows]`.
    fn largest_of(&self, hidden: Tensor<2>) -> Result<Vec<f64>, ModelError> {
        let largest = host_f64(self.decoder.logits(hidden).max_dim(1), "logits")?;
        match largest.iter().find(|logit| !logit.is_finite()) {
            None => Ok(largest),
            Some(bad) => Err(ModelError::NotFinite {
                place: "logits".into(),
                found: bad.to_string(),
            }),
        }
    }
}
