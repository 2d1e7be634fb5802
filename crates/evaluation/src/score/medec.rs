//! MEDEC: error flag, sentence of the error, and its correction, read from `CORRECT` or `number corrected sentence`.
//!
//! Source: Ben Abacha et al. 2024, <https://arxiv.org/abs/2412.19260>, section 5, as in MEDIQA-CORR 2024: accuracy of the flag, accuracy of
//! the sentence (a correct text has none, so that `CORRECT` is right there), and the composite score of corrections, which is 1 where
//! both leave the text alone, 0 where one does, and ROUGE-1 F1 otherwise. An unreadable reply is wrong everywhere.

use secateur_datasets::item::{Body, Item};
use secateur_datasets::tasks::medec::CORRECT;
use secateur_metrics::rouge::{self, Stemmer};
use secateur_metrics::value::{Aspect, Definition, Direction};
use secateur_metrics::{counts::Counts, degeneration};

use super::micro::{self, Columns};
use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::Metric;

const fn reliability(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

const FLAG_ACCURACY: Definition = reliability("error_flag_accuracy");
const SENTENCE_ACCURACY: Definition = reliability("error_sentence_accuracy");
const CORRECTION: Definition = reliability("correction_rouge_1_composite");
const PRECISION: Definition = reliability("error_flag_precision");
const RECALL: Definition = reliability("error_flag_recall");
const FLAGGED: Columns = ["errors_right", "errors_said", "errors_wanted"];

/// Scores of a reviewed text.
pub(super) struct ErrorCorrection;

/// A reply that was read.
#[derive(Debug, PartialEq)]
enum Reply<'a> {
    Correct,
    Sentence(usize, &'a str),
}

impl Scorer for ErrorCorrection {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let reference = question.references.first().map(String::as_str).unwrap_or_default();
        let gold = parse(reference).ok_or_else(|| Mismatch {
            found: format!("the reference {reference:?}"),
            expected: format!("{CORRECT}, or a number and a sentence"),
        })?;
        let text = output.text.clone();
        let reply = parse(&text);
        output.parsed = reply.as_ref().map(|reply| match reply {
            Reply::Correct => CORRECT.to_owned(),
            Reply::Sentence(number, _) => number.to_string(),
        });
        let wanted = gold != Reply::Correct;
        let said = reply.as_ref().map(|reply| *reply != Reply::Correct);
        let (sentence, correction) = match (&gold, &reply) {
            (Reply::Correct, Some(Reply::Correct)) => (true, 1.0),
            (Reply::Sentence(place, right), Some(Reply::Sentence(number, given))) => {
                (place == number, rouge::rouge_1(given, right, Stemmer::None).f1)
            }
            _ => (false, 0.0),
        };
        let flagged = Counts {
            right: usize::from(wanted && said == Some(true)),
            said: usize::from(said == Some(true)),
            wanted: usize::from(wanted),
        };
        answer.scores.extend(micro::scores(FLAGGED, flagged));
        answer.scores.extend([
            ("error_flag_right".to_owned(), from_bool(said == Some(wanted))),
            ("error_sentence_right".to_owned(), from_bool(sentence)),
            ("correction".to_owned(), correction),
            ("unparsable".to_owned(), from_bool(reply.is_none())),
        ]);
        if reply.is_none() {
            answer.flags.insert(Flag::Unparsable);
        }
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(FLAG_ACCURACY, "error_flag_right"),
            Metric::proportion(SENTENCE_ACCURACY, "error_sentence_right"),
            Metric::mean(CORRECTION, "correction"),
            micro::metric(PRECISION, FLAGGED, |scores| scores.precision),
            micro::metric(RECALL, FLAGGED, |scores| scores.recall),
            Metric::proportion(degeneration::UNPARSABLE_RATE, "unparsable"),
        ];
        metrics.extend(super::text_metrics());
        metrics
    }
}

/// The first line that is not blank: `CORRECT` and nothing else, or a number and a sentence.
fn parse(text: &str) -> Option<Reply<'_>> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let bare = line.trim_matches(|c: char| c.is_ascii_punctuation());
    if bare.eq_ignore_ascii_case(CORRECT) {
        return Some(Reply::Correct);
    }
    let end = line.find(|c: char| !c.is_ascii_digit())?;
    let number = line[..end].parse().ok()?;
    let sentence = line[end..].trim_start_matches(|c: char| c.is_whitespace() || ".:|)".contains(c));
    (!sentence.is_empty()).then_some(Reply::Sentence(number, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_or_refused() {
        assert_eq!(parse("CORRECT"), Some(Reply::Correct));
        assert_eq!(parse("\n**Correct.**\nmore"), Some(Reply::Correct));
        assert_eq!(parse("10 It is gout."), Some(Reply::Sentence(10, "It is gout.")));
        assert_eq!(parse("3. It is gout."), Some(Reply::Sentence(3, "It is gout.")));
        assert_eq!(parse("The text is correct"), None);
        assert_eq!(parse("10"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("99999999999999999999999 x"), None);
    }
}
