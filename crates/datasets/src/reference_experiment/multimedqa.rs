//! `MultiMedQA` and MMLU as the experiment generates and scores them: one letter or one word, and
//! every answer that *begins* with it is right.
//!
//! So `a patient with …` counts as the letter A, and a gold answer that is nothing but punctuation
//! makes every answer right. The questions are worded as in lm-evaluation-harness, with the
//! instruction after `Answer:`.

use std::sync::LazyLock;

use regex::Regex;

use super::ReferenceError;
use crate::python::text::{parse_index, squeeze, strip, without_punctuation};
use crate::python::value::PyValue;

const LETTER: &str = "Answer: Respond with ONLY a single letter: A, B, C, or D";
const WORD: &str = "Answer: Respond with ONLY one word: yes, no, or maybe";
const LETTERS: [&str; 4] = ["A", "B", "C", "D"];
/// Where an answer may stand in a record, in the order they are looked for.
const ANSWER_KEYS: [&str; 8] = [
    "answer",
    "target",
    "labels",
    "gold",
    "answers",
    "cop",
    "final_decision",
    "label",
];

/// A fenced block, with `json` after the fence in any case or nothing.
pub(super) static FENCED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)```(?:json)?[\s\x1c-\x1f]*([\s\S]*?)[\s\x1c-\x1f]*```").ok());

/// The content of the first fenced block, stripped.
pub(super) fn fenced(text: &str) -> Option<&str> {
    let block = FENCED.as_ref()?.captures(text)?.get(1)?;
    Some(strip(block.as_str()))
}

/// What comes before `Stop Here`, stripped.
pub(super) fn before_stop(text: &str) -> &str {
    strip(strip(text).split("Stop Here").next().unwrap_or_default())
}

/// `str(value)` stripped and in lower case; nothing for `None`.
pub(super) fn normalize_text(value: &PyValue) -> String {
    match value {
        PyValue::None => String::new(),
        value => strip(&value.to_text()).to_lowercase(),
    }
}

/// Lower case, without ASCII punctuation, words separated by single blanks.
#[must_use]
pub fn normalize(value: &PyValue) -> String {
    squeeze(&without_punctuation(&normalize_text(value)))
}

/// The answer in a reply: what comes before `Stop Here`, or in its first fenced block. A language
/// other than JSON after the fence stays part of the answer.
#[must_use]
pub fn parse_output(response: &str) -> &str {
    let text = before_stop(response);
    fenced(text).unwrap_or(text)
}

/// The prompt of one record: the content of a single user turn.
///
/// # Errors
/// [`ReferenceError::UnknownTask`] for a task other than the nine of `MultiMedQA` and `mmlu_*`.
pub fn prompt(task: &str, row: &PyValue) -> Result<String, ReferenceError> {
    match task {
        "medqa_4options" => {
            let endings = ["ending0", "ending1", "ending2", "ending3"].map(|key| row.text_at(&[key]));
            let question = row.text_at(&["sent1", "question", "prompt"]);
            Ok(format!("Question: {question}\n{}{LETTER}", lettered(&endings)))
        }
        "medmcqa" => {
            let keys = [["opa", "opA"], ["opb", "opB"], ["opc", "opC"], ["opd", "opD"]];
            let options = keys.map(|keys| row.text_at(&keys));
            let question = row.text_at(&["question", "prompt"]);
            Ok(format!(
                "Question: {question}\nChoices:\n{}{LETTER}",
                lettered(&options)
            ))
        }
        "pubmedqa" => {
            let context = match first_truthy(row, &["CONTEXTS", "contexts", "context"]) {
                Some(PyValue::List(parts)) => parts.iter().map(PyValue::to_text).collect::<Vec<_>>().join("\n"),
                Some(text) => text.to_text(),
                None => String::new(),
            };
            let question = row.text_at(&["QUESTION", "question"]);
            Ok(format!("Abstract: {context}\nQuestion: {question}\n{WORD}"))
        }
        task if task.starts_with("mmlu_") => Ok(mmlu_prompt(row)),
        _ => Err(ReferenceError::UnknownTask {
            task: task.to_owned(),
            expected: "pubmedqa, medqa_4options, medmcqa, mmlu_*",
        }),
    }
}

/// The prompt of an MMLU record. Missing options are empty lines, options after the fourth are not
/// shown, and options in fields of their own are shown only if some other options field holds
/// something that is neither list nor dict.
#[must_use]
pub fn mmlu_prompt(row: &PyValue) -> String {
    let mut options = match first_truthy(row, &["choices", "options", "answer_choices", "answers"]) {
        None => Vec::new(),
        Some(PyValue::List(items)) => items.iter().map(PyValue::to_text).collect(),
        Some(dict @ PyValue::Dict(_)) => LETTERS
            .iter()
            .filter_map(|key| dict.get(key))
            .map(PyValue::to_text)
            .collect(),
        Some(_) => LETTERS
            .iter()
            .map(|key| row.text_at(&[&format!("choice{key}"), key]))
            .collect(),
    };
    options.resize(4, String::new());
    let question = row.text_at(&["question", "prompt", "text"]);
    format!("{}\n{}{LETTER}", strip(&question), lettered(&options))
}

fn lettered(options: &[String]) -> String {
    let lines = LETTERS
        .iter()
        .zip(options)
        .map(|(letter, option)| format!("{letter}. {option}\n"));
    lines.collect::<Vec<_>>().concat()
}

