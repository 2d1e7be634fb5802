//! `SQuAD` 2.0: the authors' measures, and abstaining where the passage has no answer.
//!
//! The authors (<https://arxiv.org/abs/1806.03822>) count an answer to a question without one as right only if nothing is said at all; a
//! language model that says `unanswerable`, as the harness's examples teach it to, is wrong there. Abstention is therefore reported
//! beside their measures: `unanswerable`, another abstaining phrase, and silence abstain. The probability of there being no answer is
//! that of ` unanswerable` after the prompt, as in lm-evaluation-harness.

use secateur_datasets::item::{Body, Item};
use secateur_metrics::abstention::is_abstention;
use secateur_metrics::squad2::{
    self, SQUAD2_BEST_EXACT, SQUAD2_BEST_F1, SQUAD2_EXACT, SQUAD2_F1, SQUAD2_HAS_ANSWER_EXACT, SQUAD2_HAS_ANSWER_F1,
    SQUAD2_NO_ANSWER_EXACT, Scored,
};
use secateur_metrics::value::Definition;

use super::generation::HALLUCINATION_RATE;
use super::{Mismatch, Scorer, abstention, from_bool, mismatch};
use crate::answer::{Answer, Flag, Output};
use crate::summary::{Estimate, Metric};

/// Scores of an answer from a passage that may have none.
pub(super) struct Squad2;

impl Scorer for Squad2 {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(question), Output::Text(output)) = (&item.body, &answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let text = output.text.clone();
        let probe = output.probe_log_probability;
        let exact = from_bool(squad2::exact(&text, &question.references));
        let f1 = squad2::f1(&text, &question.references);
        super::flag_text(answer);
        let abstained = answer.flags.contains(&Flag::Empty) || is_abstention(&text);
        if abstained {
            answer.flags.insert(Flag::Abstained);
        }
        answer.scores.extend(abstention::scores(question, abstained));
        let refused = answer.flags.contains(&Flag::Refused);
        let wrong = !abstained && !refused && (question.unanswerable || f1 <= 0.0);
        answer.scores.extend([
            ("squad2_exact".to_owned(), exact),
            ("squad2_f1".to_owned(), f1),
            ("said_something".to_owned(), from_bool(!text.is_empty())),
            ("hallucinated".to_owned(), from_bool(wrong)),
        ]);
        let kind = if question.unanswerable {
            "no_answer"
        } else {
            "has_answer"
        };
        answer.scores.insert(format!("squad2_{kind}_exact"), exact);
        answer.scores.insert(format!("squad2_{kind}_f1"), f1);
        if let Some(log_probability) = probe {
            let probability = log_probability.exp().clamp(0.0, 1.0);
            answer.scores.insert("no_answer_probability".into(), probability);
        }
        Ok(())
    }

    fn metrics(&self, answers: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![
            Metric::proportion(SQUAD2_EXACT, "squad2_exact"),
            Metric::mean(SQUAD2_F1, "squad2_f1"),
            Metric::proportion(HALLUCINATION_RATE, "hallucinated"),
            Metric::proportion(SQUAD2_HAS_ANSWER_EXACT, "squad2_has_answer_exact"),
            Metric::mean(SQUAD2_HAS_ANSWER_F1, "squad2_has_answer_f1"),
            Metric::proportion(SQUAD2_NO_ANSWER_EXACT, "squad2_no_answer_exact"),
            best(SQUAD2_BEST_EXACT, "squad2_exact"),
            best(SQUAD2_BEST_F1, "squad2_f1"),
        ];
        metrics.extend(abstention::metrics(answers));
        metrics.extend(super::text_metrics());
        metrics
    }
}

/// The mean of `score` at its best threshold of no-answer probability.
fn best(definition: Definition, score: &'static str) -> Metric {
    let needs = vec![score, "no_answer_probability", "unanswerable", "said_something"];
    let value = |rows: &[&[f64]]| {
        let scored = rows.iter().map(|row| Scored {
            score: row[0],
            no_answer_probability: row[1],
            answerable: row[2] < 0.5,
            said_something: row[3] > 0.5,
        });
        squad2::best(&scored.collect::<Vec<_>>())
    };
    Metric {
        definition,
        estimate: Estimate::whole(needs, value),
    }
}
