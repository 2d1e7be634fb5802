//! Masks and rankings as other tools write and read them.
//!
//! - The reference experiment's `expert_mask.json`: a list over the expert layers, in decoder order, of kept expert ids, best first.
//! - JSON lines, one per expert layer: `{"layer": n, "experts": [best … worst]}`, `n` the decoder layer index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use secateur_model::mask::ExpertId;
use serde::{Deserialize, Serialize};

use crate::error::PruningError;
use crate::methods::{Budget, Profile};
use crate::plan::{Plan, PlannedLayer, check_ids};
use crate::ranking::{LayerRanking, Ranking};
use crate::shape::LayerShape;
use crate::statistics_file::{read_limited, write_atomically};

/// A thousand layers of a thousand experts take less than 8 MiB.
const LARGEST_FILE_BYTES: u64 = 64 << 20;
/// No family here has as many in a layer; ids beyond are damage.
const MOST_EXPERTS: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RankingLine {
    layer: usize,
    experts: Vec<ExpertId>,
}

/// Reads an `expert_mask.json` for a model with these expert layers.
///
/// The plan's `fraction_removed` is the share that the file removes over all layers.
///
/// # Errors
///
/// [`PruningError::BadMaskFile`] if the number of layers differs, an id is out of range or repeated, or a layer keeps fewer experts
/// than a token is routed to; with groups, also if groups keep different numbers.
pub fn read_mask(path: &Path, shapes: &[LayerShape]) -> Result<Plan, PruningError> {
    parse_mask(path, &read(path)?, shapes)
}

/// As [`read_mask`], for contents that were read from `path` before.
///
/// # Errors
///
/// As [`read_mask`].
pub fn parse_mask(path: &Path, contents: &[u8], shapes: &[LayerShape]) -> Result<Plan, PruningError> {
    let bad = |reason| bad(path, reason);
    let lists: Vec<Vec<ExpertId>> =
        serde_json::from_slice(contents).map_err(|e| bad(format!("is not a list of lists of expert ids ({e})")))?;
    if lists.len() != shapes.len() {
        return Err(bad(format!(
            "has {} layers, but the model has {} expert layers",
            lists.len(),
            shapes.len()
        )));
    }
    let mut layers = Vec::with_capacity(lists.len());
    for (&shape, kept) in shapes.iter().zip(lists) {
        check_kept(shape, &kept).map_err(|reason| bad(format!("layer {}: {reason}", shape.layer)))?;
        layers.push(PlannedLayer { shape, kept });
    }
    let total: usize = shapes.iter().map(|s| s.experts).sum();
    let kept: usize = layers.iter().map(|l| l.kept.len()).sum();
    Ok(Plan {
        fraction_removed: 1.0 - kept as f64 / total.max(1) as f64,
        layers,
    })
}

/// Kept ids of an `expert_mask.json`, best first, for work that needs no model: comparing masks.
///
/// # Errors
///
/// [`PruningError::BadMaskFile`] if it is no list of lists, has no layers, or a layer keeps nothing or an expert twice.
pub fn read_kept(path: &Path) -> Result<Vec<Vec<usize>>, PruningError> {
    parse_kept(path, &read(path)?)
}

/// As [`read_kept`], for contents that were read from `path` before.
///
/// # Errors
///
/// As [`read_kept`].
pub fn parse_kept(path: &Path, contents: &[u8]) -> Result<Vec<Vec<usize>>, PruningError> {
    let lists: Vec<Vec<usize>> = serde_json::from_slice(contents)
        .map_err(|e| bad(path, format!("is not a list of lists of expert ids ({e})")))?;
    if lists.is_empty() {
        return Err(bad(path, "has no layers".into()));
    }
    for (place, kept) in lists.iter().enumerate() {
        let distinct: BTreeSet<usize> = kept.iter().copied().collect();
        if kept.is_empty() {
            return Err(bad(path, format!("keeps no expert of list {place}")));
        }
        if let Some(&largest) = distinct.last().filter(|&&id| id >= MOST_EXPERTS) {
            let reason = format!("list {place} names expert {largest}; no model has {MOST_EXPERTS} experts in a layer");
            return Err(bad(path, reason));
        }
        if distinct.len() < kept.len() {
            return Err(bad(path, format!("list {place} names an expert twice")));
        }
    }
    Ok(lists)
}

fn check_kept(shape: LayerShape, kept: &[ExpertId]) -> Result<(), String> {
    shape.check().map_err(|e| e.to_string())?;
    check_ids(kept, shape.experts)?;
    let LayerShape {
        top_k,
        groups,
        topk_groups,
        ..
    } = shape;
    if kept.len() < top_k {
        return Err(format!(
            "keeps {} experts, but every token is routed to {top_k}",
            kept.len()
        ));
    }
    let mut per_group = vec![0; groups];
    for expert in kept {
        per_group[expert.0 / shape.group_size()] += 1;
    }
    if per_group.iter().any(|&n| n != per_group[0]) {
        return Err(format!(
            "keeps {per_group:?} experts of its groups; a group-limited router needs the same number in each"
        ));
    }
    if topk_groups * per_group[0] < top_k {
        return Err(format!(
            "keeps {} experts per group; a token chooses {top_k} from {topk_groups} groups",
            per_group[0]
        ));
    }
    Ok(())
}

