//! Layers gone through one by one for many passes, against passes one by one: the same bits.
#![allow(clippy::unwrap_used)]

mod fixtures;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secateur_model::batch::Batch;
use secateur_model::checkpoint::{Checkpoint, Dtype};
use secateur_model::divergence::ContinuationDivergence;
use secateur_model::layerwise::{Between, KeptWaves, Visits};
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};
use sha2::{Digest, Sha256};

const BY_LAYER: Visits = Visits::LayerByLayer { tokens: usize::MAX };

/// Layers and norms of what experts said, in the order in which they are shown, and waves between layers.
#[derive(Default)]
struct Norms {
    seen: Vec<(usize, Vec<u64>)>,
    visits: usize,
    /// Streams behind this many layers.
    keep: usize,
    kept: Vec<u8>,
}

impl MoeObserver for Norms {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let norms = moe.output_norms()?;
        let norms = norms.into_iter().map(f64::to_bits).collect();
        self.seen.push((moe.layer(), norms));
        Ok(())
    }

    fn between_layers(&mut self, between: &Between<'_>) -> Result<(), ModelError> {
        self.visits += 1;
        if between.layers_done == self.keep {
            for stream in between.streams() {
                self.kept.extend(stream?);
            }
        }
        Ok(())
    }
}

fn text(seed: usize, length: usize, vocabulary: usize) -> Vec<u32> {
    let token = |at: usize| ((seed * 131 + at * at * 17 + at * 7 + 3) % vocabulary) as u32;
    (0..length).map(token).collect()
}

fn device() -> Device {
    Device::open(DeviceKind::Cpu, Precision::F32).unwrap()
}

fn load(checkpoint: &Path, visits: Visits) -> Model {
    Model::load_visiting(&Checkpoint::open(checkpoint).unwrap(), &device(), visits).unwrap()
}

/// Contexts and continuations, too many for one pass.
fn pairs(vocabulary: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
    (0..30)
        .map(|n| (text(n, 60 + n, vocabulary), text(100 + n, 1 + n % 3, vocabulary)))
        .collect()
}

fn requests(pairs: &[(Vec<u32>, Vec<u32>)]) -> Vec<(&[u32], &[u32])> {
    pairs.iter().map(|(a, b)| (&a[..], &b[..])).collect()
}

#[test]
fn a_small_model_stays_in_memory() {
    for checkpoint in fixtures::checkpoints() {
        let model = Model::load(&Checkpoint::open(checkpoint).unwrap(), &device()).unwrap();
        assert_eq!(model.visits(), Visits::PassByPass);
    }
}

#[test]
fn scores_are_the_same() {
    for checkpoint in fixtures::checkpoints() {
        let mut model = load(&checkpoint, Visits::PassByPass);
        let pairs = pairs(model.vocabulary());
        let requests = requests(&pairs);
        let expected = model.score(&requests, &mut |_| {}).unwrap();
        for tokens in [0, 2000, usize::MAX] {
            model.set_visits(Visits::LayerByLayer { tokens });
            let mut answered = 0;
            let found = model.score(&requests, &mut |n| answered += n).unwrap();
            assert_eq!((found, answered), (expected.clone(), 30), "{}", checkpoint.display());
        }
        // Weights that nobody has looked at before.
        let fresh = load(&checkpoint, BY_LAYER);
        assert_eq!(fresh.score(&requests, &mut |_| {}).unwrap(), expected);
    }
}

#[test]
fn divergence_is_the_same() {
    for checkpoint in fixtures::checkpoints() {
        // The last layer alone, all layers, none.
        let masks = |model: &Model| {
            let layers = model.moe_layers();
            let of = |layers: &[secateur_model::MoeLayer]| ExpertMask {
                kept: layers
                    .iter()
                    .filter(|moe| moe.groups == 1 && moe.top_k < moe.experts)
                    .map(|moe| (moe.layer, (1..moe.experts).map(ExpertId).collect()))
                    .collect::<BTreeMap<_, _>>(),
            };
            [of(&layers[layers.len() - 1..]), of(layers), of(&[])]
        };
        let run = |visits: Visits| -> Vec<Vec<ContinuationDivergence>> {
            let mut model = load(&checkpoint, visits);
            let pairs = pairs(model.vocabulary());
            let requests = requests(&pairs);
            let mut compare = |mask: ExpertMask| {
                model.set_mask(Some(&mask)).unwrap();
                let mut answered = 0;
                let found = model.divergence(&requests, &mut |n| answered += n).unwrap();
                assert_eq!((answered, model.mask()), (30, mask));
                found
            };
            // The first again: what the unpruned model said is known by then.
            let [last, all, none] = masks(&load(&checkpoint, BY_LAYER));
            [last.clone(), all, none, last].into_iter().map(&mut compare).collect()
        };
        let expected = run(Visits::PassByPass);
        assert_eq!(expected[0], expected[3]);
        for tokens in [2000, usize::MAX] {
            let found = run(Visits::LayerByLayer { tokens });
            assert_eq!(found, expected, "{}", checkpoint.display());
        }
    }
}

