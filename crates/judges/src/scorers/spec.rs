//! A scorer as it stands in a sweep file.
//!
//! ```toml
//! [[scorers]]
//! name = "summac"
//! kind = "summac-zs"
//! path = "tals/albert-xlarge-vitaminc"
//! form = "study"
//! ```

use std::collections::BTreeMap;

use secateur_datasets::error::nearest_hint;
use serde::{Deserialize, Serialize};

use super::clusters::Equivalence;
use super::kinds::{COMMON_OPTIONS, KINDS, Kind, LEXICAL_KIND};
use super::per_sentence::{Preparation, STUDY_SOURCE_WORDS, STUDY_TEXT_WORDS};
use crate::error::JudgeError;

/// One entry of `[[scorers]]`. What a kind does not know is refused when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScorerSpec {
    /// Name of its number in records.
    pub name: String,
    /// One of [`KINDS`].
    pub kind: String,
    /// Directory or hub id of the model; absent for kinds that need none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Tasks whose answers are scored; all that have what the kind needs where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// `library` (the package's defaults, what is done if nothing is said) or `study` (as arXiv:2607.01444 applies it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Every sentence is scored alone, and the text's score is their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_sentence: Option<bool>,
    /// Words of the text that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_words: Option<usize>,
    /// Words of the source that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_words: Option<usize>,
    /// Which class of the model is which: `{ entailment = 0, neutral = 1, contradiction = 2 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, usize>>,
    /// Longest input in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// `SummaC`: `sentence`, `2sents`, `paragraph` or `document`; two with a hyphen between for source and text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<String>,
    /// `SummaC-ZS`: the largest contradiction is subtracted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_con: Option<bool>,
    /// `SummaC-Conv`: file of its four tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Which number is the score: a lexical rule's name; `probability`, `supported`; `precision`, `recall`, `f1`; `plus`, `risk`, `log_probability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `MiniCheck`: `sentences` or `whole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// `MiniCheck`: tokens of a chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_tokens: Option<usize>,
    /// `nli`: when two sampled answers mean the same: `strict` (each entails the other, what is done if nothing is said) or
    /// `lenient` (neither contradicts the other, and not both are neutral).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equivalence: Option<String>,
    /// `BERTScore`: states after so many layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// `BERTScore`: file with one document a line, for weights of rare tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idf_corpus: Option<String>,
    /// `BERTScore`: unrelated texts become 0, by the package's baseline of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescale: Option<bool>,
    /// `BERTScore`: another baseline, P, R and F1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<[f64; 3]>,
    /// `BERTScore`: a blank before every text; what is done for `RoBERTa` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_blank: Option<bool>,
    /// `HaRiM⁺`: weight of the second term, 7 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// `HaRiM⁺`: longest source in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_tokens: Option<usize>,
    /// `HaRiM⁺`: longest text in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_tokens: Option<usize>,
}

impl ScorerSpec {
    /// The scorer by rule, which every sweep has.
    #[must_use]
    pub fn lexical() -> Self {
        Self {
            name: "lexical_support".to_owned(),
            kind: LEXICAL_KIND.to_owned(),
            ..Self::default()
        }
    }

