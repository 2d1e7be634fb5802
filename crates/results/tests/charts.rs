//! Every chart from made-up records: nothing clipped, no text over another, the same bytes twice.
//!
//! With `SECATEUR_PICTURES=‹directory›` the pictures are left there to be looked at.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeSet;

use secateur_results::aggregate::aggregate;
use secateur_results::changes::{changes, diagrams};
use secateur_results::charts::canvas::{Canvas, POINTS};
use secateur_results::charts::mask_agreement::{self, MethodMasks};
use secateur_results::charts::number_grid::{self, NumberGrid};
use secateur_results::charts::pdf::pdf;
use secateur_results::charts::render::{png, svg};
use secateur_results::charts::saliency_layers::{self, LayerScores};
use secateur_results::charts::scene::Scene;
use secateur_results::charts::{
    expert_routing, fraction_curves, hallucination_utility, regression_bars, reliability_diagrams, reliability_utility,
    retention_heatmap, risk_coverage,
};
use secateur_results::error::Error;
use secateur_results::record::Record;
use secateur_results::safe::{SafeOptions, safe_fractions};
use secateur_results::shown::shown;
use synthetic::{DEMO, FULL, Sweep, rankings, records};

/// Draws on the page and checks; on paper the chart must be without faults across both columns, and so it is in one, or the report takes both.
fn check(name: &str, draw: impl Fn(Canvas) -> Result<Scene, Error>) {
    let spread = draw(Canvas::Spread).unwrap();
    assert_eq!(spread.text_faults(), Vec::<String>::new(), "{name} on both columns");
    let smallest = spread
        .labels()
        .map(|label| label.size * POINTS)
        .fold(f64::INFINITY, f64::min);
    assert!(smallest >= 6.99, "{name}: {smallest} pt");
    let column = draw(Canvas::Column).unwrap();
    assert!(pdf(&column).unwrap().starts_with(b"%PDF-"), "{name}");
    let scene = draw(Canvas::Page).unwrap();
    check_page(name, &scene);
    if let Ok(directory) = std::env::var("SECATEUR_PICTURES") {
        for (canvas, scene) in [("column", &column), ("spread", &spread)] {
            let path = |extension| format!("{directory}/{name}-{canvas}.{extension}");
            std::fs::write(path("pdf"), pdf(scene).unwrap()).unwrap();
            std::fs::write(path("png"), png(scene).unwrap()).unwrap();
        }
    }
}

fn there(scene: Option<Scene>) -> Scene {
    scene.expect("there is data")
}

