//! A scorer of `crates/judges` among those that are measured.

use std::error::Error;

use secateur_judges::scorer::{Pair, TextScorer};
use secateur_metrics::value::Direction;
use secateur_validity::scorer::{PairScorer, shipped};

/// Turns what is better when lower, so that more is better everywhere.
pub struct Judge(pub Box<dyn TextScorer>);

impl PairScorer for Judge {
    fn name(&self) -> String {
        self.0.definition().name.to_owned()
    }

    fn identity(&self) -> String {
        self.0.identity()
    }

    fn threshold(&self) -> Option<f64> {
        shipped(self.0.definition().name)
    }

    fn score(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<Option<f64>>, Box<dyn Error>> {
        let sign = match self.0.definition().direction {
            Direction::HigherIsBetter => 1.0,
            Direction::LowerIsBetter => -1.0,
        };
        let pairs: Vec<Pair<'_>> = pairs.iter().map(|&(source, text)| Pair { source, text }).collect();
        let readings = self.0.score(&pairs, &mut |_| {})?;
        Ok(readings
            .into_iter()
            .map(|reading| reading.map(|reading| sign * reading.score))
            .collect())
    }
}
