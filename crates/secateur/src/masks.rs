//! Masks for comparison, from files and folders of several layouts.
//!
//! - Folders named as the published masks of arXiv:2607.01444 are (`model-domain-method-seed`, then `-ratio` where it is not 0.5), each
//!   with an `expert_mask.json`; or all of them in one packed file ([`secateur_goldens::published`]).
//! - Rankings of `secateur calibrate` and of sweeps, whole and in lines, cut at given fractions.
//! - Any other mask by itself, under the name of its file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secateur_goldens::published;
use secateur_metrics::mask_grid::{MaskGrid, MaskKey, Removed};
use secateur_pruning::mask_files::read_kept;
use secateur_pruning::methods::METHODS;
use secateur_pruning::ranking::Ranking;
use secateur_results::agreement::{Comparisons, Making, write};
use secateur_results::ranking_file::RankingFile;

use crate::talk;

/// Model of masks whose files do not say it.
const UNNAMED: &str = "masks";
/// Name of a mask in the reference experiment's layout.
const MASK: &str = "expert_mask.json";
/// Folders deeper than this are not searched.
const DEEPEST: usize = 8;
/// Mask files are far smaller; a larger file in a folder is something else.
const LARGEST: u64 = 64 << 20;

/// Masks, and what the reader must know about where they came from.
#[derive(Debug, Default)]
pub struct Collection {
    /// All masks.
    pub grid: MaskGrid,
    /// In sentences.
    pub notes: Vec<String>,
    /// Masks of unknown ratio, by file; theirs follows from the largest id of all of them.
    loose: BTreeMap<PathBuf, Vec<Vec<usize>>>,
    skipped: usize,
}

