//! Forward pass, routing, decoding and masks of a model against the reference (`models/NAME/`).

use std::path::Path;

use secateur_model::blocks::rope::RopeSpec;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::export::{ExportOptions, export};
use secateur_model::families::naming_of;
use secateur_model::generate::GenerateOptions;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};
use serde_json::Value;

use crate::Report;
use crate::python_json;
use crate::tensors::{Tensors, largest_difference, standard_deviation};

/// Why a checkpoint of the goldens was not loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadFailure {
    /// The family is not implemented: its checks are skipped.
    Unsupported(String),
    /// It should have loaded: its checks fail.
    Broken(String),
}

/// Opens and loads a checkpoint on a device.
///
/// # Errors
/// [`LoadFailure`].
pub fn load(checkpoint: &Path, kind: DeviceKind, precision: Precision) -> Result<Model, LoadFailure> {
    let classify = |error: ModelError| match error {
        ModelError::UnknownFamily { found, .. } => {
            LoadFailure::Unsupported(format!("family `{found}` is not supported yet"))
        }
        other => LoadFailure::Broken(other.to_string()),
    };
    let opened = Checkpoint::open(checkpoint).map_err(|e| LoadFailure::Broken(e.to_string()))?;
    let device = Device::open(kind, precision).map_err(classify)?;
    Model::load(&opened, &device).map_err(classify)
}

/// Checks one `models/NAME` directory: `golden.json`, `golden.safetensors`, `pruned/*`.
pub fn check(dir: &Path, kind: DeviceKind, report: &mut Report) {
    let name = format!("models/{}", dir.file_name().unwrap_or_default().to_string_lossy());
    let (golden, tensors) = match (
        json(&dir.join("golden.json")),
        Tensors::open(&dir.join("golden.safetensors")),
    ) {
        (Ok(golden), Ok(tensors)) => (golden, tensors),
        (Err(error), _) | (_, Err(error)) => return report.broken(name, error),
    };
    let model = match load(&dir.join("checkpoint"), kind, Precision::F32) {
        Ok(model) => model,
        Err(LoadFailure::Unsupported(reason)) => return report.skipped(name, reason),
        Err(LoadFailure::Broken(reason)) => return report.broken(name, reason),
    };
    // A GPU sums in another order: a thousandth is its share.
    let slack = if kind == DeviceKind::Wgpu { 1e-3 } else { 1e-4 };
    let mut checks = Checks {
        name,
        golden,
        tensors,
        model,
        slack,
        report,
    };
    checks.run();
    let prunings = dir.join("pruned");
    let mut entries: Vec<_> = std::fs::read_dir(&prunings)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    entries.sort();
    if prunings.join("meta.json").exists() {
        checks.pruned(&prunings);
    }
    for entry in entries.iter().filter(|entry| entry.join("meta.json").exists()) {
        checks.pruned(entry);
    }
}

struct Checks<'a> {
    name: String,
    golden: Value,
    tensors: Tensors,
    model: Model,
    slack: f64,
    report: &'a mut Report,
}

/// Largest deviation over several comparisons, and how many there were.
#[derive(Default)]
struct Worst {
    compared: usize,
    deviation: f64,
}

impl Worst {
    fn add(&mut self, found: &[f64], expected: &[f64]) {
        self.compared += expected.len();
        self.deviation = self.deviation.max(largest_difference(found, expected));
    }
}

/// One group of checks; its error is a failure of the group.
type Step<C> = fn(&mut C) -> Result<(), ModelError>;

