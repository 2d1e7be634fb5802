//! Every chart from made-up records: nothing clipped, no text over another, the same bytes twice.
//!
//! With `SECATEUR_PICTURES=‹directory›` the pictures are left there to be looked at.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeSet;

use secateur_results::aggregate::aggregate;
use secateur_results::changes::{changes, diagrams};
use secateur_results::charts::mask_agreement::{self, MethodMasks};
use secateur_results::charts::render::{png, svg};
use secateur_results::charts::saliency_layers::{self, LayerScores};
use secateur_results::charts::scene::Scene;
use secateur_results::charts::{
    fraction_curves, hallucination_utility, regression_bars, reliability_diagrams, reliability_utility,
    retention_heatmap, risk_coverage,
};
use secateur_results::record::Record;
use secateur_results::safe::{SafeOptions, safe_fractions};
use secateur_results::shown::shown;
use synthetic::{DEMO, FULL, Sweep, rankings, records};

fn check(name: &str, scene: &Scene) {
    assert_eq!(scene.text_faults(), Vec::<String>::new(), "{name}");
    let (picture, document) = (png(scene).unwrap(), svg(scene).unwrap());
    assert_eq!(document, svg(scene).unwrap(), "{name}");
    assert!(picture.len() > 5_000 && document.ends_with("</svg>\n"), "{name}");
    assert!(document.len() < 1_500_000, "{name}: {}", document.len());
    if let Ok(directory) = std::env::var("SECATEUR_PICTURES") {
        let path = |extension| format!("{directory}/{name}.{extension}");
        std::fs::write(path("png"), picture).unwrap();
        std::fs::write(path("svg"), document).unwrap();
    }
}

fn masks(sweep: &Sweep) -> Vec<MethodMasks> {
    let mut masks: Vec<MethodMasks> = Vec::new();
    for ranking in rankings(sweep) {
        if masks.last().is_none_or(|m| m.method != ranking.method) {
            masks.push(MethodMasks {
                method: ranking.method.clone(),
                ..MethodMasks::default()
            });
        }
        masks.last_mut().unwrap().seeds.insert(ranking.seed, ranking.kept(0.5));
    }
    masks
}

fn scores(sweep: &Sweep) -> Vec<LayerScores> {
    let first = rankings(sweep).into_iter().filter(|r| r.seed == 0);
    first
        .map(|r| LayerScores {
            method: r.method.clone(),
            layers: r.layers.iter().map(|l| l.layer).collect(),
            scores: r.layers.into_iter().map(|l| l.scores).collect(),
        })
        .collect()
}

#[test]
fn charts_of_a_full_sweep_and_of_the_demo() {
    for sweep in [&FULL, &DEMO] {
        let all = aggregate(&records(sweep)).unwrap();
        let name = sweep.name;
        for model in all.models() {
            for kind in ["classification", "generation"] {
                let file = |chart: &str| format!("{name}-{model}-{kind}-{chart}");
                let scene = fraction_curves::draw(&all, &model, kind).unwrap();
                check(&file("curves"), &scene);
                let scene = reliability_utility::draw(&all, &model, kind).unwrap();
                check(&file("reliability-utility"), &scene);
                let scene = retention_heatmap::draw(&all, &model, kind).unwrap();
                check(&file("heatmap"), &scene);
            }
        }
        let scene = mask_agreement::draw(sweep.models[0], 0.5, &masks(sweep), 1.0 / 3.0).unwrap();
        check(&format!("{name}-agreement"), &scene);
        let scene = saliency_layers::draw(sweep.models[0], &scores(sweep)).unwrap();
        check(&format!("{name}-saliency"), &scene);
    }
}

/// The charts of reliability of every model, for which there must be data.
fn reliability(name: &str, records: &[Record]) {
    let all = aggregate(records).unwrap();
    let (changes, diagrams) = (changes(records), diagrams(records));
    for shown in shown(&safe_fractions(records, &SafeOptions::default())) {
        let file = |chart: &str| format!("{name}-{}-{chart}", shown.model.len());
        for domain in ["biomedical", "general"] {
            let scene = hallucination_utility::draw(&all, &shown.model, domain, &[])
                .unwrap()
                .unwrap();
            check(&file(&format!("{domain}-hallucination-utility")), &scene);
            let scene = regression_bars::draw(&changes, domain, &shown).unwrap().unwrap();
            check(&file(&format!("{domain}-regressions")), &scene);
        }
        check(
            &file("risk-coverage"),
            &risk_coverage::draw(&diagrams, &shown).unwrap().unwrap(),
        );
        let scene = reliability_diagrams::draw(&diagrams, &shown).unwrap().unwrap();
        check(&file("reliability-diagrams"), &scene);
    }
}