#[test]
fn observers_see_the_same_layer_by_layer() {
    for checkpoint in fixtures::checkpoints() {
        let mut model = load(&checkpoint, Visits::PassByPass);
        let vocabulary = model.vocabulary();
        let sequences: Vec<Vec<u32>> = (0..5).map(|n| text(n, 9 + n, vocabulary)).collect();
        let batches: Vec<Batch> = sequences.iter().map(|tokens| Batch::single(tokens)).collect();
        let (layers, moe_layers) = (model.spec().layers.len(), model.moe_layers().len());
        let mut run = |visits: Visits| {
            model.set_visits(visits);
            let (mut seen, mut visited) = (Vec::new(), 0);
            for wave in model.waves(&batches) {
                let mut norms = Norms::default();
                model.observe_wave(wave, None, &mut norms).unwrap();
                visited += norms.visits;
                // Back to sequence by sequence.
                for sequence in 0..wave.len() {
                    seen.extend(norms.seen.iter().skip(sequence).step_by(wave.len()).cloned());
                }
            }
            (seen, visited)
        };
        let (expected, visited) = run(Visits::PassByPass);
        assert_eq!((expected.len(), visited), (5 * moe_layers, 5 * layers));
        // Two waves: of three and of two sequences.
        let some = run(Visits::LayerByLayer { tokens: 9 + 10 + 11 });
        assert_eq!(some, (expected.clone(), 2 * layers), "{}", checkpoint.display());
        let all = run(BY_LAYER);
        assert_eq!(all, (expected, layers), "{}", checkpoint.display());
    }
}

#[test]
fn a_wave_goes_on_where_it_was_left() {
    for checkpoint in fixtures::checkpoints() {
        let model = load(&checkpoint, BY_LAYER);
        let sequences: Vec<Vec<u32>> = (0..4).map(|n| text(n, 5 + n, model.vocabulary())).collect();
        let batches: Vec<Batch> = sequences.iter().map(|tokens| Batch::single(tokens)).collect();
        let layers = model.spec().layers.len();
        let run = |from, keep| {
            let mut norms = Norms {
                keep,
                ..Norms::default()
            };
            model.observe_wave(&batches, from, &mut norms).unwrap();
            norms
        };
        let whole = run(None, layers);
        for done in 1..layers {
            let left = run(None, done).kept;
            let resumed = |bytes: &[u8]| model.resumed(&batches, done, bytes);
            let rest = run(Some(resumed(&left).unwrap()), layers);
            assert_eq!(rest.visits, layers - done);
            assert_eq!(rest.kept, whole.kept, "{}", checkpoint.display());
            assert!(whole.seen.ends_with(&rest.seen));
            assert!(resumed(&left[1..]).is_err() && resumed(&[&left[..], &[0]].concat()).is_err());
        }
    }
}

/// A copy of a checkpoint in which an element of a tensor is NaN.
fn broken(checkpoint: &Path, tensor: &str, element: usize) -> tempfile::TempDir {
    let size = Checkpoint::open(checkpoint)
        .unwrap()
        .tensor(tensor)
        .unwrap()
        .dtype
        .bits()
        / 8;
    changed(checkpoint, tensor, element..element + 1, &vec![0xff; size])
}

/// A copy of a checkpoint in which some elements of a tensor are others.
fn changed(checkpoint: &Path, tensor: &str, elements: Range<usize>, element: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(checkpoint).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let opened = Checkpoint::open(copy.path()).unwrap();
    let entry = opened.tensor(tensor).unwrap();
    let at = (entry.range.start + elements.start * element.len()) as u64;
    let file = File::options().write(true).open(&entry.file).unwrap();
    file.write_all_at(&element.repeat(elements.len()), at).unwrap();
    copy
}

/// Finite weights, finite activations, and sums that are not.
#[test]
fn logits_that_are_no_numbers_are_refused() {
    const OUTPUT: &str = "lm_head.weight";
    let mut tried = 0;
    for checkpoint in fixtures::checkpoints() {
        let opened = Checkpoint::open(&checkpoint).unwrap();
        let Some(output) = opened.tensor(OUTPUT) else { continue };
        let largest: &[u8] = match output.dtype {
            Dtype::BF16 => &[0x7f, 0x7f],
            Dtype::F32 => &[0xff, 0xff, 0x7f, 0x7f],
            _ => continue,
        };
        let copy = changed(&checkpoint, OUTPUT, 0..output.shape[1], largest);
        let opened = Checkpoint::open(copy.path()).unwrap();
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let model = Model::load(&opened, &device).unwrap();
        let tokens: Vec<u32> = (1..20).collect();
        let told = [
            model.logits(&tokens).unwrap_err(),
            model.logits_in_pieces(&tokens, &[3, 16]).unwrap_err(),
            model.logits_batched(&[&tokens[..2], &tokens]).unwrap_err(),
        ];
        for message in told.map(|error| error.to_string()) {
            assert!(
                message.contains("logits, position") && message.contains("token 0"),
                "{message}"
            );
        }
        tried += 1;
    }
    assert!(tried > 0);
}

