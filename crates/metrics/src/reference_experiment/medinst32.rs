//! `MedINST32`: its tasks and the scores each of them gets.
//!
//! Source: `MedINST`'s evaluation as the experiment uses it. Every task gets ROUGE-L (stemmed) and
//! token F1; what else depends on the kind of its answers.

use std::collections::BTreeMap;

use super::{entities, labels, similarity};
use crate::error::{Result, not_empty, same_length};
use crate::exact_match::{exact_match, token_f1};
use crate::rouge::{Stemmer, rouge_l};

/// What the answers of a task are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A tag per word.
    Tags,
    /// One label.
    Label,
    /// Entities in square brackets.
    Entities,
    /// A phrase that must be met exactly.
    Exact,
    /// A number from 0 to 5.
    Similarity,
    /// Several labels.
    Labels,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Tags,
        Self::Label,
        Self::Entities,
        Self::Exact,
        Self::Similarity,
        Self::Labels,
    ];

    /// The kind's name in the experiment's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Tags => "bio",
            Self::Label => "cls",
            Self::Entities => "entity",
            Self::Exact => "em",
            Self::Similarity => "mse",
            Self::Labels => "multicls",
        }
    }

    /// The tasks of this kind.
    #[must_use]
    pub fn tasks(self) -> &'static [&'static str] {
        match self {
            Self::Tags => &["NCBI-disease", "BC5CDR"],
            Self::Label => &[
                "BioASQ-Task-B-yesno",
                "PubMedQA-labeled",
                "SciFact",
                "ManConCorpus",
                "CoVERt",
                "MedDialog",
            ],
            Self::Entities => &[
                "AnEM-COREF",
                "MLEE-COREF",
                "tmVar-v3-NED",
                "AnEM",
                "BioNLP-2009",
                "BioNLP-2011-GE",
                "BioNLP-2011-ID",
                "BioNLP-2011-REL",
                "BioNLP-2013-CG",
                "BioNLP-2013-GE",
                "BioNLP-2013-GRO",
                "BioNLP-2013-PC",
                "BioRED",
                "tmVar-v3",
                "AnEM-RE",
                "BC5CDR-RE",
                "BioInfer-RE",
                "MLEE-EE",
            ],
            Self::Exact => &["MedQA", "MeDAL"],
            Self::Similarity => &["BIOSSES"],
            Self::Labels => &["Hallmarks-of-Cancer"],
        }
    }
}

/// The test tasks by category.
pub const CATEGORIES: [(&str, &[&str]); 11] = [
    ("QA", &["BioASQ-Task-B-yesno", "PubMedQA-labeled", "MedQA"]),
    ("TE", &["SciFact", "ManConCorpus", "CoVERt"]),
    (
        "NER",
        &[
            "NCBI-disease",
            "BC5CDR",
            "AnEM",
            "BioNLP-2009",
            "BioNLP-2011-GE",
            "BioNLP-2011-ID",
            "BioNLP-2011-REL",
            "BioNLP-2013-CG",
            "BioNLP-2013-GE",
            "BioNLP-2013-GRO",
            "BioNLP-2013-PC",
            "BioRED",
            "tmVar-v3",
        ],
    ),
    ("TXTCLASS", &["Hallmarks-of-Cancer", "MedDialog"]),
    ("NED", &["MeDAL", "tmVar-v3-NED"]),
    ("RE", &["AnEM-RE", "BC5CDR-RE", "BioInfer-RE"]),
    ("COREF", &["AnEM-COREF", "MLEE-COREF"]),
    ("SUM", &["Multi-XScience"]),
    ("EE", &["MLEE-EE"]),
    ("STS", &["BIOSSES"]),
    ("TRANSL", &["ParaMed"]),
];

/// The kinds of a task; none for summaries and translations, which get ROUGE-L and token F1 alone.
#[must_use]
pub fn kinds(task: &str) -> Vec<Kind> {
    Kind::ALL
        .into_iter()
        .filter(|kind| kind.tasks().contains(&task))
        .collect()
}

/// The scores of a task under the names the experiment reports them by (`label_leval_f1` for tags
/// is its spelling; entities and several labels share a name).
///
/// # Errors
/// If there is no item, not one prediction for each, or no reference has a tag.
pub fn evaluate(references: &[String], predictions: &[String], kinds: &[Kind]) -> Result<BTreeMap<&'static str, f64>> {
    const METRIC: &str = "medinst32";
    not_empty(METRIC, references)?;
    same_length(METRIC, "predictions", predictions.len(), references.len())?;
    let mean = |score: fn(&str, &str) -> f64| {
        let pairs = references.iter().zip(predictions);
        pairs
            .map(|(reference, prediction)| score(reference, prediction))
            .sum::<f64>()
            / references.len() as f64
    };
    let mut scores = BTreeMap::from([
        (
            "rouge",
            mean(|reference, prediction| rouge_l(prediction, reference, Stemmer::Porter).f1),
        ),
        ("f1", mean(|reference, prediction| token_f1(prediction, reference))),
    ]);
    for kind in kinds {
        let (name, score) = match kind {
            Kind::Entities => ("entity_level_f1", mean(entities::entity_f1)),
            Kind::Labels => ("entity_level_f1", mean(entities::label_list_f1)),
            Kind::Exact => (
                "em",
                mean(|reference, prediction| f64::from(u8::from(exact_match(prediction, reference)))),
            ),
            Kind::Tags => ("label_leval_f1", labels::tag_macro_f1(references, predictions)?),
            Kind::Label => ("label_level_f1", labels::answer_macro_f1(references, predictions)?),
            Kind::Similarity => ("mse", similarity::mean_squared_error(references, predictions)?),
        };
        *scores.entry(name).or_default() += score;
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn every_kind_has_its_score() {
        let (references, predictions) = (strings(&["A", "B: foo"]), strings(&["a.", "b foo"]));
        let scores = evaluate(&references, &predictions, &[Kind::Exact]).unwrap();
        // The first answer is an article: nothing is left to compare, so equal, but no word in common.
        assert_eq!(scores, [("em", 1.0), ("f1", 0.5), ("rouge", 1.0)].into());
        let scores = evaluate(
            &strings(&["1", "5", "0"]),
            &strings(&["1", "3", "bad"]),
            &[Kind::Similarity],
        )
        .unwrap();
        assert!((scores["mse"] - 29.0 / 3.0).abs() < 1e-12);
        assert!(evaluate(&[], &[], &[]).is_err());
        assert!(evaluate(&references, &[], &[]).is_err());
    }

    #[test]
    fn every_task_of_a_kind_is_a_task() {
        let tasks: Vec<&str> = CATEGORIES.iter().flat_map(|(_, tasks)| tasks.iter().copied()).collect();
        assert_eq!(tasks.len(), 32);
        assert!(
            Kind::ALL
                .iter()
                .flat_map(|kind| kind.tasks())
                .all(|task| tasks.contains(task))
        );
        assert_eq!(kinds("BC5CDR"), [Kind::Tags]);
        assert!(kinds("ParaMed").is_empty());
    }
}
