//! Statistics and scores of a model directory (`models/NAME/saliency.safetensors`, `saliency.json`) from a real calibration pass.
//!
//! The reference scores every quantity with three gates. `model.*` uses the model's own selection and weights, which is what
//! Secateur's statistics are; `ref.*` and `ref_renorm.*` are the semantics of REAP's public code and coincide only for some routers.
//! The kept experts in saliency.json were chosen by one of the three, `primary_variant`: they are compared where its scores are
//! the model's own, and skipped with that reason elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use secateur_model::Model;
use secateur_model::ModelError;
use secateur_model::mask::ExpertId;
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::spec::{ExpertLayout, LayerSpec};
use secateur_pruning::calibration::{calibrate, layer_shapes};
use secateur_pruning::methods::{self, Profile};
use secateur_pruning::plan::{Plan, Protected};
use secateur_pruning::ranking::{Ranking, order, rank};
use secateur_pruning::shape::LayerShape;
use secateur_pruning::statistics::{LayerStatistics, Provenance, Statistic, Statistics};
use serde::Deserialize;

use crate::deviation::Deviation;
use crate::load::{Load, load_f64};
use crate::models::LoadFailure;
use crate::python_json;
use crate::report::Report;
use crate::tensors::Tensors;

/// Relative tolerance of statistics and scores, with the model in f64.
pub const TOLERANCE: f64 = 1e-6;
/// Relative gap below which two of the reference's own variants are the same numbers.
const SAME_VARIANT: f64 = 1e-9;

/// Reference score after `layer{L}.`, and the method that must equal it.
const METHODS: &[(&str, &str, Profile)] = &[
    ("model.expert_frequency", "frequency", Profile::Reference),
    ("model.expert_frequency", "frequency", Profile::Paper),
    ("seer.hard_count", "frequency", Profile::Reference),
    ("model.weighted_expert_frequency_sum", "gating", Profile::Reference),
    ("model.ean_sum", "ean", Profile::Reference),
    ("model.ean_mean", "ean-mean", Profile::Reference),
    ("model.weighted_ean_sum", "reap-sum", Profile::Reference),
    ("model.weighted_ean_sum", "reap", Profile::Paper),
    ("easyep.output_aware_only", "reap-sum", Profile::Reference),
    ("model.reap", "reap", Profile::Reference),
    ("easyep.score", "easy-ep", Profile::Reference),
];

/// Selection in saliency.json, the reference score it sorted by (`{variant}` filled in), and the method, if one sorts so.
const SELECTIONS: &[(&str, &str, Option<&str>)] = &[
    ("reap", "{variant}.reap", Some("reap")),
    ("frequency", "{variant}.expert_frequency", Some("frequency")),
    ("ean_sum", "{variant}.ean_sum", Some("ean")),
    ("ean_mean", "{variant}.ean_mean", Some("ean-mean")),
    ("weighted_ean_sum", "{variant}.weighted_ean_sum", Some("reap-sum")),
    (
        "gate_weighted_frequency",
        "{variant}.weighted_expert_frequency_sum",
        Some("gating"),
    ),
    ("easyep", "easyep.score", Some("easy-ep")),
    ("weight_l2", "weight_magnitude.l2", None),
];

#[derive(Deserialize)]
struct Info {
    primary_variant: String,
    #[serde(default)]
    selection_uniform_per_layer: BTreeMap<String, BTreeMap<usize, Selection>>,
}

#[derive(Deserialize)]
struct Selection {
    kept: Vec<usize>,
    boundary_tie: bool,
}

/// Checks the saliency files of `dir` (a `models/NAME`); does nothing where there are none.
pub fn check(dir: &Path, load: Load<'_>, report: &mut Report) {
    if !dir.join("saliency.safetensors").is_file() {
        return;
    }
    let name = format!(
        "models/{}/saliency",
        dir.file_name().unwrap_or_default().to_string_lossy()
    );
    let model = match load_f64(load, &dir.join("checkpoint")) {
        Ok(model) => model,
        Err(LoadFailure::Unsupported(reason)) => return report.skipped(name, reason),
        Err(LoadFailure::Broken(reason)) => return report.broken(name, reason),
    };
    if let Err(reason) = check_model(dir, &name, model, report) {
        report.broken(name, reason);
    }
}

