//! The experiment's judge that compares a pruned model's summary with the unpruned one's: which is
//! shown as A, the prompt, the reading of the reply and the counts.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::ReferenceError;
use crate::python::json::loads;
use crate::python::text::{split_lines, strip};
use crate::python::value::PyValue;

/// The system turn of the judge.
pub const SYSTEM: &str = "You are a careful, unbiased judge.";

/// Keys of the four questions: more hallucinations, more omitted, more repeated (worse), better
/// aligned with the source (better).
pub const QUESTIONS: [&str; 4] = [
    "q1_hallucinations_more",
    "q2_omission_more",
    "q3_repetition_more",
    "q4_alignment_more",
];

/// Whether the unpruned summary is shown as A: where the lowest bit of the first byte of
/// MD5(`{seed}::{sample}`) is 0. The experiment uses seed 123.
#[must_use]
pub fn unpruned_is_a(seed: i64, sample: &str) -> bool {
    Md5::digest(format!("{seed}::{sample}"))[0] & 1 == 0
}

/// The prompt; with `allow_tie` the judge may find no difference.
#[must_use]
pub fn prompt(document: &str, summary_a: &str, summary_b: &str, allow_tie: bool) -> String {
    let (choices, rule) = if allow_tie {
        (
            "\"A\" or \"B\" or \"tie\"",
            "You may answer 'tie' only if truly indistinguishable.",
        )
    } else {
        ("\"A\" or \"B\"", "You MUST choose 'A' or 'B' (no ties).")
    };
    let keys = QUESTIONS.map(|question| format!("- {question}: {choices}\n")).concat();
    format!(
        "You are an impartial evaluator. Compare Summary A vs Summary B against the Source Document.\n\
         Use ONLY the Source Document to judge support. Do NOT use outside knowledge.\n\
         Be strict about factual support.\n\n\
         Answer these questions:\n\n\
         Q1. Hallucinations: Which summary contains MORE hallucinations (unsupported content)?\n\
         Q2. Omission: Which summary is missing MORE crucial information from the document?\n\
         Q3. Repetition: Which summary contains MORE repetitive information?\n\
         Q4. Alignment: Which summary is MORE semantically aligned with the source document?\n\n\
         Return ONLY valid JSON with exactly these keys:\n{keys}\n\
         Rules:\n- {rule}\n- Keep outputs to JSON only (no markdown).\n\n\
         Source Document:\n<<<DOC\n{document}\nDOC>>>\n\n\
         Summary A:\n<<<A\n{summary_a}\nA>>>\n\n\
         Summary B:\n<<<B\n{summary_b}\nB>>>\n"
    )
}

/// The text without a code fence around it: the first line, and the last if it is a fence too.
fn without_fence(text: &str) -> String {
    let text = strip(text);
    if !text.starts_with("```") {
        return text.to_owned();
    }
    let lines = split_lines(text);
    let mut lines = lines.get(1..).unwrap_or_default();
    if let [rest @ .., last] = lines
        && strip(last).starts_with("```")
    {
        lines = rest;
    }
    strip(&lines.join("\n")).to_owned()
}

/// The JSON object between the first `{` and the last `}` of a reply.
///
/// # Errors
/// [`ReferenceError::NoJsonObject`] without such braces, [`ReferenceError::InvalidJson`] where
/// they do not enclose one JSON object.
pub fn json_object(reply: &str) -> Result<PyValue, ReferenceError> {
    let text = without_fence(reply);
    match (text.find('{'), text.rfind('}')) {
        (Some(start), Some(end)) if start < end => {
            loads(&text[start..=end]).map_err(|error| ReferenceError::InvalidJson {
                position: error.position,
                what: error.what,
            })
        }
        _ => Err(ReferenceError::NoJsonObject { reply: text }),
    }
}

/// What the judge chose: `A`, `B` or, where allowed, `tie`, whatever the case and the blanks around.
///
/// # Errors
/// [`ReferenceError::InvalidChoice`] for anything else, `A.` included.
pub fn choice(value: &PyValue, allow_tie: bool) -> Result<&'static str, ReferenceError> {
    let text = if value.is_truthy() {
        value.to_text()
    } else {
        String::new()
    };
    match strip(&text).to_uppercase().as_str() {
        "A" => Ok("A"),
        "B" => Ok("B"),
        "TIE" | "EQUAL" | "SAME" if allow_tie => Ok("tie"),
        _ => Err(ReferenceError::InvalidChoice {
            choice: value.to_text(),
            expected: if allow_tie { "A, B or tie" } else { "A or B" },
        }),
    }
}

