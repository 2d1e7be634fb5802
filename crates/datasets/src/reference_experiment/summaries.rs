//! The documents that the experiment has summarised: trial abstracts (RCT) and news (Multi-News+).

use std::collections::BTreeMap;

use super::ReferenceError;
use crate::python::text::{first_characters, strip};
use crate::python::value::PyValue;

/// A review of one trial with its summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RctExample {
    /// `ReviewID`.
    pub review_id: String,
    /// The article as the prompt shows it.
    pub source: String,
    /// The summary written by hand.
    pub reference: String,
    /// Articles in the source; always 1.
    pub num_articles: usize,
}

/// A cluster of news articles with its summary.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiNewsExample {
    /// The record's `idx`; where it has none, the number of examples before it.
    pub idx: PyValue,
    /// The articles, a blank line between them.
    pub source: String,
    /// The summary written by hand.
    pub reference: String,
}

/// At most this many examples, and characters of each source; 0 for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Examples.
    pub examples: usize,
    /// Unicode characters of a source.
    pub source_characters: usize,
}

impl Limits {
    fn cut(self, source: &str) -> String {
        match self.source_characters {
            0 => source.to_owned(),
            count => first_characters(source, count).to_owned(),
        }
    }

    fn reached(self, examples: usize) -> bool {
        self.examples > 0 && examples >= self.examples
    }
}

/// The prompt for an RCT summary.
#[must_use]
pub fn rct_prompt(source: &str) -> String {
    prompt(
        "medical evidence",
        "a randomized controlled trial abstract",
        "abstract",
        source,
    )
}

/// The prompt for a Multi-News summary.
#[must_use]
pub fn multi_news_prompt(source: &str) -> String {
    prompt(
        "news",
        "documents from multiple news sources about the same event",
        "source",
        source,
    )
}

fn prompt(field: &str, given: &str, support: &str, source: &str) -> String {
    format!(
        "You are a {field} summarization assistant. Given {given}, write a concise factual summary in 2-4 sentences. \
         Do not include information that is not supported by the {support}.\n\nSource documents:\n{source}\n\nSummary:"
    )
}

type Rows = Vec<BTreeMap<String, String>>;

fn csv_rows(record: &str, text: &str) -> Result<Rows, ReferenceError> {
    let wrong = |error: &csv::Error| ReferenceError::WrongRecord {
        record: record.to_owned(),
        found: error.to_string(),
        expected: "comma-separated values with a header line",
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| wrong(&e))?.clone();
    let mut rows = Rows::new();
    for row in reader.records() {
        let row = row.map_err(|e| wrong(&e))?;
        rows.push(
            header
                .iter()
                .zip(&row)
                .map(|(key, value)| (key.to_owned(), strip(value).to_owned()))
                .collect(),
        );
    }
    Ok(rows)
}

fn cell<'a>(row: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    row.get(key).map_or("", String::as_str)
}

/// The reviews with exactly one article and one summary, in the order of the summaries, from the
/// contents of `*-inputs.csv` and `*-targets.csv`.
///
/// # Errors
/// [`ReferenceError::WrongRecord`] where a file is not CSV.
pub fn load_rct(inputs: &str, targets: &str, limits: Limits) -> Result<Vec<RctExample>, ReferenceError> {
    let (inputs, targets) = (
        csv_rows("the inputs file", inputs)?,
        csv_rows("the targets file", targets)?,
    );
    let mut articles: BTreeMap<&str, Vec<&BTreeMap<String, String>>> = BTreeMap::new();
    for row in &inputs {
        articles.entry(cell(row, "ReviewID")).or_default().push(row);
    }
    let mut order: Vec<&str> = Vec::new();
    let mut summaries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &targets {
        let (id, target) = (cell(row, "ReviewID"), cell(row, "Target"));
        if id.is_empty() || target.is_empty() {
            continue;
        }
        let of_review = summaries.entry(id).or_default();
        if of_review.is_empty() {
            order.push(id);
        }
        of_review.push(target);
    }
    let mut examples = Vec::new();
    for id in order {
        let (Some([article]), Some([target])) = (
            articles.get(id).map(Vec::as_slice),
            summaries.get(id).map(Vec::as_slice),
        ) else {
            continue;
        };
        let source = format!(
            "ReviewID: {id}\n\nArticle 1\nPMID: {}\nTitle: {}\nAbstract: {}",
            cell(article, "PMID"),
            cell(article, "Title"),
            cell(article, "Abstract")
        );
        examples.push(RctExample {
            review_id: id.to_owned(),
            source: limits.cut(&source),
            reference: (*target).to_owned(),
            num_articles: 1,
        });
        if limits.reached(examples.len()) {
            break;
        }
    }
    Ok(examples)
}

