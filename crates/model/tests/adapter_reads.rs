//! How often a pass on a graphics adapter waits for the host: once, for what is asked for at its end. A process of its own, since reads are
//! counted per process.
#![cfg(feature = "wgpu")]
// `eprintln!` is shown of failed tests alone.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

mod fixtures;

use std::io::Write;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::generate::GenerateOptions;
use secateur_model::observe::{MoeObservation, MoeObserver, Question};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};

const ASKED: [Question; 7] = [
    Question::Scores,
    Question::OutputNorms,
    Question::OutputMaxAbs,
    Question::MisreadOutputNorms,
    Question::ResidualCosine,
    Question::InputCosine,
    Question::AllExpertOutputNorms(3),
];

/// Asks for what it announces.
struct Asking(usize);

impl MoeObserver for Asking {
    fn asks(&self) -> Option<&[Question]> {
        Some(&ASKED)
    }

    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let (tokens, experts) = (moe.tokens(), moe.experts());
        assert_eq!(moe.scores()?.len(), tokens * experts);
        assert_eq!(moe.output_norms()?.len(), tokens * moe.top_k());
        assert_eq!(moe.output_max_abs()?.len(), tokens * moe.top_k());
        assert_eq!(moe.misread_output_norms()?.len(), tokens * moe.top_k());
        assert_eq!(moe.residual_cosine()?.len(), tokens);
        assert_eq!(moe.input_cosine()?.len(), tokens);
        assert_eq!(moe.all_expert_output_norms(3)?.len(), tokens.min(3) * experts);
        let unannounced = moe.input().unwrap_err().to_string();
        assert!(unannounced.contains("did not announce"), "{unannounced}");
        self.0 += 1;
        Ok(())
    }
}

fn reads(work: impl FnOnce()) -> u64 {
    let before = Device::reads();
    work();
    Device::reads() - before
}

#[test]
fn a_pass_is_read_once() {
    let device = match Device::open(DeviceKind::Wgpu, Precision::F32) {
        Ok(device) => device,
        Err(error) => {
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            return;
        }
    };
    for checkpoint in fixtures::checkpoints() {
        let model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), &device).unwrap();
        let place = checkpoint.display();
        let tokens: Vec<u32> = (0..11).map(|i| (i * 37 + 11) % model.vocabulary() as u32).collect();
        assert_eq!(reads(|| drop(model.logits(&tokens).unwrap())), 1, "logits of {place}");
        let mut asking = Asking(0);
        let both: [&[u32]; 2] = [&tokens, &tokens[..4]];
        assert_eq!(
            reads(|| model.observe_batch(&both, &mut asking).unwrap()),
            1,
            "observation of {place}"
        );
        assert_eq!(asking.0, 2 * model.moe_layers().len());
        let scored = || drop(model.score(&[(&tokens[..7], &tokens[7..])], &mut |_| {}).unwrap());
        assert_eq!(reads(scored), 1, "a score of {place}");
        let request = GenerateOptions {
            prompt: tokens.clone(),
            max_new_tokens: 3,
            end_tokens: Vec::new(),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
        };
        let generate = || drop(model.generate(&[request], &|_, _| Ok(false), &mut |_| {}).unwrap());
        assert_eq!(reads(generate), 3, "3 tokens of {place}");
    }
}
