//! Scores and masks made with the code of arXiv:2607.01444 itself (`paper_pruning/FAMILY/`): its scores through the `paper` profiles,
//! independent ones through the `reference` profiles, mixed domains, masks at every fraction, and its mask file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Model, ModelError};
use secateur_pruning::PruningError;
use secateur_pruning::calibration::calibrate;
use secateur_pruning::mask_files::{read_mask, read_ranking_lines, write_mask, write_ranking_lines};
use secateur_pruning::methods::{self, Budget, Profile};
use secateur_pruning::plan::{Plan, Protected, experts_kept};
use secateur_pruning::ranking::{Ranking, order, rank};
use secateur_pruning::shape::LayerShape;
use secateur_pruning::statistics::{Provenance, Statistic, Statistics};
use serde::Deserialize;

use crate::deviation::Deviation;
use crate::load::{Load, load_f64};
use crate::models::LoadFailure;
use crate::python_json;
use crate::report::Report;
use crate::saliency::{TOLERANCE, ungrouped};
use crate::tensors::{Tensor, Tensors};

/// Names of the paper's methods, and ours.
const PAPER_METHODS: &[(&str, &str)] = &[
    ("frequency", "frequency"),
    ("gating", "gating"),
    ("ean", "ean"),
    ("easyep", "easy-ep"),
    ("reap", "reap"),
];

/// Independent scores, and the method and profile that must equal them.
const REFERENCE_METHODS: &[(&str, &str, Profile)] = &[
    ("frequency", "frequency", Profile::Reference),
    ("gating", "gating", Profile::Reference),
    ("ean_sum", "ean", Profile::Reference),
    ("ean_mean", "ean-mean", Profile::Reference),
    ("reap", "reap", Profile::Reference),
    ("weighted_ean_sum", "reap-sum", Profile::Reference),
    ("easyep", "easy-ep", Profile::Reference),
    ("ean_all256", "ean", Profile::Paper),
    ("easyep_postnorm", "easy-ep", Profile::Paper),
];

/// Independent sums that are a statistic as it is.
const REFERENCE_STATISTICS: &[(&str, Statistic)] = &[
    ("sq_norm_sum", Statistic::SquaredOutputNorm),
    ("max_abs_activation", Statistic::LargestOutput),
];

#[derive(Deserialize)]
struct Info {
    checkpoint: String,
    domains: Vec<usize>,
    moe_layers: Vec<usize>,
    keep: BTreeMap<String, usize>,
}

/// Checks one `paper_pruning/FAMILY` directory, whose `info.json` names a checkpoint relative to the directory two levels up.
pub fn check(dir: &Path, load: Load<'_>, report: &mut Report) {
    let name = format!(
        "paper_pruning/{}",
        dir.file_name().unwrap_or_default().to_string_lossy()
    );
    let prepared =
        python_json::read::<Info>(&dir.join("info.json")).and_then(|info| Ok((checkpoint(dir, &info)?, info)));
    let (checkpoint, info) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return report.broken(name, reason),
    };
    let model = match load_f64(load, &checkpoint) {
        Ok(model) => model,
        Err(LoadFailure::Unsupported(reason)) => return report.skipped(name, reason),
        Err(LoadFailure::Broken(reason)) => return report.broken(name, reason),
    };
    if let Err(reason) = check_model(dir, &name, &info, model, report) {
        report.broken(name, reason);
    }
}

/// The named checkpoint; a remark may follow the path after a space.
fn checkpoint(dir: &Path, info: &Info) -> Result<PathBuf, String> {
    let named = Path::new(info.checkpoint.split(' ').next().unwrap_or_default());
    let inside = named.components().all(|c| matches!(c, Component::Normal(_)));
    let root = dir.parent().and_then(Path::parent);
    match root {
        Some(root) if inside && named.components().next().is_some() => Ok(root.join(named)),
        _ => Err(format!(
            "info.json names the checkpoint `{}`, not a path below the reference values",
            info.checkpoint
        )),
    }
}

struct Calibrated {
    /// All samples together.
    whole: Statistics,
    domains: Vec<Statistics>,
}

