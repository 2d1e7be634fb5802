//! `agreement`, on masks by hand and on the published ones where they are at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{refusal, stdout, write};

fn mask(folder: &Path, name: &str, contents: &str) {
    fs::create_dir_all(folder.join(name)).unwrap();
    write(&folder.join(name), "expert_mask.json", contents);
}

/// Rows of a table as column → cell.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .zip(line.split(',').map(str::to_owned))
            .collect()
    };
    lines.map(row).collect()
}

#[test]
fn folders_named_as_the_published_ones_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, contents) in [
        ("masks/tiny-7B-medinst-ean-0-0.25", "[[2, 0, 1], [3, 1, 0]]"),
        ("masks/tiny-7B-medinst-ean-0", "[[2, 0], [3, 2]]"),
        ("masks/tiny-7B-medinst-ean-1", "[[0, 2], [3, 2]]"),
        ("masks/tiny-7B-medinst-reap-0", "[[0, 2], [3, 1]]"),
        ("masks/tiny-7B-dual-ean-0", "[[1, 3], [3, 2]]"),
    ] {
        mask(at, name, contents);
    }
    write(&at.join("masks"), "config.json", "{\"model_type\": \"olmoe\"}");
    let told = stdout(at, &["agreement", "masks", "--output", "out"]);
    for line in [
        "tiny-7B, medinst: 4 masks, 2 layers, 4 experts",
        "ean – reap",
        "0.750/0.667",
        "1/1 of 2",
        "dual and medinst overlap 0.500, Jaccard 0.500",
        "1 files in the folders are neither masks nor rankings",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let methods = rows(&at.join("out/tables/methods.csv"));
    assert_eq!(methods.len(), 1);
    assert_eq!(
        (methods[0]["overlap_mean"].as_str(), methods[0]["overlap_min"].as_str()),
        ("0.75", "0.5")
    );
    let page = fs::read_to_string(at.join("out/index.html")).unwrap();
    let shown = page.replace("&#x2f;", "/");
    for words in [
        "0.750 / 0.667",
        "1 / 1 of 2",
        "tiny-7B, medinst, reap, seed 1, 0.5 removed",
        "secateur agreement masks",
    ] {
        assert!(shown.contains(words), "{words}");
    }
    let charts = fs::read_dir(at.join("out/charts")).unwrap().count();
    assert_eq!(charts, 2 * 3, "methods at 0.5, seeds, nesting");
    // Again, over the same folder: the same bytes.
    assert_eq!(stdout(at, &["agreement", "masks", "--output", "out"]), told);
    assert_eq!(fs::read_to_string(at.join("out/index.html")).unwrap(), page);
}

#[test]
fn rankings_and_loose_masks_are_compared_and_what_is_neither_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "a.jsonl", "{\"layer\": 0, \"experts\": [3, 1, 2, 0]}\n");
    write(at, "b.jsonl", "{\"layer\": 0, \"experts\": [3, 2, 1, 0]}\n");
    write(at, "mine.json", "[[3, 0]]");
    let told = stdout(
        at,
        &["agreement", "a.jsonl", "b.jsonl", "--ratios", "0.5", "--output", "out"],
    );
    assert!(told.contains("0.500/0.333"), "{told}");
    let told = stdout(
        at,
        &[
            "agreement",
            "a.jsonl",
            "mine.json",
            "--ratios",
            "0.5",
            "--output",
            "out",
        ],
    );
    assert!(told.contains("taken to be of one model with 4 experts"), "{told}");
    for (name, contents, word) in [
        ("x.json", "[[0, 0]]", "names an expert twice"),
        ("x.json", "[[]]", "keeps no expert"),
        ("x.json", "[]", "has no layers"),
        ("x.json", "[[99999999999]]", "no model has"),
        ("x.json", "{}", "is no mask"),
        ("x.json", "hello", "is no mask"),
        (
            "x.jsonl",
            "{\"layer\": 0, \"experts\": [0, 2]}",
            "names expert 2, but the experts are 0 to 1",
        ),
        (
            "x.jsonl",
            "{\"layer\": 0, \"experts\": [0]}\n{\"layer\": 0, \"experts\": [0]}",
            "was ranked before",
        ),
        ("x.json.gz", "\u{1f}x", "is no mask"),
        ("x.json", "{\"num_experts\": {}}", "no collection"),
    ] {
        write(at, name, contents);
        let message = refusal(at, &["agreement", name, "--output", "out"]);
        assert!(
            message.contains(word) && message.contains(name),
            "{contents}: {message}"
        );
    }
    fs::create_dir(at.join("empty")).unwrap();
    assert!(refusal(at, &["agreement", "empty"]).contains("no mask in empty"));
    assert!(refusal(at, &["agreement", "absent"]).contains("cannot read absent"));
    assert!(refusal(at, &["agreement", "a.jsonl", "--ratios", "1"]).contains("--ratios"));
    mask(at, "two/m-d-reap-0", "[[0]]");
    mask(at, "two/m-d-reap-1", "[[0], [1]]");
    assert!(refusal(at, &["agreement", "two"]).contains("other masks of the model have"));
}