#[test]
fn charts_of_reliability_of_a_full_sweep_and_of_the_demo() {
    for sweep in [&FULL, &DEMO] {
        reliability(sweep.name, &records(sweep));
    }
}

#[test]
fn many_tasks_are_cut_to_some_and_the_chart_says_so() {
    let mut all = Vec::new();
    for record in records(&DEMO) {
        if record.cell.model == DEMO.models[0] && record.cell.seed == 0 {
            all.extend((0..12).map(|i| {
                let mut record = record.clone();
                record.cell.task = format!("{}-{i}", record.cell.task);
                record
            }));
        }
    }
    let shown = shown(&safe_fractions(&all, &SafeOptions::default())).remove(0);
    let scene = reliability_diagrams::draw(&diagrams(&all), &shown).unwrap().unwrap();
    assert!(
        scene
            .line
            .contains("5 of 48 tasks; the others are in tables/diagrams.csv."),
        "{}",
        scene.line
    );
    let changes = changes(&all);
    let scene = regression_bars::draw(&changes, "general", &shown).unwrap().unwrap();
    assert!(scene.line.contains("6 of 48 tasks"), "{}", scene.line);
    reliability("many", &all);
}

#[test]
fn a_chosen_metric_is_the_one_that_is_drawn() {
    let all = aggregate(&records(&DEMO)).unwrap();
    let chosen = ["semantic_entropy".to_owned()];
    let scene = hallucination_utility::draw(&all, DEMO.models[0], "biomedical", &chosen)
        .unwrap()
        .unwrap();
    let texts: Vec<&str> = scene.labels().map(|label| label.text.as_str()).collect();
    assert!(texts.contains(&"k-qa: semantic_entropy"), "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|text| text.contains("by minicheck of org/a-small-checker")),
        "{texts:?}"
    );
}

#[test]
fn charts_without_data_are_charts() {
    let all = aggregate(&[]).unwrap();
    check("empty-curves", &fraction_curves::draw(&all, "m", "generation").unwrap());
    check(
        "empty-paths",
        &reliability_utility::draw(&all, "m", "generation").unwrap(),
    );
    check(
        "empty-heatmap",
        &retention_heatmap::draw(&all, "m", "generation").unwrap(),
    );
    assert!(
        hallucination_utility::draw(&all, "m", "general", &[])
            .unwrap()
            .is_none()
    );
    check("empty-agreement", &mask_agreement::draw("m", 0.5, &[], 0.3).unwrap());
    check("empty-saliency", &saliency_layers::draw("m", &[]).unwrap());
}

#[test]
fn hostile_and_long_names_stay_in_their_places() {
    let mut records = records(&DEMO);
    for record in &mut records {
        record.cell.model = "organisation/a-very-long-model-name-".repeat(6) + "\u{0}<script>";
        record.cell.task = format!("{}-{}", "long-task-name".repeat(8), record.cell.task);
        if let Some(method) = &mut record.cell.method {
            *method = format!("{method}{}", "-with-a-very-long-name".repeat(9));
        }
    }
    records.retain(|r| r.cell.method.is_none() || r.cell.seed == 0);
    let kinds: BTreeSet<_> = records.iter().map(|r| r.cell.kind.clone()).collect();
    records.sort_by_key(|r| r.cell.to_string());
    records.dedup_by(|a, b| a.cell.to_string() == b.cell.to_string());
    let all = aggregate(&records).unwrap();
    let model = all.models()[0].clone();
    for kind in kinds {
        check("long-curves", &fraction_curves::draw(&all, &model, &kind).unwrap());
        check("long-paths", &reliability_utility::draw(&all, &model, &kind).unwrap());
        check("long-heatmap", &retention_heatmap::draw(&all, &model, &kind).unwrap());
    }
    records.retain(|r| {
        r.cell
            .method
            .as_ref()
            .is_none_or(|method| !method.starts_with("random"))
    });
    reliability("long", &records);
}
