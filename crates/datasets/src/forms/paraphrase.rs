//! `@paraphrase`: the same question in other words.
//!
//! Where a task card names a field of other wordings (`prompt.paraphrases`), these are asked. Elsewhere what is reworded is the
//! frame – lead-in, name of the options, cue of the answer – and never the question: medical content is not ours to rewrite.
//! Worked examples before the question keep the task's own frame. A question answered in words becomes an item per wording;
//! its field [`QUESTION`] says of which question, and items of a question are one cluster.

use super::variants::{self, Asked};
use super::{Form, plain_choice};
use crate::item::{Body, Choice, Generate, Item, Lettered, lettered};
use crate::tasks::spec::Scoring;

/// The field that holds the id of the question that an item is a wording of.
pub const QUESTION: &str = "question";
/// The field that holds the number of the wording, 0 for the task's own.
pub const WORDING: &str = "wording";
/// The field by which statistics draw items together.
const CLUSTER: &str = "cluster";

/// Lead-in, what stands between question and options, and cue, of questions with lettered options.
pub const LETTERED_FRAMES: [[&str; 3]; 5] = [
    ["Q: ", "\nOptions:\n", "\nCorrect option:"],
    ["", "\n\nWhich option is correct?\n", "\nThe correct option is"],
    [
        "Choose the best answer to this question.\n\n",
        "\n\n",
        "\n\nBest answer:",
    ],
    [
        "Here is a multiple-choice question: ",
        "\nPossible answers:\n",
        "\nThe letter of the right answer is",
    ],
    ["Read the question and pick one option.\n", "\n", "\nMy choice:"],
];

/// Lead-in and cue of questions that end in `Answer:` and whose answers do not stand in the prompt.
pub const OPEN_FRAMES: [[&str; 2]; 4] = [
    ["Q: ", "\nA:"],
    ["Please answer this question: ", "\nThe answer is"],
    ["", "\nCorrect answer:"],
    ["Consider the following question. ", "\nYour answer:"],
];

/// The form.
#[derive(Debug)]
pub struct Paraphrase;

impl Form for Paraphrase {
    fn name(&self) -> &'static str {
        "paraphrase"
    }

    fn about(&self) -> &'static str {
        "in several wordings"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> &'static str {
        "other wordings in its records (`prompt.paraphrases` of a card), options by letter, or a prompt \"Question: …\\nAnswer:\""
    }

    fn works_on(&self) -> String {
        "medqa_4options, medmcqa, careqa_en, mmlu and its subjects, multimedqa, pubmedqa, arc_easy, arc_challenge, piqa, boolq, \
         and cards with `prompt.paraphrases`"
            .to_owned()
    }

    fn scoring(&self, base: &Scoring) -> Result<Scoring, String> {
        match base {
            Scoring::LogLikelihood { .. } => Ok(Scoring::Paraphrases),
            Scoring::Generation { .. } => Ok(Scoring::ParaphrasedAnswers {
                of: Box::new(base.clone()),
            }),
            Scoring::LetterAnswer { .. } => Err("its answers are generated".to_owned()),
            _ => Err("it is neither a choice by log-likelihood nor a card's question".to_owned()),
        }
    }

    fn items(&self, item: Item, rewordings: &[Body]) -> Result<Vec<Item>, String> {
        if let Body::Generate(own) = &item.body {
            return wordings(&item, own, rewordings);
        }
        let (choice, gold) = plain_choice(item.body)?;
        let mut contexts = vec![choice.context.clone()];
        contexts.extend(other_contexts(&choice, rewordings)?);
        let count = choice.choices.len();
        let asked = contexts.into_iter().enumerate();
        let asked = asked.map(|(i, context)| Asked::plain(format!("wording-{i}"), context, count));
        let asked = asked.collect();
        Ok(vec![variants::item(item.id, item.fields, &choice, gold, asked)])
    }
}

fn other_contexts(choice: &Choice, rewordings: &[Body]) -> Result<Vec<String>, String> {
    if !rewordings.is_empty() {
        let context = |body: &Body| match body {
            Body::Choice(choice) => Ok(choice.context.clone()),
            _ => Err("a choice whose other wordings are none".to_owned()),
        };
        return rewordings.iter().map(context).collect();
    }
    if let Some(pieces) = &choice.lettered {
        return Ok(LETTERED_FRAMES.iter().map(|frame| reframed(pieces, frame)).collect());
    }
    open_question(&choice.context).ok_or_else(|| "a question without other wordings".to_owned())
}

