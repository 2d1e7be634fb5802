//! Statistics that are read off the weights.

use secateur_model::mask::ExpertId;
use secateur_model::{MatrixValues, Model, ModelError};

use crate::statistics::{LayerStatistics, Statistic};

/// Fills in those of a layer that are wanted.
///
/// # Errors
/// If a weight is not finite, or the model has no experts there.
pub(crate) fn read_weights(model: &Model, layer: &mut LayerStatistics) -> Result<(), ModelError> {
    let (index, experts) = (layer.shape.layer, layer.shape.experts);
    let wanted: Vec<Statistic> = layer.values.keys().copied().filter(|s| s.is_of_weights()).collect();
    if let Some(norms) = layer.values.get_mut(&Statistic::RouterRowNorm) {
        let router = model.router_matrix(index)?;
        for (norm, row) in norms.iter_mut().zip(router.values.chunks_exact(router.columns.max(1))) {
            *norm = squares(row).sqrt();
        }
    }
    if wanted == [Statistic::RouterRowNorm] {
        return Ok(());
    }
    for expert in 0..experts {
        let matrices = model.expert_matrices(index, ExpertId(expert))?;
        for &statistic in wanted.iter().filter(|&&s| s != Statistic::RouterRowNorm) {
            if let Some(values) = layer.values.get_mut(&statistic) {
                values[expert] = of_matrices(statistic, &matrices);
            }
        }
    }
    Ok(())
}

fn of_matrices(statistic: Statistic, matrices: &[MatrixValues]) -> f64 {
    let all = || matrices.iter().map(|m| m.values.as_slice());
    let norm = |name: &str| {
        matrices
            .iter()
            .filter(|m| m.name == name)
            .map(|m| squares(&m.values))
            .sum::<f64>()
            .sqrt()
    };
    match statistic {
        Statistic::WeightCount => all().map(<[f32]>::len).sum::<usize>() as f64,
        Statistic::AbsoluteWeight => all().flatten().map(|&w| f64::from(w).abs()).sum(),
        Statistic::SquaredWeight => all().map(squares).sum(),
        Statistic::GateMatrixNorm => norm("gate"),
        Statistic::UpMatrixNorm => norm("up"),
        Statistic::DownMatrixNorm => norm("down"),
        _ => 0.0,
    }
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|&w| f64::from(w) * f64::from(w)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        let matrix = |name, values: &[f32]| MatrixValues {
            name,
            rows: 1,
            columns: values.len(),
            values: values.to_vec(),
        };
        let expert = [
            matrix("gate", &[3.0, -4.0]),
            matrix("up", &[1.0, 0.0]),
            matrix("down", &[-2.0, 0.0]),
        ];
        let of = |s| of_matrices(s, &expert);
        let expected = [6.0, 10.0, 30.0, 5.0, 1.0, 2.0];
        let statistics = Statistic::ALL.iter().copied().filter(|s| s.is_of_weights());
        for (statistic, expected) in statistics.zip(expected) {
            assert!((of(statistic) - expected).abs() < 1e-15, "{}", statistic.name());
        }
        assert!(of_matrices(Statistic::GateMatrixNorm, &expert[1..]).abs() < 1e-15);
    }
}
