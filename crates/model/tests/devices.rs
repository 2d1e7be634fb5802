//! Other devices against the CPU: ndarray, and wgpu on whatever adapter there is (in CI a software Vulkan driver).
#![cfg(any(feature = "wgpu", feature = "ndarray"))]
#![allow(clippy::unwrap_used)]

mod fixtures;

#[cfg(feature = "wgpu")]
use std::io::Write;
use std::path::Path;

use fixtures::checkpoints;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::generate::GenerateOptions;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::observe::{MoeObservation, MoeObserver, Question};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};

#[derive(Default)]
struct Routes(Vec<Vec<ExpertId>>);

impl MoeObserver for Routes {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        self.0.push(moe.selected().to_vec());
        Ok(())
    }
}

const ASKED: [Question; 7] = [
    Question::Scores,
    Question::OutputNorms,
    Question::OutputMaxAbs,
    Question::ResidualCosine,
    Question::MisreadOutputNorms,
    Question::InputCosine,
    Question::AllExpertOutputNorms(5),
];

/// Everything that calibration asks for.
#[derive(Default)]
struct Numbers(Vec<Vec<f64>>);

impl MoeObserver for Numbers {
    fn asks(&self) -> Option<&[Question]> {
        Some(&ASKED)
    }

    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let change = |cosines: Vec<f64>| cosines.into_iter().map(|cosine| 1.0 - cosine).collect();
        self.0.extend([
            moe.selected().iter().map(|id| id.0 as f64).collect(),
            moe.weights().to_vec(),
            moe.scores()?,
            moe.output_norms()?,
            moe.output_max_abs()?,
            change(moe.residual_cosine()?),
            moe.misread_output_norms()?,
            change(moe.input_cosine()?),
            moe.all_expert_output_norms(5)?,
        ]);
        Ok(())
    }
}

/// Keeps as few experts as every layer can do with, two more where there are, not the first ones.
fn mask(model: &Model) -> ExpertMask {
    let kept = model.moe_layers().iter().map(|layer| {
        let all = layer.experts / layer.groups;
        let least = layer.top_k.div_ceil(layer.topk_groups);
        let each = (least + 2 / layer.groups).min(all);
        let ids = (0..layer.groups).flat_map(|group| (group + 1) * all - each..(group + 1) * all);
        (layer.layer, ids.map(ExpertId).collect())
    });
    ExpertMask { kept: kept.collect() }
}

/// Logits, routing and a greedy answer; with `masked`, of few experts.
fn run(checkpoint: &Path, device: &Device, masked: bool) -> (Vec<f64>, Vec<Vec<ExpertId>>, Vec<u32>) {
    let mut model = Model::load(&Checkpoint::open(checkpoint).unwrap(), device).unwrap();
    if masked {
        model.set_mask(Some(&mask(&model))).unwrap();
    }
    let tokens: Vec<u32> = (0..24).map(|i| (i * 37 + 11) % model.vocabulary() as u32).collect();
    let mut routes = Routes::default();
    model.observe(&tokens, &mut routes).unwrap();
    let request = GenerateOptions {
        prompt: tokens[..6].to_vec(),
        max_new_tokens: 4,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    };
    let answer = model.generate(&[request], &|_, _| Ok(false), &mut |_| {}).unwrap();
    if !masked {
        check_largest(&model, &tokens);
    }
    (model.logits(&tokens).unwrap(), routes.0, answer[0].tokens.clone())
}

/// The largest logits, of sequences of two lengths side by side, are those of whole rows of logits.
fn check_largest(model: &Model, tokens: &[u32]) {
    let sequences = [&tokens[..9], tokens];
    let found = model.largest_logits(&sequences).unwrap();
    for (found, sequence) in found.iter().zip(sequences) {
        let logits = model.logits(sequence).unwrap();
        let rows = logits.chunks_exact(model.vocabulary());
        assert_eq!((found.len(), rows.len()), (sequence.len(), sequence.len()));
        for (found, row) in found.iter().zip(rows) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!(
                (found - largest).abs() < 1e-3 * (1.0 + largest.abs()),
                "{found}, expected {largest}"
            );
        }
    }
    assert!(model.largest_logits(&[tokens, &[]]).is_err());
}

/// Routing and greedy tokens identical, logits within a thousandth of their deviation.
fn check(device: &Device) {
    println!("device: {}", device.description());
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    for (checkpoint, masked) in checkpoints()
        .into_iter()
        .flat_map(|path| [(path.clone(), false), (path, true)])
    {
        let (here, there) = (run(&checkpoint, &cpu, masked), run(&checkpoint, device, masked));
        assert_eq!(here.1, there.1, "routing of {}", checkpoint.display());
        assert_eq!(here.2, there.2, "greedy tokens of {}", checkpoint.display());
        let mean = here.0.iter().sum::<f64>() / here.0.len() as f64;
        let scale = (here.0.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / here.0.len() as f64).sqrt();
        let worst = here
            .0
            .iter()
            .zip(&there.0)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max)
            / scale;
        println!(
            "largest deviation {worst:.1e} of the logits' deviation: {}",
            checkpoint.display()
        );
        assert!(worst < 1e-3, "{}: {worst}", checkpoint.display());
    }
}