fn reframed(pieces: &Lettered, [lead, between, cue]: &[&str; 3]) -> String {
    let question = pieces.before.trim_end_matches('\n');
    let question = question.strip_suffix("\nChoices:").unwrap_or(question);
    let question = question.strip_prefix("Question: ").unwrap_or(question);
    let options = lettered(&pieces.options);
    [pieces.preamble.as_str(), lead, question, between, &options, cue].concat()
}

/// The contexts of a question `…Question: q\nAnswer:` in the other frames.
fn open_question(context: &str) -> Option<Vec<String>> {
    const LEAD: &str = "Question: ";
    let body = context.strip_suffix("\nAnswer:")?;
    let own_line = |at: &usize| *at == 0 || body[..*at].ends_with('\n');
    let at = body.rmatch_indices(LEAD).map(|(at, _)| at).find(own_line)?;
    let (before, question) = (&body[..at], &body[at + LEAD.len()..]);
    let frame = |[lead, cue]: &[&str; 2]| [before, lead, question, cue].concat();
    Some(OPEN_FRAMES.iter().map(frame).collect())
}

/// An item for the question's own wording and for each other one.
fn wordings(item: &Item, own: &Generate, rewordings: &[Body]) -> Result<Vec<Item>, String> {
    if rewordings.is_empty() {
        return Err("a question without other wordings".to_owned());
    }
    let others = rewordings.iter().map(|body| match body {
        Body::Generate(generate) => Ok(generate),
        _ => Err("a question whose other wordings are none".to_owned()),
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let made = std::iter::once(own)
        .chain(others)
        .enumerate()
        .map(|(number, generate)| {
            let mut fields = item.fields.clone();
            fields.insert(QUESTION.to_owned(), item.id.clone());
            fields.insert(WORDING.to_owned(), number.to_string());
            fields.entry(CLUSTER.to_owned()).or_insert_with(|| item.id.clone());
            Item {
                id: format!("{}#{number}", item.id),
                body: Body::Generate(generate.clone()),
                fields,
            }
        });
    Ok(made.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::tasks::harness::{Layout, Question};

    fn contexts(items: &[Item]) -> Vec<String> {
        let Body::Choice(choice) = &items[0].body else {
            panic!("a choice")
        };
        choice.contexts.clone()
    }

    #[test]
    fn frames_change_and_questions_do_not() {
        let options = ["w", "x", "y", "z"].map(str::to_owned);
        let question = Question::lettered("1".into(), "Question: why, and how?\nChoices:", &options, 0);
        let item = Layout::described("About.\n\n").items(&[], vec![question]).remove(0);
        let made = contexts(&Paraphrase.items(item, &[]).unwrap());
        assert_eq!(made.len(), 1 + LETTERED_FRAMES.len());
        assert_eq!(
            made[0],
            "About.\n\nQuestion: why, and how?\nChoices:\nA. w\nB. x\nC. y\nD. z\nAnswer:"
        );
        assert_eq!(
            made[1],
            "About.\n\nQ: why, and how?\nOptions:\nA. w\nB. x\nC. y\nD. z\nCorrect option:"
        );
        assert!(
            made.iter()
                .all(|text| text.starts_with("About.\n\n") && text.contains("why, and how?"))
        );
    }

    #[test]
    fn open_questions_keep_what_stands_before_them() {
        let context = "Question: old?\nAnswer: no\n\nAbstract: text\nQuestion: new?\nAnswer:";
        let made = open_question(context).unwrap();
        assert_eq!(made[0], "Question: old?\nAnswer: no\n\nAbstract: text\nQ: new?\nA:");
        assert_eq!(made.len(), OPEN_FRAMES.len());
        assert_eq!(open_question("The drug is one of the"), None);
        assert_eq!(open_question("A Question: inside a line\nAnswer:"), None);
    }

    #[test]
    fn wordings_of_a_question_are_one_cluster() {
        let item = Item {
            id: "7".into(),
            body: Body::Generate(Generate::turn("Why?", vec!["so".into()])),
            fields: BTreeMap::new(),
        };
        assert!(Paraphrase.items(item.clone(), &[]).is_err());
        let other = Body::Generate(Generate::turn("For which reason?", vec!["so".into()]));
        let made = Paraphrase.items(item, &[other]).unwrap();
        let field = |i: usize, name: &str| made[i].fields[name].clone();
        assert_eq!((made[0].id.as_str(), made[1].id.as_str()), ("7#0", "7#1"));
        assert_eq!(
            (field(1, QUESTION), field(1, WORDING), field(1, CLUSTER)),
            ("7".into(), "1".into(), "7".into())
        );
    }
}
