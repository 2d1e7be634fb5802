//! A report from made-up records.
#![allow(clippy::unwrap_used)]

mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use secateur_results::key::RecordKey;
use secateur_results::record::Record;
use secateur_results::report::{ReportOptions, report};
use secateur_results::store::{Answers, Store, SweepIdentity};
use synthetic::{DEMO, rankings, records};

fn store(directory: &Path, records: &[Record]) -> Store {
    let sweep = SweepIdentity::new("demo", "name = \"demo\"\n# ``` </pre><script>\n");
    let store = Store::open(directory, &sweep).unwrap();
    for record in records {
        store.publish(record, Answers::None).unwrap();
    }
    store
}

fn hostile(records: &mut [Record]) {
    for record in records {
        record.cell.model += "<script>alert(1)</script>|`*";
        record.warnings = vec!["<img src=x onerror=alert(1)>\n# not a heading".to_owned()];
        record.inputs = BTreeMap::from([("cell".to_owned(), record.cell.to_string())]);
        record.key = RecordKey::from_inputs(&record.inputs).to_string();
    }
}

#[test]
fn a_report_says_how_far_and_how_it_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), &records(&DEMO));
    for ranking in rankings(&DEMO) {
        ranking.write(directory.path()).unwrap();
    }
    let manifest = BTreeMap::from([("program".to_owned(), "secateur 0.1.0".into())]);
    store.write_manifest(&manifest).unwrap();
    let options = ReportOptions {
        command: "cargo xtask sweep demo".to_owned(),
        ..ReportOptions::default()
    };
    let first = report(&store, &options).unwrap();
    assert_eq!(first.warnings, Vec::<String>::new());
    // Two models × (two kinds × three charts, six of reliability and one of costs), and of one model agreement at four fractions and of
    // seeds, saliency and routing, as SVG and PNG.
    assert_eq!((first.charts.len(), first.tables.len()), (66, 14));
    assert_eq!(first.figures, Vec::<PathBuf>::new());
    let read = |path: &Path| fs::read(path).unwrap();
    let all = || first.pages.iter().chain(&first.charts).chain(&first.tables);
    let bytes: Vec<_> = all().map(|p| read(p)).collect();
    let stale = directory.path().join("report/charts/old.svg");
    fs::write(&stale, "x").unwrap();
    assert_eq!(report(&store, &options).unwrap(), first);
    assert_eq!(bytes, all().map(|p| read(p)).collect::<Vec<_>>());
    assert!(!stale.exists());
    let page = fs::read_to_string(&first.pages[0]).unwrap();
    for part in [
        "# demo: how far can experts be removed?",
        "## demo-qwen3-moe",
        "Biomedical: ",
        "non-inferior to the unpruned model",
        "Margins: shares 0.05, all others 5 % of the unpruned value.",
        "| random | general |",
        "why it ends",
        "cargo xtask sweep demo",
        "secateur 0.1.0",
        "| pubmedqa | accuracy | rules | fraction |",
        "## What gets worse",
        "Shown: ",
        "| demo-recall | hallucination\\_rate (rules) |",
        "| meqsum | right → wrong | right\\_to\\_wrong (rules) |",
        "hallucination and utility as experts are removed. Dashed: the unpruned model.",
        "Read from the left: of the answers",
    ] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    assert!(page.find("## demo-olmoe") < page.find("## Charts"));
    assert!(page.find("## Charts") < page.find("## Safe fractions"));
    for line in page.lines().filter(|l| l.starts_with("<img")) {
        let name = line.split('"').nth(1).unwrap();
        assert!(directory.path().join("report").join(name).exists(), "{name}");
    }
    let html = fs::read_to_string(&first.pages[1]).unwrap();
    for part in [
        "<figure data-chart=\"32\"",
        "aria-label=\"Memory and speed\"",
        "<td>8 of 16</td>",
        "id=\"charts-data\">H4sI",
    ] {
        assert!(html.contains(part), "no `{part}`");
    }
    assert!(!html.contains("data-chart=\"33\"") && !html.contains("id=\"browser\""));
    if let Ok(place) = std::env::var("SECATEUR_PICTURES") {
        for page in &first.pages {
            fs::copy(page, Path::new(&place).join(page.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn figures_for_papers_have_the_width_of_a_column_and_a_caption() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = records(&DEMO);
    records.retain(|r| r.cell.model == DEMO.models[0]);
    let store = store(directory.path(), &records);
    for ranking in rankings(&DEMO) {
        ranking.write(directory.path()).unwrap();
    }
    let options = ReportOptions {
        figures: true,
        ..ReportOptions::default()
    };
    let folder = directory.path().join("figures");
    fs::create_dir(&folder).unwrap();
    let stale = folder.join("old.pdf");
    let mine = folder.join("paper.tex");
    fs::write(&stale, "x").unwrap();
    fs::write(&mine, "x").unwrap();
    let first = report(&store, &options).unwrap();
    assert!(!stale.exists() && mine.exists());
    // Every chart as SVG and PDF, and the captions.
    assert_eq!(first.figures.len(), first.charts.len() + 1);
    let bytes: Vec<_> = first.figures.iter().map(|p| fs::read(p).unwrap()).collect();
    assert_eq!(report(&store, &options).unwrap(), first);
    assert_eq!(
        bytes,
        first.figures.iter().map(|p| fs::read(p).unwrap()).collect::<Vec<_>>()
    );
    let captions = fs::read_to_string(first.figures.last().unwrap()).unwrap();
    let mut widths = BTreeSet::new();
    for path in &first.figures {
        let (name, extension) = (path.file_stem().unwrap().to_str().unwrap(), path.extension().unwrap());
        let file = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (_, width) = match extension.to_str().unwrap() {
            "pdf" => file.split_once("/MediaBox [0 0 ").unwrap(),
            "svg" => file.split_once(" width=\"").unwrap(),
            _ => continue,
        };
        let width: String = width.chars().take_while(|c| *c == '.' || c.is_ascii_digit()).collect();
        widths.insert(width);
        assert!(captions.contains(&format!("\n## {name}\n")), "{name}");
    }
    assert_eq!(widths.into_iter().collect::<Vec<_>>(), ["237.33", "496.67"]);
    let curves = captions
        .split("\n## ")
        .find(|part| part.starts_with("curves-"))
        .unwrap();
    assert!(
        curves.contains("one column") && curves.contains("- Biomedical: n = 600, 2 seeds: "),
        "{curves}"
    );
}

#[test]
fn the_page_orders_charts_by_what_they_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), &records(&DEMO));
    for ranking in rankings(&DEMO) {
        ranking.write(directory.path()).unwrap();
    }
    let written = report(&store, &ReportOptions::default()).unwrap();
    let html = fs::read_to_string(&written.pages[1]).unwrap();
    let places: Vec<usize> = [
        "id=\"wrong\"",
        "id=\"kept\"",
        "id=\"agreement\"",
        "id=\"experts\"",
        "id=\"costs\"",
    ]
    .iter()
    .map(|anchor| html.find(anchor).unwrap_or_else(|| panic!("{anchor}")))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(html[places[2]..places[3]].contains("at other shares removed: 3 charts"));
    assert!(html[places[4]..].contains("data-name=\"memory-speed-demo-olmoe\""));
    // Each drawing is shown once.
    for place in 0..written.charts.len() / 2 {
        assert_eq!(html.matches(&format!("data-chart=\"{place}\"")).count(), 1, "{place}");
    }
    let markdown = fs::read_to_string(&written.pages[0]).unwrap();
    assert!(markdown.contains("(charts/agreement-demo-olmoe-25.png)"));
    assert!(
        markdown.contains("\n## Memory and speed\n") && markdown.contains("\n| demo-olmoe | 25 | "),
        "{markdown}"
    );
}

