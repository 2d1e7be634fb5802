//! What only models with a recurrent state and their neighbours have in `models/NAME/`: f64 logits to the last digits, states after a
//! prefill, logits that were decoded with a cache, what each `MoE` layer took in and gave out, and the question of the time step's clamp.

use std::path::Path;

use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Model, ModelError};
use serde_json::Value;

use crate::deviation::Deviation;
use crate::load::{Load, load_f64};
use crate::models::{LoadFailure, json};
use crate::report::Report;
use crate::tensors::{Tensors, largest_difference};

/// Of f64 logits of a standard deviation of about 3. The reference rounds the rotary frequencies and a few constants to f32.
const F64_TOLERANCE: f64 = 1e-6;

/// Of states and outputs, relative to the largest value, f64 against the reference's f32: ten times the noise of the family's logits,
/// whose standard deviation is about 3, and at least this.
const F32_TOLERANCE: f64 = 1e-4;

/// Checks one `models/NAME` directory with the model in f64; says nothing where there is nothing of the kind.
pub fn check(dir: &Path, load: Load<'_>, report: &mut Report) {
    let name = format!("models/{}", dir.file_name().unwrap_or_default().to_string_lossy());
    // Files that cannot be read are reported by the checks in f32.
    let (Ok(golden), Ok(tensors)) = (
        json(&dir.join("golden.json")),
        Tensors::open(&dir.join("golden.safetensors")),
    ) else {
        return;
    };
    if golden.get("decode").is_none() {
        return;
    }
    let model = match load_f64(load, &dir.join("checkpoint")) {
        Ok(model) => model,
        Err(LoadFailure::Unsupported(reason)) => return report.skipped(format!("{name}/f64"), reason),
        Err(LoadFailure::Broken(reason)) => return report.broken(format!("{name}/f64"), reason),
    };
    let noise = golden["max_abs_diff_f32_f64_per_prompt"]
        .as_array()
        .into_iter()
        .flatten();
    let noise = noise.filter_map(Value::as_f64).fold(0.0, f64::max);
    let mut checks = Checks {
        tolerance: (10.0 * noise / 3.0).max(F32_TOLERANCE),
        name,
        golden,
        tensors,
        model,
        report,
    };
    if let Err(error) = checks.run(dir) {
        let name = checks.name.clone();
        checks.report.broken(format!("{name}/f64"), error);
    }
}

struct Checks<'a> {
    name: String,
    golden: Value,
    tensors: Tensors,
    model: Model,
    tolerance: f64,
    report: &'a mut Report,
}