impl Checks<'_> {
    fn run(&mut self) {
        let steps: [(&str, Step<Self>); 6] = [
            ("logits", Self::logits),
            ("routing", Self::routing),
            ("greedy", Self::greedy),
            ("continuations", Self::continuations),
            ("batch", Self::batch),
            ("cache", Self::cache),
        ];
        for (step, check) in steps {
            if let Err(error) = check(self) {
                self.report.broken(format!("{}/{step}", self.name), error);
            }
        }
        if let Some(expected) = self.tensors.get("rope.inv_freq") {
            let rope = self.model.spec().rope();
            let found: Vec<f64> = rope.map_or(Vec::new(), |rope| {
                rope.frequencies(0).into_iter().map(f64::from).collect()
            });
            let relative: Vec<f64> = found.iter().zip(&expected.values).map(|(a, b)| a / b - 1.0).collect();
            let deviation = if found.len() == expected.values.len() {
                largest_difference(&relative, &vec![0.0; relative.len()])
            } else {
                f64::INFINITY
            };
            self.report
                .numeric(format!("{}/rope", self.name), expected.values.len(), deviation, 1e-6);
        }
    }

    fn prompts(&self) -> Vec<(usize, Vec<u32>)> {
        (0..)
            .map_while(|i| Some((i, self.tensors.ids(&format!("prompt{i}.input_ids"))?)))
            .collect()
    }

    /// Noise that the reference itself has between f32 and f64 counts ten times, or `slack` standard deviations.
    fn tolerance(&self, prompt: usize, reference: &[f64]) -> f64 {
        let noise = self.golden["max_abs_diff_f32_f64_per_prompt"][prompt]
            .as_f64()
            .unwrap_or(0.0);
        (10.0 * noise).max(self.slack * standard_deviation(reference))
    }

    fn logits(&mut self) -> Result<(), ModelError> {
        for (i, ids) in self.prompts() {
            let found = self.model.logits(&ids)?;
            let exact = self.tensors.get(&format!("prompt{i}.logits_f64"));
            if let Some(reference) = &exact {
                let scale = standard_deviation(&reference.values);
                let deviation = largest_difference(&found, &reference.values) / scale;
                self.report.numeric(
                    format!("{}/logits/prompt{i}/f64", self.name),
                    found.len(),
                    deviation,
                    self.slack,
                );
            }
            if let Some(reference) = self.tensors.get(&format!("prompt{i}.logits")) {
                let tolerance = self.tolerance(i, &reference.values);
                let deviation = largest_difference(&found, &reference.values);
                self.report.numeric(
                    format!("{}/logits/prompt{i}", self.name),
                    found.len(),
                    deviation,
                    tolerance,
                );
            }
        }
        Ok(())
    }

    fn routing(&mut self) -> Result<(), ModelError> {
        let mut check = RoutingCheck::new(&self.tensors);
        for (i, ids) in self.prompts() {
            check.prefix = format!("prompt{i}");
            self.model.observe(&ids, &mut check)?;
        }
        let RoutingCheck {
            compared,
            first,
            weights,
            ..
        } = check;
        self.report
            .exact(format!("{}/routing/indices", self.name), compared, first);
        self.report.numeric(
            format!("{}/routing/weights", self.name),
            weights.compared,
            weights.deviation,
            self.slack,
        );
        Ok(())
    }

    fn greedy(&mut self) -> Result<(), ModelError> {
        let wanted: Vec<(Vec<u32>, Vec<u32>)> = self.golden["greedy"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let prompt = self.tensors.ids(&format!("prompt{}.input_ids", entry["prompt"]))?;
                let mut new = id_list(&entry["new_tokens"]);
                new.truncate(self.decided(entry));
                Some((prompt, new))
            })
            .collect();
        let first = self.generated_differs(&wanted)?;
        self.report.exact(
            format!("{}/greedy", self.name),
            wanted.iter().map(|(_, new)| new.len()).sum(),
            first,
        );
        Ok(())
    }

    /// Steps before the first at which the two best tokens are closer than the noise of the reference, where it says so.
    fn decided(&self, entry: &Value) -> usize {
        let noises = self.golden["max_abs_diff_f32_f64_per_prompt"].as_array();
        let noise = noises
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .fold(0.0, f64::max);
        let margins = entry["step_margin_f64"].as_array().into_iter().flatten();
        let mut margins = margins.map(|margin| margin.as_f64().unwrap_or(0.0));
        margins.position(|margin| margin < 2.0 * noise).unwrap_or(usize::MAX)
    }

    /// The first difference between greedy decoding and the expected tokens.
    fn generated_differs(&self, wanted: &[(Vec<u32>, Vec<u32>)]) -> Result<Option<String>, ModelError> {
        let requests: Vec<GenerateOptions> = wanted
            .iter()
            .map(|(prompt, new)| greedy(prompt.clone(), new.len()))
            .collect();
        let results = self.model.generate(&requests, &|_, _| Ok(false), &mut |_| {})?;
        Ok(results
            .iter()
            .zip(wanted)
            .enumerate()
            .find(|(_, (found, (_, new)))| found.tokens != *new)
            .map(|(entry, (found, (_, new)))| format!("entry {entry}: {:?}, expected {new:?}", found.tokens)))
    }

    fn continuations(&mut self) -> Result<(), ModelError> {
        let cases: Vec<(Vec<u32>, Vec<u32>, f64, bool)> = self.golden["multiple_choice"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|entry| {
                let context = id_list(&entry["context"]);
                entry["choices"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(move |choice| {
                        let sum = choice["sum_logprob_f64"].as_f64().or(choice["sum_logprob"].as_f64())?;
                        Some((
                            context.clone(),
                            id_list(&choice["tokens"]),
                            sum,
                            choice["is_greedy"].as_bool()?,
                        ))
                    })
            })
            .collect();
        if !cases.is_empty() {
            let requests: Vec<(&[u32], &[u32])> = cases.iter().map(|(c, t, ..)| (c.as_slice(), t.as_slice())).collect();
            let scores = self.model.score(&requests, &mut |_| {})?;
            let mut worst = Worst::default();
            scores
                .iter()
                .zip(&cases)
                .for_each(|(s, case)| worst.add(&[s.log_probability()], &[case.2]));
            let differs = scores.iter().zip(&cases).position(|(s, case)| s.is_greedy != case.3);
            self.report.numeric(
                format!("{}/continuations/log-probability", self.name),
                worst.compared,
                worst.deviation,
                self.slack.max(1e-4),
            );
            let differs = differs.map(|case| format!("case {case}: is_greedy differs"));
            self.report
                .exact(format!("{}/continuations/is_greedy", self.name), cases.len(), differs);
        }
        if let (Some(expected), Some(ids)) = (
            self.golden["nll_prompt4_f64"].as_f64(),
            self.tensors.ids("prompt4.input_ids"),
        ) {
            let scores = self.model.score(&[(&ids[..1], &ids[1..])], &mut |_| {})?;
            let found = -scores[0].log_probability();
            self.report.numeric(
                format!("{}/nll", self.name),
                ids.len() - 1,
                ((found - expected) / expected).abs(),
                1e-6_f64.max(self.slack / 100.0),
            );
        }
        Ok(())
    }

    /// All prompts side by side, padded, against each by itself.
    fn batch(&mut self) -> Result<(), ModelError> {
        let prompts = self.prompts();
        let sequences: Vec<&[u32]> = prompts.iter().map(|(_, ids)| ids.as_slice()).collect();
        let together = self.model.logits_batched(&sequences)?;
        let (mut worst, mut tolerance) = (Worst::default(), 0.0f64);
        for ((i, ids), together) in prompts.iter().zip(&together) {
            let alone = self.model.logits(ids)?;
            tolerance = tolerance.max(self.tolerance(*i, &alone));
            worst.add(together, &alone);
        }
        self.report.numeric(
            format!("{}/batch-equals-single", self.name),
            worst.compared,
            worst.deviation,
            tolerance,
        );
        Ok(())
    }

    /// Decoding with the key–value cache against prefill, token by token and after a prefill.
    fn cache(&mut self) -> Result<(), ModelError> {
        let (mut worst, mut tolerance) = (Worst::default(), 0.0f64);
        // Beyond this length, what a position says depends on how many follow it: in pieces it cannot be the same.
        let longest = self
            .model
            .spec()
            .rope()
            .and_then(RopeSpec::same_up_to)
            .unwrap_or(usize::MAX);
        for (i, ids) in self.prompts().into_iter().filter(|(_, ids)| ids.len() <= longest) {
            let whole = self.model.logits(&ids)?;
            tolerance = tolerance.max(self.tolerance(i, &whole));
            worst.add(&self.model.logits_in_pieces(&ids, &vec![1; ids.len()])?, &whole);
            if ids.len() > 17 {
                let pieces = [vec![17], vec![1; ids.len() - 17]].concat();
                worst.add(&self.model.logits_in_pieces(&ids, &pieces)?, &whole);
            }
        }
        self.report.numeric(
            format!("{}/cache-equals-prefill", self.name),
            worst.compared,
            worst.deviation,
            tolerance,
        );
        Ok(())
    }

    /// A mask in memory against the reference's model with those experts sliced away.
    fn pruned(&mut self, dir: &Path) {
        let name = format!(
            "{}/pruned/{}",
            self.name,
            dir.file_name().unwrap_or_default().to_string_lossy()
        );
        let result = self.pruned_checks(dir, &name);
        if let Err(error) = result {
            self.report.broken(name, error);
        }
        if let Err(error) = self.model.set_mask(None) {
            self.report.broken(self.name.clone(), error);
        }
    }

    fn pruned_checks(&mut self, dir: &Path, name: &str) -> Result<(), String> {
        let meta = json(&dir.join("meta.json"))?;
        let tensors = Tensors::open(&dir.join("golden.safetensors"))?;
        let mask = mask(&meta["kept"])?;
        self.model.set_mask(Some(&mask)).map_err(|e| e.to_string())?;
        for (i, ids) in self.prompts() {
            let exact = tensors.get(&format!("prompt{i}.logits_f64"));
            let Some(reference) = exact.or_else(|| tensors.get(&format!("prompt{i}.logits"))) else {
                continue;
            };
            let found = self.model.logits(&ids).map_err(|e| e.to_string())?;
            // Long prompts keep the logits of their last positions only.
            let tail = found.len().saturating_sub(reference.values.len());
            let tolerance = self.tolerance(i, &reference.values);
            let deviation = largest_difference(&found[tail..], &reference.values);
            self.report.numeric(
                format!("{name}/logits/prompt{i}"),
                reference.values.len(),
                deviation,
                tolerance,
            );
        }
        self.exported_equals_masked(name, &mask, &tensors)?;
        self.batched_equals_single(name).map_err(|e| e.to_string())?;
        if let Some(prompt) = self.tensors.ids("prompt2.input_ids") {
            let wanted = [(prompt, id_list(&meta["greedy_prompt2"]))];
            let first = self.generated_differs(&wanted).map_err(|e| e.to_string())?;
            self.report.exact(format!("{name}/greedy"), wanted[0].1.len(), first);
        }
        Ok(())
    }
}

