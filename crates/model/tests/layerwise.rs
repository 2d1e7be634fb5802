//! Layers gone through one by one for many passes, against passes one by one: the same bits.
#![allow(clippy::unwrap_used)]

mod fixtures;

use secateur_model::batch::Batch;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::layerwise::Visits;
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};

/// Layers and norms of what experts said, in the order in which they are shown.
#[derive(Default)]
struct Norms(Vec<(usize, Vec<u64>)>);

impl MoeObserver for Norms {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let norms = moe.output_norms()?;
        self.0
            .push((moe.layer(), norms.into_iter().map(f64::to_bits).collect()));
        Ok(())
    }
}

fn text(seed: usize, length: usize, vocabulary: usize) -> Vec<u32> {
    let token = |at: usize| ((seed * 131 + at * at * 17 + at * 7 + 3) % vocabulary) as u32;
    (0..length).map(token).collect()
}

fn load(checkpoint: &std::path::Path) -> Model {
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    Model::load(&Checkpoint::open(checkpoint).unwrap(), &device).unwrap()
}

#[test]
fn scores_are_the_same() {
    for checkpoint in fixtures::checkpoints() {
        let mut model = load(&checkpoint);
        assert_eq!(model.visits(), Visits::PassByPass);
        let vocabulary = model.vocabulary();
        // Too many for one pass.
        let pairs: Vec<(Vec<u32>, Vec<u32>)> = (0..30)
            .map(|n| (text(n, 60 + n, vocabulary), text(100 + n, 1 + n % 3, vocabulary)))
            .collect();
        let requests: Vec<(&[u32], &[u32])> = pairs.iter().map(|(a, b)| (&a[..], &b[..])).collect();
        let expected = model.score(&requests, &mut |_| {}).unwrap();
        for tokens in [0, 2000, usize::MAX] {
            model.set_visits(Visits::LayerByLayer { tokens });
            let mut answered = 0;
            let found = model.score(&requests, &mut |n| answered += n).unwrap();
            assert_eq!((found, answered), (expected.clone(), 30), "{}", checkpoint.display());
        }
    }
}

#[test]
fn observers_see_the_same_layer_by_layer() {
    for checkpoint in fixtures::checkpoints() {
        let mut model = load(&checkpoint);
        let vocabulary = model.vocabulary();
        let sequences: Vec<Vec<u32>> = (0..5).map(|n| text(n, 9 + n, vocabulary)).collect();
        let batches: Vec<Batch> = sequences.iter().map(|tokens| Batch::single(tokens)).collect();
        let (layers, moe_layers) = (model.spec().layers.len(), model.moe_layers().len());
        let mut run = |visits: Visits| {
            model.set_visits(visits);
            let (mut seen, mut visited) = (Vec::new(), 0);
            for wave in model.waves(&batches) {
                let mut norms = Norms::default();
                model.observe_wave(wave, &mut norms, &mut |_| visited += 1).unwrap();
                // Back to sequence by sequence.
                for sequence in 0..wave.len() {
                    seen.extend(norms.0.iter().skip(sequence).step_by(wave.len()).cloned());
                }
            }
            (seen, visited)
        };
        let (expected, visited) = run(Visits::PassByPass);
        assert_eq!((expected.len(), visited), (5 * moe_layers, 5 * layers));
        // Two waves: of three and of two sequences.
        let some = run(Visits::LayerByLayer { tokens: 9 + 10 + 11 });
        assert_eq!(some, (expected.clone(), 2 * layers), "{}", checkpoint.display());
        let all = run(Visits::LayerByLayer { tokens: usize::MAX });
        assert_eq!(all, (expected, layers), "{}", checkpoint.display());
    }
}
