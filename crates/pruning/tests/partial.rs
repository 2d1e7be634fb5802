//! A calibration that goes layer by layer and is stopped, against one in one piece: the same bytes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::layerwise::Visits;
use secateur_model::{Device, DeviceKind, Model, Precision};
use secateur_pruning::calibration::{calibrate, calibrate_in_parts};
use secateur_pruning::partial::Partial;
use secateur_pruning::statistics::{Provenance, Statistic, Statistics};

fn model(visits: Visits) -> Model {
    let fixture = "../goldens/fixtures/core/models/olmoe_bf16_sharded/checkpoint";
    let checkpoint = Checkpoint::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    Model::load_visiting(&checkpoint, &device, visits).unwrap()
}

/// Too long for one pass, so that waves can be of several.
fn sequences(vocabulary: usize) -> Vec<Vec<u32>> {
    let token = |n: usize, at: usize| ((n * 131 + at * at * 17 + at * 7 + 3) % vocabulary) as u32;
    (0..6).map(|n| (0..900 + n).map(|at| token(n, at)).collect()).collect()
}

/// A count, a sum, a maximum, and two of the weights.
fn wanted() -> BTreeSet<Statistic> {
    BTreeSet::from([
        Statistic::RoutedTokens,
        Statistic::GatedOutputNorm,
        Statistic::LargestOutputNorm,
        Statistic::SquaredWeight,
        Statistic::RouterRowNorm,
    ])
}

fn bytes(statistics: &Statistics, folder: &Path) -> Vec<u8> {
    let path = folder.join("statistics.safetensors");
    statistics.save(&path).unwrap();
    fs::read(path).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A run in parts, its warnings, how often it told of progress, and the folder as it was each time.
struct Run {
    statistics: Statistics,
    warnings: Vec<String>,
    told: usize,
    left: Vec<PathBuf>,
}

fn run(model: &mut Model, folder: &Path, corpus: &str, snapshots: Option<&Path>) -> Run {
    let (mut warnings, mut told, mut left) = (Vec::new(), 0, Vec::new());
    let origin = Provenance {
        corpus: corpus.into(),
        ..Provenance::default()
    };
    let mut warn = |message: String| warnings.push(message);
    let mut partial = Partial::new(folder.to_path_buf(), Duration::ZERO, &mut warn);
    let sequences = sequences(model.vocabulary());
    let statistics = calibrate_in_parts(model, &sequences, origin, &wanted(), &mut partial, &mut |_| {
        told += 1;
        if let Some(snapshots) = snapshots.filter(|_| folder.exists()) {
            left.push(snapshots.join(told.to_string()));
            copy(folder, left.last().unwrap());
        }
    })
    .unwrap();
    partial.remove().unwrap();
    assert!(!folder.exists());
    Run {
        statistics,
        warnings,
        told,
        left,
    }
}

#[test]
fn what_is_stopped_goes_on_to_the_same_bytes() {
    for tokens in [2000, 4000, usize::MAX] {
        let scratch = tempfile::tempdir().unwrap();
        let mut model = model(Visits::LayerByLayer { tokens });
        let sequences = sequences(model.vocabulary());
        let origin = Provenance {
            corpus: "notes".into(),
            ..Provenance::default()
        };
        let whole = calibrate(&mut model, &sequences, origin, &wanted(), &mut |_| {}).unwrap();
        let expected = bytes(&whole, scratch.path());
        let folder = scratch.path().join("notes.partial");
        let first = run(&mut model, &folder, "notes", Some(scratch.path()));
        assert_eq!(bytes(&first.statistics, scratch.path()), expected);
        assert!(
            first.warnings.is_empty() && first.left.len() + 2 >= first.told,
            "{:?}",
            first.warnings
        );
        for (place, left) in first.left.iter().enumerate() {
            let rest = run(&mut model, left, "notes", None);
            assert_eq!(bytes(&rest.statistics, scratch.path()), expected, "{tokens} {place}");
            assert_eq!(rest.warnings, Vec::<String>::new());
            // Waves that are done are told of once, and what is done of a wave not again.
            assert!(place == 0 || rest.told < first.told, "{tokens} {place}");
        }
    }
}

#[test]
fn both_orders_give_the_same_statistics() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |visits| {
        let mut model = model(visits);
        let sequences = sequences(model.vocabulary());
        let all = Statistic::ALL.iter().copied().collect();
        let statistics = calibrate(&mut model, &sequences, Provenance::default(), &all, &mut |_| {}).unwrap();
        bytes(&statistics, scratch.path())
    };
    let expected = run(Visits::PassByPass);
    for tokens in [4000, usize::MAX] {
        assert_eq!(run(Visits::LayerByLayer { tokens }), expected);
    }
}

#[test]
fn what_is_of_no_use_is_set_aside() {
    let scratch = tempfile::tempdir().unwrap();
    let mut model = model(Visits::LayerByLayer { tokens: usize::MAX });
    let folder = scratch.path().join("notes.partial");
    let first = run(&mut model, &folder, "notes", Some(scratch.path()));
    let left = first.left.first().unwrap();
    let expected = bytes(&first.statistics, scratch.path());
    let mut refused = |corpus: &str, spoil: &dyn Fn(&Path), said: &str| {
        copy(left, &folder);
        spoil(&folder);
        let again = run(&mut model, &folder, corpus, None);
        assert!(
            matches!(&again.warnings[..], [warning] if warning.contains(said)),
            "{said}: {:?}",
            again.warnings
        );
        if corpus == "notes" {
            assert_eq!(bytes(&again.statistics, scratch.path()), expected);
        }
        let aside = scratch.path().join("notes.partial.aside-1");
        assert!(aside.is_dir());
        fs::remove_dir_all(aside).unwrap();
    };
    let named = |folder: &Path, beginning: &str| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let is = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(beginning);
        files.into_iter().find(is).unwrap()
    };
    let flip = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    refused("letters", &|_| {}, "it is of another text");
    refused(
        "notes",
        &|folder| flip(named(folder, "streams-")),
        "streams-0-1.bin is damaged",
    );
    refused(
        "notes",
        &|folder| {
            let path = named(folder, "streams-");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[1..]).unwrap();
        },
        "streams-0-1.bin is damaged",
    );
    refused("notes", &|folder| flip(named(folder, "statistics-")), "is damaged");
    refused(
        "notes",
        &|folder| {
            let path = folder.join("state.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("\"layers_done\": 1", "\"layers_done\": 2")).unwrap();
        },
        "its checksum is another",
    );
    refused(
        "notes",
        &|folder| fs::write(folder.join("state.json"), "{").unwrap(),
        "is damaged",
    );
    refused(
        "notes",
        &|folder| fs::remove_file(folder.join("state.json")).unwrap(),
        "state.json",
    );
}
