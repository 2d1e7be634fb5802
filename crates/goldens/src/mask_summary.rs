//! Everything that `published_masks_summary.json` says about `published_masks.json.gz`, computed anew
//! from the masks: shapes, agreement of methods and of seeds, nesting, scoring runs, gaps.
//!
//! The masks are those published with arXiv:2607.01444. Which models, methods, seeds and ratios there
//! are is read from the file; methods are named in the order of the paper.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use secateur_metrics::mask_agreement::{Agreement, agreement, nesting_violations, rank_shift, scoring_runs};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::compare::Comparison;
use crate::report::Report;

const TOLERANCE: f64 = 1e-9;
const MASKS: &str = "published_masks.json.gz";
const SUMMARY: &str = "published_masks_summary.json";
/// The published masks unpack to about ten megabytes.
const LARGEST_BYTES: u64 = 256 << 20;
/// Names of the paper, in its order; a method that is not among them comes after them.
const METHODS: [&str; 6] = ["random", "frequency", "gating", "ean", "easyep", "reap"];
const RANDOM: &str = "random";
/// The domain whose masks are compared, and the one whose masks are compared with it.
const DOMAIN: &str = "medinst";
const DUAL: &str = "dual";

type Layers = Vec<Vec<usize>>;
/// Computes one part of the summary.
type Part = fn(&Masks) -> Result<Value, String>;

#[derive(Deserialize)]
struct Published {
    num_experts: BTreeMap<String, usize>,
    files: Vec<PublishedMask>,
}

#[derive(Deserialize)]
struct PublishedMask {
    dir: String,
    model: String,
    domain: String,
    method: String,
    seed: u64,
    ratio: f64,
    mask: Layers,
}

/// Checks a `masks` directory, one line per part of the summary.
pub fn check(dir: &Path, report: &mut Report) {
    let (masks, summary) = (dir.join(MASKS), dir.join(SUMMARY));
    for (here, absent) in [(&masks, &summary), (&summary, &masks)] {
        if !absent.is_file() {
            let reason = if here.is_file() {
                "its counterpart alone cannot be checked"
            } else {
                "nothing to check"
            };
            return report.skipped("mask_summary", format!("no {}; {reason}", absent.display()));
        }
    }
    let read = Masks::read(&masks).and_then(|masks| Ok((masks, read_summary(&summary)?)));
    let (masks, summary) = match read {
        Ok(read) => read,
        Err(reason) => return report.broken("mask_summary", reason),
    };
    let parts: [(&str, Part); 8] = [
        ("files", |masks| Ok(json!(masks.files))),
        ("shapes", |masks| Ok(masks.shapes())),
        ("method_pairs", Masks::method_pairs),
        ("seed_pairs", Masks::seed_pairs),
        ("nesting", Masks::nesting),
        ("missing", |masks| Ok(masks.missing())),
        ("scoring_runs", Masks::runs),
        ("dual", Masks::dual),
    ];
    for (part, compute) in parts {
        let name = format!("mask_summary/{part}");
        match (summary.get(part), compute(&masks)) {
            (None, _) => report.skipped(name, format!("the summary has no `{part}`")),
            (_, Err(reason)) => report.broken(name, reason),
            (Some(expected), Ok(ours)) => {
                let mut found = Comparison::new(TOLERANCE);
                found.compare(part, expected, &ours);
                match found.difference {
                    None if found.floats > 0 => report.numeric(name, found.floats, found.largest, TOLERANCE),
                    difference => report.exact(name, leaves(expected), difference),
                }
            }
        }
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(entries) => entries.values().map(leaves).sum::<usize>().max(1),
        Value::Array(items) => items.iter().map(leaves).sum::<usize>().max(1),
        _ => 1,
    }
}

fn read_text(path: &Path, source: impl std::io::Read) -> Result<String, String> {
    let mut text = String::new();
    source
        .take(LARGEST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    if text.len() as u64 > LARGEST_BYTES {
        return Err(format!("{} holds more than {LARGEST_BYTES} bytes", path.display()));
    }
    Ok(text)
}

fn open(path: &Path) -> Result<std::fs::File, String> {
    std::fs::File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))
}

fn read_summary(path: &Path) -> Result<Value, String> {
    serde_json::from_str(&read_text(path, open(path)?)?).map_err(|e| format!("{}: {e}", path.display()))
}