impl Checks<'_> {
    fn run(&mut self, dir: &Path) -> Result<(), String> {
        self.logits().map_err(|e| e.to_string())?;
        self.layers().map_err(|e| e.to_string())?;
        self.decoded().map_err(|e| e.to_string())?;
        self.states().map_err(|e| e.to_string())?;
        self.time_step(dir)
    }

    fn logits(&mut self) -> Result<(), ModelError> {
        for prompt in 0.. {
            let Some(ids) = self.tensors.ids(&format!("prompt{prompt}.input_ids")) else {
                break;
            };
            let Some(expected) = self.tensors.get(&format!("prompt{prompt}.logits_f64")) else {
                continue;
            };
            let found = self.model.logits(&ids)?;
            self.report.numeric(
                format!("{}/f64/logits/prompt{prompt}", self.name),
                found.len(),
                largest_difference(&found, &expected.values),
                F64_TOLERANCE,
            );
        }
        Ok(())
    }

    /// What every `MoE` layer took in and gave out on prompt 1, and router logits in f64.
    fn layers(&mut self) -> Result<(), ModelError> {
        let mut layers = Layers {
            tensors: &self.tensors,
            prompt: 0,
            parts: Default::default(),
            router: Deviation::default(),
        };
        for prompt in [1, 4] {
            if let Some(ids) = self.tensors.ids(&format!("prompt{prompt}.input_ids")) {
                layers.prompt = prompt;
                self.model.observe(&ids, &mut layers)?;
            }
        }
        let Layers { parts, router, .. } = layers;
        for (part, deviation) in PARTS.iter().zip(parts) {
            let name = format!("{}/f64/{part}", self.name);
            self.report
                .numeric(name, deviation.compared, deviation.largest, self.tolerance);
        }
        let name = format!("{}/f64/router_logits", self.name);
        self.report
            .numeric(name, router.compared, router.largest, F64_TOLERANCE);
        Ok(())
    }

    /// Logits that the reference decoded with its cache, against decoding in the same pieces.
    fn decoded(&mut self) -> Result<(), ModelError> {
        let cases: Vec<(String, Value)> = self.golden["decode"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, case)| (name.clone(), case.clone()))
            .collect();
        for (case, how) in cases {
            let Some(expected) = self.tensors.get(&format!("decode.{case}.logits")) else {
                continue;
            };
            let Some(ids) = self.tensors.ids(&format!("prompt{}.input_ids", how["prompt"])) else {
                continue;
            };
            let first = how["prefill"].as_u64().unwrap_or(0) as usize;
            let mut pieces = vec![1; ids.len() - first];
            if first > 0 {
                pieces.insert(0, first);
            }
            let found = self.model.logits_in_pieces(&ids, &pieces)?;
            let noise = how["max_abs_diff_to_full_forward"].as_f64().unwrap_or(0.0);
            self.report.numeric(
                format!("{}/f64/decode/{case}", self.name),
                found.len(),
                largest_difference(&found, &expected.values),
                (10.0 * noise).max(3.0 * self.tolerance),
            );
        }
        Ok(())
    }

    fn states(&mut self) -> Result<(), ModelError> {
        let stated = self.golden["state_shapes"].as_object().map_or(0, serde_json::Map::len);
        let Some(ids) = self.tensors.ids("prompt4.input_ids").filter(|_| stated > 0) else {
            return Ok(());
        };
        let [mut conv, mut recurrent] = [Deviation::default(), Deviation::default()];
        let mut compared = 0;
        for state in self.model.mixer_states(&ids)? {
            let place = format!("prompt4.layer{}", state.layer);
            for (what, found, deviation) in [
                ("conv_state", &state.conv_inputs, &mut conv),
                ("recurrent_state", &state.recurrent, &mut recurrent),
            ] {
                if let Some(expected) = self.tensors.get(&format!("{place}.{what}")) {
                    deviation.relative_to_largest(found, &expected.values);
                    compared += 1;
                }
            }
        }
        let missing = (compared != stated).then(|| format!("{compared} states, expected {stated}"));
        self.report
            .exact(format!("{}/f64/states", self.name), compared, missing);
        for (what, deviation) in [("conv_state", conv), ("recurrent_state", recurrent)] {
            if deviation.compared > 0 {
                let name = format!("{}/f64/{what}", self.name);
                self.report
                    .numeric(name, deviation.compared, deviation.largest, self.tolerance);
            }
        }
        Ok(())
    }

    /// Three ways to treat small time steps, of which ours is `unclamped`; the config of the checkpoint is not the one of this file.
    fn time_step(&mut self, dir: &Path) -> Result<(), String> {
        let path = dir.join("golden_dtclamp.safetensors");
        if !path.is_file() {
            return Ok(());
        }
        let tensors = Tensors::open(&path)?;
        let ids = tensors
            .ids("input_ids")
            .ok_or("golden_dtclamp.safetensors: no input_ids")?;
        let found = self.model.logits(&ids).map_err(|e| e.to_string())?;
        let expected = tensors.require("unclamped.logits")?;
        self.report.numeric(
            format!("{}/f64/time_step/unclamped", self.name),
            found.len(),
            largest_difference(&found, &expected.values),
            3.0 * self.tolerance,
        );
        let clamped = tensors.require("clamped_chunk_scan.logits")?;
        let apart = largest_difference(&found, &clamped.values);
        let same = (apart < 1.0).then(|| format!("logits are within {apart:.1e} of the clamped ones"));
        self.report
            .exact(format!("{}/f64/time_step/is_not_clamped", self.name), found.len(), same);
        Ok(())
    }
}

/// Names of what is compared per `MoE` layer.
const PARTS: [&str; 3] = ["experts_input", "experts_output", "residual"];

struct Layers<'a> {
    tensors: &'a Tensors,
    prompt: usize,
    parts: [Deviation; 3],
    router: Deviation,
}

impl MoeObserver for Layers<'_> {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let place = format!("prompt{}.layer{}", self.prompt, moe.layer());
        let found = [moe.input()?, moe.routed_output()?, moe.residual()?];
        for ((part, found), deviation) in PARTS.iter().zip(&found).zip(&mut self.parts) {
            if let Some(expected) = self.tensors.get(&format!("{place}.{part}")) {
                deviation.relative_to_largest(found, &expected.values);
            }
        }
        if let Some(expected) = self.tensors.get(&format!("{place}.router_logits_f64")) {
            self.router.relative_to_largest(&moe.router_logits()?, &expected.values);
        }
        Ok(())
    }
}