fn check_model(dir: &Path, name: &str, info: &Info, mut model: Model, report: &mut Report) -> Result<(), String> {
    let file = Tensors::open(&dir.join("scores.safetensors"))?;
    let sequences = file.sequences("calib")?;
    let calibrated = run(&mut model, &sequences, info)?;
    let shapes = calibrated.whole.shapes();
    let layers: Vec<usize> = shapes.iter().map(|s| s.layer).collect();
    let differ = (layers != info.moe_layers).then(|| format!("{layers:?}, expected {:?}", info.moe_layers));
    report.exact(format!("{name}/moe_layers"), layers.len(), differ);
    let mut rankings = BTreeMap::new();
    for &(theirs, ours) in PAPER_METHODS {
        let key = format!("paper_f64.{theirs}");
        let ranking = ranked(ours, Profile::Paper, &shapes, &[&calibrated.whole])?;
        compare(&file, &key, &format!("{name}/{key}/{ours}.paper"), &ranking, report)?;
        rankings.insert(theirs, ranking);
    }
    for &(theirs, ours, profile) in REFERENCE_METHODS {
        // Where gate and up rows lie alternately, the paper's code misreads them; its scores are then `chunk`.
        let chunk = format!("ref.chunk.{theirs}");
        let key = if profile == Profile::Paper && file.has(&chunk) {
            chunk
        } else {
            format!("ref.{theirs}")
        };
        let ranking = ranked(ours, profile, &shapes, &[&calibrated.whole])?;
        compare(&file, &key, &format!("{name}/{key}/{ours}.{profile}"), &ranking, report)?;
    }
    let domains: Vec<&Statistics> = calibrated.domains.iter().collect();
    let mixed = ranked("easy-ep", Profile::Reference, &shapes, &domains)?;
    compare(
        &file,
        "ref.easyep_mix_normalised",
        &format!("{name}/ref.easyep_mix_normalised"),
        &mixed,
        report,
    )?;
    check_statistics(&file, name, &calibrated.whole, report)?;
    check_token_factors(&file, name, &model, &sequences, report)?;
    check_masks(dir, name, info, &shapes, &rankings, report)?;
    check_files(dir, name, info, &shapes, &rankings, report)
}

fn run(model: &mut Model, sequences: &[Vec<u32>], info: &Info) -> Result<Calibrated, String> {
    if info.domains.len() != sequences.len() {
        return Err(format!(
            "info.json gives {} domains for {} sequences",
            info.domains.len(),
            sequences.len()
        ));
    }
    let wanted = Statistic::ALL.iter().copied().collect();
    let count = info.domains.iter().max().map_or(0, |d| d + 1);
    let mut domains = Vec::new();
    for domain in 0..count.min(sequences.len()) {
        let belongs = |(_, d): &(&Vec<u32>, &usize)| **d == domain;
        let part: Vec<_> = sequences
            .iter()
            .zip(&info.domains)
            .filter(belongs)
            .map(|(s, _)| s.clone())
            .collect();
        let origin = Provenance {
            corpus: "calib".into(),
            ..Provenance::default()
        };
        domains.push(calibrate(model, &part, origin, &wanted, &mut |_| {}).map_err(|e| e.to_string())?);
    }
    let (first, rest) = domains.split_first().ok_or("info.json names no domain")?;
    let whole = rest
        .iter()
        .try_fold(first.clone(), Statistics::merge)
        .map_err(|e| e.to_string())?;
    Ok(Calibrated { whole, domains })
}

fn ranked(method: &str, profile: Profile, shapes: &[LayerShape], domains: &[&Statistics]) -> Result<Ranking, String> {
    methods::find(method)
        .and_then(|m| rank(m, profile, 0, shapes, domains))
        .map_err(|e| e.to_string())
}