#[test]
fn hostile_text_stays_text() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = records(&DEMO);
    records.retain(|r| r.cell.model == DEMO.models[0]);
    hostile(&mut records);
    let written = report(&store(directory.path(), &records), &ReportOptions::default()).unwrap();
    let markdown = fs::read_to_string(&written.pages[0]).unwrap();
    let html = fs::read_to_string(&written.pages[1]).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)"));
    for page in [&html, &markdown] {
        assert!(!page.contains("<img src=x"));
    }
    // The page's own: two blocks of data (no answers, so one here) and its script, which alone may run.
    assert_eq!(html.matches("<script").count(), 2);
    let (_, script) = html.rsplit_once("<script>").unwrap();
    let script = script.split("</script>").next().unwrap();
    assert!(script.starts_with("\"use strict\";") && !script.contains("alert(1)"));
    assert!(html.contains("default-src &#x27;none&#x27;") || html.contains("default-src 'none'"));
    assert!(html.contains("script-src 'sha256-"));
    // In the fence of the definition a tag is text; nowhere else is there one.
    assert_eq!(markdown.matches("<script").count(), 1);
    assert!(markdown.contains("````toml\nname = \"demo\"\n# ``` </pre><script>"));
    assert!(!markdown.contains("\n# not a heading"));
    for chart in &written.charts {
        let name = chart.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
            "{name}"
        );
    }
}