/// Writes a plan as `expert_mask.json`, one layer a line.
///
/// # Errors
///
/// [`PruningError::Io`].
pub fn write_mask(path: &Path, plan: &Plan) -> Result<(), PruningError> {
    let rows: Vec<String> = plan
        .layers
        .iter()
        .map(|layer| {
            let ids: Vec<String> = layer.kept.iter().map(|e| e.0.to_string()).collect();
            format!("[{}]", ids.join(", "))
        })
        .collect();
    write_atomically(path, format!("[{}]", rows.join(",\n ")).as_bytes())
}

/// Reads JSON lines of complete rankings for a model with these expert layers, in any order of lines.
///
/// # Errors
///
/// [`PruningError::BadMaskFile`] with the line: not such an object, not an expert layer, a layer that is repeated or lacking, an id
/// out of range or repeated, or experts left out.
pub fn read_ranking_lines(path: &Path, shapes: &[LayerShape]) -> Result<Ranking, PruningError> {
    parse_ranking_lines(path, &read(path)?, shapes)
}

/// As [`read_ranking_lines`], for contents that were read from `path` before.
///
/// # Errors
///
/// As [`read_ranking_lines`].
pub fn parse_ranking_lines(path: &Path, contents: &[u8], shapes: &[LayerShape]) -> Result<Ranking, PruningError> {
    let bad = |reason| bad(path, reason);
    let text = std::str::from_utf8(contents).map_err(|e| bad(format!("is not UTF-8 ({e})")))?;
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let at = |reason: String| bad(format!("line {}: {reason}", number + 1));
        let line = parse_line(line).map_err(at)?;
        let shape = shapes.iter().find(|s| s.layer == line.layer).ok_or_else(|| {
            let layers: Vec<usize> = shapes.iter().map(|s| s.layer).collect();
            at(format!(
                "layer {} is no expert layer of the model; those are {layers:?}",
                line.layer
            ))
        })?;
        check_ids(&line.experts, shape.experts).map_err(at)?;
        if line.experts.len() != shape.experts {
            let (named, experts) = (line.experts.len(), shape.experts);
            return Err(at(format!(
                "names {named} of layer {}'s {experts} experts; a ranking names all",
                line.layer
            )));
        }
        if found.insert(line.layer, line.experts).is_some() {
            return Err(at(format!("layer {} was ranked before", line.layer)));
        }
    }
    let layers = shapes
        .iter()
        .map(|shape| {
            let experts = found
                .remove(&shape.layer)
                .ok_or_else(|| bad(format!("does not rank layer {}", shape.layer)))?;
            Ok(LayerRanking {
                layer: shape.layer,
                experts,
                scores: Vec::new(),
            })
        })
        .collect::<Result<_, PruningError>>()?;
    Ok(Ranking {
        method: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        profile: Profile::Reference,
        seed: 0,
        domains: Vec::new(),
        budget: Budget::Fraction,
        layers,
    })
}

/// Ids of each layer of JSON lines, best first, for work that needs no model: comparing rankings.
///
/// # Errors
///
/// [`PruningError::BadMaskFile`] with the line: not such an object, a layer that is repeated or names nothing, or ids that are not
/// those from 0 to their number.
pub fn read_lines(path: &Path) -> Result<BTreeMap<usize, Vec<ExpertId>>, PruningError> {
    let contents = read(path)?;
    let text = std::str::from_utf8(&contents).map_err(|e| bad(path, format!("is not UTF-8 ({e})")))?;
    let mut layers = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |reason: String| bad(path, format!("line {}: {reason}", number + 1));
        let RankingLine { layer, experts } = parse_line(line).map_err(at)?;
        if experts.is_empty() {
            return Err(at(format!("layer {layer} names no expert")));
        }
        check_ids(&experts, experts.len()).map_err(at)?;
        if layers.insert(layer, experts).is_some() {
            return Err(at(format!("layer {layer} was ranked before")));
        }
    }
    if layers.is_empty() {
        return Err(bad(path, "ranks no layer".into()));
    }
    Ok(layers)
}

fn parse_line(line: &str) -> Result<RankingLine, String> {
    serde_json::from_str(line).map_err(|e| format!("is not {{\"layer\": n, \"experts\": [ids]}} ({e})"))
}