impl Checks<'_> {
    /// All prompts continued side by side, with the mask in place, against each by itself.
    fn batched_equals_single(&mut self, name: &str) -> Result<(), ModelError> {
        let requests: Vec<GenerateOptions> = self.prompts().into_iter().map(|(_, ids)| greedy(ids, 12)).collect();
        let run = |requests: &[GenerateOptions]| self.model.generate(requests, &|_, _| Ok(false), &mut |_| {});
        let mut difference = None;
        for (prompt, (request, together)) in requests.iter().zip(run(&requests)?).enumerate() {
            let alone = run(std::slice::from_ref(request))?;
            if alone[0].tokens != together.tokens && difference.is_none() {
                difference = Some(format!(
                    "prompt {prompt}: {:?}, alone {:?}",
                    together.tokens, alone[0].tokens
                ));
            }
        }
        let compared = 12 * requests.len();
        self.report
            .exact(format!("{name}/batched-generation"), compared, difference);
        Ok(())
    }

    /// The checkpoint exported with a mask against the model with that mask in memory, and its routing against the reference's.
    fn exported_equals_masked(&mut self, name: &str, mask: &ExpertMask, reference: &Tensors) -> Result<(), String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let naming = naming_of(self.model.family()).ok_or("the family cannot be exported")?;
        let scratch = tempfile::tempdir().map_err(|e| text(&e))?;
        let checkpoint = Checkpoint::open(self.model.directory()).map_err(|e| text(&e))?;
        let written = export(
            &checkpoint,
            mask,
            naming,
            &ExportOptions::default(),
            &scratch.path().join("pruned"),
        )
        .map_err(|e| text(&e))?;
        let exported = Checkpoint::open(&written.directory).map_err(|e| text(&e))?;
        let exported = Model::load(&exported, self.model.device()).map_err(|e| text(&e))?;
        let (mut worst, mut routing) = (Worst::default(), RoutingCheck::new(reference));
        for (i, ids) in self.prompts() {
            worst.add(
                &self.model.logits(&ids).map_err(|e| text(&e))?,
                &exported.logits(&ids).map_err(|e| text(&e))?,
            );
            routing.prefix = format!("prompt{i}");
            exported.observe(&ids, &mut routing).map_err(|e| text(&e))?;
        }
        self.report.numeric(
            format!("{name}/mask-equals-export"),
            worst.compared,
            worst.deviation,
            self.slack / 10.0,
        );
        if routing.compared > 0 {
            let RoutingCheck {
                compared,
                first,
                weights,
                ..
            } = routing;
            self.report
                .exact(format!("{name}/export-routing/indices"), compared, first);
            let weights_name = format!("{name}/export-routing/weights");
            self.report
                .numeric(weights_name, weights.compared, weights.deviation, self.slack);
        }
        Ok(())
    }
}