fn check_model(dir: &Path, name: &str, mut model: Model, report: &mut Report) -> Result<(), String> {
    let file = Tensors::open(&dir.join("saliency.safetensors"))?;
    let sequences = file.sequences("calib")?;
    let wanted = Statistic::ALL.iter().copied().collect();
    let origin = Provenance {
        corpus: "calib".into(),
        ..Provenance::default()
    };
    let statistics = calibrate(&mut model, &sequences, origin, &wanted, &mut |_| {}).map_err(|e| e.to_string())?;
    let moe = model.spec().layers.iter().filter_map(LayerSpec::moe);
    let misread = moe
        .into_iter()
        .any(|moe| matches!(&moe.layout, ExpertLayout::Fused(names) if names.interleaved));
    check_methods(&file, name, &statistics, misread, report)?;
    check_statistics(&file, name, &statistics, report)?;
    check_router_scores(&file, name, &statistics, report)?;
    check_observations(&file, name, &model, &sequences, report)?;
    let path = dir.join("saliency.json");
    let info: Info = python_json::read(&path)?;
    check_selections(&file, name, &info, &statistics, report)
}

fn ranking(method: &str, profile: Profile, statistics: &Statistics) -> Result<Ranking, String> {
    methods::find(method)
        .and_then(|method| rank(method, profile, 0, &statistics.shapes(), &[statistics]))
        .map_err(|e| e.to_string())
}

fn check_methods(
    file: &Tensors,
    name: &str,
    statistics: &Statistics,
    misread: bool,
    report: &mut Report,
) -> Result<(), String> {
    for &(reference, method, profile) in METHODS {
        let name = format!("{name}/{reference}/{method}.{profile}");
        if misread && profile == Profile::Paper && method == "reap" {
            report.skipped(
                name,
                "the paper's code misreads these experts; its scores are in paper_pruning",
            );
            continue;
        }
        let ranking = ranking(method, profile, statistics)?;
        let keys: Vec<_> = ranking
            .layers
            .iter()
            .map(|l| format!("layer{}.{reference}", l.layer))
            .collect();
        if keys.iter().all(|key| !file.has(key)) {
            report.skipped(name, "the reference has no such score");
            continue;
        }
        let (mut deviation, mut difference) = (Deviation::default(), None);
        for (layer, key) in ranking.layers.iter().zip(&keys) {
            let expected = file.require(key)?.values;
            deviation.relative(&layer.scores, &expected);
            if expected.iter().any(|e| !e.is_finite()) {
                return Err(format!("`{key}` is not finite"));
            }
            let order = order(&expected);
            if order != layer.experts && difference.is_none() {
                difference = Some(format!(
                    "layer {}: {:?}, expected {order:?}",
                    layer.layer, layer.experts
                ));
            }
        }
        report.numeric(name.clone(), deviation.compared, deviation.largest, TOLERANCE);
        report.exact(format!("{name}/ranking"), ranking.layers.len(), difference);
    }
    Ok(())
}

/// What is derived from a layer's statistics, `[experts]`.
type Derived = fn(&LayerStatistics) -> Vec<f64>;

fn check_statistics(file: &Tensors, name: &str, statistics: &Statistics, report: &mut Report) -> Result<(), String> {
    let derived: [(&str, Derived); 4] = [
        ("weight_magnitude.l1", |l| of(l, Statistic::AbsoluteWeight)),
        ("weight_magnitude.l2", |l| {
            of(l, Statistic::SquaredWeight).iter().map(|v| v.sqrt()).collect()
        }),
        ("weight_magnitude.down_l2", |l| of(l, Statistic::DownMatrixNorm)),
        ("weight_magnitude.gate_up_l2", |l| {
            let (gate, up) = (of(l, Statistic::GateMatrixNorm), of(l, Statistic::UpMatrixNorm));
            gate.iter().zip(&up).map(|(g, u)| g.hypot(*u)).collect()
        }),
    ];
    for (reference, derive) in derived {
        let mut deviation = Deviation::default();
        for layer in &statistics.layers {
            let expected = file.require(&format!("layer{}.{reference}", layer.shape.layer))?;
            deviation.relative(&derive(layer), &expected.values);
        }
        report.numeric(
            format!("{name}/{reference}"),
            deviation.compared,
            deviation.largest,
            TOLERANCE,
        );
    }
    Ok(())
}

fn of(layer: &LayerStatistics, statistic: Statistic) -> Vec<f64> {
    layer.get(statistic).unwrap_or_default().to_vec()
}