/// The last layer with experts, and a weight of one of them.
fn last_expert(checkpoint: &Path) -> (usize, String) {
    let whole = Checkpoint::open(checkpoint).unwrap();
    let (_, spec, _) = secateur_model::model::inspect(&whole).unwrap();
    let mut layers = spec.layers.iter().enumerate();
    let (last, layer) = layers.rfind(|(_, layer)| layer.moe().is_some()).unwrap();
    let name = whole.names().find(|name| {
        let weight = whole.tensor(name).is_some_and(|tensor| tensor.dtype.is_weight());
        weight && name.starts_with(&layer.prefix) && name.contains("expert")
    });
    (last, name.unwrap().to_owned())
}

#[test]
fn a_weight_that_is_no_number_is_found_when_its_layer_is_read() {
    for checkpoint in fixtures::checkpoints() {
        let (last, name) = last_expert(&checkpoint);
        let copy = broken(&checkpoint, &name, 7);
        let opened = Checkpoint::open(copy.path()).unwrap();
        let told = format!("{name}` in ");
        let check = |error: ModelError| {
            let message = error.to_string();
            assert!(message.contains(&told) && message.contains("element 7"), "{message}");
        };
        check(Model::load_visiting(&opened, &device(), Visits::PassByPass).unwrap_err());
        // Whoever is the first to read it.
        let fresh = || load(copy.path(), BY_LAYER);
        let model = fresh();
        let pairs = pairs(model.vocabulary());
        check(model.score(&requests(&pairs), &mut |_| {}).unwrap_err());
        check(fresh().divergence(&requests(&pairs), &mut |_| {}).unwrap_err());
        check(fresh().logits(&[1, 2]).unwrap_err());
        check(fresh().observe(&[1, 2], &mut Norms::default()).unwrap_err());
        check(fresh().expert_matrices(last, ExpertId(0)).unwrap_err());
        // And again: it has not been seen to be finite.
        check(model.logits(&[1, 2]).unwrap_err());
    }
}

static WARNINGS: AtomicUsize = AtomicUsize::new(0);

/// Files of waves.
fn waves(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn log_likelihoods_go_on_where_they_were_left() {
    for checkpoint in fixtures::checkpoints() {
        let (last, name) = last_expert(&checkpoint);
        let folder = tempfile::tempdir().unwrap();
        let kept = |origin: &str| {
            let warn = |_: &str| {
                WARNINGS.fetch_add(1, Ordering::Relaxed);
            };
            KeptWaves::new(folder.path().join(".wave-x"), origin.into(), Duration::ZERO, warn)
        };
        let mut model = load(&checkpoint, BY_LAYER);
        let pairs = pairs(model.vocabulary());
        let score = |model: &Model| model.score(&requests(&pairs), &mut |_| {});
        let whole = score(&model).unwrap();
        if last == 0 {
            continue;
        }

        // One that ends in the last layer with experts leaves a file; the next goes on there, and removes it.
        let copy = broken(&checkpoint, &name, 7);
        let leave = || {
            let mut model = load(copy.path(), BY_LAYER);
            model.keep_waves(Some(kept("a")));
            score(&model).unwrap_err();
            let [file] = <[PathBuf; 1]>::try_from(waves(folder.path())).unwrap();
            file
        };
        leave();
        model.keep_waves(Some(kept("a")));
        assert_eq!(score(&model).unwrap(), whole, "{}", checkpoint.display());
        assert!(waves(folder.path()).is_empty());

        // It is read: other streams, with a name that fits them, are other answers.
        let file = leave();
        let zeros = vec![0; fs::read(&file).unwrap().len()];
        fs::remove_file(&file).unwrap();
        let (rest, _) = file.to_str().unwrap().rsplit_once('-').unwrap();
        let digest = Sha256::digest(&zeros)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        fs::write(format!("{rest}-{digest}"), zeros).unwrap();
        assert_ne!(score(&model).unwrap(), whole);

        // Damaged, it is told and removed.
        let file = leave();
        let mut bytes = fs::read(&file).unwrap();
        bytes[5] ^= 1;
        fs::write(&file, bytes).unwrap();
        let before = WARNINGS.load(Ordering::Relaxed);
        assert_eq!(score(&model).unwrap(), whole);
        assert_eq!(WARNINGS.load(Ordering::Relaxed), before + 1);
        assert!(waves(folder.path()).is_empty());

        // Of another origin or mask, it stays where it is.
        let file = leave();
        model.keep_waves(Some(kept("b")));
        assert_eq!(score(&model).unwrap(), whole);
        let moe = model.moe_layers()[0];
        let kept_experts = (0..moe.top_k.max(moe.experts - 1)).map(ExpertId).collect();
        let mask = ExpertMask {
            kept: [(moe.layer, kept_experts)].into(),
        };
        model.keep_waves(Some(kept("a")));
        if model.set_mask(Some(&mask)).is_ok() {
            score(&model).unwrap();
        }
        assert_eq!(waves(folder.path()), [file]);
    }
}
