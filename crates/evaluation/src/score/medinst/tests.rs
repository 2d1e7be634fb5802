//! By hand, and against the scores of the paper's code where its cases are at hand.
#![allow(clippy::unwrap_used)]

use secateur_datasets::item::Generate;
use secateur_metrics::reference_experiment::medinst32::{Kind, evaluate};

use super::*;
use crate::answer::TextAnswer;
use crate::engine::Finish;

fn metric_of(answers: Answers, references: &[&str], texts: &[&str], name: &str) -> f64 {
    let items: Vec<Item> = references
        .iter()
        .enumerate()
        .map(|(i, reference)| Item {
            id: i.to_string(),
            body: Body::Generate(Generate::turn("q", vec![(*reference).to_owned()])),
            fields: BTreeMap::new(),
        })
        .collect();
    let scorer = MedInst::new(answers, &items);
    let scored: Vec<Answer> = items
        .iter()
        .zip(texts)
        .map(|(item, text)| {
            let mut answer = answer(&item.id, text);
            scorer.score(item, &mut answer).unwrap();
            answer
        })
        .collect();
    // Metrics are made anew without items, as for answers read back from a file.
    let metrics = MedInst::new(answers, &[]).metrics(&scored);
    let metric = metrics.iter().find(|metric| metric.definition.name == name).unwrap();
    let rows: Vec<Vec<f64>> = scored.iter().filter_map(|answer| metric.estimate.row(answer)).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    metric.estimate.value(&rows).unwrap()
}

fn answer(id: &str, text: &str) -> Answer {
    Answer {
        item: id.to_owned(),
        prompt: String::new(),
        output: Output::Text(TextAnswer {
            text: text.to_owned(),
            finish: Finish::EndToken,
            tokens: 1,
            prompt_tokens: 1,
            mean_log_probability: None,
            references: Vec::new(),
            unanswerable: false,
            parsed: None,
            probe_log_probability: None,
            samples: Vec::new(),
        }),
        scores: Scores::new(),
        flags: BTreeSet::new(),
        unsupported: Vec::new(),
        fields: BTreeMap::new(),
    }
}

/// Kinds and names here and there, references, answers.
type Case<'a> = (Answers, Kind, &'a str, &'a str, &'a [&'a str], &'a [&'a str]);

/// Our metric, computed from per-item scores, against the paper's function of all answers.
#[test]
fn paper_forms_are_those_of_the_paper() {
    let cases: [Case; 6] = [
        (
            Answers::Label,
            Kind::Label,
            "macro_f1_paper",
            "label_level_f1",
            &["yes", "yes", "yes", "no", "no", "Maybe"],
            &["yes", "no", "The no", "no.", "unknown", ""],
        ),
        (
            Answers::Labels,
            Kind::Labels,
            "label_f1_paper",
            "entity_level_f1",
            &["a, b", "c", "x, x"],
            &["b, a", "c, d", "x"],
        ),
        (
            Answers::Exact,
            Kind::Exact,
            "exact_match_paper",
            "em",
            &["A", "B: foo", "C"],
            &["a.", "b foo", "D"],
        ),
        (
            Answers::Entities,
            Kind::Entities,
            "entity_f1_paper",
            "entity_level_f1",
            &["[a drug | x] [b]", "", "[c [d] e]"],
            &["[Drug | x]", "", "[c [d] e] ["],
        ),
        (
            Answers::Tags,
            Kind::Tags,
            "tag_macro_f1_paper",
            "label_leval_f1",
            &["a [B] b [I] c [O]", "d [O]"],
            &["a [B] b [O]", "d [O] e [B]"],
        ),
        (
            Answers::Similarity,
            Kind::Similarity,
            "mean_squared_error_paper",
            "mse",
            &["1", "5", "0"],
            &["1", "2.0", "-3"],
        ),
    ];
    for (answers, kind, name, paper_name, references, texts) in cases {
        let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let paper = evaluate(&strings(references), &strings(texts), &[kind]).unwrap();
        let found = metric_of(answers, references, texts, name);
        assert!(
            (found - paper[paper_name]).abs() < 1e-12,
            "{name}: {found} {}",
            paper[paper_name]
        );
        for (ours, theirs) in [("rouge_l", "rouge"), ("token_f1", "f1")] {
            let found = metric_of(answers, references, texts, ours);
            assert!((found - paper[theirs]).abs() < 1e-12, "{name}: {ours}");
        }
    }
}

#[test]
fn strict_forms_by_hand() {
    let of = metric_of;
    // Silence is no longer the letter A.
    assert!(of(Answers::Exact, &["A"], &[""], "exact_match_paper") > 0.5);
    assert!(of(Answers::Exact, &["A"], &[""], "exact_match") < 0.5);
    assert!(of(Answers::Exact, &["A"], &["a."], "exact_match") > 0.5);
    // Rightly nothing: no count at all; one right of one said and two wanted.
    let f1 = of(Answers::Entities, &["", "[a b] [c]"], &["", "[C]"], "entity_f1");
    assert!((f1 - 2.0 / 3.0).abs() < 1e-12);
    // Spans 0–1 and 3; the answer finds 3 and half of the first.
    let f1 = of(Answers::Tags, &["[B][I][O][B]"], &["[B][O][O][B]"], "entity_f1");
    assert!((f1 - 0.5).abs() < 1e-12);
    assert!((of(Answers::Labels, &["a, b"], &["B,A, a"], "label_f1") - 1.0).abs() < 1e-12);
    // 2.5 against 2; unreadable against 4 costs 4².
    let error = of(
        Answers::Similarity,
        &["2", "4"],
        &["2.5", "4 or 5"],
        "mean_squared_error",
    );
    assert!((error - 8.125).abs() < 1e-12);
    assert!((of(Answers::Similarity, &["2", "4"], &["2.5", "-5"], "unparsable_rate") - 0.5).abs() < 1e-12);
    assert!((of(Answers::Label, &["yes", "no"], &["Yes.", "the no"], "accuracy") - 0.5).abs() < 1e-12);
    assert!(
        of(
            Answers::Text,
            &["the cat sat on the mat"],
            &["the cat sat on the mat"],
            "bleu"
        ) > 99.0
    );
}

#[test]
fn kinds_of_answers_are_those_of_the_paper() {
    use secateur_datasets::tasks::medinst32::TESTS;
    use secateur_metrics::reference_experiment::medinst32::kinds;
    for (name, answers) in TESTS {
        let expected = match answers {
            Answers::Label => vec![Kind::Label],
            Answers::Labels => vec![Kind::Labels],
            Answers::Exact => vec![Kind::Exact],
            Answers::Entities => vec![Kind::Entities],
            Answers::Tags => vec![Kind::Tags],
            Answers::Similarity => vec![Kind::Similarity],
            Answers::Text => vec![],
        };
        assert_eq!(kinds(name), expected, "{name}");
    }
}
