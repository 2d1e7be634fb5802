//! Token ids to vectors.

use burn::tensor::Tensor;
use secateur_model::Device;
use secateur_model::text::PairTokens;

use super::batch::Batch;
use super::dense::Dense;
use super::norm::Norm;
use super::table::Table;
use super::weights::tensor_f64;
use crate::error::JudgeError;

/// Sum of what is known of a token, normed and mapped.
#[derive(Debug, Clone)]
pub struct Embeddings {
    /// By id.
    pub words: Table,
    /// By position in the sequence.
    pub positions: Option<(Table, Counting)>,
    /// By type; `None` where the model has no types.
    pub types: Option<TokenTypes>,
    /// Before the map.
    pub norm_before: Option<Norm>,
    /// From the width of the tables to that of the model.
    pub map: Option<Dense>,
    /// After the map.
    pub norm_after: Option<Norm>,
}

/// How positions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// 0, 1, 2, ….
    FromZero,
    /// `pad + 1`, `pad + 2`, …; a padding token in the text itself stands at `pad` and is not counted.
    AfterPad {
        /// Id of the padding token.
        pad: usize,
    },
}

/// Rows for types of tokens.
#[derive(Debug, Clone)]
pub struct TokenTypes {
    /// By type.
    pub table: Table,
    /// Every token is of type 0, whatever the tokenizer says: what transformers does where the tokenizer hands no types on.
    pub all_zero: bool,
}

impl Counting {
    /// Position of each token.
    #[must_use]
    pub fn positions(self, ids: &[u32]) -> Vec<usize> {
        match self {
            Self::FromZero => (0..ids.len()).collect(),
            Self::AfterPad { pad } => {
                let mut last = pad;
                let mut next = |id: &u32| {
                    if *id as usize == pad {
                        return pad;
                    }
                    last += 1;
                    last
                };
                ids.iter().map(&mut next).collect()
            }
        }
    }
}

impl Embeddings {
    /// `[rows, hidden]`. Ids, positions and types have been checked to have rows.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, batch: &Batch<'_>, device: &Device) -> Result<Tensor<2>, JudgeError> {
        let mut values = Vec::with_capacity(batch.rows * self.words.width);
        for sequence in &batch.sequences {
            self.add_sequence(sequence, &mut values);
        }
        let mut x = tensor_f64(values, [batch.rows, self.words.width], device);
        if let Some(norm) = &self.norm_before {
            x = norm.apply(x)?;
        }
        if let Some(map) = &self.map {
            x = map.apply(x)?;
        }
        match &self.norm_after {
            Some(norm) => norm.apply(x),
            None => Ok(x),
        }
    }

    fn add_sequence(&self, sequence: &PairTokens, values: &mut Vec<f64>) {
        let positions = self
            .positions
            .as_ref()
            .map(|(table, counting)| (table, counting.positions(&sequence.ids)));
        for (at, &id) in sequence.ids.iter().enumerate() {
            let mut sum = vec![0.0; self.words.width];
            self.words.add_row(id as usize, &mut sum);
            if let Some((table, positions)) = &positions {
                table.add_row(positions[at], &mut sum);
            }
            if let Some(types) = &self.types {
                let kind = if types.all_zero { 0 } else { sequence.types[at] as usize };
                types.table.add_row(kind, &mut sum);
            }
            values.extend(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counting;

    #[test]
    fn padding_in_the_text_is_not_counted() {
        let counting = Counting::AfterPad { pad: 1 };
        assert_eq!(counting.positions(&[0, 9, 1, 9, 2]), [2, 3, 1, 4, 5]);
        assert_eq!(Counting::FromZero.positions(&[0, 1, 2]), [0, 1, 2]);
    }
}
