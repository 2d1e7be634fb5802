//! One layer: attention and a feed-forward network, each with a norm and a way around it.

use burn::tensor::Tensor;

use super::attention::Attention;
use super::batch::Run;
use super::dense::Dense;
use super::elementwise::Activation;
use super::norm::Norm;
use super::relative::Prepared;
use crate::error::JudgeError;

/// A layer.
#[derive(Debug, Clone)]
pub struct Block {
    /// First half.
    pub attention: Attention,
    /// Its norm.
    pub attention_norm: Norm,
    /// Second half.
    pub feed_forward: FeedForward,
    /// Its norm.
    pub feed_forward_norm: Norm,
    /// Where the norms stand.
    pub norms: Norms,
}

/// Where norms stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// `norm(x + f(x))`.
    After,
    /// `x + f(norm(x))`.
    Before,
}

/// Two maps with an activation between them, or three where one is a gate.
#[derive(Debug, Clone)]
pub struct FeedForward {
    /// Multiplies what `up` gives, after the activation.
    pub gate: Option<Dense>,
    /// To the inner width.
    pub up: Dense,
    /// Back.
    pub down: Dense,
    /// Follows the gate, or `up` where there is none.
    pub activation: Activation,
}

impl Block {
    /// `[rows, hidden]` → `[rows, hidden]`.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, x: Tensor<2>, runs: &[Run], relative: &[Prepared]) -> Result<Tensor<2>, JudgeError> {
        match self.norms {
            Norms::After => {
                let y = self.attention.apply(x.clone(), runs, relative)?;
                let x = self.attention_norm.of_sum(x, y)?;
                let y = self.feed_forward.apply(x.clone())?;
                self.feed_forward_norm.of_sum(x, y)
            }
            Norms::Before => {
                let y = self.attention_norm.apply(x.clone())?;
                let x = x + self.attention.apply(y, runs, relative)?;
                let y = self.feed_forward_norm.apply(x.clone())?;
                Ok(x + self.feed_forward.apply(y)?)
            }
        }
    }
}

impl FeedForward {
    fn apply(&self, x: Tensor<2>) -> Result<Tensor<2>, JudgeError> {
        let inner = match &self.gate {
            None => self.up.then(x, 1.0, Some(self.activation))?,
            Some(gate) => gate.then(x.clone(), 1.0, Some(self.activation))? * self.up.apply(x)?,
        };
        self.down.apply(inner)
    }
}
