//! Which items a pruned model lost and gained, kind by kind, from the two sides' answers.
//!
//! States are read from the scores and flags that the answers keep. Right is what the task's first metric of yes-or-no outcomes
//! says. Supported is what the lexical scorer says (no name or number without support), and each scorer of yes-or-no outcomes that was
//! added to the task. An item that lacks a state on either side does not enter.

use std::collections::BTreeMap;

use secateur_metrics::regressions::{Kind, Regressions, Respect, changes};
use secateur_metrics::value::{Definition, Direction, RULES};

use crate::answer::{Answer, Flag, Output};
use crate::compare::join;
use crate::design;
use crate::error::EvaluationError;
use crate::summary::{Bootstrap, Estimate, Metric};

/// What the names of scores begin with that scorers besides the task's own give.
const ADDED: &str = "scorer.";
/// Metrics of refusing where no answer is right: refusals have kinds of their own.
const REFUSALS: [&str; 3] = ["abstained_unanswerable", "refused", "refused_paper"];

/// Whether an item is in the good state; `None` where it is in neither.
type Good = Box<dyn Fn(&Answer) -> Option<bool>>;

/// A respect before it is put to items.
struct Question {
    loss: Kind,
    metric: String,
    scorer: &'static str,
    good: Good,
}

/// Changes of every kind that the answers have states for. `metrics` are those of the task, most important first.
///
/// # Errors
/// If the two sides do not hold the same items, or hold one twice.
pub fn regressions(
    task: &str,
    metrics: &[Metric],
    pruned: &[Answer],
    unpruned: &[Answer],
    options: &Bootstrap,
) -> Result<Regressions, EvaluationError> {
    let pairs = join(task, pruned, unpruned)?;
    let options = design::of_task(task, options);
    let clusters = design::clusters(pruned);
    let mut kinds = BTreeMap::new();
    for (place, question) in questions(metrics, &pairs).into_iter().enumerate() {
        let states = |(after, before): &(&Answer, &Answer)| (question.good)(before).zip((question.good)(after));
        let states: Vec<Option<(bool, bool)>> = pairs.iter().map(states).collect();
        let keep: Vec<bool> = states.iter().map(Option::is_some).collect();
        let entered = pairs.iter().zip(&states);
        let items: Vec<_> = entered
            .filter_map(|((after, _), state)| state.map(|(before, now)| (after.item.as_str(), before, now)))
            .collect();
        if items.is_empty() {
            continue;
        }
        let respect = Respect {
            loss: question.loss,
            metric: &question.metric,
            scorer: question.scorer,
            items,
        };
        let both =
            changes(&respect, &clusters.restricted(&keep), &options).map_err(|error| EvaluationError::Metric {
                task: task.into(),
                metric: question.metric.clone(),
                found: error.to_string(),
            })?;
        for change in both {
            kinds.insert((change.kind, place), change);
        }
    }
    Ok(Regressions {
        kinds: kinds.into_values().collect(),
    })
}

fn questions(metrics: &[Metric], pairs: &[(&Answer, &Answer)]) -> Vec<Question> {
    let either = |has: &dyn Fn(&Answer) -> bool| pairs.iter().any(|(after, before)| has(after) || has(before));
    let mut all = Vec::new();
    all.extend(right(metrics));
    for metric in metrics {
        if let Estimate::Proportion(score) = metric.estimate {
            let loss = match score {
                "unsupported_answer" => Kind::SupportedToUnsupported,
                "hallucinated" | "wrong_answer" => Kind::SoundToHallucinated,
                score if score.starts_with(ADDED) => Kind::SupportedToUnsupported,
                _ => continue,
            };
            all.push(by_score(loss, &metric.definition, score));
        }
    }
    let refuses = |answer: &Answer| answer.flags.contains(&Flag::Abstained) || answer.scores.contains_key("abstained");
    if either(&refuses) {
        all.extend(refusals());
    }
    for (loss, flag) in [
        (Kind::AnsweredToEmpty, Flag::Empty),
        (Kind::AnsweredToLooping, Flag::Looping),
        (Kind::AnsweredToTruncated, Flag::Truncated),
        (Kind::AnsweredToUnparsable, Flag::Unparsable),
    ] {
        let has = |answer: &Answer| answer.flags.contains(&flag) || answer.scores.contains_key(flag.name());
        if either(&has) {
            all.push(by_rules(loss, &format!("{}_rate", flag.name()), move |answer, _| {
                Some(!answer.flags.contains(&flag))
            }));
        }
    }
    all
}

