//! The relative protocol, and figures from both.
#![allow(clippy::unwrap_used)]

use secateur_judges::llm::absolute;
use secateur_judges::llm::figures::{agreement_on_pairs, agreement_on_texts, contradiction_rate, questions};
use secateur_judges::llm::relative::{RelativeOptions, RelativeRun, Triple, judge};
use secateur_judges::llm::scorer::AbsoluteScorer;
use secateur_judges::scorer::TextScorer;
use secateur_metrics::judged::Named;

use crate::server::{Asked, NO, Reply, Request, Server, YES, pairs, saying, texts, unwatched};

const LETTERS: [&str; 2] = ["A", "B"];

fn letters(answers: [usize; 4]) -> Reply {
    let [a, b, c, d] = answers.map(|letter| LETTERS[letter]);
    saying(&format!(
        "{{\"q1_hallucinations_more\": \"{a}\", \"q2_omission_more\": \"{b}\", \"q3_repetition_more\": \"{c}\", \"q4_alignment_more\": \"{d}\"}}"
    ))
}

/// 0 where the pruned text is shown as A.
fn pruned(request: &Request) -> usize {
    usize::from(!request.asked().contains("<<<A\npruned"))
}

fn run(server: &Server, n: usize, both_orders: bool) -> RelativeRun {
    let names: Vec<(String, String, String)> = (0..n)
        .map(|i| (i.to_string(), format!("whole {i}"), format!("pruned {i}")))
        .collect();
    let triples: Vec<Triple<'_>> = names
        .iter()
        .map(|(id, unpruned, pruned)| Triple {
            id,
            source: "source",
            unpruned,
            pruned,
        })
        .collect();
    let options = RelativeOptions { seed: 123, both_orders };
    unwatched(|watch| judge(&server.client(), &triples, options, watch)).unwrap()
}

#[test]
fn a_judge_of_texts_and_a_judge_of_places() {
    // Q1 names the pruned text, Q2 the unpruned one, Q3 always A, Q4 always B.
    let server = Server::new(|request, _| letters([pruned(request), 1 - pruned(request), 0, 1]));
    let run = run(&server, 40, true);
    assert_eq!(
        (run.summary.asked, run.summary.items, server.requests().len()),
        (80, 80, 80)
    );
    let figures = questions(&run).unwrap();
    assert!((figures[0].win_rate.rate - 1.0).abs() < 1e-15 && figures[1].win_rate.rate.abs() < 1e-15);
    for steady in &figures[..2] {
        let (flips, consistent) = (steady.flips.unwrap(), steady.consistent.unwrap());
        assert!(flips.rate.abs() < 1e-15 && flips.n == 40);
        assert!((consistent.rate - steady.win_rate.rate).abs() < 1e-15 && consistent.ties == 0);
        // In both orders the named text is first once and second once.
        assert!((steady.first_share.share - 0.5).abs() < 1e-15);
    }
    for (biased, first) in [(figures[2], 1.0), (figures[3], 0.0)] {
        assert!((biased.flips.unwrap().rate - 1.0).abs() < 1e-15);
        assert!((biased.first_share.share - first).abs() < 1e-15 && biased.first_share.p_value < 1e-9);
        let consistent = biased.consistent.unwrap();
        assert!((consistent.rate - 0.5).abs() < 1e-15 && consistent.ties == 40);
    }
    // One order leaves what needs two without a number.
    let run = self::run(&server, 40, false);
    assert!(run.swapped.is_empty() && run.summary.items == 40);
    let one_order = questions(&run).unwrap();
    assert!(one_order[0].flips.is_none() && one_order[0].consistent.is_none());
    assert_eq!(one_order[0].win_rate, figures[0].win_rate);
}

#[test]
fn what_has_no_verdict_enters_no_figure() {
    let server = Server::new(|request, _| {
        if request.asked().contains("whole 1\n") {
            saying("A")
        } else {
            letters([pruned(request); 4])
        }
    });
    let run = run(&server, 5, true);
    assert_eq!((run.summary.judged, run.summary.unparsable), (8, 2));
    let figures = questions(&run).unwrap();
    assert_eq!((figures[0].win_rate.pruned, figures[0].flips.unwrap().n), (4, 4));
    let nobody = Server::new(|_, _| saying("A"));
    assert!(questions(&self::run(&nobody, 3, true)).is_err());
}

