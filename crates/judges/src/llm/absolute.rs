//! The absolute protocol: does a text contradict its source?
//!
//! Source: the reference experiment (<https://arxiv.org/abs/2607.01444>) judges summaries by `HallucinationMetric` of `DeepEval`
//! (<https://github.com/confident-ai/deepeval>) with the source as its one context and a threshold of 0.5. The contract is the same:
//! the judge says `yes` (the text agrees with the source) or `no` (it contradicts it) with a reason, in JSON; leaving things out
//! is forgiven and only a contradiction is a `no`; the source is taken at face value. With one context there is one verdict, so
//! the score is 0 or 1, its mean the share of texts that contradict their source, and the threshold decides nothing more.
//!
//! The words are ours, not `DeepEval`'s sentence by sentence, so numbers are comparable in kind and not to the digit. Two readings
//! differ on purpose: a verdict that is neither `yes` nor `no` counts there as agreement, and a reply without verdicts as a score
//! of 0; here both are unparsable and without a number. `DeepEval` asks the model a second time to phrase a reason for the score;
//! here the verdict's own reason is kept.

use secateur_datasets::reference_experiment::pairwise::json_object;
use serde::{Deserialize, Serialize};

use super::Watch;
use super::ask::ask_all;
use super::client::{Client, Question};
use super::messages::{Message, Protocol, after_thinking, fenced};
use super::record::Run;
use crate::error::JudgeError;
use crate::scorer::Pair;

/// Name and version.
pub const PROTOCOL: Protocol = Protocol {
    name: "absolute",
    version: 1,
};

const SYSTEM: &str = "You check texts against their sources, carefully and without favour.";

/// What the judge says of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// `yes`: nothing in the text contradicts the source.
    Agrees,
    /// `no`: something does.
    Contradicts,
}

impl Agreement {
    /// The experiment's score: 1 for a contradiction, else 0.
    #[must_use]
    pub fn score(self) -> f64 {
        match self {
            Self::Agrees => 0.0,
            Self::Contradicts => 1.0,
        }
    }
}

/// Judges texts against their sources, one verdict each, in their order. An empty text has none: it says nothing that could
/// be wrong, and counting it as agreement would reward silence.
///
/// # Errors
/// [`JudgeError::Cache`] or [`JudgeError::Thread`]. What goes wrong with a question is its own [`super::Unjudged`].
pub fn judge(client: &Client, pairs: &[Pair<'_>], watch: &mut Watch<'_>) -> Result<Run<Agreement>, JudgeError> {
    let asked = |pair: &Pair<'_>| (!pair.text.trim().is_empty()).then(|| question(pair));
    let questions: Vec<Option<Question>> = pairs.iter().map(asked).collect();
    ask_all(client, &questions, &read, watch)
}

/// What is asked of one text.
#[must_use]
pub fn question(pair: &Pair<'_>) -> Question {
    let asked = format!(
        "Below are a source and a text that was written from it. Does the text agree with the source?\n\n\
         Rules:\n\
         - Answer \"no\" only if the text contradicts the source: it says something that cannot be true if the source is true.\n\
         - Leaving something out is no contradiction, nor is saying it with less detail. Answer \"yes\" then.\n\
         - Take the source at its word. Use no knowledge of your own.\n\n\
         Reply with one JSON object and nothing else:\n\
         {{\"verdict\": \"yes\" or \"no\", \"reason\": \"one sentence; for a no, what the text says and what the source says\"}}\n\n\
         Source:\n{}\n\nText:\n{}\n\nJSON:\n",
        fenced("SOURCE", pair.source),
        fenced("TEXT", pair.text)
    );
    Question {
        protocol: PROTOCOL,
        messages: vec![Message::new("system", SYSTEM), Message::new("user", asked)],
    }
}

/// The verdict in a reply, and the judge's reason.
///
/// # Errors
/// What is wrong with the reply.
pub fn read(reply: &str) -> Result<(Agreement, String), String> {
    let object = json_object(after_thinking(reply)).map_err(|error| super::messages::brief(&error.to_string()))?;
    let said = object
        .get("verdict")
        .ok_or("the JSON object has no `verdict`")?
        .to_text();
    let verdict = match said.trim().to_ascii_lowercase().as_str() {
        "yes" => Agreement::Agrees,
        "no" => Agreement::Contradicts,
        _ => {
            return Err(super::messages::brief(&format!(
                "the verdict is {said:?}, expected yes or no"
            )));
        }
    };
    Ok((verdict, object.text_at(&["reason"])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn verdicts_are_read_strictly() {
        let read = |text: &str| read(text).map(|(verdict, _)| verdict);
        assert_eq!(read(r#"{"verdict": "yes", "reason": "r"}"#), Ok(Agreement::Agrees));
        assert_eq!(
            read("```json\n{\"verdict\": \" No \"}\n```"),
            Ok(Agreement::Contradicts)
        );
        assert_eq!(
            read("<think>{\"verdict\":\"no\"}</think>{\"verdict\":\"yes\"}"),
            Ok(Agreement::Agrees)
        );
        for wrong in [
            "yes",
            "{}",
            r#"{"verdict": "maybe"}"#,
            r#"{"verdict": true}"#,
            r#"{"verdict": null}"#,
            r#"{"verdict": ["no"]}"#,
            r#"{"verdict": "no""#,
            r#"{"verdicts": [{"verdict": "no"}]}"#,
            r#"{"verdict":"yes"} {"verdict":"no"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(&"x".repeat(10_000)).unwrap_err().len() < 400);
    }

    #[test]
    fn the_reason_is_kept() {
        let (_, reason) = super::read(r#"{"verdict": "no", "reason": "1969 is not 1968"}"#).unwrap();
        assert_eq!(reason, "1969 is not 1968");
    }

    #[test]
    fn the_question_holds_both_texts() {
        let question = question(&Pair {
            source: "s0urce",
            text: "t3xt",
        });
        let words = &question.messages[1].content;
        assert!(words.contains("<<<SOURCE\ns0urce\nSOURCE>>>") && words.contains("<<<TEXT\nt3xt\nTEXT>>>"));
        assert!(words.contains("only if the text contradicts") && words.contains("Leaving something out"));
    }
}