/// The router's own score is the reference's where it is a softmax over all experts; what the reference sums for other routers is
/// compared in [`check_observations`].
fn check_router_scores(file: &Tensors, name: &str, statistics: &Statistics, report: &mut Report) -> Result<(), String> {
    let name = format!("{name}/seer.soft_count_all_tokens/routing-score");
    let mut deviation = Deviation::default();
    for layer in &statistics.layers {
        let sums = of(layer, Statistic::RouterScore);
        let tokens = layer.tokens as f64;
        if !is_softmax(sums.iter().sum(), tokens) {
            return Ok(());
        }
        let expected = file.require(&format!("layer{}.seer.soft_count_all_tokens", layer.shape.layer))?;
        deviation.relative(&sums, &expected.values);
    }
    report.numeric(name, deviation.compared, deviation.largest, TOLERANCE);
    Ok(())
}

/// Whether the scores of each token sum to 1.
fn is_softmax(sum: f64, tokens: f64) -> bool {
    (sum - tokens).abs() <= 1e-6 * tokens
}

/// Quantities that no method needs, straight from what the model shows.
struct Onlooker {
    counts: Vec<f64>,
    largest: Vec<f64>,
    /// Softmax of the logits, whatever the router makes of them.
    softmax: Vec<f64>,
    selected_softmax: Vec<f64>,
    output_sums: Vec<f64>,
    contributions: Vec<f64>,
}

/// Rows of `experts` logits as shares.
fn softmax(logits: &[f64], experts: usize) -> Vec<f64> {
    let mut shares = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(experts) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|l| (l - largest).exp()).sum();
        shares.extend(row.iter().map(|l| (l - largest).exp() / sum));
    }
    shares
}

#[derive(Default)]
struct Onlookers(BTreeMap<usize, Onlooker>);

impl MoeObserver for Onlookers {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let (experts, top_k) = (moe.experts(), moe.top_k());
        let outputs = moe.outputs()?;
        let hidden = outputs.len() / moe.selected().len().max(1);
        let shares = softmax(&moe.router_logits()?, experts);
        let at = self.0.entry(moe.layer()).or_insert_with(|| Onlooker {
            counts: vec![0.0; experts],
            largest: vec![0.0; experts],
            softmax: vec![0.0; experts],
            selected_softmax: vec![0.0; experts],
            output_sums: vec![0.0; experts * hidden],
            contributions: Vec::new(),
        });
        for token in shares.chunks_exact(experts) {
            at.softmax.iter_mut().zip(token).for_each(|(sum, share)| *sum += share);
        }
        for (place, (&ExpertId(expert), output)) in moe.selected().iter().zip(outputs.chunks_exact(hidden)).enumerate()
        {
            at.counts[expert] += 1.0;
            at.selected_softmax[expert] += shares[place / top_k * experts + expert];
            at.largest[expert] = output.iter().fold(at.largest[expert], |most, &v| most.max(v));
            let sums = &mut at.output_sums[expert * hidden..(expert + 1) * hidden];
            sums.iter_mut().zip(output).for_each(|(sum, v)| *sum += v);
        }
        at.contributions
            .extend(moe.residual_cosine()?.iter().map(|c| (1.0 - c).max(0.0)));
        Ok(())
    }
}

fn check_observations(
    file: &Tensors,
    name: &str,
    model: &Model,
    sequences: &[Vec<u32>],
    report: &mut Report,
) -> Result<(), String> {
    let mut onlookers = Onlookers::default();
    for tokens in sequences {
        model.observe(tokens, &mut onlookers).map_err(|e| e.to_string())?;
    }
    let mut deviations: BTreeMap<&str, Deviation> = BTreeMap::new();
    for shape in layer_shapes(model) {
        let seen = onlookers
            .0
            .get(&shape.layer)
            .ok_or_else(|| format!("layer {} was not shown", shape.layer))?;
        let hidden = seen.output_sums.len() / shape.experts;
        let means: Vec<f64> = seen
            .output_sums
            .iter()
            .enumerate()
            .map(|(i, sum)| sum / seen.counts[i / hidden].max(1.0))
            .collect();
        for (reference, found) in [
            ("model.max_activations", &seen.largest),
            ("seer.soft_count_all_tokens", &seen.softmax),
            ("seer.soft_count_selected", &seen.selected_softmax),
            ("mean_output_routed", &means),
            ("easyep.token_contribution", &seen.contributions),
        ] {
            let key = format!("layer{}.{reference}", shape.layer);
            if !file.has(&key) {
                continue;
            }
            let expected = file.require(&key)?.values;
            deviations
                .entry(reference)
                .or_default()
                .relative_to_largest(found, &expected);
        }
    }
    for (reference, deviation) in deviations {
        report.numeric(
            format!("{name}/{reference}"),
            deviation.compared,
            deviation.largest,
            TOLERANCE,
        );
    }
    Ok(())
}

