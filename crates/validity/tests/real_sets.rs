//! The shared slices of the real sets: read, measured, and the constants that ship held against what their choice half says.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use secateur_metrics::lexical::{WordLists, combined};
use secateur_metrics::statistics::Bootstrap;
use secateur_validity::combination::{chosen, tried};
use secateur_validity::measure::measure;
use secateur_validity::page::Page;
use secateur_validity::scorer::lexical;
use secateur_validity::sets::frank::Frank;
use secateur_validity::sets::{read, read_all};

fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?
        .join("shared/data");
    if root.join("kqa").is_dir() {
        return Some(root);
    }
    println!("skipped: no ../shared/data");
    None
}

#[test]
fn the_rule_and_its_threshold_are_those_of_the_choice_half() {
    let Some(data) = data() else { return };
    let sets = read_all(&data).unwrap();
    let tried = tried(&sets);
    for tried in &tried {
        println!(
            "{:?} auroc {:.4} threshold {:.4} balanced {:.4}",
            tried.rule, tried.auroc, tried.threshold, tried.balanced_accuracy
        );
    }
    let chosen = chosen(&tried).unwrap();
    println!("chosen: {chosen:?}");
    assert_eq!(chosen.rule, combined::RULE);
    assert!(
        (chosen.threshold - combined::THRESHOLD).abs() < 0.005,
        "{}",
        chosen.threshold
    );
}

#[test]
fn every_set_is_measured_and_the_page_is_the_same_twice() {
    let Some(data) = data() else { return };
    let sets = read_all(&data).unwrap();
    let lists = WordLists::default();
    let mut scorers = lexical(&lists);
    let bootstrap = Bootstrap {
        resamples: 50,
        ..Bootstrap::default()
    };
    let page = |scorers: &mut _| {
        let mut rows = Vec::new();
        for set in &sets {
            rows.extend(measure(set, scorers, &bootstrap, &mut |_| {}).unwrap());
        }
        let page = Page {
            command: "test".into(),
            resamples: 50,
            seed: 0,
            sets: &sets,
            rows: &rows,
            tried: &[],
        };
        (page.markdown(), page.csv())
    };
    let first = page(&mut scorers);
    println!("{}", first.0);
    assert_eq!(first, page(&mut scorers));
}

/// FRANK's own evaluation script on the shared slice: metric, summaries, partial Pearson, partial Spearman.
const FRANK: [(&str, usize, f64, f64); 6] = [
    ("Rouge L", 1200, 0.107_648_476_161, 0.090_407_981_606),
    ("BertScore P Art", 1200, 0.345_675_483_030, 0.289_466_314_931),
    ("FEQA", 1200, 0.003_402_537_502, 0.003_595_350_216),
    ("QAGS", 1200, 0.131_623_380_281, 0.089_035_940_597),
    ("Dep Entail", 1132, 0.266_569_220_767, 0.257_740_190_654),
    ("FactCC", 1200, 0.368_322_480_517, 0.331_545_822_614),
];

#[test]
fn frank_s_baselines_have_the_correlations_that_its_script_computes() {
    let Some(data) = data() else { return };
    let folder = data.join("frank");
    let sets = read(&Frank, &folder).unwrap();
    let slice = "4a315c81cf4f0efe13da46529debab7ba62bc4a5fe25f14471af68f7b4af34e6";
    if !sets[0].files.iter().any(|file| file.sha256 == slice) {
        println!("skipped: another slice of FRANK");
        return;
    }
    let bootstrap = Bootstrap {
        resamples: 1,
        ..Bootstrap::default()
    };
    let rows = measure(&sets[0], &mut [], &bootstrap, &mut |_| {}).unwrap();
    for (name, n, pearson, spearman) in FRANK {
        let row = rows.iter().find(|row| row.scorer == name).unwrap();
        assert_eq!((row.scored, row.items), (n, 1200), "{name}");
        assert!((row.partial_pearson.unwrap().value - pearson).abs() < 1e-9, "{name}");
        assert!((row.partial_spearman.unwrap().value - spearman).abs() < 1e-9, "{name}");
    }
}