/// The clusters of a split, from the records of a `cleansed_data_*.json` file. Examples without a
/// source or a summary are kept, with empty text.
///
/// # Errors
/// [`ReferenceError::WrongRecord`] where `records` is not a list of objects.
pub fn load_multi_news(
    records: &PyValue,
    split: &str,
    limits: Limits,
) -> Result<Vec<MultiNewsExample>, ReferenceError> {
    let wrong = |record: String, found: &PyValue, expected| ReferenceError::WrongRecord {
        record,
        found: found.repr(),
        expected,
    };
    let PyValue::List(records) = records else {
        return Err(wrong("the Multi-News file".into(), records, "a list of objects"));
    };
    let mut examples: Vec<MultiNewsExample> = Vec::new();
    for (i, record) in records.iter().enumerate() {
        if !matches!(record, PyValue::Dict(_)) {
            return Err(wrong(format!("Multi-News record {i}"), record, "an object"));
        }
        if record.text_at(&["split"]).to_lowercase() != split.to_lowercase() {
            continue;
        }
        let truthy_text = |key| {
            strip(
                &record
                    .get(key)
                    .filter(|value| value.is_truthy())
                    .map_or_else(String::new, PyValue::to_text),
            )
            .to_owned()
        };
        let source = match record.get("cleansed_document") {
            Some(PyValue::List(parts)) => {
                let parts: Vec<String> = parts.iter().map(|part| strip(&part.to_text()).to_owned()).collect();
                parts
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("\n\n")
            }
            _ => truthy_text("cleansed_document"),
        };
        examples.push(MultiNewsExample {
            idx: record
                .get("idx")
                .cloned()
                .unwrap_or_else(|| PyValue::Int(examples.len().to_string())),
            source: limits.cut(&source),
            reference: truthy_text("summary"),
        });
        if limits.reached(examples.len()) {
            break;
        }
    }
    Ok(examples)
}

/// The 50 test clusters that the experiment had judged in pairs, by `idx`.
pub const JUDGED_MULTI_NEWS: [u32; 50] = [
    2466, 2782, 4329, 3699, 5494, 1347, 1345, 1665, 274, 3584, 1069, 4324, 859, 4772, 3442, 2608, 1589, 3529, 5602,
    4082, 4084, 1992, 829, 4957, 2366, 5438, 3806, 3681, 4256, 1680, 593, 1797, 195, 834, 4856, 4946, 2124, 5233, 1076,
    3449, 4074, 4273, 1392, 1184, 440, 4034, 394, 1198, 3185, 2453,
];

/// The first `max_words` words of a text, separated by single blanks; a text that is short enough,
/// or a limit of 0, leaves it as it is. The experiment cuts summaries to 384 and sources to 768
/// words before it scores them.
#[must_use]
pub fn truncate_words(text: &str, max_words: usize) -> String {
    let words: Vec<&str> = crate::python::text::split(text).collect();
    if max_words == 0 || words.len() <= max_words {
        return text.to_owned();
    }
    words[..max_words].join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const INPUTS: &str =
        ",ReviewID,PMID,Title,Abstract\n0,R1,11,\" T, one \",\"a \"\"b\"\"\nc\"\n1,R2,12,T,x\n2,R2,13,T,x\n3,R3,14,T\n";

    #[test]
    fn only_one_article_with_one_summary_counts() {
        let targets = ",ReviewID,Target\n0,R3,three\n1,R2,two\n2,R1, one \n3,R9,none\n4,R3,\n";
        let examples = load_rct(INPUTS, targets, Limits::default()).unwrap();
        assert_eq!(
            examples.iter().map(|e| e.review_id.as_str()).collect::<Vec<_>>(),
            ["R3", "R1"]
        );
        assert_eq!(
            examples[1].source,
            "ReviewID: R1\n\nArticle 1\nPMID: 11\nTitle: T, one\nAbstract: a \"b\"\nc"
        );
        assert_eq!(
            examples[0].source,
            "ReviewID: R3\n\nArticle 1\nPMID: 14\nTitle: T\nAbstract: "
        );
        let cut = load_rct(
            INPUTS,
            targets,
            Limits {
                examples: 1,
                source_characters: 9,
            },
        )
        .unwrap();
        assert_eq!((cut.len(), cut[0].source.as_str()), (1, "ReviewID:"));
    }

    #[test]
    fn news_are_joined_and_stripped() {
        let records = PyValue::from(&json!([
            {"split": "TEST", "idx": 7, "cleansed_document": [" a ", "", "b"], "summary": " s "},
            {"split": "train", "cleansed_document": "x"},
            {"split": "test", "cleansed_document": null}
        ]));
        let examples = load_multi_news(&records, "test", Limits::default()).unwrap();
        assert_eq!(
            (examples[0].source.as_str(), examples[0].reference.as_str()),
            ("a\n\nb", "s")
        );
        assert_eq!(
            (examples[1].idx.to_text().as_str(), examples[1].source.as_str()),
            ("1", "")
        );
        assert!(load_multi_news(&PyValue::from(&json!([1])), "test", Limits::default()).is_err());
        assert!(load_multi_news(&PyValue::None, "test", Limits::default()).is_err());
    }

    #[test]
    fn short_texts_keep_their_blanks() {
        assert_eq!(truncate_words("a  b\tc\nd", 3), "a b c");
        assert_eq!(truncate_words("  lead a b", 3), "  lead a b");
        assert_eq!(truncate_words("a b", 0), "a b");
    }
}