fn first_truthy<'a>(row: &'a PyValue, keys: &[&str]) -> Option<&'a PyValue> {
    keys.iter()
        .filter_map(|key| row.get(key))
        .find(|value| value.is_truthy())
}

/// The right answer of a record: the first of eight keys that is there, an index turned into its
/// letter (for `PubMedQA` 1, 0 and anything else into yes, no and maybe). `PyValue::None` where there
/// is no answer. Index -1, a hidden test answer, becomes `@`.
#[must_use]
pub fn target(task: &str, row: &PyValue) -> PyValue {
    let named = |index: i64| match (task, index) {
        ("pubmedqa", 1) => Some("yes".to_owned()),
        ("pubmedqa", 0) => Some("no".to_owned()),
        ("pubmedqa", _) => Some("maybe".to_owned()),
        _ => letter(index),
    };
    indexed_target(row, named)
}

/// The right answer of a record as the experiment's MMLU script finds it: letters for every task.
#[must_use]
pub fn mmlu_target(row: &PyValue) -> PyValue {
    indexed_target(row, letter)
}

/// `chr(ord("A") + index)`, where that is a character.
fn letter(index: i64) -> Option<String> {
    let code = index.checked_add(i64::from(b'A'))?;
    char::from_u32(u32::try_from(code).ok()?).map(String::from)
}

fn indexed_target(row: &PyValue, named: impl Fn(i64) -> Option<String>) -> PyValue {
    let Some(value) = ANSWER_KEYS.iter().find_map(|key| row.get(key)) else {
        return PyValue::None;
    };
    named_index(value)
        .and_then(named)
        .map_or_else(|| value.clone(), PyValue::Str)
}

/// `int(value)` of a number, or of text made of digits.
fn named_index(value: &PyValue) -> Option<i64> {
    match value {
        PyValue::Bool(value) => Some(i64::from(*value)),
        PyValue::Int(digits) => digits.parse().ok(),
        // Beyond the exact integers of a float there is no option index anyway.
        PyValue::Float(value) if value.abs() < 9e15 => Some(value.trunc() as i64),
        PyValue::Str(text) => parse_index(text),
        _ => None,
    }
}

/// Whether a parsed answer counts as right: its normal form equals that of the gold answer or
/// begins with it. Of several gold answers one must be equal, or occur anywhere in the answer.
#[must_use]
pub fn is_correct(task: &str, row: &PyValue, answer: &str) -> bool {
    let given = normalize(&PyValue::from(answer));
    match target(task, row) {
        PyValue::None => false,
        PyValue::List(golds) => golds.iter().any(|gold| given.contains(&normalize(gold))),
        gold => given.starts_with(&normalize(&gold)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn row(value: &serde_json::Value) -> PyValue {
        PyValue::from(value)
    }

    #[test]
    fn an_answer_is_cut_and_unwrapped() {
        assert_eq!(
            parse_output(" ```json\n{\"answer\": \"A\"}\n``` "),
            "{\"answer\": \"A\"}"
        );
        assert_eq!(parse_output("Text ```python\nC\n``` tail"), "python\nC");
        assert_eq!(parse_output("A Stop Here B"), "A");
        assert_eq!(parse_output("``` A"), "``` A");
    }

    #[test]
    fn prompts_are_those_of_the_harness_with_an_instruction() {
        let question = row(&json!({"sent1": "Q", "ending0": "x", "ending1": 2, "ending2": null}));
        assert_eq!(
            prompt("medqa_4options", &question).unwrap(),
            format!("Question: Q\nA. x\nB. 2\nC. None\nD. \n{LETTER}")
        );
        let question = row(&json!({"question": "q?", "context": "single"}));
        assert_eq!(
            prompt("pubmedqa", &question).unwrap(),
            format!("Abstract: single\nQuestion: q?\n{WORD}")
        );
        let question = row(&json!({"question": " Q ", "options": {"A": 1, "D": 4}}));
        assert_eq!(
            prompt("mmlu_anatomy", &question).unwrap(),
            format!("Q\nA. 1\nB. 4\nC. \nD. \n{LETTER}")
        );
        assert!(prompt("gsm8k", &question).is_err());
    }

    #[test]
    fn indices_become_letters_or_words() {
        let of = |task: &str, value: serde_json::Value| target(task, &row(&value)).to_text();
        assert_eq!(of("medmcqa", json!({"cop": "1"})), "B");
        assert_eq!(of("medmcqa", json!({"cop": -1})), "@");
        assert_eq!(of("medmcqa", json!({"cop": -66})), "-66");
        assert_eq!(of("pubmedqa", json!({"label": 0.9})), "no");
        assert_eq!(of("mmlu_x", json!({"answer": "²"})), "²");
        assert_eq!(of("mmlu_x", json!({"answer": true})), "B");
        assert_eq!(mmlu_target(&row(&json!({"label": 1}))).to_text(), "B");
    }

    #[test]
    fn a_beginning_is_enough() {
        let gold = row(&json!({"answer": 0}));
        assert!(is_correct("mmlu_x", &gold, "(a) patient"));
        assert!(!is_correct("mmlu_x", &gold, "The answer is A"));
        assert!(is_correct("medmcqa", &row(&json!({"cop": -1})), "anything"));
        assert!(is_correct(
            "mmlu_x",
            &row(&json!({"answer": ["B", "C"]})),
            "not sure: c"
        ));
        assert!(!is_correct("mmlu_x", &row(&json!({"answer": null})), "A"));
    }
}
