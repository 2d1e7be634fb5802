//! Everything that `published_masks_summary.json` says about `published_masks.json.gz`, computed anew
//! from the masks: shapes, agreement of methods and of seeds, nesting, scoring runs, gaps.
//!
//! The masks are those published with arXiv:2607.01444. Which models, methods, seeds and ratios there
//! are is read from the file; methods are named in the order of the paper.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use secateur_metrics::mask_agreement::Agreement;
use secateur_metrics::mask_grid::{MaskGrid, MaskKey, Removed, is_random};
use serde_json::{Map, Value, json};

use crate::compare::Comparison;
use crate::published::{self, PublishedMask, PublishedMasks};
use crate::report::Report;

const TOLERANCE: f64 = 1e-9;
const MASKS: &str = "published_masks.json.gz";
const SUMMARY: &str = "published_masks_summary.json";
/// The published masks unpack to about ten megabytes.
const LARGEST_BYTES: u64 = 256 << 20;
/// The domain whose masks are compared, and the one whose masks are compared with it.
const DOMAIN: &str = "medinst";
const DUAL: &str = "dual";

/// Computes one part of the summary.
type Part = fn(&Masks) -> Result<Value, String>;

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

/// All masks of a file, checked, with the number of experts that each model has.
struct Masks {
    files: usize,
    experts: BTreeMap<String, usize>,
    grid: MaskGrid,
}

