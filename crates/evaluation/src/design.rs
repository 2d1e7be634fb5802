//! What statistics have to know of a task's items: which belong together, which are asked for a score, and how they are drawn.

use std::collections::BTreeMap;

use secateur_metrics::statistics::{Bootstrap, Clusters};

use crate::answer::{Answer, Output};

/// The field that names the document an item is of; items without it stand alone.
pub const CLUSTER: &str = "cluster";

/// The field that names the kind of an item where metrics speak of one kind alone: hallucinated answers shown and right ones.
pub const GROUP: &str = "group";

/// Items by document.
#[must_use]
pub fn clusters(answers: &[Answer]) -> Clusters {
    Clusters::by_name(
        answers
            .iter()
            .map(|answer| answer.fields.get(CLUSTER).map(String::as_str)),
    )
}

/// The same draws for every model and metric of a task, others for other tasks: their items have nothing to do with each other.
#[must_use]
pub fn of_task(task: &str, options: &Bootstrap) -> Bootstrap {
    // FNV-1a.
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = task.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    Bootstrap {
        seed: options.seed ^ hash,
        ..*options
    }
}

/// Number of items that a metric is asked of, given which entered it. Questions with an answer and questions without one, and items
/// of different [`GROUP`]s, have metrics of their own: a metric that no item of such a group enters is not asked of the group. Within a
/// group every item counts, also one that could not be put to the model.
#[must_use]
pub fn asked(answers: &[Answer], entered: &[bool]) -> usize {
    let unanswerable = |answer: &Answer| matches!(&answer.output, Output::Text(output) if output.unanswerable);
    let mut groups: BTreeMap<(bool, Option<&str>), (usize, bool)> = BTreeMap::new();
    for (answer, &enters) in answers.iter().zip(entered) {
        let kind = (unanswerable(answer), answer.fields.get(GROUP).map(String::as_str));
        let group = groups.entry(kind).or_default();
        group.0 += 1;
        group.1 |= enters;
    }
    if groups.values().all(|(_, any)| !any) {
        return answers.len();
    }
    groups.values().filter(|(_, any)| *any).map(|(items, _)| items).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Scores, TextAnswer};
    use crate::engine::Finish;

    fn answers(unanswerable: &[bool]) -> Vec<Answer> {
        let answer = |(i, &unanswerable): (usize, &bool)| Answer {
            item: i.to_string(),
            prompt: String::new(),
            output: Output::Text(TextAnswer {
                text: String::new(),
                finish: Finish::Length,
                tokens: 0,
                prompt_tokens: 0,
                mean_log_probability: None,
                references: Vec::new(),
                unanswerable,
                parsed: None,
                probe_log_probability: None,
                samples: Vec::new(),
            }),
            scores: Scores::new(),
            flags: std::collections::BTreeSet::new(),
            unsupported: Vec::new(),
            fields: BTreeMap::new(),
        };
        unanswerable.iter().enumerate().map(answer).collect()
    }

    #[test]
    fn a_group_without_the_score_is_not_asked_for_it() {
        let answers = answers(&[true, true, false, false, false]);
        assert_eq!(asked(&answers, &[false, false, true, false, true]), 3);
        assert_eq!(asked(&answers, &[true, false, true, false, true]), 5);
        assert_eq!(asked(&answers, &[false; 5]), 5);
    }

    #[test]
    fn tasks_are_drawn_apart() {
        let options = Bootstrap::default();
        assert_eq!(of_task("a", &options), of_task("a", &options));
        assert_ne!(of_task("a", &options).seed, of_task("b", &options).seed);
    }
}
