//! A mask or a ranking from a file of any of the known layouts, told apart by its contents.
//!
//! - `[[…], …]`: the reference experiment's `expert_mask.json` ([`crate::mask_files::read_mask`]);
//! - lines `{"layer": n, "experts": […]}`: a whole ranking ([`crate::mask_files::read_ranking_lines`]);
//! - one object with `layers`: a ranking with its scores, as [`Ranking::save`] or a sweep writes it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::PruningError;
use crate::mask_files::{bad, parse_mask, parse_ranking_lines, read};
use crate::methods::{self, Budget, Profile};
use crate::plan::{Plan, check_ranking};
use crate::ranking::{LayerRanking, Ranking};
use crate::shape::LayerShape;

/// What such a file says.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// Which experts stay.
    Mask(Plan),
    /// In which order they stay.
    Ranking(Ranking),
}

/// Reads a mask or a ranking for a model with these expert layers.
///
/// # Errors
///
/// [`PruningError::BadMaskFile`] or [`PruningError::RankingDoesNotFit`] with what does not fit the layers; [`PruningError::Io`].
pub fn import(path: &Path, shapes: &[LayerShape]) -> Result<Imported, PruningError> {
    parse(path, &read(path)?, shapes)
}

/// As [`import`], for contents that were read from `path` before.
///
/// # Errors
///
/// As [`import`].
pub fn parse(path: &Path, contents: &[u8], shapes: &[LayerShape]) -> Result<Imported, PruningError> {
    for shape in shapes {
        shape.check()?;
    }
    match contents.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => parse_mask(path, contents, shapes).map(Imported::Mask),
        Some(b'{') => match serde_json::from_slice::<Value>(contents) {
            Ok(Value::Object(fields)) if fields.contains_key("layers") => {
                whole(path, Value::Object(fields), shapes).map(Imported::Ranking)
            }
            _ => parse_ranking_lines(path, contents, shapes).map(Imported::Ranking),
        },
        _ => Err(bad(
            path,
            "is neither a mask (a list over layers of lists of kept expert ids) nor a ranking (lines {\"layer\": n, \"experts\": [ids]})"
                .into(),
        )),
    }
}

/// A ranking in either of the program's own layouts: of `calibrate`, or of a sweep.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default, rename = "model")]
    _model: Option<String>,
    method: String,
    profile: Profile,
    seed: u64,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    calibration: Option<String>,
    #[serde(default)]
    budget: Option<Budget>,
    layers: Vec<LayerRanking>,
}

fn whole(path: &Path, value: Value, shapes: &[LayerShape]) -> Result<Ranking, PruningError> {
    let whole: Whole =
        serde_json::from_value(value).map_err(|e| bad(path, format!("is not a ranking of this program ({e})")))?;
    let domains = match whole.calibration {
        Some(corpora) => corpora
            .split('+')
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect(),
        None => whole.domains,
    };
    let of_method = || methods::find(&whole.method).map(|m| m.budget(whole.profile));
    let ranking = Ranking {
        budget: whole.budget.or_else(|| of_method().ok()).unwrap_or_default(),
        method: whole.method,
        profile: whole.profile,
        seed: whole.seed,
        domains,
        layers: whole.layers,
    };
    check_ranking(&ranking, shapes).map_err(|error| bad(path, error.to_string()))?;
    Ok(ranking)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::Protected;

    fn shapes() -> [LayerShape; 2] {
        [LayerShape::ungrouped(1, 4, 2), LayerShape::ungrouped(3, 4, 2)]
    }

    fn read(contents: &str) -> Result<Imported, PruningError> {
        parse(Path::new("given.json"), contents.as_bytes(), &shapes())
    }

    #[test]
    fn each_layout_is_told_by_its_contents() {
        let Imported::Mask(mask) = read("\n [[2, 0], [0, 1]]").unwrap() else {
            panic!("a mask");
        };
        let lines = "{\"layer\": 3, \"experts\": [0, 1, 2, 3]}\n{\"layer\": 1, \"experts\": [2, 0, 3, 1]}\n";
        let own = r#"{"method": "random", "profile": "paper", "seed": 4, "domains": [], "budget": "half", "layers": [
            {"layer": 1, "experts": [2, 0, 3, 1], "scores": []}, {"layer": 3, "experts": [0, 1, 2, 3], "scores": []}]}"#;
        let of_sweep = own
            .replace(
                r#""domains": [], "budget": "half""#,
                r#""calibration": "a+b", "model": "m""#,
            )
            .replace('\n', " ");
        for (text, budget, domains) in [
            (lines, Budget::Fraction, 0),
            (own, Budget::Half, 0),
            (&of_sweep, Budget::Half, 2),
        ] {
            let Imported::Ranking(ranking) = read(text).unwrap() else {
                panic!("a ranking");
            };
            assert_eq!((ranking.budget, ranking.domains.len()), (budget, domains));
            let plan = Plan::new(&ranking, &shapes(), 0.5, &Protected::new()).unwrap();
            assert_eq!(plan.layers, mask.layers);
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_file() {
        for (text, word) in [
            ("", "is neither a mask"),
            ("nonsense", "is neither a mask"),
            ("[[0, 1]]", "has 1 layers, but the model has 2"),
            ("{\"layer\": 1, \"experts\": [0, 1, 2, 3]}", "does not rank layer 3"),
            ("{\"layers\": 3}", "is not a ranking of this program"),
            (
                r#"{"method": "m", "profile": "reference", "seed": 0, "layers": []}"#,
                "ranks 0 layers, the model has 2",
            ),
            (
                r#"{"method": "m", "profile": "reference", "seed": 0, "layers": [{"layer": 1, "experts": [0, 1, 2, 2], "scores": []},
                    {"layer": 3, "experts": [0, 1, 2, 3], "scores": []}]}"#,
                "layer 1: expert 2 is named twice",
            ),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("given.json"), "{message}");
        }
    }
}