/// What the task's first share of items says, if more of it is better.
fn right(metrics: &[Metric]) -> Option<Question> {
    metrics.iter().find_map(|metric| match metric.estimate {
        Estimate::Proportion(score)
            if metric.definition.direction == Direction::HigherIsBetter
                && !REFUSALS.contains(&score)
                && !score.starts_with(ADDED) =>
        {
            Some(by_score(Kind::RightToWrong, &metric.definition, score))
        }
        _ => None,
    })
}

/// Refusing is bad where there is an answer, and good where there is none.
fn refusals() -> [Question; 2] {
    let abstains = |answer: &Answer| answer.flags.contains(&Flag::Abstained);
    [
        by_rules(
            Kind::AnsweredToAbstained,
            "false_abstention_rate",
            move |answer, unanswerable| (!unanswerable).then(|| !abstains(answer)),
        ),
        by_rules(
            Kind::AbstainedToInvented,
            "abstention_recall",
            move |answer, unanswerable| unanswerable.then(|| abstains(answer)),
        ),
    ]
}

fn by_score(loss: Kind, definition: &Definition, score: &'static str) -> Question {
    let wanted = f64::from(u8::from(definition.direction == Direction::HigherIsBetter));
    Question {
        loss,
        metric: definition.name.to_owned(),
        scorer: definition.scorer,
        // Shares are of scores that are 0 or 1.
        good: Box::new(move |answer| answer.scores.get(score).map(|value| (value - wanted).abs() < 0.5)),
    }
}

