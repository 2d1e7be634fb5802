//! What experts are given: tokens that are packed once for all of them, or rows of their own.

use crate::activations::Activations;
use crate::experts::Expert;
use crate::precision::Precision;
use crate::tokens::{Tokens, Visit};
use crate::weights::WeightDtype;

/// What an expert is given, `[tokens, hidden]`.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// Rows that no other expert takes as they are.
    Own(Tokens<'a>),
    /// Some rows of those that all experts share.
    Shared(&'a Shared<'a>, &'a [Visit]),
}

impl<'a> Given<'a> {
    /// For products with weights of a dtype that one of the experts has.
    pub(crate) fn packed(self, dtype: WeightDtype, precision: Precision, parallel: bool) -> Activations<'a> {
        match self {
            Self::Own(x) => Activations::new(x, dtype, precision, parallel),
            Self::Shared(shared, visits) => shared.of(dtype, visits),
        }
    }

    /// Tokens.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Own(x) => x.count(),
            Self::Shared(_, visits) => visits.len(),
        }
    }

    /// Values of a token.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Self::Own(x) => x.columns(),
            Self::Shared(shared, _) => shared.columns,
        }
    }
}

/// A layer's tokens, packed once for all experts.
pub(crate) struct Shared<'a> {
    columns: usize,
    packed: Vec<(WeightDtype, Activations<'a>)>,
}

impl<'a> Shared<'a> {
    /// Packs tokens for the first projections of some experts.
    pub(crate) fn new<'e>(x: Tokens<'a>, experts: impl Iterator<Item = &'e Expert<'e>>, precision: Precision) -> Self {
        let mut packed: Vec<(WeightDtype, Activations<'a>)> = Vec::new();
        for projection in experts.flat_map(|expert| expert.gate.iter().chain([&expert.up])) {
            let dtype = projection.weights.dtype();
            if packed.iter().all(|(other, _)| *other != dtype) {
                packed.push((dtype, Activations::new(x, dtype, precision, true)));
            }
        }
        Self {
            columns: x.columns(),
            packed,
        }
    }

    /// Some of them for weights of a dtype that one of the experts has.
    fn of<'b>(&'b self, dtype: WeightDtype, visits: &'b [Visit]) -> Activations<'b> {
        let packed = self.packed.iter().find(|(other, _)| *other == dtype);
        let (_, packed) = packed.unwrap_or_else(|| unreachable!("tokens are packed for all experts"));
        packed.of(visits)
    }
}