fn check_selections(
    file: &Tensors,
    name: &str,
    info: &Info,
    statistics: &Statistics,
    report: &mut Report,
) -> Result<(), String> {
    for (key, layers) in &info.selection_uniform_per_layer {
        let name = format!("{name}/selection/{key}");
        let Some((label, fraction)) = key.split_once('@').and_then(|(l, f)| Some((l, f.parse::<f64>().ok()?))) else {
            report.skipped(name, "is not `method@fraction`");
            continue;
        };
        let Some(&(_, score, method)) = SELECTIONS.iter().find(|(l, ..)| *l == label) else {
            report.skipped(name, "no method selects so");
            continue;
        };
        let scored_by = score.replace("{variant}", &info.primary_variant);
        let own = score.replace("{variant}", "model");
        let mut variants = Deviation::default();
        for layer in layers.keys() {
            let own = file.require(&format!("layer{layer}.{own}"))?.values;
            variants.relative(&own, &file.require(&format!("layer{layer}.{scored_by}"))?.values);
        }
        if variants.largest > SAME_VARIANT {
            let variant = &info.primary_variant;
            report.skipped(
                name,
                format!("was selected with the gate `{variant}`, which is not the model's own"),
            );
            continue;
        }
        let ranking = match method {
            Some(method) => ranking(method, Profile::Reference, statistics)?,
            None => by_weight_l2(statistics)?,
        };
        // The reference drops the lowest scores of a layer whatever group they are in; a plan of ours drops as many of each.
        let ungrouped = ungrouped(&statistics.shapes());
        match Plan::new(&ranking, &ungrouped, fraction, &Protected::new()) {
            Ok(plan) => report.exact(name, layers.len(), first_difference(&plan, &ranking, layers)),
            Err(error) if keeps_too_few(&ungrouped, layers) => report.skipped(name, error.to_string()),
            Err(error) => report.broken(name, error),
        }
    }
    Ok(())
}

/// The layers, of whose groups references know nothing.
pub(crate) fn ungrouped(shapes: &[LayerShape]) -> Vec<LayerShape> {
    let alone = |shape: &LayerShape| LayerShape::ungrouped(shape.layer, shape.experts, shape.top_k);
    shapes.iter().map(alone).collect()
}

/// Whether the reference leaves a layer fewer experts than a token needs, which we refuse.
fn keeps_too_few(shapes: &[LayerShape], layers: &BTreeMap<usize, Selection>) -> bool {
    let kept = |shape: &LayerShape| layers.get(&shape.layer).map(|selection| selection.kept.len());
    shapes
        .iter()
        .any(|shape| kept(shape).is_some_and(|kept| kept < shape.top_k))
}

/// The reference's `weight_l2` is the norm of all matrices together; `weight-norm` adds their norms.
fn by_weight_l2(statistics: &Statistics) -> Result<Ranking, String> {
    let mut ranking = ranking("weight-norm", Profile::Reference, statistics)?;
    for (layer, own) in ranking.layers.iter_mut().zip(&statistics.layers) {
        layer.scores = of(own, Statistic::SquaredWeight);
        layer.experts = order(&layer.scores);
    }
    Ok(ranking)
}

/// Where the last kept and the first dropped expert tie, the reference drops the lower id and Secateur the higher: there only the
/// kept scores are compared.
fn first_difference(plan: &Plan, ranking: &Ranking, expected: &BTreeMap<usize, Selection>) -> Option<String> {
    if plan.layers.len() != expected.len() {
        return Some(format!("{} layers, expected {}", plan.layers.len(), expected.len()));
    }
    plan.layers.iter().zip(&ranking.layers).find_map(|(layer, ranked)| {
        let Some(selection) = expected.get(&layer.shape.layer) else {
            return Some(format!("layer {} is not in the reference", layer.shape.layer));
        };
        let mut kept: Vec<usize> = layer.kept.iter().map(|e| e.0).collect();
        kept.sort_unstable();
        let scores = |ids: &[usize]| {
            let mut scores: Vec<f64> = ids.iter().filter_map(|&i| ranked.scores.get(i).copied()).collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        let same = if selection.boundary_tie {
            scores(&kept) == scores(&selection.kept)
        } else {
            kept == selection.kept
        };
        (!same).then(|| {
            format!(
                "layer {} keeps {kept:?}, expected {:?}",
                layer.shape.layer, selection.kept
            )
        })
    })
}
