//! What the experiment takes for the answer in a reply that also holds the model's reasoning.
//!
//! gpt-oss writes `analysis…assistantfinal…` once its special tokens are gone. Each of the
//! experiment's scripts cuts such a reply in its own way, and they disagree on replies that are
//! cut off: for a reply that only reasons, one scores the reasoning, one an empty answer.

use crate::python::text::{is_space, strip};

const FINAL: &str = "assistantfinal";
const ANALYSIS: &str = "analysis";
const MESSAGE: &str = "<|message|>";

/// What comes before and after the first `assistantfinal`, the latter stripped.
fn at_final(response: &str) -> Option<(&str, &str)> {
    response.split_once(FINAL).map(|(before, after)| (before, strip(after)))
}

/// `MultiMedQA` and MMLU: without a final part, whatever follows a leading `analysis` of any case.
#[must_use]
pub fn multimedqa(response: &str) -> &str {
    if let Some((_, answer)) = at_final(response) {
        return answer;
    }
    match response.split_at_checked(ANALYSIS.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(ANALYSIS) => {
            strip(rest.trim_start_matches(is_space).trim_start_matches([':', '-']))
        }
        _ => strip(response),
    }
}

/// Med-HALT: without a final part, nothing if the reply begins with `analysis`.
#[must_use]
pub fn medhalt(response: &str) -> &str {
    match at_final(response) {
        Some((_, answer)) => answer,
        None if response.starts_with(ANALYSIS) => "",
        None => strip(response),
    }
}

/// `MedINST32`: the reasoning where the final part is empty.
#[must_use]
pub fn medinst32(response: &str) -> &str {
    match at_final(response) {
        Some((before, "")) => {
            let before = strip(before);
            before
                .strip_prefix(ANALYSIS)
                .map_or(before, |rest| rest.trim_start_matches(is_space))
        }
        Some((_, answer)) => answer,
        None => strip(response),
    }
}

/// RCT and Multi-News summaries: the whole reply where the final part is missing or empty.
#[must_use]
pub fn summary(response: &str) -> &str {
    match at_final(response) {
        Some((_, answer)) if !answer.is_empty() => answer,
        _ => strip(response),
    }
}

/// What follows the last `<|message|>`, stripped.
fn last_message(response: &str) -> &str {
    strip(response.rsplit(MESSAGE).next().unwrap_or(response))
}

/// Med-HALT's reading of a gpt-oss reply: the last message, then [`medhalt`].
#[must_use]
pub fn medhalt_gpt_oss(response: &str) -> &str {
    medhalt(last_message(response))
}

/// `MedINST32`'s reading of a gpt-oss reply: the last message, or all if that is empty, then
/// [`medinst32`].
#[must_use]
pub fn medinst32_gpt_oss(response: &str) -> &str {
    match last_message(response) {
        "" => medinst32(response),
        message => medinst32(message),
    }
}

/// The summary scripts' reading of a gpt-oss reply: the last message that is not empty, then
/// [`summary`].
#[must_use]
pub fn summary_gpt_oss(response: &str) -> &str {
    let message = response.rsplit(MESSAGE).map(strip).find(|part| !part.is_empty());
    let text = if response.contains(MESSAGE) {
        message.unwrap_or(response)
    } else {
        response
    };
    match summary(text) {
        "" => strip(text),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_agree_on_a_complete_reply() {
        let reply = "analysis think assistantfinal\n\nout";
        for split in [
            multimedqa,
            medhalt,
            medinst32,
            summary,
            medhalt_gpt_oss,
            medinst32_gpt_oss,
            summary_gpt_oss,
        ] {
            assert_eq!(split(reply), "out");
        }
    }

    #[test]
    fn they_disagree_on_reasoning_alone() {
        assert_eq!(multimedqa("Analysis :- x"), "x");
        assert_eq!(medhalt("analysis x"), "");
        assert_eq!(medinst32("analysis x"), "analysis x");
        assert_eq!(summary(" analysis x"), "analysis x");
    }

    #[test]
    fn they_disagree_on_an_empty_final_part() {
        let reply = "analysis foo assistantfinal  ";
        assert_eq!(multimedqa(reply), "");
        assert_eq!(medhalt(reply), "");
        assert_eq!(medinst32(reply), "foo");
        assert_eq!(summary(reply), "analysis foo assistantfinal");
    }

    #[test]
    fn channel_markers_leave_the_last_message() {
        let reply = "<|channel|>analysis<|message|>foo<|end|><|channel|>final<|message|> BAR <|message|> ";
        assert_eq!(summary_gpt_oss(reply), "BAR");
        assert_eq!(medhalt_gpt_oss(reply), "");
        assert_eq!(medinst32_gpt_oss(reply), strip(reply));
    }
}