/// So many tokens, none of which ends it.
fn greedy(prompt: Vec<u32>, max_new_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        prompt,
        max_new_tokens,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    }
}

/// `{"0": [0, 3, …], …}` as a mask.
fn mask(kept: &Value) -> Result<ExpertMask, String> {
    let layers = kept.as_object().ok_or("meta.json: `kept` is not an object")?;
    let mut mask = ExpertMask::default();
    for (layer, ids) in layers {
        let layer = layer
            .parse()
            .map_err(|_| format!("meta.json: layer `{layer}` is not a number"))?;
        let mut ids: Vec<ExpertId> = id_list(ids).into_iter().map(|id| ExpertId(id as usize)).collect();
        ids.sort_unstable();
        mask.kept.insert(layer, ids);
    }
    Ok(mask)
}

struct RoutingCheck<'a> {
    tensors: &'a Tensors,
    prefix: String,
    compared: usize,
    first: Option<String>,
    weights: Worst,
}

impl<'a> RoutingCheck<'a> {
    fn new(tensors: &'a Tensors) -> Self {
        Self {
            tensors,
            prefix: String::new(),
            compared: 0,
            first: None,
            weights: Worst::default(),
        }
    }
}

impl MoeObserver for RoutingCheck<'_> {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let place = format!("{}.layer{}", self.prefix, moe.layer());
        let Some(expected) = self.tensors.ids(&format!("{place}.topk_indices")) else {
            return Ok(());
        };
        let found: Vec<usize> = moe.selected().iter().map(|id| id.0).collect();
        let wanted: Vec<usize> = expected.iter().map(|&id| id as usize).collect();
        self.compared += wanted.len();
        if found != wanted && self.first.is_none() {
            let at = found.iter().zip(&wanted).position(|(a, b)| a != b);
            self.first = Some(format!("{place}: differs at {at:?}"));
        }
        if let Some(expected) = self.tensors.get(&format!("{place}.topk_weights")) {
            self.weights.add(moe.weights(), &expected.values);
        }
        Ok(())
    }
}

fn id_list(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_u64().map(|id| id as u32))
        .collect()
}

pub(crate) fn json(path: &Path) -> Result<Value, String> {
    python_json::read(path)
}
