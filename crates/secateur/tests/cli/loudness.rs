//! `-q` and `-v`, which every command takes.

use crate::tiny::{Sweep, checkpoint};
use crate::{run, text};

#[test]
fn quiet_leaves_data_and_verbose_adds_steps() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let model = checkpoint().display().to_string();
    let calibrate = [
        "calibrate",
        &model,
        "corpus.jsonl",
        "--no-chat-template",
        "--samples",
        "4",
        "--output",
        "stats",
    ];
    let usual = run(at, &calibrate);
    assert!(text(&usual.stderr).contains("statistics written: "), "{usual:?}");
    let quiet = run(at, &[&calibrate[..], &["-q"]].concat());
    assert_eq!((text(&quiet.stderr).as_str(), &quiet.stdout), ("", &usual.stdout));
    // Before the command as well as behind it.
    let verbose = run(at, &[&["--verbose"][..], &calibrate].concat());
    let said = text(&verbose.stderr);
    assert_eq!(verbose.stdout, usual.stdout);
    for part in [
        " s] model `",
        "olmoe, ",
        " MB of weights in ",
        "statistics found",
        " s] end",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
}

#[test]
fn a_sweep_says_what_it_reads_and_finds() {
    let sweep = Sweep::new();
    let at = sweep.folder.path();
    let words = ["sweep", "sweep.toml", "--results", "results"];
    let first = run(at, &words);
    assert!(first.status.success());
    assert!(!text(&first.stderr).contains(" s] "), "{first:?}");
    let again = text(&run(at, &[&words[..], &["-v"]].concat()).stderr);
    for part in [
        "sweep file sweep.toml: `tiny`",
        "task `colours`: 12 of 12 items, from colours.jsonl",
        "corpus `letters`: 8 samples drawn from corpus.jsonl",
        "tiny-olmoe: statistics on letters, seed 0, are there",
        "] tiny-olmoe unpruned on colours: has a record",
    ] {
        assert!(again.contains(part), "no `{part}` in {again}");
    }
    let listed = run(at, &["-v", "inspect", "results/tiny", "--json"]);
    assert!(
        text(&listed.stderr).contains("14 records in results/tiny"),
        "{listed:?}"
    );
    serde_json::from_slice::<serde_json::Value>(&listed.stdout).unwrap();
}