/// The folder `shared` beside the repository or one of its parents.
fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|a| a.join("shared"))
        .find(|p| p.join("goldens/paper/masks").is_dir())
}

/// Every figure of the published summary, from the command's tables, to 1e-9.
#[test]
fn the_published_masks_give_their_summary() {
    let Some(shared) = shared() else {
        println!("skipped: no shared/goldens/paper/masks");
        return;
    };
    let masks = shared.join("goldens/paper/masks");
    let summary: Value =
        serde_json::from_str(&fs::read_to_string(masks.join("published_masks_summary.json")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let packed = masks.join("published_masks.json.gz");
    let told = stdout(
        folder.path(),
        &["agreement", packed.to_str().unwrap(), "--output", "out"],
    );
    assert!(told.contains("holds 506 masks"), "{told}");
    let table = |name: &str| rows(&folder.path().join("out/tables").join(name));
    let close = |row: &BTreeMap<String, String>, column: &str, expected: &Value| {
        let (found, expected) = (row[column].parse::<f64>().unwrap(), expected.as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{row:?} {column}: {expected}");
    };
    let mut checked = 0;
    for row in table("methods.csv")
        .iter()
        .filter(|r| r["domain"] == "medinst" && r["seed"] == "0")
    {
        let pair = format!("{}|{}", row["method_a"], row["method_b"]);
        let expected = &summary["method_pairs"][&row["model"]][&row["fraction_removed"]][&pair];
        close(row, "overlap_mean", &expected["overlap_mean"]);
        close(row, "overlap_min", &expected["overlap_min"]);
        close(row, "jaccard_mean", &expected["jaccard_mean"]);
        checked += 1;
    }
    assert_eq!(checked, leaves(&summary["method_pairs"]) / 3);
    checked = 0;
    for row in table("seeds.csv").iter().filter(|r| r["domain"] == "medinst") {
        let pair = format!("{}|{}", row["seed_a"], row["seed_b"]);
        let expected = &summary["seed_pairs"][&row["model"]][&row["method"]][&row["fraction_removed"]][&pair];
        close(row, "overlap_mean", &expected["overlap_mean"]);
        close(row, "jaccard_mean", &expected["jaccard_mean"]);
        close(row, "common_prefix_mean", &expected["common_prefix_mean"]);
        checked += 1;
    }
    assert_eq!(checked, leaves(&summary["seed_pairs"]) / 3);
    checked = 0;
    for row in table("nesting.csv").iter().filter(|r| r["domain"] == "medinst") {
        let step = format!("{}->{}", row["fraction_removed"], row["next_fraction_removed"]);
        let expected = &summary["nesting"][&row["model"]][&row["method"]][&row["seed"]][&step];
        for column in ["subset_violations", "prefix_violations", "layers"] {
            close(row, column, &expected[column]);
        }
        checked += 1;
    }
    assert_eq!(checked, leaves(&summary["nesting"]) / 3);
    let dual = table("domains.csv");
    assert_eq!(dual.len(), 6);
    for row in &dual {
        let expected = &summary["dual"][format!("seed{}@{}", row["seed"], row["fraction_removed"])];
        close(row, "overlap_mean", &expected["overlap_with_medinst_easyep"]);
        close(row, "jaccard_mean", &expected["jaccard"]);
    }
    let runs = table("scoring_runs.csv");
    for (model, methods) in summary["scoring_runs"].as_object().unwrap() {
        for (method, seeds) in methods.as_object().unwrap() {
            for (seed, expected) in seeds.as_object().unwrap() {
                let here = runs.iter().filter(|r| r["domain"] == "medinst" && r["model"] == *model);
                let here = here.filter(|r| r["method"] == *method && r["seed"] == *seed);
                let found: Vec<Vec<f64>> = here
                    .map(|r| r["fractions_removed"].split(' ').map(|f| f.parse().unwrap()).collect())
                    .collect();
                assert_eq!(serde_json::json!(found), expected["groups"], "{model} {method} {seed}");
            }
        }
    }
    let missing = summary["missing"].as_array().unwrap().len();
    let page = fs::read_to_string(folder.path().join("out/index.html")).unwrap();
    let listed = page
        .lines()
        .filter(|line| line.starts_with("<li>") && line.contains("medinst"))
        .count();
    assert_eq!(listed, missing);
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(leaves).sum(),
        _ => 1,
    }
}
