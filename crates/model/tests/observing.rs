//! Sequences that an observer sees side by side, each against itself alone.
#![allow(clippy::unwrap_used)]

mod fixtures;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::mask::ExpertId;
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};

/// What one layer did with one sequence.
struct Seen {
    layer: usize,
    selected: Vec<ExpertId>,
    numbers: Vec<Vec<f64>>,
}

#[derive(Default)]
struct Recorder(Vec<Seen>);

impl MoeObserver for Recorder {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        self.0.push(Seen {
            layer: moe.layer(),
            selected: moe.selected().to_vec(),
            numbers: vec![
                moe.weights().to_vec(),
                moe.input()?,
                moe.scores()?,
                moe.router_logits()?,
                moe.outputs()?,
                moe.output_norms()?,
                moe.output_max_abs()?,
                moe.routed_output()?,
                moe.residual_cosine()?,
                moe.misread_output_norms()?,
                moe.input_cosine()?,
                moe.all_expert_output_norms(5)?,
            ],
        });
        Ok(())
    }
}

#[test]
fn side_by_side_as_alone() {
    let device = Device::open(DeviceKind::Cpu, Precision::F64).unwrap();
    for checkpoint in fixtures::checkpoints() {
        let place = checkpoint.display();
        let model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), &device).unwrap();
        let token = |at: usize| ((at * at * 37 + at * 11 + 5) % model.vocabulary()) as u32;
        let sequences: Vec<Vec<u32>> = [(1, 12), (50, 3), (90, 9)]
            .map(|(first, length)| (first..first + length).map(token).collect())
            .to_vec();
        let mut together = Recorder::default();
        let borrowed: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        model.observe_batch(&borrowed, &mut together).unwrap();
        assert_eq!(together.0.len(), model.moe_layers().len() * sequences.len());
        for (number, sequence) in borrowed.iter().enumerate() {
            let mut alone = Recorder::default();
            model.observe(sequence, &mut alone).unwrap();
            let own = together.0.iter().skip(number).step_by(sequences.len());
            for (found, expected) in own.zip(&alone.0) {
                assert_eq!(found.layer, expected.layer, "{place}");
                assert_eq!(found.selected, expected.selected, "{place}");
                for (found, expected) in found.numbers.iter().zip(&expected.numbers) {
                    assert_eq!(found.len(), expected.len(), "{place}");
                    let near = |(one, other): (&f64, &f64)| (one - other).abs() <= 1e-9 * (1.0 + other.abs());
                    assert!(found.iter().zip(expected).all(near), "{place}");
                }
            }
        }
        assert!(model.observe_batch(&[&[1], &[]], &mut Recorder::default()).is_err());
    }
}