/// Scores `[layers, experts]` under `key`, and their order under `key.ranking` where it is given.
fn compare(file: &Tensors, key: &str, name: &str, ranking: &Ranking, report: &mut Report) -> Result<(), String> {
    let expected = layered(file, key, ranking.layers.len())?;
    let mut deviation = Deviation::default();
    for (layer, row) in ranking.layers.iter().zip(expected.rows()) {
        deviation.relative(&layer.scores, row);
    }
    report.numeric(name, deviation.compared, deviation.largest, TOLERANCE);
    let order_key = format!("{key}.ranking");
    let orders: Vec<Vec<usize>> = if file.has(&order_key) {
        #[allow(clippy::cast_sign_loss)]
        let ids = |row: &[f64]| row.iter().map(|&v| v as usize).collect();
        layered(file, &order_key, ranking.layers.len())?
            .rows()
            .map(ids)
            .collect()
    } else {
        expected
            .rows()
            .map(|row| order(row).iter().map(|e| e.0).collect())
            .collect()
    };
    let difference = ranking.layers.iter().zip(&orders).find_map(|(layer, expected)| {
        let found: Vec<usize> = layer.experts.iter().map(|e| e.0).collect();
        (found != *expected).then(|| format!("layer {}: {found:?}, expected {expected:?}", layer.layer))
    });
    report.exact(format!("{name}/ranking"), orders.len(), difference);
    Ok(())
}

fn layered(file: &Tensors, key: &str, layers: usize) -> Result<Tensor, String> {
    let values = file.require(key)?;
    if values.shape.len() == 2 && values.shape[0] == layers {
        return Ok(values);
    }
    Err(format!(
        "`{key}` has the shape {:?}, expected [{layers}, experts]",
        values.shape
    ))
}

fn check_statistics(file: &Tensors, name: &str, whole: &Statistics, report: &mut Report) -> Result<(), String> {
    for &(theirs, statistic) in REFERENCE_STATISTICS {
        let expected = layered(file, &format!("ref.{theirs}"), whole.layers.len())?;
        let mut deviation = Deviation::default();
        for (layer, row) in whole.layers.iter().zip(expected.rows()) {
            deviation.relative(layer.get(statistic).unwrap_or_default(), row);
        }
        let name = format!("{name}/ref.{theirs}/{}", statistic.name());
        report.numeric(name, deviation.compared, deviation.largest, TOLERANCE);
    }
    Ok(())
}

/// EASY-EP's factor of every token, by layer.
#[derive(Default)]
struct TokenFactors(BTreeMap<usize, Vec<f64>>);

impl MoeObserver for TokenFactors {
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError> {
        let factors = moe.residual_cosine()?.iter().map(|c| (1.0 - c).max(0.0)).collect();
        self.0.insert(moe.layer(), factors);
        Ok(())
    }
}

fn check_token_factors(
    file: &Tensors,
    name: &str,
    model: &Model,
    sequences: &[Vec<u32>],
    report: &mut Report,
) -> Result<(), String> {
    let mut deviation = Deviation::default();
    for (sample, tokens) in sequences.iter().enumerate() {
        let mut factors = TokenFactors::default();
        model.observe(tokens, &mut factors).map_err(|e| e.to_string())?;
        for (layer, found) in &factors.0 {
            let key = format!("ref.layer{layer}.calib{sample}.s_t");
            if file.has(&key) {
                deviation.relative_to_largest(found, &file.require(&key)?.values);
            }
        }
    }
    report.numeric(
        format!("{name}/ref.s_t"),
        deviation.compared,
        deviation.largest,
        TOLERANCE,
    );
    Ok(())
}

type Masks = BTreeMap<String, BTreeMap<String, Vec<Vec<usize>>>>;

/// A mask of the paper is a prefix of the ranking; where its count is that of our rule and a token still finds its experts, it is
/// also what the plan keeps, and where a token would not, the plan must refuse.
fn check_masks(
    dir: &Path,
    name: &str,
    info: &Info,
    shapes: &[LayerShape],
    rankings: &BTreeMap<&str, Ranking>,
    report: &mut Report,
) -> Result<(), String> {
    let masks: Masks = python_json::read(&dir.join("masks.json"))?;
    for (method, ranking) in rankings {
        let Some(by_fraction) = masks.get(*method) else {
            report.skipped(format!("{name}/masks/{method}"), "masks.json has none");
            continue;
        };
        let (mut compared, mut difference) = (0, None);
        for (text, expected) in by_fraction {
            let fraction: f64 = text
                .parse()
                .map_err(|_| format!("masks.json: `{text}` is not a fraction"))?;
            let count = info.keep.get(text).copied();
            compared += expected.len();
            let found = mask_difference(ranking, shapes, fraction, count, expected);
            difference = difference.or(found.map(|d| format!("at {text}: {d}")));
        }
        report.exact(format!("{name}/masks/{method}"), compared, difference);
    }
    Ok(())
}