fn check_page(name: &str, scene: &Scene) {
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

/// Numbers of every method at every fraction, and one that is not there.
fn grid(sweep: &Sweep) -> NumberGrid {
    let row = |method: &&str| {
        let number = |fraction: &f64| (*fraction > 0.2).then_some(1.0 - fraction);
        ((*method).to_owned(), sweep.fractions.iter().map(number).collect())
    };
    NumberGrid {
        title: "how far seeds keep the same experts".to_owned(),
        line: "2 seeds".to_owned(),
        meaning: "experts kept by both / by either, mean over layers and pairs of seeds".to_owned(),
        axis: "experts removed from each layer, %".to_owned(),
        across: "removed, %",
        columns: sweep.fractions.iter().map(|f| format!("{}", f * 100.0)).collect(),
        rows: sweep.methods.iter().map(row).collect(),
    }
}

#[test]
fn charts_of_a_full_sweep_and_of_the_demo() {
    for sweep in [&FULL, &DEMO] {
        let all = aggregate(&records(sweep)).unwrap();
        let name = sweep.name;
        for model in all.models() {
            for kind in ["classification", "generation"] {
                let file = |chart: &str| format!("{name}-{model}-{kind}-{chart}");
                check(&file("curves"), |on| fraction_curves::draw(on, &all, &model, kind));
                check(&file("reliability-utility"), |on| {
                    reliability_utility::draw(on, &all, &model, kind).map(there)
                });
                check(&file("heatmap"), |on| retention_heatmap::draw(on, &all, &model, kind));
            }
        }
        let model = sweep.models[0];
        check(&format!("{name}-agreement"), |on| {
            mask_agreement::draw(on, model, 0.5, &masks(sweep), 1.0 / 3.0)
        });
        let scores = scores(sweep);
        check(&format!("{name}-saliency"), |on| {
            saliency_layers::draw(on, model, &scores)
        });
        check(&format!("{name}-routing"), |on| {
            expert_routing::draw(on, model, &scores[..scores.len().min(2)])
        });
        check(&format!("{name}-seeds"), |on| number_grid::draw(on, &grid(sweep)));
    }
}

/// The charts of reliability of every model, for which there must be data.
fn reliability(name: &str, records: &[Record]) {
    let all = aggregate(records).unwrap();
    let (changes, diagrams) = (changes(records), diagrams(records));
    for shown in shown(&safe_fractions(records, &SafeOptions::default())) {
        let file = |chart: &str| format!("{name}-{}-{chart}", shown.model.len());
        for domain in ["biomedical", "general"] {
            check(&file(&format!("{domain}-hallucination-utility")), |on| {
                hallucination_utility::draw(on, &all, &shown.model, domain, &[]).map(there)
            });
            check(&file(&format!("{domain}-regressions")), |on| {
                regression_bars::draw(on, &changes, domain, &shown).map(there)
            });
        }
        check(&file("risk-coverage"), |on| {
            risk_coverage::draw(on, &diagrams, &shown).map(there)
        });
        check(&file("reliability-diagrams"), |on| {
            reliability_diagrams::draw(on, &diagrams, &shown).map(there)
        });
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
    let scene = reliability_diagrams::draw(Canvas::Page, &diagrams(&all), &shown)
        .unwrap()
        .unwrap();
    assert!(
        scene
            .line
            .contains("5 of 48 tasks; the others are in tables/diagrams.csv."),
        "{}",
        scene.line
    );
    let changes = changes(&all);
    let scene = regression_bars::draw(Canvas::Page, &changes, "general", &shown)
        .unwrap()
        .unwrap();
    assert!(scene.line.contains("6 of 48 tasks"), "{}", scene.line);
    reliability("many", &all);
}

#[test]
fn a_chosen_metric_is_the_one_that_is_drawn() {
    let all = aggregate(&records(&DEMO)).unwrap();
    let chosen = ["semantic_entropy".to_owned()];
    let scene = hallucination_utility::draw(Canvas::Page, &all, DEMO.models[0], "biomedical", &chosen)
        .unwrap()
        .unwrap();
    let texts: Vec<&str> = scene.labels().map(|label| label.text.as_str()).collect();
    assert!(texts.contains(&"k-qa: semantic_entropy"), "{texts:?}");
    let by = |basis: &String| basis.contains("by minicheck of org/a-small-checker");
    assert!(scene.bases.iter().any(by), "{:?}", scene.bases);
}

#[test]
fn charts_without_data_are_charts() {
    let all = aggregate(&[]).unwrap();
    check("empty-curves", |on| fraction_curves::draw(on, &all, "m", "generation"));
    let paths = reliability_utility::draw(Canvas::Page, &all, "m", "generation");
    assert!(paths.unwrap().is_none());
    check("empty-heatmap", |on| {
        retention_heatmap::draw(on, &all, "m", "generation")
    });
    assert!(
        hallucination_utility::draw(Canvas::Page, &all, "m", "general", &[])
            .unwrap()
            .is_none()
    );
    check("empty-agreement", |on| mask_agreement::draw(on, "m", 0.5, &[], 0.3));
    check("empty-saliency", |on| saliency_layers::draw(on, "m", &[]));
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
        check("long-curves", |on| fraction_curves::draw(on, &all, &model, &kind));
        check("long-paths", |on| {
            reliability_utility::draw(on, &all, &model, &kind).map(there)
        });
        check("long-heatmap", |on| retention_heatmap::draw(on, &all, &model, &kind));
    }
    records.retain(|r| {
        r.cell
            .method
            .as_ref()
            .is_none_or(|method| !method.starts_with("random"))
    });
    reliability("long", &records);
}
