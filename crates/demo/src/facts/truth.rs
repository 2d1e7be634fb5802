//! Is a statement in the demo's language true? Exactly, by the facts and by what a passage was made of.
//!
//! Statements are taken apart by the sentences that the demo's texts are made from, and the values in their slots are looked up:
//! those of a fact in its table, those of a passage in what the passage's own sentences say. No text is compared with another one, so
//! that these labels owe nothing to any scorer's rules. What was not said in a known sentence has no label.

use std::collections::BTreeMap;

use super::passages::SceneSentences;
use super::{Domain, Knowledge, Relation};

/// What is known of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    True,
    /// It is false, or said of a passage that does not tell.
    False,
}

/// A statement of an answer, and what is known of it; `None` where it was said in no known sentence, or is arguable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// As it stands in the answer.
    pub text: String,
    /// What is known.
    pub verdict: Option<Verdict>,
}

/// Values of slots, by name.
type Values<'a> = BTreeMap<&'a str, &'a str>;

/// The statements of an answer about a passage, a sentence each.
#[must_use]
pub fn of_passage(knowledge: &Knowledge, domain: Domain, scene: &str, passage: &str, answer: &str) -> Vec<Statement> {
    let scenes: Vec<SceneSentences<'_>> = knowledge.passages.sentences(domain).collect();
    let mut event = Values::new();
    for sentence in sentences(passage) {
        let own = scenes.iter().filter(|known| known.name == scene);
        let found = own
            .flat_map(|known| &known.templates)
            .flat_map(|template| readings(template, sentence));
        // `{who} was` also fits `The patient was`: values are names or numbers.
        let sound = found.filter(|values| values.get("who").is_none_or(|who| !who.contains(' ')));
        // `took the drug {drug}` also fits what `took the drug {drug} for {condition}` was made for: the more words are the
        // template's own, the less is left to its slots.
        let open = |values: &Values<'_>| values.values().map(|value| value.len()).sum::<usize>();
        event.extend(sound.min_by_key(open).unwrap_or_default());
    }
    let judged = sentences(answer).map(|sentence| Statement {
        text: sentence.to_owned(),
        verdict: about_event(&scenes, scene, passage, &event, sentence),
    });
    judged.collect()
}

fn about_event(
    scenes: &[SceneSentences<'_>],
    scene: &str,
    passage: &str,
    event: &Values<'_>,
    sentence: &str,
) -> Option<Verdict> {
    if scenes
        .iter()
        .flat_map(|known| known.fillers)
        .any(|filler| filler == sentence)
    {
        let said = sentences(passage).any(|other| other == sentence);
        return Some(if said { Verdict::True } else { Verdict::False });
    }
    let mut verdict = None;
    for known in scenes {
        for template in &known.templates {
            for values in readings(template, sentence) {
                let right = values.iter().all(|(slot, value)| event.get(slot) == Some(value));
                match (right, known.name == scene) {
                    (true, true) => return Some(Verdict::True),
                    // In the words of another scene: the value is right, what it is said of may not be.
                    (true, false) => {}
                    (false, _) => verdict = Some(Verdict::False),
                }
            }
        }
    }
    verdict
}

/// An answer that states one fact.
#[must_use]
pub fn of_fact(knowledge: &Knowledge, answer: &str) -> Statement {
    let answer = answer.trim();
    let mut verdict = None;
    for relation in &knowledge.relations {
        let templates = relation.statements.iter().chain([&relation.held_out_statement]);
        let found = templates.flat_map(|template| readings(template, answer));
        for values in found {
            match fact(relation, &values) {
                Some(Verdict::True) => {
                    verdict = Some(Verdict::True);
                    break;
                }
                other => verdict = verdict.or(other),
            }
        }
        if verdict == Some(Verdict::True) {
            break;
        }
    }
    Statement {
        text: answer.to_owned(),
        verdict,
    }
}

/// A subject has one answer; others are wrong unless the table or the relation says that they are arguable.
fn fact(relation: &Relation, values: &Values<'_>) -> Option<Verdict> {
    let (subject, object) = (values.get("s")?, values.get("o")?);
    let fact = relation
        .facts
        .iter()
        .find(|fact| fact.subject.eq_ignore_ascii_case(subject))?;
    if fact.answer == *object {
        return Some(Verdict::True);
    }
    let is_answer = relation.facts.iter().any(|other| other.answer == *object);
    let arguable = is_answer && !relation.wrong_answers(fact).contains(object);
    let arguable = arguable || fact.not_wrong.iter().any(|other| other == object);
    (!arguable).then_some(Verdict::False)
}

/// Sentences of the demo's passages: they end in a point and hold no other.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(". ")
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
}