    /// Checks everything that can be checked without the model. Gives the kind.
    ///
    /// # Errors
    /// For a name that no record can have, an unknown kind, and options that the kind does not have or that cannot be.
    pub fn check(&self) -> Result<&'static Kind, JudgeError> {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(snake) {
            return Err(self.wrong("a name has lower-case letters, digits and `_` only: it is the name of a metric"));
        }
        let kind = KINDS.iter().find(|kind| kind.name == self.kind).ok_or_else(|| {
            let hint = nearest_hint(&self.kind, KINDS.iter().map(|kind| kind.name));
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            self.wrong(format!(
                "unknown kind `{}`{hint}; there are: {}",
                self.kind,
                known.join(", ")
            ))
        })?;
        if !kind.has_model() && !self.path.is_empty() {
            return Err(self.wrong(format!("{} needs no `path`: {}", kind.name, kind.needs)));
        }
        if kind.has_model() && self.path.is_empty() {
            return Err(self.wrong(format!("`path` is empty; {} needs {}", kind.name, kind.needs)));
        }
        for option in self.set_options() {
            if !kind.options.contains(&option.as_str()) && !COMMON_OPTIONS.contains(&option.as_str()) {
                let known = if kind.options.is_empty() {
                    "none".to_owned()
                } else {
                    kind.options.join(", ")
                };
                return Err(self.wrong(format!("{} has no option `{option}`; its own are: {known}", kind.name)));
            }
        }
        self.preparation()?;
        self.equivalence()?;
        self.check_numbers()?;
        Ok(kind)
    }

    /// What is done before the scorer, by `form` and what is said beside it.
    pub(super) fn preparation(&self) -> Result<Preparation, JudgeError> {
        let study = self.is_study()?;
        Ok(Preparation {
            per_sentence: self.per_sentence.unwrap_or(study),
            text_words: self.text_words.or(study.then_some(STUDY_TEXT_WORDS)),
            source_words: self.source_words.or(study.then_some(STUDY_SOURCE_WORDS)),
        })
    }

    pub(super) fn is_study(&self) -> Result<bool, JudgeError> {
        self.choice(
            "form",
            self.form.as_ref(),
            &[("library", false), ("study", true)],
            false,
        )
    }

    /// When two sampled answers mean the same.
    ///
    /// # Errors
    /// For a name that is none.
    pub fn equivalence(&self) -> Result<Equivalence, JudgeError> {
        let choices = [("strict", Equivalence::Strict), ("lenient", Equivalence::Lenient)];
        self.choice(
            "equivalence",
            self.equivalence.as_ref(),
            &choices,
            Equivalence::default(),
        )
    }

    /// The value of an option with a few names.
    pub(super) fn choice<T: Copy>(
        &self,
        option: &str,
        said: Option<&String>,
        choices: &[(&str, T)],
        usual: T,
    ) -> Result<T, JudgeError> {
        let Some(said) = said else { return Ok(usual) };
        let found = choices.iter().find(|(name, _)| *name == said.as_str());
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = nearest_hint(said, names.iter().copied());
            self.wrong(format!(
                "`{option}` is `{said}`{hint}; expected one of: {}",
                names.join(", ")
            ))
        })
    }

    /// An error about this entry.
    pub(super) fn wrong(&self, message: impl Into<String>) -> JudgeError {
        JudgeError::Spec {
            scorer: self.name.clone(),
            message: message.into(),
        }
    }

    fn set_options(&self) -> Vec<String> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        }
    }

    fn check_numbers(&self) -> Result<(), JudgeError> {
        let counts = [
            ("text_words", self.text_words, 1),
            ("source_words", self.source_words, 1),
            ("max_length", self.max_length, 8),
            ("chunk_tokens", self.chunk_tokens, 1),
            ("source_tokens", self.source_tokens, 2),
            ("text_tokens", self.text_tokens, 3),
        ];
        for (option, count, least) in counts {
            if count.is_some_and(|count| count < least) {
                return Err(self.wrong(format!("`{option}` is below {least}")));
            }
        }
        if self.lambda.is_some_and(|lambda| !(lambda.is_finite() && lambda >= 0.0)) {
            return Err(self.wrong("`lambda` must be a number of at least 0"));
        }
        let below_one = |baseline: [f64; 3]| baseline.iter().all(|value| value.is_finite() && *value < 1.0);
        if self.baseline.is_some_and(|baseline| !below_one(baseline)) {
            return Err(self.wrong("`baseline` must be three numbers below 1: P, R and F1 of unrelated texts"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(json: serde_json::Value) -> ScorerSpec {
        let mut whole = serde_json::json!({"name": "s", "kind": "summac-zs", "path": "p"});
        if let (Some(all), serde_json::Value::Object(more)) = (whole.as_object_mut(), json) {
            all.extend(more);
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn wrong_entries_say_what_to_write() {
        use serde_json::json;
        for (change, expected) in [
            (
                json!({"kind": "summac-sz"}),
                "unknown kind `summac-sz`: did you mean `summac-zs`?",
            ),
            (
                json!({"kind": "bleurt"}),
                "there are: lexical, harim-subject, summac-zs, summac-conv, alignscore",
            ),
            (json!({"name": "My score"}), "lower-case letters"),
            (json!({"path": ""}), "`path` is empty; summac-zs needs an NLI encoder"),
            (
                json!({"lambda": 7}),
                "summac-zs has no option `lambda`; its own are: labels, granularity, use_con",
            ),
            (json!({"form": "studdy"}), "`form` is `studdy`: did you mean `study`?"),
            (json!({"kind": "harim-plus", "lambda": -1}), "`lambda` must be"),
            (json!({"text_words": 0}), "`text_words` is below 1"),
            (
                json!({"kind": "nli", "equivalence": "strickt"}),
                "`equivalence` is `strickt`: did you mean `strict`?",
            ),
            (
                json!({"kind": "bertscore", "baseline": [1, 0, 0]}),
                "`baseline` must be",
            ),
        ] {
            let message = spec(change).check().unwrap_err().to_string();
            assert!(
                message.starts_with("scorer `") && message.contains(expected),
                "{message}"
            );
        }
        assert_eq!(spec(json!({})).check().unwrap().name, "summac-zs");
        assert!(
            serde_json::from_value::<ScorerSpec>(json!({"name": "s", "kind": "nli", "path": "p", "x": 1})).is_err()
        );
    }

    #[test]
    fn the_forms_are_what_they_are_called() {
        let library = spec(serde_json::json!({})).preparation().unwrap();
        assert_eq!(library, Preparation::default());
        let study = spec(serde_json::json!({"form": "study", "text_words": 10}))
            .preparation()
            .unwrap();
        assert!(study.per_sentence);
        assert_eq!((study.text_words, study.source_words), (Some(10), Some(768)));
    }
}