#[test]
fn a_sweep_that_has_just_begun_has_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let unpruned: Vec<_> = records(&DEMO).into_iter().filter(|r| r.cell.method.is_none()).collect();
    let written = report(&store(directory.path(), &unpruned), &ReportOptions::default()).unwrap();
    assert!(written.charts.is_empty());
    let page = fs::read_to_string(&written.pages[0]).unwrap();
    assert!(page.contains("No pruned cell with an unpruned counterpart"));
    assert!(page.contains("| pubmedqa | accuracy | rules | fraction |"));
}

#[test]
fn records_that_keep_nothing_beside_metrics_are_drawn_and_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = records(&DEMO);
    for record in &mut records {
        (record.regressions, record.diagrams) = (None, None);
        for metric in &mut record.metrics {
            metric.scorer = String::new();
        }
    }
    let store = store(directory.path(), &records);
    // Their files have none of the fields.
    let file = fs::read_to_string(store.record_path(&RecordKey::parse(&records[9].key).unwrap())).unwrap();
    assert!(!file.contains("regressions") && !file.contains("diagrams") && !file.contains("scorer"));
    let written = report(&store, &ReportOptions::default()).unwrap();
    // Two models × (two kinds × three charts, one per domain and one of costs).
    assert_eq!(written.charts.len(), 36);
    let page = fs::read_to_string(&written.pages[0]).unwrap();
    assert!(page.contains("Its records count no changes of single items"));
    assert!(page.contains("| demo-recall | hallucination\\_rate |"), "{page}");
}

#[test]
fn answers_are_inside_the_page_up_to_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = records(&DEMO);
    records.retain(|r| r.cell.model == DEMO.models[0] && r.cell.task == "meqsum");
    let sweep = SweepIdentity::new("demo", "");
    let store = Store::open(directory.path(), &sweep).unwrap();
    for record in &mut records {
        // What the answers bear out, and nothing else.
        record.regressions = None;
        let key = RecordKey::parse(&record.key).unwrap();
        let mut writer = store.begin_answers(&key).unwrap();
        for item in 0..5 {
            let text = serde_json::json!({"text": "</script><b>", "references": ["gold"]});
            let line = serde_json::json!({"item": item.to_string(), "prompt": "p", "output": {"text": text}});
            writer.append(&line).unwrap();
        }
        store.publish(record, Answers::Own(writer)).unwrap();
    }
    // Six methods at four shares, of the smaller of two seeds.
    let page = |items: usize| {
        let options = ReportOptions {
            items,
            ..ReportOptions::default()
        };
        let written = report(&store, &options).unwrap();
        assert_eq!(written.warnings, Vec::<String>::new());
        fs::read_to_string(&written.pages[1]).unwrap()
    };
    let all = page(1000);
    assert!(all.contains("120 answers of pruned models") && all.contains("of 240 that"));
    assert!(all.contains("the\nsmallest seed of each method") && !all.contains("</script><b>"));
    let some = page(50);
    assert!(
        some.contains("48 answers of pruned models") && some.contains("<li>meqsum, 192 of 240</li>"),
        "{some}"
    );
    assert!(!page(0).contains("id=\"browser\""));
    let lost = store.answers_path(&RecordKey::parse(&records[0].key).unwrap());
    fs::remove_file(&lost).unwrap();
    let warnings = report(&store, &ReportOptions::default()).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("is missing; the page is without its answers"),
        "{warnings:?}"
    );
}

#[test]
fn records_of_an_older_program_can_be_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = records(&DEMO);
    records.truncate(3);
    let store = store(directory.path(), &records);
    let mut older = records[1].clone();
    older.inputs.insert("program".to_owned(), "0.0.1".to_owned());
    older.key = RecordKey::from_inputs(&older.inputs).to_string();
    store.publish(&older, Answers::None).unwrap();
    let message = report(&store, &ReportOptions::default()).unwrap_err().to_string();
    assert!(message.contains("both describe"), "{message}");
    assert!(
        message.contains("`program` (`0.0.1` and `absent`)") || message.contains("`program` (`absent` and `0.0.1`)")
    );
    let options = ReportOptions {
        only: Some(records.iter().map(|r| r.key.clone()).collect()),
        ..ReportOptions::default()
    };
    report(&store, &options).unwrap();
}
