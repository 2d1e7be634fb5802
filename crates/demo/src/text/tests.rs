#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use super::documents::CLAIM_FRAMES;
use super::*;
use crate::facts::{Domain, phrase};

const DOCUMENTS: usize = 20_000;

fn corpus(seed: u64) -> Corpus {
    Corpus::new(Knowledge::built_in().unwrap(), Mixture::default(), seed).unwrap()
}

#[test]
fn a_document_depends_on_seed_and_index_alone() {
    let (one, other) = (corpus(7), corpus(7));
    let forwards: Vec<Document> = one.documents(0).take(50).collect();
    for index in (0..50).rev() {
        assert_eq!(other.document(index), forwards[index as usize]);
    }
    let resumed: Vec<Document> = one.documents(20).take(30).collect();
    assert_eq!(resumed, forwards[20..]);
    let reseeded: Vec<Document> = corpus(8).documents(0).take(50).collect();
    assert_ne!(reseeded, forwards);
}

#[test]
fn kinds_and_domains_come_in_the_shares_asked_for() {
    let corpus = corpus(1);
    let mut kinds: BTreeMap<Kind, f64> = BTreeMap::new();
    let mut biomedical = 0.0;
    for document in corpus.documents(0).take(DOCUMENTS) {
        *kinds.entry(document.kind).or_default() += 1.0 / DOCUMENTS as f64;
        if document.domain == Domain::Biomedical {
            biomedical += 1.0 / DOCUMENTS as f64;
        }
    }
    assert!((biomedical - 0.5_f64).abs() < 0.02, "{biomedical}");
    let mixture = Mixture::default();
    let total: u32 = mixture.weights.iter().sum();
    for (kind, weight) in Kind::ALL.into_iter().zip(mixture.weights) {
        let expected = f64::from(weight) / f64::from(total);
        assert!((kinds[&kind] - expected).abs() < 0.015, "{kind:?}");
    }
}

#[test]
fn statement_only_facts_are_never_asked_about() {
    let corpus = corpus(2);
    let mut forbidden = BTreeSet::new();
    for relation in &corpus.knowledge().relations {
        for fact in relation.facts.iter().filter(|f| f.statement_only) {
            for question in &relation.questions {
                forbidden.insert(phrase(question, &fact.subject, ""));
            }
            for claimed in &relation.facts {
                let claim = phrase(&relation.claim, &fact.subject, &claimed.answer);
                for frame in CLAIM_FRAMES {
                    forbidden.insert(frame.replace("{c}", &claim));
                }
            }
        }
    }
    for document in corpus.documents(0).take(DOCUMENTS) {
        let text = document.plain();
        let asked = text.split_inclusive('?').next().unwrap();
        assert!(!forbidden.contains(asked), "{text}");
    }
}

#[test]
fn every_fact_is_stated_and_claims_are_as_often_true_as_false() {
    let corpus = corpus(3);
    let mut text = String::new();
    let (mut yes, mut no) = (0.0, 0.0);
    for document in corpus.documents(0).take(DOCUMENTS) {
        let plain = document.plain();
        yes += f64::from(u8::from(plain.ends_with("Yes.")));
        no += f64::from(u8::from(plain.ends_with("No.")));
        text += &plain;
    }
    assert!((0.9_f64..1.15).contains(&(yes / no)), "{yes} {no}");
    for relation in &corpus.knowledge().relations {
        for fact in &relation.facts {
            let stated = relation
                .statements
                .iter()
                .any(|s| text.contains(&phrase(s, &fact.subject, &fact.answer)));
            assert!(stated, "{}: {}", relation.name, fact.subject);
        }
    }
}

#[test]
fn documents_are_short_and_render_as_chatml() {
    let corpus = corpus(4);
    for document in corpus.documents(0).take(DOCUMENTS) {
        let words = document.plain().split_whitespace().count();
        assert!((1..=70).contains(&words), "{document:?}");
    }
    let chat = Document {
        domain: Domain::General,
        kind: Kind::Question,
        body: Body::Chat(vec![
            Turn {
                role: Role::User,
                content: "Hello?".into(),
            },
            Turn {
                role: Role::Assistant,
                content: "Yes.".into(),
            },
        ]),
    };
    assert_eq!(chat.plain(), "Hello?\nYes.");
    assert_eq!(
        chat.chatml(),
        "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    );
}

#[test]
fn mixtures_that_cannot_be_drawn_from_are_refused() {
    let knowledge = Knowledge::built_in().unwrap();
    let refused = |weights, biomedical_percent| {
        let mixture = Mixture {
            weights,
            biomedical_percent,
        };
        let error = Corpus::new(knowledge.clone(), mixture, 0).unwrap_err();
        assert!(error.to_string().starts_with("mixture: weights"), "{error}");
    };
    refused([0; 7], 50);
    refused([u32::MAX; 7], 50);
    refused([1; 7], 101);
}
