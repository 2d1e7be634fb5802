//! `bench`, on a tiny checkpoint: which figures there are, not how large.

use serde_json::Value;

use super::{olmoe, refusal, stdout};

/// The figures of transformers that ours are divided by.
const SHARED: [&str; 10] = [
    "load_s",
    "rss_after_load_mb",
    "prefill_tok_s_b8x256",
    "decode_tok_s_b1",
    "decode_tok_s_b8",
    "calibration_reap_tok_s_b1x256",
    "calibration_reap_tok_s_b4x256",
    "plain_forward_tok_s_b1x256",
    "plain_layers_tok_s_b1x256",
    "plain_layers_tok_s_b4x256",
];

fn measured(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let model = olmoe();
    let all = [&["bench", &model, "--json", "--repetitions", "1"], arguments].concat();
    serde_json::from_str(&stdout(folder.path(), &all)).unwrap()
}

#[test]
fn every_figure_is_there_and_of_the_tiny_model() {
    let found = measured(&["--threads", "1"]);
    let own = [
        "calibration_all_tok_s_b1x256",
        "calibration_all_tok_s_b4x256",
        "weight_statistics_s",
    ];
    for key in SHARED.iter().chain(&own) {
        let figure = found[*key].as_f64().unwrap_or_else(|| panic!("{key}: {found}"));
        assert!(figure.is_finite() && figure > 0.0, "{key}: {figure}");
    }
    assert_eq!((&found["dtype"], &found["threads"]), (&"bf16".into(), &1.into()));
    assert_eq!(
        (&found["precision"], &found["device"]),
        (&"exact".into(), &"cpu".into())
    );
    let (weights, peak) = (found["weights_mb"].as_f64().unwrap(), found["peak_rss_mb"].as_f64());
    assert!(weights > 0.1 && weights < 10.0, "{weights} MiB");
    #[cfg(target_os = "linux")]
    assert!(peak.unwrap() >= found["peak_anonymous_mb"].as_f64().unwrap());
    #[cfg(not(target_os = "linux"))]
    assert!(peak.is_none());
}

#[test]
fn only_what_is_asked_for_is_measured() {
    let found = measured(&["--only", "decode"]);
    let rates: Vec<&String> = found["spread"].as_object().unwrap().keys().collect();
    assert_eq!(rates, ["decode_tok_s_b1", "decode_tok_s_b8"]);
    assert!(found.get("prefill_tok_s_b8x256").is_none());
}

#[test]
fn people_get_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let said = stdout(
        folder.path(),
        &["bench", &olmoe(), "--repetitions", "1", "--only", "prefill"],
    );
    assert!(
        said.contains("olmoe") && said.contains("tokens/s") && said.contains("1 run per figure"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(folder.path(), &["bench", "nowhere/olmoe"]);
    assert!(said.contains("nowhere/olmoe"), "{said}");
}
