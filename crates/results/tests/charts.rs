//! Every chart from made-up records: nothing clipped, no text over another, the same bytes twice.
//!
//! With `SECATEUR_PICTURES=‹directory›` the pictures are left there to be looked at.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeSet;

use secateur_results::aggregate::aggregate;
use secateur_results::charts::mask_agreement::{self, MethodMasks};
use secateur_results::charts::render::{png, svg};
use secateur_results::charts::saliency_layers::{self, LayerScores};
use secateur_results::charts::scene::Scene;
use secateur_results::charts::{fraction_curves, reliability_utility, retention_heatmap};
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
}