#[test]
fn judges_agree_on_models_and_not_on_letters() {
    let steady = Server::new(|request, _| {
        let odd = request.asked().contains("whole 1\n") || request.asked().contains("whole 3\n");
        letters([pruned(request) ^ usize::from(odd); 4])
    });
    let (a, b) = (run(&steady, 8, false), run(&steady, 8, true));
    let alpha = agreement_on_pairs(&[&a.drawn, &b.drawn], 0).unwrap();
    assert!((alpha.value - 1.0).abs() < 1e-12 && alpha.units == 8);
    assert_eq!(a.drawn[1].as_ref().unwrap().value.named(0), Named::Unpruned);
    // The swapped verdicts name the same models by the other letters.
    assert!((agreement_on_pairs(&[&b.drawn, &b.swapped], 2).unwrap().value - 1.0).abs() < 1e-12);
    assert!(agreement_on_pairs(&[&a.drawn, &b.drawn[..3]], 0).is_err());
}

#[test]
fn the_absolute_protocol_gives_a_share_and_agreement() {
    let server = |contradicts: &'static [&'static str], silent: &'static str| {
        Server::new(move |request, _| match request.asked() {
            asked if asked.contains(silent) => saying("?"),
            asked if contradicts.iter().any(|text| asked.contains(text)) => saying(NO),
            _ => saying(YES),
        })
    };
    let judged = |server: &Server| {
        let texts = texts(10);
        unwatched(|watch| absolute::judge(&server.client(), &pairs(&texts), watch)).unwrap()
    };
    let a = judged(&server(&["text 0\n", "text 1\n", "text 2\n"], "text 9\n"));
    let b = judged(&server(&["text 0\n", "text 1\n"], "no such text"));
    let rate = contradiction_rate(&a.verdicts).unwrap();
    assert_eq!((rate.contradictions, rate.n), (3, 9));
    assert!((rate.rate - 1.0 / 3.0).abs() < 1e-15 && rate.interval.0 > 0.1 && rate.interval.1 < 0.7);
    // Nine texts with two verdicts, one disagreement; five of the eighteen verdicts say no.
    let alpha = agreement_on_texts(&[&a.verdicts, &b.verdicts]).unwrap();
    assert_eq!(alpha.units, 9);
    assert!((alpha.value - (1.0 - 17.0 / (5.0 * 13.0))).abs() < 1e-12);
    assert!((alpha.observed_agreement - 8.0 / 9.0).abs() < 1e-12);
}

#[test]
fn a_scorer_has_no_number_for_what_has_no_verdict() {
    let server = Server::new(|request, _| match request.asked() {
        asked if asked.contains("text 0\n") => saying(NO),
        asked if asked.contains("text 1\n") => saying("?"),
        asked if asked.contains("refuse") => Reply::status(400, "too long"),
        _ => saying(YES),
    });
    let mut scorer = AbsoluteScorer::new(server.client(), || false);
    assert_eq!(scorer.definition().name, "judged_contradiction_rate_scripted");
    assert_eq!(scorer.definition().scorer, "scripted");
    let mut texts = texts(3);
    texts.push(" ".into());
    let readings = scorer.score(&pairs(&texts), &mut |_| {}).unwrap();
    let scores: Vec<Option<f64>> = readings
        .iter()
        .map(|reading| reading.as_ref().map(|reading| reading.score))
        .collect();
    assert_eq!(scores, [Some(1.0), None, Some(0.0), None]);
    assert_eq!(
        (scorer.spent().asked, scorer.spent().unparsable, scorer.spent().empty),
        (3, 1, 1)
    );
    texts.push("refuse".into());
    let message = scorer.score(&pairs(&texts), &mut |_| {}).unwrap_err().to_string();
    assert!(message.contains("too long"), "{message}");
    // The protocol's version and the settings are part of what it is.
    assert!(scorer.identity().starts_with("absolute 1 ") && scorer.identity().contains("\"temperature\":0"));
}