fn mask_difference(
    ranking: &Ranking,
    shapes: &[LayerShape],
    fraction: f64,
    count: Option<usize>,
    expected: &[Vec<usize>],
) -> Option<String> {
    if expected.len() != shapes.len() {
        return Some(format!("{} layers, expected {}", shapes.len(), expected.len()));
    }
    let grouped = shapes.iter().any(|s| s.groups > 1);
    for ((layer, shape), expected) in ranking.layers.iter().zip(shapes).zip(expected) {
        let count = count.unwrap_or(shape.experts);
        let prefix: Vec<usize> = layer.experts.iter().take(count).map(|e| e.0).collect();
        if prefix != *expected {
            return Some(format!("layer {} keeps {prefix:?}, expected {expected:?}", shape.layer));
        }
        match experts_kept(*shape, Budget::Fraction, fraction) {
            Ok(kept) if kept == count && count < shape.top_k => {
                return Some(format!(
                    "layer {}: {kept} kept, although {count} are too few",
                    shape.layer
                ));
            }
            Ok(kept) if kept == count && !grouped => {}
            _ => continue,
        }
        let plan = match Plan::new(ranking, shapes, fraction, &Protected::new()) {
            Ok(plan) => plan,
            Err(error) => return Some(error.to_string()),
        };
        let planned = plan.layers.iter().find(|l| l.shape.layer == shape.layer);
        if planned.is_none_or(|l| l.kept.iter().map(|e| e.0).ne(expected.iter().copied())) {
            return Some(format!(
                "layer {}: the plan keeps {planned:?}, expected {expected:?}",
                shape.layer
            ));
        }
    }
    None
}

/// `METHOD_FRACTION/expert_mask.json`, read, compared with our ranking, written and read again.
fn check_files(
    dir: &Path,
    name: &str,
    info: &Info,
    shapes: &[LayerShape],
    rankings: &BTreeMap<&str, Ranking>,
    report: &mut Report,
) -> Result<(), String> {
    // The paper's masks know no groups.
    let ungrouped = ungrouped(shapes);
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let copy = scratch.path().join("copy.json");
    for (method, ranking) in rankings {
        write_ranking_lines(&copy, ranking).map_err(|e| e.to_string())?;
        let read = read_ranking_lines(&copy, shapes).map_err(|e| e.to_string())?;
        let same = read
            .layers
            .iter()
            .map(|l| &l.experts)
            .eq(ranking.layers.iter().map(|l| &l.experts));
        let difference = (!same).then(|| "what was written is not what is read".to_string());
        report.exact(format!("{name}/ranking_lines/{method}"), shapes.len(), difference);
        for fraction in ["0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875"] {
            let path = dir.join(format!("{method}_{fraction}")).join("expert_mask.json");
            if !path.is_file() {
                continue;
            }
            let name = format!("{name}/{method}_{fraction}/expert_mask.json");
            let Some(&count) = info.keep.get(fraction) else {
                report.broken(name, "info.json does not say how many experts it keeps");
                continue;
            };
            match mask_file_difference(&path, &copy, &ungrouped, |mask| other_mask(ranking, count, mask)) {
                Ok(difference) => report.exact(name, shapes.len(), difference),
                Err(error) => report.broken(name, error),
            }
        }
    }
    Ok(())
}

/// What `other` finds in a mask file, which is also written to `copy` and read again.
fn mask_file_difference(
    path: &Path,
    copy: &Path,
    shapes: &[LayerShape],
    other: impl Fn(&Plan) -> Option<String>,
) -> Result<Option<String>, PruningError> {
    let read = read_mask(path, shapes)?;
    write_mask(copy, &read)?;
    let same = read_mask(copy, shapes)? == read;
    Ok(other(&read).or((!same).then(|| "what was written is not what is read".to_string())))
}

/// The first layer of a mask that does not keep so many of the best, best first.
fn other_mask(ranking: &Ranking, count: usize, mask: &Plan) -> Option<String> {
    mask.layers.iter().zip(&ranking.layers).find_map(|(layer, ranked)| {
        let best = &ranked.experts[..count.min(ranked.experts.len())];
        (layer.kept != best).then(|| format!("layer {}: {:?}, expected {best:?}", layer.shape.layer, layer.kept))
    })
}