/// A ratio as Python writes it, and in ascending order: all are in [0, 1).
#[derive(Debug, Clone, Copy)]
struct Ratio(f64);

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// All masks of a file, checked, with the grid they span.
struct Masks {
    files: usize,
    experts: BTreeMap<String, usize>,
    methods: Vec<String>,
    seeds: BTreeSet<u64>,
    ratios: BTreeSet<Ratio>,
    /// By domain, model, method, seed and ratio.
    by_cell: BTreeMap<(String, String, String, u64, Ratio), Layers>,
}

impl Masks {
    fn read(path: &Path) -> Result<Self, String> {
        let text = read_text(path, flate2::read::GzDecoder::new(open(path)?))?;
        let published: Published = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::new(published).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn new(published: Published) -> Result<Self, String> {
        let mut all = Self {
            files: published.files.len(),
            experts: published.num_experts,
            methods: Vec::new(),
            seeds: BTreeSet::new(),
            ratios: BTreeSet::new(),
            by_cell: BTreeMap::new(),
        };
        let mut methods = BTreeSet::new();
        for file in published.files {
            all.check_mask(&file)
                .map_err(|reason| format!("mask `{}`: {reason}", file.dir))?;
            if file.domain == DOMAIN {
                methods.insert(file.method.clone());
                all.seeds.insert(file.seed);
                all.ratios.insert(Ratio(file.ratio));
            }
            let key = (file.domain, file.model, file.method, file.seed, Ratio(file.ratio));
            if all.by_cell.insert(key, file.mask).is_some() {
                return Err(format!(
                    "mask `{}` has the model, domain, method, seed and ratio of another",
                    file.dir
                ));
            }
        }
        let place = |name: &String| METHODS.iter().position(|known| known == name).unwrap_or(METHODS.len());
        all.methods = methods.into_iter().collect();
        all.methods.sort_by_key(place);
        Ok(all)
    }

    fn check_mask(&self, file: &PublishedMask) -> Result<(), String> {
        let experts = *self
            .experts
            .get(&file.model)
            .ok_or_else(|| format!("`num_experts` lacks `{}`", file.model))?;
        if !(0.0..1.0).contains(&file.ratio) {
            return Err(format!("ratio {} is not in [0, 1)", file.ratio));
        }
        if file.mask.is_empty() {
            return Err("no layers".into());
        }
        for (layer, kept) in file.mask.iter().enumerate() {
            let distinct: BTreeSet<usize> = kept.iter().copied().collect();
            match distinct.last() {
                None => return Err(format!("layer {layer} keeps no expert")),
                Some(&last) if last >= experts => {
                    return Err(format!("layer {layer} keeps expert {last} of {experts}"));
                }
                Some(_) if distinct.len() < kept.len() => return Err(format!("layer {layer} names an expert twice")),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn of_domain(&self, domain: &str, model: &str, method: &str, seed: u64, ratio: Ratio) -> Option<&Layers> {
        self.by_cell
            .get(&(domain.to_owned(), model.to_owned(), method.to_owned(), seed, ratio))
    }

    fn get(&self, model: &str, method: &str, seed: u64, ratio: Ratio) -> Option<&Layers> {
        self.of_domain(DOMAIN, model, method, seed, ratio)
    }

    /// The masks of one model, method and seed, largest first.
    fn series(&self, model: &str, method: &str, seed: u64) -> Vec<(Ratio, &Layers)> {
        self.ratios
            .iter()
            .filter_map(|&ratio| Some((ratio, self.get(model, method, seed, ratio)?)))
            .collect()
    }

    fn shapes(&self) -> Value {
        let models = self.experts.iter().map(|(model, &experts)| {
            let of_model = || self.by_cell.iter().filter(move |(key, _)| key.1 == *model);
            let layers: BTreeSet<usize> = of_model().map(|(_, mask)| mask.len()).collect();
            let cells = self
                .methods
                .iter()
                .flat_map(|method| self.ratios.iter().map(move |&ratio| (method, ratio)));
            let kept: Map<String, Value> = cells
                .map(|(method, ratio)| {
                    let cell = of_model().filter(|(key, _)| key.0 == DOMAIN && key.2 == *method && key.4 == ratio);
                    let kept: BTreeSet<usize> = cell.flat_map(|(_, mask)| mask.iter().map(Vec::len)).collect();
                    (format!("{method}@{ratio}"), json!(kept))
                })
                .collect();
            (
                model.clone(),
                json!({"layers": layers, "experts": experts, "kept_by_method_ratio": kept}),
            )
        });
        Value::Object(models.collect())
    }

    /// Seed 0, every two methods that keep equally many experts.
    fn method_pairs(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for model in self.experts.keys() {
            for &ratio in &self.ratios {
                for (i, a) in self.methods.iter().enumerate() {
                    for b in &self.methods[i + 1..] {
                        let (Some(x), Some(y)) = (self.get(model, a, 0, ratio), self.get(model, b, 0, ratio)) else {
                            continue;
                        };
                        if x[0].len() == y[0].len() {
                            let found = compared(x, y)?;
                            out[model][ratio.to_string()][format!("{a}|{b}")] = json!({
                                "overlap_mean": found.overlap_mean,
                                "overlap_min": found.overlap_min,
                                "jaccard_mean": found.jaccard_mean,
                            });
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// Every two seeds of a model, method and ratio.
    fn seed_pairs(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for (model, method) in self.models_and_methods() {
            for &ratio in &self.ratios {
                for &s in &self.seeds {
                    for &t in self.seeds.range(s + 1..) {
                        let masks = (self.get(model, method, s, ratio), self.get(model, method, t, ratio));
                        if let (Some(x), Some(y)) = masks {
                            let found = compared(x, y)?;
                            out[model][method][ratio.to_string()][format!("{s}|{t}")] = json!({
                                "overlap_mean": found.overlap_mean,
                                "jaccard_mean": found.jaccard_mean,
                                "common_prefix_mean": found.common_prefix_mean,
                            });
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// Every ratio against the next.
    fn nesting(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for (model, method) in self.models_and_methods() {
            for &seed in &self.seeds {
                let mut steps = Map::new();
                for pair in self.series(model, method, seed).windows(2) {
                    let [(low, larger), (high, smaller)] = pair else {
                        continue;
                    };
                    let found = nesting_violations(larger, smaller).map_err(|e| e.to_string())?;
                    let found = json!({
                        "subset_violations": found.subset,
                        "prefix_violations": found.prefix,
                        "layers": found.layers,
                    });
                    steps.insert(format!("{low}->{high}"), found);
                }
                out[model][method][seed.to_string()] = Value::Object(steps);
            }
        }
        Ok(out)
    }

    /// Cells of the grid without a mask.
    fn missing(&self) -> Value {
        let mut out = Vec::new();
        for (model, method) in self.models_and_methods() {
            for &seed in &self.seeds {
                for &ratio in self
                    .ratios
                    .iter()
                    .filter(|&&ratio| self.get(model, method, seed, ratio).is_none())
                {
                    out.push(format!("{model}|{method}|seed{seed}|{ratio}"));
                }
            }
        }
        json!(out)
    }

    /// Which ratios were cut from one ranking, and how far the rankings of the others lie from it.
    fn runs(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for (model, method) in self.models_and_methods().filter(|(_, method)| *method != RANDOM) {
            for &seed in &self.seeds {
                let series = self.series(model, method, seed);
                let masks: Vec<&[Vec<usize>]> = series.iter().map(|(_, mask)| mask.as_slice()).collect();
                let groups = scoring_runs(&masks).map_err(|e| e.to_string())?;
                let mut between = Vec::new();
                for (i, a) in groups.iter().enumerate() {
                    for b in &groups[i + 1..] {
                        let found = rank_shift(masks[a[0]], masks[b[0]]).map_err(|e| e.to_string())?;
                        between.push(json!({
                            "list_a": series[a[0]].0.0,
                            "list_b": series[b[0]].0.0,
                            "max_rank_shift": found.max,
                            "mean_rank_shift": found.mean,
                            "moved_fraction": found.moved_fraction,
                            "not_in_a": found.not_in_other,
                        }));
                    }
                }
                let groups: Vec<Vec<f64>> = groups
                    .iter()
                    .map(|group| group.iter().map(|&i| series[i].0.0).collect())
                    .collect();
                out[model][method][seed.to_string()] = json!({"groups": groups, "between": between});
            }
        }
        Ok(out)
    }

    /// Masks of two domains at once against those of one. The summary names neither model nor method,
    /// so there can be masks of one of each only.
    fn dual(&self) -> Result<Value, String> {
        let mut out = Map::new();
        for ((domain, model, method, seed, ratio), mask) in &self.by_cell {
            let Some(single) = self.get(model, method, *seed, *ratio).filter(|_| domain == DUAL) else {
                continue;
            };
            let found = compared(mask, single)?;
            let found = json!({"overlap_with_medinst_easyep": found.overlap_mean, "jaccard": found.jaccard_mean});
            if out.insert(format!("seed{seed}@{ratio}"), found).is_some() {
                return Err(format!("more than one dual mask of seed {seed} at ratio {ratio}"));
            }
        }
        Ok(Value::Object(out))
    }

    fn models_and_methods(&self) -> impl Iterator<Item = (&str, &str)> {
        let methods = |model| self.methods.iter().map(move |method| (model, method.as_str()));
        self.experts.keys().map(String::as_str).flat_map(methods)
    }
}

fn compared(a: &Layers, b: &Layers) -> Result<Agreement, String> {
    agreement(a, b).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;
    use crate::report::Outcome;

    fn write(dir: &Path, masks: &Value, summary: &Value) {
        let file = std::fs::File::create(dir.join(MASKS)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(masks.to_string().as_bytes()).unwrap();
        packed.finish().unwrap();
        std::fs::write(dir.join(SUMMARY), summary.to_string()).unwrap();
    }

    fn mask(method: &str, seed: u64, ratio: f64, mask: &Value) -> Value {
        json!({"dir": method, "model": "m", "domain": DOMAIN, "method": method, "seed": seed, "ratio": ratio, "mask": mask})
    }

    fn published() -> Value {
        json!({"source": "by hand", "num_experts": {"m": 4}, "files": [
            mask("ean", 0, 0.25, &json!([[2, 0, 1], [3, 1, 0]])),
            mask("ean", 0, 0.5, &json!([[2, 0], [3, 2]])),
            mask("reap", 0, 0.5, &json!([[0, 2], [3, 1]])),
        ]})
    }

    fn outcomes(masks: &Value, summary: &Value) -> Vec<Outcome> {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), masks, summary);
        let mut report = Report::default();
        check(dir.path(), &mut report);
        report.checks.into_iter().map(|check| check.outcome).collect()
    }

    #[test]
    fn a_summary_by_hand() {
        let summary = json!({
            "files": 3,
            "method_pairs": {"m": {"0.5": {"ean|reap": {"overlap_mean": 0.75, "overlap_min": 0.5, "jaccard_mean": 2.0 / 3.0}}}},
            "nesting": {"m": {
                "ean": {"0": {"0.25->0.5": {"subset_violations": 1, "prefix_violations": 1, "layers": 2}}},
                "reap": {"0": {}}
            }},
            "missing": ["m|reap|seed0|0.25"],
            "dual": {},
        });
        let found = outcomes(&published(), &summary);
        let skipped = found
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Skipped(_)))
            .count();
        let passed = found.iter().filter(|outcome| **outcome == Outcome::Passed).count();
        assert_eq!((found.len(), passed, skipped), (8, 5, 3), "{found:?}");
        let wrong = outcomes(&published(), &json!({"files": 3, "missing": [], "nesting": {"m": {}}}));
        assert_eq!(
            wrong
                .iter()
                .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
                .count(),
            2
        );
    }

    #[test]
    fn bad_masks_are_refused() {
        let bad = [
            json!([]),
            json!([[]]),
            json!([[4]]),
            json!([[1, 1]]),
            json!([[-1]]),
            json!("x"),
        ];
        for layers in bad {
            let mut masks = published();
            masks["files"][0]["mask"] = layers;
            assert!(
                matches!(outcomes(&masks, &json!({})).as_slice(), [Outcome::Failed(_)]),
                "{masks}"
            );
        }
        for (key, value) in [
            ("ratio", json!(1.0)),
            ("model", json!("other")),
            ("seed", json!(-1)),
            ("ratio", json!(0.5)),
        ] {
            let mut masks = published();
            masks["files"][0][key] = value;
            assert!(
                matches!(outcomes(&masks, &json!({})).as_slice(), [Outcome::Failed(_)]),
                "{masks}"
            );
        }
    }

    #[test]
    fn half_a_folder_is_skipped_and_a_damaged_one_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let run = || {
            let mut report = Report::default();
            check(dir.path(), &mut report);
            report.counts()
        };
        assert_eq!(run(), (0, 0, 1));
        std::fs::write(dir.path().join(SUMMARY), "{}").unwrap();
        assert_eq!(run(), (0, 0, 1));
        std::fs::write(dir.path().join(MASKS), "not packed").unwrap();
        assert_eq!(run(), (0, 1, 0));
    }
}
