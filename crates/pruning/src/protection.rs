//! Super experts: the few whose outputs are enormous, and without which a model breaks down.
//!
//! Source: the option of REAP's code, <https://arxiv.org/abs/2510.13999>: with `m_i` the expert's largest output, protected are the
//! experts of the first `int(0.75·L)` expert layers where
//!
//! ```text
//! m_i > max(quantile(m, 0.995), 0.1 · max m)     over all layers' experts, quantile linearly interpolated
//! ```
//!
//! Here `m_i = max|E_i|`; that code takes the largest signed element.

use secateur_model::mask::ExpertId;

use crate::error::PruningError;
use crate::plan::Protected;
use crate::statistics::{Statistic, Statistics, check_shapes};

/// The statistic that [`super_experts`] needs.
pub const NEEDS: Statistic = Statistic::LargestOutput;

/// Finds the super experts; of several domains, an expert's largest output in any of them counts.
///
/// # Errors
///
/// [`PruningError::MissingStatistic`] if [`NEEDS`] was not collected; statistics that are damaged or of different models.
pub fn super_experts(domains: &[&Statistics]) -> Result<Protected, PruningError> {
    let Some(first) = domains.first() else {
        return Err(PruningError::NoStatistics {
            method: "super-expert protection".into(),
        });
    };
    let mut largest: Vec<Vec<f64>> = first.layers.iter().map(|l| vec![0.0; l.shape.experts]).collect();
    for domain in domains {
        let named = |d: &Statistics| format!("statistics of `{}`", d.provenance.corpus);
        check_shapes(named(domain), named(first), &domain.shapes(), &first.shapes())?;
        domain.check()?;
        for (layer, row) in domain.layers.iter().zip(&mut largest) {
            let values = layer.get(NEEDS).ok_or_else(|| PruningError::MissingStatistic {
                method: "super-expert protection".into(),
                statistic: NEEDS.name(),
                corpus: domain.provenance.corpus.clone(),
                layer: layer.shape.layer,
            })?;
            for (most, value) in row.iter_mut().zip(values) {
                *most = most.max(*value);
            }
        }
    }
    let threshold = threshold(largest.iter().flatten().copied().collect());
    let above = |row: &[f64]| (0..row.len()).filter(|&e| row[e] > threshold).map(ExpertId).collect();
    let early = first.layers.len() * 3 / 4;
    Ok(first
        .layers
        .iter()
        .zip(&largest)
        .take(early)
        .map(|(layer, row)| (layer.shape.layer, above(row)))
        .filter(|(_, experts): &(usize, std::collections::BTreeSet<_>)| !experts.is_empty())
        .collect())
}

fn threshold(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(&most) = values.last() else {
        return f64::INFINITY;
    };
    let place = 0.995 * (values.len() - 1) as f64;
    #[allow(clippy::cast_sign_loss)]
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    let quantile = values[below] + (place - place.floor()) * (values[above] - values[below]);
    quantile.max(0.1 * most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::shape::LayerShape;
    use crate::statistics::{LayerStatistics, Provenance};

    fn statistics(layers: usize, outlier: (usize, usize, f64)) -> Statistics {
        let layer = |l: usize| {
            let row = (0..100)
                .map(|e| {
                    if (l, e) == (outlier.0, outlier.1) {
                        outlier.2
                    } else {
                        1.0
                    }
                })
                .collect();
            LayerStatistics {
                shape: LayerShape::ungrouped(l, 100, 2),
                tokens: 1,
                values: [(NEEDS, row)].into(),
            }
        };
        Statistics {
            provenance: Provenance::default(),
            layers: (0..layers).map(layer).collect(),
        }
    }

    #[test]
    fn an_outlier_in_an_early_layer_is_protected() {
        let found = super_experts(&[&statistics(4, (1, 7, 500.0))]).unwrap();
        assert_eq!(found, Protected::from([(1, [ExpertId(7)].into())]));
        assert!(super_experts(&[&statistics(4, (3, 7, 500.0))]).unwrap().is_empty());
        // Both thresholds: 99.5 % of 0..=1000 is 995, ten per cent of the maximum is 100.
        assert!((threshold((0..=1000).map(f64::from).collect()) - 995.0).abs() < 1e-9);
        assert!((threshold(vec![1.0, 1.0, 1.0, 1000.0]) - 985.015).abs() < 1e-9);
    }

    #[test]
    fn without_the_statistic_it_is_refused() {
        let mut lacking = statistics(2, (0, 0, 1.0));
        lacking.layers[1].values.clear();
        let message = super_experts(&[&lacking]).unwrap_err().to_string();
        assert!(message.contains("`largest_output`"), "{message}");
        assert!(super_experts(&[]).is_err());
    }
}
