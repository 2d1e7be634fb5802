//! The 25 instructions, with their arguments as the official file writes them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::describe;

/// Which side of a threshold is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// Fewer than the threshold.
    #[serde(rename = "less than")]
    LessThan,
    /// The threshold or more.
    #[serde(rename = "at least")]
    AtLeast,
}

/// One instruction; the tag is its official id. What each asks for is documented where it is checked, in
/// `secateur_metrics::ifeval`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", deny_unknown_fields)]
#[allow(missing_docs)] // The names are those of the official file.
pub enum Instruction {
    #[serde(rename = "keywords:existence")]
    KeywordExistence { keywords: Vec<String> },
    #[serde(rename = "keywords:frequency")]
    KeywordFrequency {
        keyword: String,
        frequency: usize,
        relation: Relation,
    },
    #[serde(rename = "keywords:forbidden_words")]
    ForbiddenWords { forbidden_words: Vec<String> },
    #[serde(rename = "keywords:letter_frequency")]
    LetterFrequency {
        letter: char,
        let_frequency: usize,
        let_relation: Relation,
    },
    #[serde(rename = "language:response_language")]
    ResponseLanguage { language: String },
    #[serde(rename = "length_constraints:number_sentences")]
    NumberSentences { num_sentences: usize, relation: Relation },
    #[serde(rename = "length_constraints:number_paragraphs")]
    NumberParagraphs { num_paragraphs: usize },
    #[serde(rename = "length_constraints:number_words")]
    NumberWords { num_words: usize, relation: Relation },
    #[serde(rename = "length_constraints:nth_paragraph_first_word")]
    NthParagraphFirstWord {
        num_paragraphs: usize,
        nth_paragraph: usize,
        first_word: String,
    },
    #[serde(rename = "detectable_content:number_placeholders")]
    NumberPlaceholders { num_placeholders: usize },
    #[serde(rename = "detectable_content:postscript")]
    Postscript { postscript_marker: String },
    #[serde(rename = "detectable_format:number_bullet_lists")]
    NumberBulletLists { num_bullets: usize },
    #[serde(rename = "detectable_format:constrained_response")]
    ConstrainedResponse {},
    #[serde(rename = "detectable_format:number_highlighted_sections")]
    NumberHighlightedSections { num_highlights: usize },
    #[serde(rename = "detectable_format:multiple_sections")]
    MultipleSections {
        section_spliter: String,
        num_sections: usize,
    },
    #[serde(rename = "detectable_format:json_format")]
    JsonFormat {},
    #[serde(rename = "detectable_format:title")]
    Title {},
    #[serde(rename = "combination:two_responses")]
    TwoResponses {},
    #[serde(rename = "combination:repeat_prompt")]
    RepeatPrompt { prompt_to_repeat: String },
    #[serde(rename = "startend:end_checker")]
    EndPhrase { end_phrase: String },
    #[serde(rename = "startend:quotation")]
    Quotation {},
    #[serde(rename = "change_case:capital_word_frequency")]
    CapitalWordFrequency {
        capital_frequency: usize,
        capital_relation: Relation,
    },
    #[serde(rename = "change_case:english_capital")]
    EnglishCapital {},
    #[serde(rename = "change_case:english_lowercase")]
    EnglishLowercase {},
    #[serde(rename = "punctuation:no_comma")]
    NoComma {},
}

impl Instruction {
    /// An instruction from its id and arguments. Arguments that are null, 0 or empty count as absent, as in lm-evaluation-harness; where the
    /// reference implementation then draws a random threshold without a seed, the instruction is refused.
    ///
    /// # Errors
    /// What was found and what was expected, where the id is unknown, or an argument is missing, superfluous or of the wrong kind.
    pub fn read(id: &str, kwargs: &Value) -> Result<Self, (String, String)> {
        let Some(given) = kwargs.as_object() else {
            return Err((describe(kwargs), "an object of arguments".to_owned()));
        };
        let mut fields: Map<String, Value> = Map::new();
        fields.insert("id".to_owned(), Value::from(id));
        fields.extend(
            given
                .iter()
                .filter(|(_, value)| !is_absent(value))
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let instruction: Self = serde_json::from_value(Value::Object(fields))
            .map_err(|error| (describe(kwargs), format!("the arguments of the instruction ({error})")))?;
        instruction.check()
    }

    fn check(self) -> Result<Self, (String, String)> {
        match &self {
            Self::NthParagraphFirstWord {
                num_paragraphs,
                nth_paragraph,
                ..
            } if nth_paragraph > num_paragraphs => Err((
                format!("nth_paragraph {nth_paragraph} of {num_paragraphs}"),
                "a paragraph among those asked for".to_owned(),
            )),
            _ => Ok(self),
        }
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_that_are_null_are_absent() {
        let kwargs = json!({"num_words": 300, "relation": "at least", "keywords": null, "num_bullets": 0});
        let read = Instruction::read("length_constraints:number_words", &kwargs).unwrap();
        let expected = Instruction::NumberWords {
            num_words: 300,
            relation: Relation::AtLeast,
        };
        assert_eq!(read, expected);
        let again: Instruction = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for (id, kwargs, part) in [
            ("keywords:key_sentences", json!({}), "unknown variant"),
            (
                "length_constraints:number_words",
                json!({"relation": "at least"}),
                "num_words",
            ),
            (
                "length_constraints:number_words",
                json!({"num_words": 3, "relation": "about"}),
                "about",
            ),
            ("punctuation:no_comma", json!({"extra": 1}), "extra"),
            (
                "keywords:letter_frequency",
                json!({"letter": "ab", "let_frequency": 1, "let_relation": "at least"}),
                "ab",
            ),
            ("keywords:existence", json!([1]), "an object"),
            (
                "length_constraints:nth_paragraph_first_word",
                json!({"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "x"}),
                "among",
            ),
        ] {
            let (found, expected) = Instruction::read(id, &kwargs).unwrap_err();
            assert!(
                format!("{found} {expected}").contains(part),
                "{id}: {found}; {expected}"
            );
        }
    }
}
