//! Figures for people.

use std::fmt::Write as _;

use super::figures::Figures;
use super::measure::Spread;

/// Name in JSON, and in words.
const ROWS: [(&str, &str); 14] = [
    ("prefill_tok_s_b8x256", "prefill, 8 × 256, logits everywhere"),
    ("prefill_last_tok_s_b8x256", "prefill, 8 × 256, logits at the ends"),
    ("decode_tok_s_b1", "decoding, 1 sequence"),
    ("decode_read_gb_s_b1", "  memory, plain reads beside it"),
    ("decode_tok_s_b8", "decoding, 8 sequences"),
    ("decode_read_gb_s_b8", "  memory, plain reads beside them"),
    ("calibration_reap_tok_s_b4x256", "calibration, 4 × 256, for reap"),
    ("calibration_all_tok_s_b4x256", "calibration, for all methods"),
    ("plain_layers_tok_s_b4x256", "the same tokens, no statistics"),
    ("calibration_reap_tok_s_b1x256", "1 × 256 at a time, for reap"),
    ("calibration_all_tok_s_b1x256", "for all methods"),
    ("calibration_paper_tok_s_b1x256", "and for paper profiles"),
    ("plain_layers_tok_s_b1x256", "the same tokens, no statistics"),
    ("plain_forward_tok_s_b1x256", "the same tokens, with logits"),
];

/// A heading and one line per figure.
pub fn table(figures: &Figures) -> String {
    let (checkpoint, setting) = (&figures.checkpoint, &figures.setting);
    let mut text = format!(
        "{}: {}, {:.1} M parameters, {}, {:.1} MiB\n{}, {}, {}, {} per figure\n\n",
        checkpoint.directory.display(),
        checkpoint.family,
        checkpoint.values as f64 / 1e6,
        checkpoint.dtype,
        checkpoint.weights_mb,
        setting.device,
        setting.precision.name(),
        counted(setting.threads, "thread"),
        counted(setting.repetitions, "run"),
    );
    let mut line = |name: &str, value: String| {
        // A String takes whatever is written to it.
        let _ = writeln!(text, "{name:36} {value}");
    };
    line("loading, every weight checked", seconds(figures.load_s));
    for (key, name) in ROWS {
        if let Some(spread) = figures.rates.get(key) {
            let unit = if key.contains("_gb_s") { "GB/s" } else { "tokens/s" };
            line(name, rate(spread, unit));
        }
    }
    if let Some(spread) = figures.rates.get("weight_statistics_s") {
        line("statistics of the weights", seconds(spread.median()));
    }
    if let Some(held) = figures.at_end {
        line("peak memory", format!("{:10.1} MiB", held.peak_resident));
    }
    if let Some(peak) = figures.peak_anonymous_mb {
        line("  of which not in files, at most", format!("{peak:10.1} MiB"));
    }
    text
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:10.3} s")
}

fn rate(spread: &Spread, unit: &str) -> String {
    format!(
        "{:10.1} {unit:8}   ({:.1} to {:.1})",
        spread.median(),
        spread.least(),
        spread.most()
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use secateur_model::DeviceKind;

    use super::super::arithmetic::Arithmetic;
    use super::super::figures::{Checkpoint, Setting};
    use super::super::memory::Held;
    use super::*;

    fn figures() -> Figures {
        let held = Held {
            resident: 90.0,
            peak_resident: 100.5,
            anonymous: 20.0,
        };
        let rates = [
            ("decode_tok_s_b1", vec![50.0, 40.0, 45.5]),
            ("decode_read_gb_s_b1", vec![30.25, 35.0, 36.5]),
            ("weight_statistics_s", vec![0.25]),
        ];
        Figures {
            setting: Setting {
                device: DeviceKind::Cpu,
                precision: Arithmetic::Exact,
                threads: 1,
                repetitions: 3,
            },
            checkpoint: Checkpoint {
                directory: PathBuf::from("models/olmoe"),
                family: "olmoe",
                dtype: "bf16".into(),
                values: 1_500_000,
                weights_mb: 2.9,
            },
            load_s: 0.125,
            after_load: Some(held),
            at_end: Some(held),
            peak_anonymous_mb: Some(30.0),
            rates: rates.map(|(name, runs)| (name, Spread::new(runs).unwrap())).into(),
        }
    }

    #[test]
    fn figures_in_words() {
        let expected = "\
models/olmoe: olmoe, 1.5 M parameters, bf16, 2.9 MiB
cpu, exact, 1 thread, 3 runs per figure

loading, every weight checked             0.125 s
decoding, 1 sequence                       45.5 tokens/s   (40.0 to 50.0)
  memory, plain reads beside it            35.0 GB/s       (30.2 to 36.5)
statistics of the weights                 0.250 s
peak memory                               100.5 MiB
  of which not in files, at most           30.0 MiB
";
        assert_eq!(table(&figures()), expected);
    }

    #[test]
    fn figures_in_json() {
        let json = figures().json();
        let number = |key: &str| json[key].as_f64().unwrap();
        assert!((number("decode_tok_s_b1") - 45.5).abs() < 1e-12);
        assert!((number("load_s") - 0.125).abs() < 1e-12 && (number("peak_rss_mb") - 100.5).abs() < 1e-12);
        assert!((json["spread"]["decode_tok_s_b1"]["least"].as_f64().unwrap() - 40.0).abs() < 1e-12);
        assert_eq!(json["spread"]["decode_tok_s_b1"]["runs"].as_array().unwrap().len(), 3);
        assert_eq!((&json["device"], &json["precision"]), (&"cpu".into(), &"exact".into()));
        assert!(json.get("prefill_tok_s_b8x256").is_none(), "it was not measured");
    }

    #[test]
    fn what_is_measured_has_a_row() {
        let unique: BTreeMap<&str, &str> = ROWS.into();
        assert_eq!(unique.len(), ROWS.len());
        assert!(ROWS.iter().all(|(_, name)| name.chars().count() <= 36));
    }
}
