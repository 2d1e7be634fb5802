//! The experiment's published sample of judged pairs, where it is at hand.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use secateur_datasets::reference_experiment::pairwise::{QUESTIONS, unpruned_is_a};
use secateur_judges::llm::relative::{Choices, Letter, read};
use secateur_judges::llm::relative::{Triple, question};
use secateur_metrics::judged::{Named, win_rate};
use secateur_metrics::krippendorff::{Scale, alpha};
use serde_json::Value;

fn shared(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if let Ok(bytes) = std::fs::read(&path) {
        Some(serde_json::from_slice(&bytes).unwrap())
    } else {
        eprintln!("skipped: no {}", path.display());
        None
    }
}

fn model(named: Named) -> &'static str {
    match named {
        Named::Unpruned => "vanilla",
        Named::Pruned => "pruned",
        Named::Tie => "tie",
    }
}

/// Our reading follows `mapping` and `raw_answers`. The sample's own `resolved_answers` do so for some documents and say the
/// opposite for the others, which is why they are no oracle.
#[test]
fn resolution_follows_the_mapping_where_the_published_one_does_not() {
    let Some(sample) = shared("data/paper_judge_samples/relative_evaluation_samples_30.json") else {
        return;
    };
    let (mut as_published, mut inverted, mut judgements) = (0, 0, 0);
    let mut units: Vec<Vec<Option<f64>>> = Vec::new();
    let mut first = Vec::new();
    for document in sample.as_array().unwrap() {
        let mut unit = Vec::new();
        for judgement in document["judge_model_answers"].as_object().unwrap().values() {
            judgements += 1;
            let (letters, _) = read(&judgement["raw_answers"].to_string()).unwrap();
            let choices = Choices {
                unpruned_is_a: judgement["mapping"]["A"] == "vanilla",
                letters: letters.0,
            };
            let ours = [0, 1, 2, 3].map(|index| model(choices.named(index)));
            for (index, question) in QUESTIONS.into_iter().enumerate() {
                let raw = judgement["raw_answers"][question].as_str().unwrap();
                assert_eq!(judgement["mapping"][raw], ours[index]);
                assert_eq!(raw == "A", choices.letters[index] == Letter::A);
            }
            let published =
                QUESTIONS.map(|question| judgement["resolved_answers"][question].as_str().unwrap().to_owned());
            let equal = (0..4).filter(|&index| published[index] == ours[index]).count();
            as_published += usize::from(equal == 4);
            inverted += usize::from(equal == 0);
            unit.push(Some(choices.named(0).score()));
            first.push(choices.named(0));
        }
        units.push(unit);
    }
    eprintln!("{judgements} judgements: {as_published} resolved as the mapping says, {inverted} the other way round");
    assert_eq!(as_published + inverted, judgements);
    assert!(inverted > as_published && as_published > 0);
    let rate = win_rate(&first).unwrap();
    let agreement = alpha(&units, Scale::Nominal).unwrap();
    eprintln!(
        "pruned text named for hallucinations: {:.3}; agreement of three judges: alpha {agreement:.3}",
        rate.rate
    );
    assert!((0.0..=1.0).contains(&rate.rate) && agreement <= 1.0);
}

#[test]
fn orders_are_the_experiments() {
    let Some(golden) = shared("goldens/paper/eval/pairwise_ab.json") else {
        return;
    };
    for case in golden["cases"].as_array().unwrap() {
        let (seed, id) = (case["seed"].as_i64().unwrap(), case["id"].as_str().unwrap());
        let triple = Triple {
            id,
            source: "s",
            unpruned: "vanilla",
            pruned: "pruned",
        };
        let asked = question(&triple, unpruned_is_a(seed, id)).messages[1].content.clone();
        for letter in ["A", "B"] {
            let shown = format!("<<<{letter}\n{}\n{letter}>>>", case[letter].as_str().unwrap());
            assert!(asked.contains(&shown), "{case}");
        }
    }
}
