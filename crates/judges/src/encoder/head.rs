//! Logits from the first token.

use burn::tensor::Tensor;

use super::dense::Dense;
use super::elementwise::Activation;
use crate::error::JudgeError;

/// A classifier of the first token's vector.
#[derive(Debug, Clone)]
pub struct Head {
    /// What pools the vector first, where the family does.
    pub pooler: Option<(Dense, Activation)>,
    /// `[classes, hidden]`.
    pub classifier: Dense,
    /// Names of the classes.
    pub labels: Vec<String>,
}

impl Head {
    /// `[sequences, hidden]` → `[sequences, classes]`.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, first: Tensor<2>) -> Result<Tensor<2>, JudgeError> {
        let pooled = match &self.pooler {
            Some((pooler, activation)) => pooler.then(first, 1.0, Some(*activation))?,
            None => first,
        };
        self.classifier.apply(pooled)
    }
}