/// What calibration collects, of two sequences side by side, and the scores of continuations.
fn numbers(checkpoint: &Path, device: &Device) -> Vec<Vec<f64>> {
    let model = Model::load(&Checkpoint::open(checkpoint).unwrap(), device).unwrap();
    let tokens: Vec<u32> = (0..20).map(|i| (i * 41 + 3) % model.vocabulary() as u32).collect();
    let mut found = Numbers::default();
    model.observe_batch(&[&tokens, &tokens[5..12]], &mut found).unwrap();
    let requests = [(0..7, 7..11), (0..7, 14..16), (3..5, 5..6)];
    let requests = requests.map(|(context, continuation)| (&tokens[context], &tokens[continuation]));
    let scores = model.score(&requests, &mut |_| {}).unwrap();
    found
        .0
        .extend(scores.iter().map(|score| score.token_log_probabilities.clone()));
    found.0.push(
        scores
            .iter()
            .map(|score| f64::from(u8::from(score.is_greedy)))
            .collect(),
    );
    found.0
}

fn check_numbers(device: &Device) {
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    for checkpoint in checkpoints() {
        let (here, there) = (numbers(&checkpoint, &cpu), numbers(&checkpoint, device));
        assert_eq!(here.len(), there.len());
        for (number, (here, there)) in here.iter().zip(&there).enumerate() {
            assert_eq!(here.len(), there.len(), "list {number} of {}", checkpoint.display());
            let largest = here.iter().map(|v| v.abs()).fold(1e-30, f64::max);
            for (here, there) in here.iter().zip(there) {
                assert!(
                    (here - there).abs() < 1e-3 * largest,
                    "list {number} of {}: {there}, expected {here}",
                    checkpoint.display()
                );
            }
        }
    }
}

/// Log-probabilities of answers to more questions than a row holds, behind what they all begin with.
fn behind_a_header(checkpoint: &Path, device: &Device) -> Vec<f64> {
    let model = Model::load(&Checkpoint::open(checkpoint).unwrap(), device).unwrap();
    let token = |at: u32| (at * at * 17 + at * 7 + 3) % model.vocabulary() as u32;
    let header: Vec<u32> = (0..130).map(token).collect();
    let context = |question: u32| [header.clone(), (0..9).map(|at| token(31 * question + at)).collect()].concat();
    let contexts: Vec<Vec<u32>> = (0..150).map(context).collect();
    let requests: Vec<(&[u32], &[u32])> = contexts.iter().map(|context| (&context[..], &header[..2])).collect();
    let scores = model.score(&requests, &mut |_| {}).unwrap();
    scores
        .into_iter()
        .flat_map(|score| score.token_log_probabilities)
        .collect()
}

fn check_behind_a_header(device: &Device) {
    let cpu = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    for checkpoint in checkpoints() {
        let (here, there) = (behind_a_header(&checkpoint, &cpu), behind_a_header(&checkpoint, device));
        assert_eq!(here.len(), there.len());
        for (here, there) in here.iter().zip(&there) {
            assert!(
                (here - there).abs() < 1e-3 * (1.0 + here.abs()),
                "{}: {there}, expected {here}",
                checkpoint.display()
            );
        }
    }
}

/// Checks the adapter that there is, or says why there is none.
#[cfg(feature = "wgpu")]
#[allow(clippy::explicit_write)] // A macro's text is shown of failed tests alone.
fn on_an_adapter(check: impl FnOnce(&Device)) {
    match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => check(&device),
        Err(error) => writeln!(std::io::stderr(), "skipped: {error}").unwrap(),
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_goes_on_from_a_header_as_the_cpu_does() {
    check_behind_a_header(&Device::open(DeviceKind::Ndarray, Precision::F32).unwrap());
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_goes_on_from_a_header_as_the_cpu_does() {
    on_an_adapter(check_behind_a_header);
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_collects_and_scores_what_the_cpu_does() {
    on_an_adapter(|device| {
        check_numbers(device);
        // Matrices in buffers of at most two kilobytes, too.
        check_numbers(&device.clone().with_binding_limit(2048));
    });
}

/// Before anything is computed.
#[cfg(feature = "wgpu")]
#[test]
fn wgpu_refuses_more_tokens_than_it_can_bind() {
    on_an_adapter(|device| {
        for checkpoint in checkpoints() {
            let model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), device).unwrap();
            let most = model.most_tokens_per_pass();
            let message = model.logits(&vec![1; most + 1]).unwrap_err().to_string();
            let expected = format!("found {} tokens at once, expected {most} at most", most + 1);
            assert!(message.contains(&expected), "{message}");
        }
    });
}

#[cfg(feature = "ndarray")]
#[test]
fn ndarray_gives_the_routing_and_logits_of_the_cpu() {
    check(&Device::open(DeviceKind::Ndarray, Precision::F32).unwrap());
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_gives_the_routing_and_logits_of_the_cpu() {
    on_an_adapter(check);
}

/// Runs in a process of its own, where no driver can be found.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "run by `no_adapter_is_a_clear_error`"]
fn child_without_drivers() {
    match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => println!("opened: {}", device.description()),
        Err(error) => println!("refused: {error}"),
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn no_adapter_is_a_clear_error() {
    let nowhere = "/nonexistent/driver.json";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_without_drivers", "--ignored", "--nocapture"])
        .env("VK_DRIVER_FILES", nowhere)
        .env("VK_ICD_FILENAMES", nowhere)
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", nowhere)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "it panicked: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("refused: device wgpu: no adapter could be opened") && said.contains("--device cpu"),
        "{said}"
    );
}