/// A state of answers in words that were put to the model; `good` is told whether no answer is right.
fn by_rules(loss: Kind, metric: &str, good: impl Fn(&Answer, bool) -> Option<bool> + 'static) -> Question {
    Question {
        loss,
        metric: metric.to_owned(),
        scorer: RULES,
        good: Box::new(move |answer| match &answer.output {
            Output::Text(text) if !answer.flags.contains(&Flag::Unscorable) => good(answer, text.unanswerable),
            _ => None,
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::answer::{Scores, TextAnswer};
    use crate::engine::Finish;
    use secateur_metrics::exact_match::EXACT_MATCH;
    use secateur_metrics::regressions::Regression;
    use secateur_metrics::support::SUPPORT;
    use secateur_metrics::value::Aspect;

    fn answer(item: &str, unanswerable: bool, scores: &[(&str, f64)], flags: &[Flag]) -> Answer {
        let known = scores.iter().map(|(name, value)| ((*name).to_owned(), *value));
        Answer {
            item: item.into(),
            prompt: String::new(),
            output: Output::Text(TextAnswer {
                text: "text".into(),
                finish: Finish::EndToken,
                tokens: 1,
                prompt_tokens: 1,
                mean_log_probability: None,
                references: Vec::new(),
                unanswerable,
                parsed: None,
                probe_log_probability: None,
                samples: Vec::new(),
            }),
            scores: known.chain([("empty".to_owned(), 0.0)]).collect::<Scores>(),
            flags: flags.iter().copied().collect(),
            unsupported: Vec::new(),
            fields: BTreeMap::new(),
        }
    }

    fn metrics() -> Vec<Metric> {
        let rate = |name| Definition::new(name, "fraction", Direction::LowerIsBetter, Aspect::Reliability);
        vec![
            Metric::mean(SUPPORT, "share"),
            Metric::proportion(EXACT_MATCH, "exact_match"),
            Metric::proportion(rate("unsupported_answer_rate"), "unsupported_answer"),
            Metric::proportion(rate("minicheck").by("minicheck of tiny"), "scorer.minicheck"),
        ]
    }

    fn of(pruned: &[Answer], unpruned: &[Answer]) -> Vec<Regression> {
        regressions("t", &metrics(), pruned, unpruned, &Bootstrap::default())
            .unwrap()
            .kinds
    }

    fn counted(all: &[Regression], kind: Kind) -> Vec<(usize, usize)> {
        let here = all.iter().filter(|change| change.kind == kind);
        here.map(|change| (change.at_risk, change.count)).collect()
    }

    #[test]
    fn every_kind_by_hand() {
        let right = [
            ("exact_match", 1.0),
            ("unsupported_answer", 0.0),
            ("scorer.minicheck", 0.0),
        ];
        let wrong = [("exact_match", 0.0), ("unsupported_answer", 1.0)];
        let unpruned = [
            answer("a", false, &right, &[]),
            answer("b", false, &right, &[]),
            answer("c", false, &wrong, &[Flag::Abstained]),
            answer("d", true, &[], &[Flag::Abstained]),
            answer("e", true, &[], &[]),
        ];
        let pruned = [
            answer("e", true, &[], &[Flag::Abstained]),
            answer("d", true, &[], &[]),
            answer("c", false, &right, &[]),
            answer("b", false, &right, &[Flag::Looping]),
            answer("a", false, &wrong, &[Flag::Empty, Flag::Abstained]),
        ];
        let all = of(&pruned, &unpruned);
        let one = |kind| counted(&all, kind);
        assert_eq!(one(Kind::RightToWrong), [(2, 1)]);
        assert_eq!(one(Kind::WrongToRight), [(1, 1)]);
        // The lexical scorer knows three items, the added one only `b`, which has its score on both sides.
        assert_eq!(one(Kind::SupportedToUnsupported), [(2, 1), (1, 0)]);
        assert_eq!(one(Kind::AnsweredToAbstained), [(2, 1)]);
        assert_eq!(one(Kind::AbstainedToAnswered), [(1, 1)]);
        assert_eq!(
            (one(Kind::AbstainedToInvented), one(Kind::InventedToAbstained)),
            (vec![(1, 1)], vec![(1, 1)])
        );
        assert_eq!(
            (one(Kind::AnsweredToEmpty), one(Kind::AnsweredToLooping)),
            (vec![(5, 1)], vec![(5, 1)])
        );
        // Nothing here is ever cut off or parsed.
        assert!(one(Kind::AnsweredToTruncated).is_empty() && one(Kind::AnsweredToUnparsable).is_empty());
        let wrong_now = all.iter().find(|change| change.kind == Kind::RightToWrong).unwrap();
        assert_eq!(
            (wrong_now.items.as_slice(), wrong_now.metric.as_str()),
            (["a".to_owned()].as_slice(), "exact_match")
        );
        let added = all
            .iter()
            .filter(|change| change.kind == Kind::SupportedToUnsupported)
            .nth(1);
        assert_eq!(added.unwrap().scorer, "minicheck of tiny");
        assert!(all.windows(2).all(|pair| pair[0].kind <= pair[1].kind));
    }

    #[test]
    fn a_model_does_not_differ_from_itself_and_other_items_are_refused() {
        let same = [
            answer("a", false, &[("exact_match", 1.0)], &[]),
            answer("b", true, &[], &[Flag::Abstained]),
        ];
        assert!(
            of(&same, &same)
                .iter()
                .all(|change| change.count == 0 && change.items.is_empty())
        );
        let error = regressions("t", &metrics(), &same, &same[..1], &Bootstrap::default());
        assert!(error.unwrap_err().to_string().contains('b'));
    }
}