impl Masks {
    fn read(path: &Path) -> Result<Self, String> {
        Self::new(published::read(path)?).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn new(published: PublishedMasks) -> Result<Self, String> {
        let mut all = Self {
            files: published.files.len(),
            experts: published.num_experts,
            grid: MaskGrid::default(),
        };
        for file in published.files {
            all.add(file)?;
        }
        Ok(all)
    }

    fn add(&mut self, file: PublishedMask) -> Result<(), String> {
        let place = |reason: String| format!("mask `{}`: {reason}", file.dir);
        let experts = self.experts.get(&file.model);
        let experts = *experts.ok_or_else(|| place(format!("`num_experts` lacks `{}`", file.model)))?;
        if let Some(id) = file.mask.iter().flatten().find(|id| **id >= experts) {
            return Err(place(format!("it keeps expert {id} of {experts}")));
        }
        let key = MaskKey {
            model: file.model.clone(),
            domain: file.domain.clone(),
            method: file.method.clone(),
            seed: file.seed,
            removed: Removed(file.ratio),
        };
        self.grid.insert(key, file.mask).map_err(|e| place(e.to_string()))
    }

    fn shapes(&self) -> Value {
        let models = self.experts.iter().map(|(model, &experts)| {
            let of_model = || self.grid.masks().filter(move |(key, _)| key.model == *model);
            let layers: BTreeSet<usize> = of_model().map(|(_, mask)| mask.len()).collect();
            let fractions = self.grid.fractions(DOMAIN);
            let cells = self.grid.methods(DOMAIN);
            let cells = cells.iter().flat_map(|m| fractions.iter().map(move |&f| (*m, f)));
            let kept: Map<String, Value> = cells
                .map(|(method, removed)| {
                    let same = |key: &MaskKey| key.domain == DOMAIN && key.method == method && key.removed == removed;
                    let cell = of_model().filter(|(key, _)| same(key));
                    let kept: BTreeSet<usize> = cell.flat_map(|(_, mask)| mask.iter().map(Vec::len)).collect();
                    (format!("{method}@{removed}"), json!(kept))
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
        for pair in self.grid.method_pairs().map_err(|e| e.to_string())? {
            let (key, found) = (&pair.key, pair.agreement);
            if key.domain == DOMAIN && key.seed == 0 {
                out[&key.model][key.removed.to_string()][format!("{}|{}", pair.a, pair.b)] = json!({
                    "overlap_mean": found.overlap_mean,
                    "overlap_min": found.overlap_min,
                    "jaccard_mean": found.jaccard_mean,
                });
            }
        }
        Ok(out)
    }

    /// Every two seeds of a model, method and ratio.
    fn seed_pairs(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        let pairs = self.grid.seed_pairs().map_err(|e| e.to_string())?;
        for pair in pairs.into_iter().filter(|pair| pair.key.domain == DOMAIN) {
            let Agreement {
                overlap_mean,
                jaccard_mean,
                common_prefix_mean,
                ..
            } = pair.agreement;
            let MaskKey {
                model, method, removed, ..
            } = &pair.key;
            out[model][method][removed.to_string()][format!("{}|{}", pair.a, pair.b)] = json!({
                "overlap_mean": overlap_mean,
                "jaccard_mean": jaccard_mean,
                "common_prefix_mean": common_prefix_mean,
            });
        }
        Ok(out)
    }

    /// Every ratio against the next.
    fn nesting(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for (model, method) in self.models_and_methods() {
            for seed in self.grid.seeds(DOMAIN) {
                out[model][method][seed.to_string()] = json!({});
            }
        }
        let steps = self.grid.nesting().map_err(|e| e.to_string())?;
        for step in steps.into_iter().filter(|step| step.key.domain == DOMAIN) {
            let (key, found) = (&step.key, step.violations);
            out[&key.model][&key.method][key.seed.to_string()][format!("{}->{}", key.removed, step.next)] = json!({
                "subset_violations": found.subset,
                "prefix_violations": found.prefix,
                "layers": found.layers,
            });
        }
        Ok(out)
    }

    /// Cells of the grid without a mask.
    fn missing(&self) -> Value {
        let name = |key: &MaskKey| format!("{}|{}|seed{}|{}", key.model, key.method, key.seed, key.removed);
        json!(self.grid.missing(DOMAIN).iter().map(name).collect::<Vec<_>>())
    }

    /// Which ratios were cut from one ranking, and how far the rankings of the others lie from it.
    fn runs(&self) -> Result<Value, String> {
        let mut out = Value::Null;
        for (model, method) in self.models_and_methods().into_iter().filter(|(_, m)| !is_random(m)) {
            for seed in self.grid.seeds(DOMAIN) {
                out[model][method][seed.to_string()] = json!({"groups": [], "between": []});
            }
        }
        let all = self.grid.scoring_runs().map_err(|e| e.to_string())?;
        for runs in all.into_iter().filter(|runs| runs.key.domain == DOMAIN) {
            let between = runs.between.iter().map(|(a, b, shift)| {
                json!({
                    "list_a": a.0,
                    "list_b": b.0,
                    "max_rank_shift": shift.max,
                    "mean_rank_shift": shift.mean,
                    "moved_fraction": shift.moved_fraction,
                    "not_in_a": shift.not_in_other,
                })
            });
            let between: Vec<Value> = between.collect();
            let ratios = |group: &Vec<Removed>| group.iter().map(|removed| removed.0).collect();
            let groups: Vec<Vec<f64>> = runs.groups.iter().map(ratios).collect();
            let key = &runs.key;
            out[&key.model][&key.method][key.seed.to_string()] = json!({"groups": groups, "between": between});
        }
        Ok(out)
    }

    /// Masks of two domains at once against those of one. The summary names neither model nor method,
    /// so there can be masks of one of each only.
    fn dual(&self) -> Result<Value, String> {
        let mut out = Map::new();
        let pairs = self.grid.domain_pairs().map_err(|e| e.to_string())?;
        for pair in pairs.iter().filter(|pair| pair.a == DUAL && pair.b == DOMAIN) {
            let MaskKey { seed, removed, .. } = pair.key;
            let found = pair.agreement;
            let found = json!({"overlap_with_medinst_easyep": found.overlap_mean, "jaccard": found.jaccard_mean});
            if out.insert(format!("seed{seed}@{removed}"), found).is_some() {
                return Err(format!("more than one dual mask of seed {seed} at ratio {removed}"));
            }
        }
        Ok(Value::Object(out))
    }

    fn models_and_methods(&self) -> Vec<(&str, &str)> {
        let methods = self.grid.methods(DOMAIN);
        let of_model = |model| methods.iter().map(move |method| (model, *method)).collect::<Vec<_>>();
        self.experts.keys().map(String::as_str).flat_map(of_model).collect()
    }
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