/// All ways in which a sentence fills the slots of a template, each slot with something.
fn readings<'a>(template: &'a str, sentence: &'a str) -> Vec<Values<'a>> {
    let Some((before, rest)) = template.split_once('{') else {
        return if template == sentence {
            vec![Values::new()]
        } else {
            Vec::new()
        };
    };
    let (Some(sentence), Some((slot, rest))) = (sentence.strip_prefix(before), rest.split_once('}')) else {
        return Vec::new();
    };
    let literal = rest.split('{').next().unwrap_or_default();
    let ends: Vec<usize> = if rest.is_empty() {
        vec![sentence.len()]
    } else {
        sentence.match_indices(literal).map(|(at, _)| at).collect()
    };
    let mut found = Vec::new();
    for end in ends.into_iter().filter(|&end| end > 0) {
        for mut values in readings(rest, &sentence[end..]) {
            let value = &sentence[..end];
            // A slot that occurs twice has one value.
            if values.get(slot).is_none_or(|other| *other == value) {
                values.insert(slot, value);
                found.push(values);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PASSAGE: &str = "Anna took the drug metformin for type 2 diabetes. The patient was 40 years old. The dose was 500 mg a day. \
                           The doctor was pleased.";

    fn verdicts(answer: &str) -> Vec<Option<Verdict>> {
        let knowledge = Knowledge::built_in().unwrap();
        let found = of_passage(&knowledge, Domain::Biomedical, "patient", PASSAGE, answer);
        found.into_iter().map(|statement| statement.verdict).collect()
    }

    #[test]
    fn passages_by_hand() {
        let (yes, no) = (Some(Verdict::True), Some(Verdict::False));
        assert_eq!(
            verdicts("Anna took the drug metformin. The dose was 50 mg a day."),
            [yes, no]
        );
        assert_eq!(verdicts("Anna was 40 years old."), [yes]);
        assert_eq!(verdicts("The patient was 40 years old."), [yes]);
        assert_eq!(verdicts("Boris was 40 years old."), [no]);
        // The passage does not say how long.
        assert_eq!(verdicts("The treatment lasted 5 weeks."), [no]);
        assert_eq!(verdicts("The doctor was pleased. The patient felt better."), [yes, no]);
        // In the words of another scene: right values have no label, wrong ones are wrong.
        assert_eq!(verdicts("People took 500 mg a day."), [None]);
        assert_eq!(verdicts("People took 600 mg a day."), [no]);
        assert_eq!(verdicts("metformin metformin"), [None]);
        assert!(verdicts("").is_empty());
    }

    #[test]
    fn facts_by_hand() {
        let knowledge = Knowledge::built_in().unwrap();
        let verdict = |answer: &str| of_fact(&knowledge, answer).verdict;
        assert_eq!(verdict("The capital of France is Paris."), Some(Verdict::True));
        assert_eq!(verdict("The capital of France is Rome."), Some(Verdict::False));
        assert_eq!(verdict("The capital of Atlantis is Rome."), None);
        assert_eq!(
            verdict("The author of The Hobbit is J. R. R. Tolkien."),
            Some(Verdict::True)
        );
        assert_eq!(verdict("Paris"), None);
    }

    #[test]
    fn every_right_response_is_true_and_every_wrong_fact_false() {
        let knowledge = Knowledge::built_in().unwrap();
        for domain in Domain::ALL {
            for (relation, fact) in knowledge.facts(domain) {
                for template in relation.statements.iter().chain([&relation.held_out_statement]) {
                    let right = super::super::phrase(template, &fact.subject, &fact.answer);
                    assert_eq!(of_fact(&knowledge, &right).verdict, Some(Verdict::True), "{right}");
                }
                let wrong = relation
                    .wrong_answers(fact)
                    .first()
                    .map(|other| super::super::phrase(&relation.held_out_statement, &fact.subject, other));
                if let Some(wrong) = wrong {
                    assert_eq!(of_fact(&knowledge, &wrong).verdict, Some(Verdict::False), "{wrong}");
                }
            }
        }
    }
}