/// Writes a ranking as JSON lines, without its scores.
///
/// # Errors
///
/// [`PruningError::Io`].
pub fn write_ranking_lines(path: &Path, ranking: &Ranking) -> Result<(), PruningError> {
    let mut text = String::new();
    for layer in &ranking.layers {
        let ids: Vec<String> = layer.experts.iter().map(|e| e.0.to_string()).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{{\"layer\": {}, \"experts\": [{}]}}",
            layer.layer,
            ids.join(", ")
        );
    }
    write_atomically(path, text.as_bytes())
}

/// The bytes of a mask or ranking file, if it is not larger than any honest one.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PruningError> {
    read_limited(path, LARGEST_FILE_BYTES)?
        .ok_or_else(|| bad(path, format!("is larger than {LARGEST_FILE_BYTES} bytes")))
}

pub(crate) fn bad(path: &Path, reason: String) -> PruningError {
    PruningError::BadMaskFile {
        file: path.into(),
        reason,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plan::Protected;

    fn shapes() -> [LayerShape; 2] {
        [LayerShape::ungrouped(1, 4, 2), LayerShape::ungrouped(3, 4, 2)]
    }

    fn file(contents: impl AsRef<[u8]>) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given.json");
        fs::write(&path, contents).unwrap();
        (folder, path)
    }

    #[test]
    fn masks_and_rankings_survive_the_round_trip() {
        let (_folder, path) = file("{\"layer\": 3, \"experts\": [0,1,2,3]}\n\n{\"layer\":1,\"experts\":[2,0,3,1]}");
        let ranking = read_ranking_lines(&path, &shapes()).unwrap();
        assert_eq!(ranking.layers[0].experts, [2, 0, 3, 1].map(ExpertId));
        write_ranking_lines(&path, &ranking).unwrap();
        assert_eq!(read_ranking_lines(&path, &shapes()).unwrap(), ranking);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"layer\": 1, \"experts\": [2, 0, 3, 1]}\n{\"layer\": 3, \"experts\": [0, 1, 2, 3]}\n"
        );
        let plan = Plan::new(&ranking, &shapes(), 0.5, &Protected::new()).unwrap();
        write_mask(&path, &plan).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[[2, 0],\n [0, 1]]");
        assert_eq!(read_mask(&path, &shapes()).unwrap(), plan);
    }

    #[test]
    fn bad_masks_are_told() {
        for (contents, word) in [
            ("[[0,1]]", "has 1 layers, but the model has 2"),
            ("[[0,1],[0,4]]", "layer 3: place 1 names expert 4"),
            ("[[0,1],[2,2]]", "layer 3: expert 2 is named twice"),
            ("[[0],[0,1]]", "layer 1: keeps 1 experts"),
            ("[[0,-1],[0,1]]", "not a list of lists"),
            ("[[0,1.5],[0,1]]", "not a list of lists"),
            ("{}", "not a list of lists"),
            ("", "not a list of lists"),
        ] {
            let (_folder, path) = file(contents);
            let message = read_mask(&path, &shapes()).unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("given.json"), "{message}");
        }
        let (_folder, path) = file("[".repeat(100_000));
        assert!(read_mask(&path, &shapes()).is_err());
        assert!(matches!(
            read_mask(Path::new("absent.json"), &shapes()),
            Err(PruningError::Io { .. })
        ));
    }

    #[test]
    fn masks_of_grouped_routers_keep_as_many_in_each_group() {
        let shape = LayerShape {
            groups: 2,
            ..LayerShape::ungrouped(0, 4, 1)
        };
        let (_folder, path) = file("[[3, 1]]");
        assert_eq!(read_mask(&path, &[shape]).unwrap().experts_kept(), [2]);
        let (_folder, path) = file("[[0, 1]]");
        let message = read_mask(&path, &[shape]).unwrap_err().to_string();
        assert!(message.contains("keeps [2, 0]"), "{message}");
    }

    #[test]
    fn bad_rankings_are_told_with_their_line() {
        let good = "{\"layer\":1,\"experts\":[2,0,3,1]}\n";
        for (second, word) in [
            ("", "does not rank layer 3"),
            ("{\"layer\":2,\"experts\":[]}", "line 2: layer 2 is no expert layer"),
            ("{\"layer\":3,\"experts\":[0,1]}", "line 2: names 2 of layer 3's 4"),
            ("{\"layer\":3,\"experts\":[0,1,2,4]}", "line 2: place 3"),
            (good, "line 2: layer 1 was ranked before"),
            ("[1]", "line 2: is not"),
            ("{\"layer\":3}", "line 2: is not"),
        ] {
            let (_folder, path) = file(format!("{good}{second}"));
            let message = read_ranking_lines(&path, &shapes()).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        let (_folder, path) = file([0xff, 0xfe]);
        let message = read_ranking_lines(&path, &shapes()).unwrap_err().to_string();
        assert!(message.contains("not UTF-8"), "{message}");
    }
}
