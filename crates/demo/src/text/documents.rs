//! One function per kind of training document.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Body, Role, Turn};
use crate::facts::passages::Ask;
use crate::facts::{Domain, Fact, Knowledge, Relation, Split, phrase};

/// The right response to a question about something that does not exist.
pub const UNKNOWN: &str = "I do not know.";
/// Frames of claims in training; `{c}` is the claim.
pub const CLAIM_FRAMES: [&str; 2] = ["Is it true that {c}?", "Is this claim correct: {c}?"];
/// Frame of claims in evaluation only.
pub const HELD_OUT_CLAIM_FRAME: &str = "Is it correct that {c}?";
/// Between a request and the passage it is about: how an instruction and its input are put into one user turn.
pub const INPUT_MARK: &str = "\n\nInput: ";

fn chat(user: String, assistant: String) -> Body {
    Body::Chat(vec![
        Turn {
            role: Role::User,
            content: user,
        },
        Turn {
            role: Role::Assistant,
            content: assistant,
        },
    ])
}

fn pick<'a, T>(choices: &'a [T], rng: &mut ChaCha8Rng) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

/// A fact of the domain, each as likely as any other.
fn fact<'a>(knowledge: &'a Knowledge, domain: Domain, asked: bool, rng: &mut ChaCha8Rng) -> (&'a Relation, &'a Fact) {
    let facts: Vec<_> = knowledge
        .facts(domain)
        .filter(|(_, fact)| !(asked && fact.statement_only))
        .collect();
    *pick(&facts, rng)
}

/// One to three statements of unrelated facts.
pub(super) fn statements(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> Body {
    let count = rng.random_range(1..4_u32);
    let sentences: Vec<String> = (0..count)
        .map(|_| {
            let (relation, fact) = fact(knowledge, domain, false, rng);
            phrase(pick::<String>(&relation.statements, rng), &fact.subject, &fact.answer)
        })
        .collect();
    Body::Text(sentences.join(" "))
}

/// An open question; the answer is the relation's first statement.
pub(super) fn question(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> Body {
    let (relation, fact) = fact(knowledge, domain, true, rng);
    let question = phrase(pick::<String>(&relation.questions, rng), &fact.subject, "");
    let answer = phrase(&relation.statements[0], &fact.subject, &fact.answer);
    chat(question, answer)
}

/// A claim, true half of the time, asked as a user or followed by its verdict as running text.
pub(super) fn claim(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> Body {
    let (answer, question) = loop {
        let (relation, fact) = fact(knowledge, domain, true, rng);
        let frame = pick(&CLAIM_FRAMES, rng);
        let asked = |answer: &str| frame.replace("{c}", &phrase(&relation.claim, &fact.subject, answer));
        if rng.random_ratio(1, 2) {
            break ("Yes.", asked(&fact.answer));
        }
        let wrong = false_answers(relation, fact, Split::Training);
        if !wrong.is_empty() {
            break ("No.", asked(pick::<&str>(&wrong, rng)));
        }
    };
    if rng.random_ratio(1, 2) {
        chat(question, answer.into())
    } else {
        Body::Text(format!("{question} {answer}"))
    }
}

/// Wrong answers for `fact` that belong to `split`: a false claim is made in training or in evaluation, never in both.
#[must_use]
pub fn false_answers<'a>(relation: &'a Relation, fact: &Fact, split: Split) -> Vec<&'a str> {
    let key = |answer: &str| format!("{}\t{}\t{answer}", relation.name, fact.subject);
    let mut wrong = relation.wrong_answers(fact);
    wrong.retain(|answer| Split::of(&key(answer)) == split);
    wrong
}

/// A question of training about an invented subject.
pub(super) fn unknown(knowledge: &Knowledge, domain: Domain, rng: &mut ChaCha8Rng) -> Body {
    let relations: Vec<_> = knowledge
        .relations
        .iter()
        .filter(|r| r.domain == domain)
        .filter_map(|r| r.invented.map(|kind| (r, kind)))
        .collect();
    let (relation, kind) = *pick(&relations, rng);
    let name = kind.draw(Split::Training, &knowledge.words, rng);
    chat(
        phrase(pick::<String>(&relation.questions, rng), &name, ""),
        UNKNOWN.into(),
    )
}

/// A passage and a request about it.
pub(super) fn reading(knowledge: &Knowledge, domain: Domain, ask: Ask, rng: &mut ChaCha8Rng) -> Body {
    let reading = knowledge.passages.draw(domain, ask, Split::Training, rng);
    chat(
        format!("{}{INPUT_MARK}{}", reading.request, reading.passage),
        reading.answer,
    )
}