/// One judged pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// `A` and `B` → which model's summary it was.
    pub mapping: BTreeMap<String, String>,
    /// Question → choice; none where the judge failed.
    pub answers: Option<BTreeMap<String, String>>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// How often each model was named to one question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuestionCounts {
    /// Judgements counted.
    pub n: usize,
    /// Model (or `tie`) → times named.
    pub counts: BTreeMap<String, usize>,
}

impl QuestionCounts {
    /// Model → share of the judgements.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<String, f64> {
        self.counts
            .iter()
            .map(|(model, &count)| (model.clone(), count as f64 / self.n as f64))
            .collect()
    }
}

/// The counts of all judgements.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgementCounts {
    /// Pairs.
    pub judged: usize,
    /// Pairs with an error; they are in no question's counts.
    pub failed: usize,
    /// Per question, in the order of [`QUESTIONS`].
    pub questions: [(&'static str, QuestionCounts); 4],
}

/// Counts, per question, the models that were named.
///
/// # Errors
/// [`ReferenceError::MissingAnswer`] where a judgement without an error leaves a question out.
pub fn count(judgements: &[Judgement]) -> Result<JudgementCounts, ReferenceError> {
    let failed = |judgement: &&Judgement| judgement.error.as_ref().is_some_and(|error| !error.is_empty());
    let mut questions = QUESTIONS.map(|question| (question, QuestionCounts::default()));
    for (index, judgement) in judgements.iter().enumerate() {
        let Some(answers) = judgement.answers.as_ref().filter(|_| !failed(&judgement)) else {
            continue;
        };
        for (question, counts) in &mut questions {
            let answer = answers
                .get(*question)
                .ok_or(ReferenceError::MissingAnswer { index, question })?;
            let model = match answer.as_str() {
                "tie" => "tie",
                answer => judgement.mapping.get(answer).map_or("unknown", String::as_str),
            };
            counts.n += 1;
            *counts.counts.entry(model.to_owned()).or_default() += 1;
        }
    }
    Ok(JudgementCounts {
        judged: judgements.len(),
        failed: judgements.iter().filter(failed).count(),
        questions,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn order_follows_the_digest() {
        // md5("123::0") and md5("123::4") begin with an even and an odd byte.
        assert!(unpruned_is_a(123, "0"));
        assert!(!unpruned_is_a(123, "4"));
    }

    #[test]
    fn the_outermost_braces_must_hold_json() {
        assert_eq!(
            json_object("```json\n{\"q\": \"x}\"}\n```").unwrap().repr(),
            "{'q': 'x}'}"
        );
        assert_eq!(
            json_object("text {\"a\": {\"b\": 1}} tail").unwrap().repr(),
            "{'a': {'b': 1}}"
        );
        assert!(matches!(
            json_object("{\"a\":1} {\"b\":2}"),
            Err(ReferenceError::InvalidJson { .. })
        ));
        assert!(matches!(
            json_object("```json {\"a\":1}```"),
            Err(ReferenceError::NoJsonObject { .. })
        ));
        assert!(matches!(json_object("}{"), Err(ReferenceError::NoJsonObject { .. })));
    }

    #[test]
    fn choices_are_forgiving_in_case_only() {
        assert_eq!(choice(&" b ".into(), false).unwrap(), "B");
        assert_eq!(choice(&"Same".into(), true).unwrap(), "tie");
        assert!(choice(&"tie".into(), false).is_err());
        assert!(choice(&"A.".into(), true).is_err());
        assert!(choice(&PyValue::None, true).is_err());
    }

    #[test]
    fn models_are_counted_not_letters() {
        let judgement = |a: &str, b: &str, answer: &str| Judgement {
            mapping: [("A".into(), a.into()), ("B".into(), b.into())].into(),
            answers: Some(
                QUESTIONS
                    .map(|question| (question.to_owned(), answer.to_owned()))
                    .into(),
            ),
            error: None,
        };
        let mut failed = judgement("x", "y", "A");
        failed.error = Some("cut off".into());
        let judged = [
            judgement("vanilla", "pruned", "A"),
            judgement("pruned", "vanilla", "B"),
            judgement("vanilla", "pruned", "tie"),
            failed,
        ];
        let counts = count(&judged).unwrap();
        assert_eq!((counts.judged, counts.failed), (4, 1));
        assert_eq!(
            counts.questions[0].1.counts,
            [("tie".to_owned(), 1), ("vanilla".to_owned(), 2)].into()
        );
        assert!((counts.questions[3].1.shares()["vanilla"] - 2.0 / 3.0).abs() < 1e-15);
        assert!(
            count(&[Judgement {
                answers: Some(BTreeMap::new()),
                ..Judgement::default()
            }])
            .is_err()
        );
    }
}