/// Reads all masks in these files and folders; rankings are cut at these fractions.
///
/// # Errors
/// If a file is no mask, or masks contradict each other: a mask left out would change every number.
pub fn collect(paths: &[PathBuf], fractions: &[f64]) -> anyhow::Result<Collection> {
    for fraction in fractions {
        ensure!(
            (0.0..1.0).contains(fraction),
            "--ratios: {fraction} is not at least 0 and below 1"
        );
    }
    let mut all = Collection::default();
    for path in paths {
        let kind = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if kind.is_dir() {
            all.folder(path, fractions, 0)?;
        } else {
            let before = all.count();
            all.file(path, fractions)?;
            ensure!(all.count() > before, "{} holds no mask", path.display());
        }
    }
    all.place_loose()?;
    if all.skipped > 0 {
        all.notes.push(format!(
            "{} files in the folders are neither masks nor rankings and were left alone.",
            all.skipped
        ));
    }
    ensure!(
        !all.grid.is_empty(),
        "no mask in {}: expected expert_mask.json files, rankings, or the packed published masks",
        paths
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(all)
}

/// Compares the masks of a sweep's rankings, in `report/agreement/` of its results directory; says where the page is, relative to the
/// report. `None` where the sweep ranked nothing, or where the page could not be made: that is said, and the report goes on without it.
pub fn agreement_page(directory: &Path, fractions: &[f64], command: &str) -> Option<String> {
    let rankings = directory.join("rankings");
    fs::read_dir(&rankings).ok()?.next()?.ok()?;
    match write_agreement(
        rankings,
        &directory.join("report").join("agreement"),
        fractions,
        command,
    ) {
        Ok(()) => Some("agreement/index.html".to_owned()),
        Err(error) => {
            talk::warning(format!("the report has no page on the agreement of masks: {error:#}"));
            None
        }
    }
}

fn write_agreement(rankings: PathBuf, output: &Path, fractions: &[f64], command: &str) -> anyhow::Result<()> {
    let masks = collect(&[rankings], fractions)?;
    let found = Comparisons::new(&masks.grid)?;
    let making = Making {
        command: command.to_owned(),
        notes: masks.notes,
    };
    write(&masks.grid, &found, &making, output)?;
    Ok(())
}

impl Collection {
    fn count(&self) -> usize {
        self.grid.len() + self.loose.len()
    }

    fn folder(&mut self, folder: &Path, fractions: &[f64], depth: usize) -> anyhow::Result<()> {
        let place = || format!("cannot read {}", folder.display());
        let entries = fs::read_dir(folder).with_context(place)?;
        let mut paths: Vec<PathBuf> = entries
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()
            .with_context(place)?;
        paths.sort();
        for path in paths {
            // Links are not followed: they could lead anywhere, or round in a circle.
            let kind = fs::symlink_metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                ensure!(depth < DEEPEST, "{} is nested too deeply", path.display());
                self.folder(&path, fractions, depth + 1)?;
            } else if kind.is_file() && (name == MASK || looks_like_masks(&path, kind.len())) {
                self.file(&path, fractions)?;
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, fractions: &[f64]) -> anyhow::Result<()> {
        let start = beginning(path)?;
        let text = String::from_utf8_lossy(&start);
        let text = text.trim_start();
        if start.starts_with(&[0x1f, 0x8b]) || text.starts_with('{') && text.contains("\"num_experts\"") {
            return self.published(path);
        }
        if text.starts_with('[') {
            return self.mask(path);
        }
        if let Some(ranking) = ranking(path, text)? {
            for &fraction in fractions {
                let key = ranking.key(fraction);
                self.grid
                    .insert(key, ranking.kept(fraction))
                    .with_context(|| path.display().to_string())?;
            }
            return Ok(());
        }
        bail!(
            "{} is no mask (a list of lists of expert ids), no ranking, and no packed collection of masks",
            path.display()
        )
    }

    fn published(&mut self, path: &Path) -> anyhow::Result<()> {
        let masks = published::read(path).map_err(anyhow::Error::msg)?;
        let count = masks.files.len();
        for file in masks.files {
            let place = || format!("{}, mask `{}`", path.display(), file.dir);
            let experts = masks.num_experts.get(&file.model).copied();
            let experts = experts.with_context(|| format!("{}: `num_experts` lacks `{}`", place(), file.model))?;
            if let Some(id) = file.mask.iter().flatten().find(|id| **id >= experts) {
                bail!("{}: it keeps expert {id} of {experts}", place());
            }
            let key = MaskKey {
                model: file.model.clone(),
                domain: file.domain.clone(),
                method: file.method.clone(),
                seed: file.seed,
                removed: Removed(file.ratio),
            };
            self.grid.insert(key, file.mask.clone()).with_context(place)?;
        }
        self.notes.push(format!("{} holds {count} masks.", path.display()));
        Ok(())
    }

    fn mask(&mut self, path: &Path) -> anyhow::Result<()> {
        let kept = read_kept(path)?;
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .map(|n| n.to_string_lossy().into_owned());
        let of_folder = path.file_name().is_some_and(|name| name == MASK);
        match folder.filter(|_| of_folder).and_then(|name| key_of(&name)) {
            Some(key) => self
                .grid
                .insert(key, kept)
                .with_context(|| path.display().to_string())?,
            None => {
                self.loose.insert(path.to_path_buf(), kept);
            }
        }
        Ok(())
    }

    /// Gives every mask that has no name a fraction, from the largest id among all of them.
    fn place_loose(&mut self) -> anyhow::Result<()> {
        let loose = std::mem::take(&mut self.loose);
        let experts = loose.values().flatten().flatten().max().map_or(0, |last| last + 1);
        for (path, kept) in &loose {
            let named = path.file_name().is_some_and(|name| name == MASK);
            let label = if named {
                path.parent().and_then(Path::file_name)
            } else {
                path.file_stem()
            };
            let label = label.map_or_else(|| path.display().to_string(), |l| l.to_string_lossy().into_owned());
            let total: usize = kept.iter().map(Vec::len).sum();
            let removed = 1.0 - total as f64 / (experts * kept.len()) as f64;
            let key = MaskKey {
                model: UNNAMED.to_owned(),
                domain: "–".to_owned(),
                method: label,
                seed: 0,
                // Equal counts must be equal fractions.
                removed: Removed((removed * 1e6).round() / 1e6),
            };
            self.grid
                .insert(key, kept.clone())
                .with_context(|| path.display().to_string())?;
        }
        if !loose.is_empty() {
            self.notes.push(format!(
                "{} masks have no name that tells model, method, seed and ratio; they are taken to be of one model with {experts} experts \
                 per layer (the largest id in them is {}).",
                loose.len(),
                experts - 1
            ));
        }
        Ok(())
    }
}

/// A ranking with what its file or place says about it.
struct Placed {
    model: String,
    domain: String,
    method: String,
    seed: u64,
    layers: Vec<Vec<usize>>,
    /// Half of the experts stay, whatever the fraction.
    half: bool,
}

impl Placed {
    fn key(&self, fraction: f64) -> MaskKey {
        MaskKey {
            model: self.model.clone(),
            domain: self.domain.clone(),
            method: self.method.clone(),
            seed: self.seed,
            removed: Removed(fraction),
        }
    }

    /// The first `E − floor(r·E + 1e-9)` of each layer; groups of group-limited routers are not known here.
    #[allow(clippy::cast_sign_loss)] // a fraction is not negative
    fn kept(&self, fraction: f64) -> Vec<Vec<usize>> {
        let keep = |layer: &Vec<usize>| {
            let removed = if self.half {
                layer.len() - layer.len() / 2
            } else {
                (fraction * layer.len() as f64 + 1e-9).floor() as usize
            };
            layer[..layer.len() - removed.min(layer.len())].to_vec()
        };
        self.layers.iter().map(keep).collect()
    }
}

/// The ranking in a file that begins with `text`, if it is one.
fn ranking(path: &Path, text: &str) -> anyhow::Result<Option<Placed>> {
    if text.starts_with("{\"layer\"") || text.starts_with("{ \"layer\"") {
        return lines(path).map(Some);
    }
    if !text.starts_with('{') || !text.contains("\"method\"") {
        return Ok(None);
    }
    let name = |method: &str, profile: &str| match profile {
        "reference" => method.to_owned(),
        other => format!("{method}@{other}"),
    };
    if text.contains("\"calibration\"") {
        let file = RankingFile::read(path)?;
        return Ok(Some(Placed {
            method: name(&file.method, &file.profile),
            half: halves(&file.method, &file.profile),
            model: file.model,
            domain: file.calibration,
            seed: file.seed,
            layers: file.layers.into_iter().map(|l| l.experts).collect(),
        }));
    }
    let ranking = Ranking::load(path)?;
    let folder = path.parent().and_then(Path::file_name);
    let placed = Placed {
        method: name(&ranking.method, ranking.profile.name()),
        half: halves(&ranking.method, ranking.profile.name()),
        model: folder.map_or_else(|| UNNAMED.to_owned(), |f| f.to_string_lossy().into_owned()),
        domain: ranking.domains.join("+"),
        seed: ranking.seed,
        layers: ranking
            .layers
            .iter()
            .map(|l| l.experts.iter().map(|e| e.0).collect())
            .collect(),
    };
    Ok(Some(placed))
}

fn halves(method: &str, profile: &str) -> bool {
    let found = METHODS.iter().find(|m| m.name() == method);
    let profile = profile.parse().unwrap_or_default();
    found.is_some_and(|m| m.budget(profile) == secateur_pruning::methods::Budget::Half)
}

/// Lines `{"layer": n, "experts": […]}`, in ascending order of layers.
fn lines(path: &Path) -> anyhow::Result<Placed> {
    let layers = secateur_pruning::mask_files::read_lines(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let key = key_of(&stem);
    let of_key = |value: fn(&MaskKey) -> &String, other: &str| {
        key.as_ref().map_or_else(|| other.to_owned(), |k| value(k).clone())
    };
    Ok(Placed {
        model: of_key(|k| &k.model, UNNAMED),
        domain: of_key(|k| &k.domain, "–"),
        method: of_key(|k| &k.method, &stem),
        seed: key.as_ref().map_or(0, |k| k.seed),
        layers: layers
            .into_values()
            .map(|ids| ids.into_iter().map(|id| id.0).collect())
            .collect(),
        half: false,
    })
}

/// `model-domain-method-seed` or `model-domain-method-seed-ratio`, as the published masks' folders are named.
fn key_of(name: &str) -> Option<MaskKey> {
    let mut parts: Vec<&str> = name.split('-').collect();
    let ratio = parts
        .last()
        .filter(|last| last.contains('.'))
        .and_then(|last| last.parse().ok());
    if ratio.is_some() {
        parts.pop();
    }
    let seed = parts.pop()?.parse().ok()?;
    let word = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic());
    // Names of methods may have a hyphen themselves.
    let two = parts.len() >= 2 && METHODS.iter().any(|m| m.name() == parts[parts.len() - 2..].join("-"));
    let method = parts
        .split_off(parts.len().checked_sub(if two { 2 } else { 1 })?)
        .join("-");
    let domain = parts.pop()?;
    let model = parts.join("-");
    (word(&method) && word(domain) && !model.is_empty()).then(|| MaskKey {
        model,
        domain: domain.to_owned(),
        method,
        seed,
        removed: Removed(ratio.unwrap_or(0.5)),
    })
}

/// Whether a file in a folder is to be read: by its first characters, so that configs and tokenizers are left alone.
fn looks_like_masks(path: &Path, length: u64) -> bool {
    let name = path.to_string_lossy();
    if length > LARGEST || ![".json", ".jsonl", ".json.gz"].iter().any(|end| name.ends_with(end)) {
        return false;
    }
    let Ok(start) = beginning(path) else {
        return true;
    };
    let text: String = String::from_utf8_lossy(&start).split_whitespace().collect();
    start.starts_with(&[0x1f, 0x8b])
        || text.starts_with("[[")
        || text.starts_with("{\"layer\":")
        || text.starts_with("{\"method\":") && text.contains("\"profile\"")
        || text.starts_with("{\"model\":") && text.contains("\"calibration\"")
        || text.contains("\"num_experts\":{")
}

/// The first bytes of a file.
fn beginning(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let place = || format!("cannot read {}", path.display());
    let mut start = Vec::new();
    fs::File::open(path)
        .with_context(place)?
        .take(4096)
        .read_to_end(&mut start)
        .with_context(place)?;
    Ok(start)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_the_published_ones() {
        let told = |name: &str| key_of(name).map(|key| key.to_string());
        for (name, expected) in [
            (
                "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16-medinst-ean-0",
                "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16, medinst, ean, seed 0, 0.5 removed",
            ),
            (
                "Qwen3.6-35B-A3B-dual-easyep-2-0.75",
                "Qwen3.6-35B-A3B, dual, easyep, seed 2, 0.75 removed",
            ),
            ("m-d-easy-ep-1-0.125", "m, d, easy-ep, seed 1, 0.125 removed"),
        ] {
            assert_eq!(told(name).as_deref(), Some(expected));
        }
        for name in [
            "",
            "reap",
            "m-d-reap",
            "d-reap-0",
            "run-2-3-4",
            "m-d-reap-x",
            "m-d-reap-0-0.5-1",
        ] {
            assert_eq!(told(name), None, "{name}");
        }
    }
}
