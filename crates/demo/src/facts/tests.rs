#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::passages::{Ask, NOT_SAID};
use super::*;

fn relation<'a>(knowledge: &'a Knowledge, name: &str) -> &'a Relation {
    knowledge.relations.iter().find(|r| r.name == name).unwrap()
}

#[test]
fn domains_are_of_similar_size_and_a_quarter_is_statement_only() {
    let knowledge = Knowledge::built_in().unwrap();
    let count = |domain| knowledge.facts(domain).count() as f64;
    let ratio = count(Domain::Biomedical) / count(Domain::General);
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    for domain in Domain::ALL {
        let unasked = knowledge.facts(domain).filter(|(_, f)| f.statement_only);
        let share = unasked.count() as f64 / count(domain);
        assert!((0.2..0.3).contains(&share), "{domain}: {share}");
    }
}

#[test]
fn no_subject_stands_twice_in_a_relation() {
    for relation in Knowledge::built_in().unwrap().relations {
        let subjects: BTreeSet<String> = relation.facts.iter().map(|f| f.subject.to_lowercase()).collect();
        assert_eq!(subjects.len(), relation.facts.len(), "{}", relation.name);
    }
}

#[test]
fn no_wrong_answer_is_also_right() {
    let knowledge = Knowledge::built_in().unwrap();
    for relation in &knowledge.relations {
        for fact in &relation.facts {
            let wrong = relation.wrong_answers(fact);
            assert!(!wrong.is_empty(), "{}: {}", relation.name, fact.subject);
            for answer in wrong {
                let grouped = relation
                    .alike
                    .iter()
                    .any(|group| group.contains(&answer.to_string()) && group.contains(&fact.answer));
                assert!(
                    answer != fact.answer
                        && !grouped
                        && !fact.not_wrong.iter().any(|a| a == answer)
                        && !relation.never_wrong.iter().any(|a| a == answer),
                    "{}: {} → {answer}",
                    relation.name,
                    fact.subject
                );
            }
        }
    }
    let named = |subject: &str| {
        let drugs = relation(&knowledge, "drug_indication");
        let fact = drugs.facts.iter().find(|f| f.subject == subject).unwrap();
        drugs.wrong_answers(fact)
    };
    assert!(!named("ivermectin").contains(&"scabies"));
    assert!(!named("tadalafil").contains(&"pulmonary hypertension"));
    assert!(named("metformin").contains(&"malaria"));
}

#[test]
fn answers_listed_as_not_wrong_belong_to_the_relation() {
    for relation in Knowledge::built_in().unwrap().relations {
        for fact in &relation.facts {
            for answer in &fact.not_wrong {
                assert!(
                    relation.facts.iter().any(|f| f.answer == *answer),
                    "{}: {answer}",
                    relation.name
                );
                assert_ne!(*answer, fact.answer);
            }
        }
    }
}

#[test]
fn relations_agree_where_they_speak_of_the_same_thing() {
    let knowledge = Knowledge::built_in().unwrap();
    let table = |name: &str| -> BTreeMap<&str, &str> {
        relation(&knowledge, name)
            .facts
            .iter()
            .map(|f| (f.subject.as_str(), f.answer.as_str()))
            .collect()
    };
    let uses = table("drug_indication");
    for (drug, contraindication) in table("drug_contraindication") {
        assert_ne!(uses.get(drug), Some(&contraindication), "{drug}");
    }
    let capitals = table("country_capital");
    for landmark_city in table("landmark_city").values() {
        assert!(!capitals.contains_key(landmark_city));
    }
}

#[test]
fn invented_names_exist_nowhere_and_their_splits_do_not_meet() {
    let knowledge = Knowledge::built_in().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let known: BTreeSet<String> = knowledge
        .relations
        .iter()
        .flat_map(|r| &r.facts)
        .flat_map(|f| [f.subject.to_lowercase(), f.answer.to_lowercase()])
        .collect();
    for kind in knowledge.relations.iter().filter_map(|r| r.invented) {
        let mut draw =
            |split| -> BTreeSet<String> { (0..400).map(|_| kind.draw(split, &knowledge.words, &mut rng)).collect() };
        let (training, evaluation) = (draw(Split::Training), draw(Split::Evaluation));
        assert!(training.is_disjoint(&evaluation), "{kind:?}");
        assert!(training.len() > 200 && evaluation.len() > 40, "{kind:?}");
        for name in training.union(&evaluation) {
            assert!(!known.contains(&name.to_lowercase()), "{kind:?}: {name}");
        }
    }
}

#[test]
fn a_passage_states_what_is_asked_and_lacks_what_is_left_out() {
    let knowledge = Knowledge::built_in().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for domain in Domain::ALL {
        for _ in 0..500 {
            for ask in [Ask::Stated, Ask::Summary, Ask::LeftOut] {
                let reading = knowledge.passages.draw(domain, ask, Split::Training, &mut rng);
                let text = format!("{} {}", reading.passage, reading.answer);
                assert!(!text.contains(['{', '}']), "{text}");
                assert_eq!(Split::of(&reading.passage), Split::Training);
                for value in &reading.values {
                    assert!(reading.passage.contains(value), "{reading:?}");
                    assert!(reading.answer.contains(value), "{reading:?}");
                }
                assert_eq!(reading.answer == NOT_SAID, ask == Ask::LeftOut);
                assert_eq!(reading.values.is_empty(), ask == Ask::LeftOut);
            }
        }
    }
}

#[test]
fn left_out_details_are_missing() {
    let knowledge = Knowledge::built_in().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..500 {
        let drawn = knowledge
            .passages
            .draw(Domain::Biomedical, Ask::LeftOut, Split::Evaluation, &mut rng);
        let cue = match drawn.request.as_str() {
            "What was the dose?" | "What dose did people take?" => " mg",
            "What was the pulse?" => "pulse",
            "What was the weight?" => " kg",
            request if request.starts_with("How old") => "years old",
            request if request.starts_with("How long") => "weeks",
            _ => "felt better",
        };
        let passage = drawn.passage.replace("The patient felt better.", "");
        assert!(!passage.contains(cue), "{drawn:?}");
    }
}
