//! What the command line of a night says.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// `cargo xtask nightly --help`.
pub const USAGE: &str = "\
cargo xtask nightly [OPTIONS]

Runs sweeps and the criterion benches, compares them with the last good run, and writes OUT/summary.md for a pull request and
OUT/benchmarks.json for github-action-benchmark (`customSmallerIsBetter`). Where all is well, the run becomes OUT/last-good.

  --sweep FILE             run this sweep file too, beside the demo; may be repeated
  --against DIR            compare with this folder of runs instead of OUT/last-good
  --out DIR                where everything goes [default: target/nightly]
  --skip-benches           run no criterion benches
  --limit N                at most N items per task
  --tolerance-time SHARE   share by which sweeps may take longer [default: 0.25]
  --tolerance-bench SHARE  share by which a bench may take longer, if its interval lies beyond the old one too [default: 0.5]

Exit codes: 0 all well; 4 regression: something differs that must not, is worse or slower; 5 incomplete: cells failed or are missing;
1 error: a sweep, a comparison or a bench could not be run. The worst of all parts decides, in the order 1, 4, 5, 0.
";

/// A night's options.
#[derive(Debug, PartialEq)]
pub struct Options {
    pub sweeps: Vec<String>,
    pub against: Option<PathBuf>,
    pub out: PathBuf,
    pub benches: bool,
    pub limit: Option<String>,
    pub tolerance_time: Option<String>,
    pub tolerance_benches: f64,
}

impl Options {
    /// Reads the words after `nightly`; `None` where help is asked for.
    ///
    /// # Errors
    /// Names the word that is not understood.
    pub fn parse(words: &[String], demo: &str) -> anyhow::Result<Option<Self>> {
        let mut options = Self {
            sweeps: vec![demo.to_owned()],
            against: None,
            out: PathBuf::from("target/nightly"),
            benches: true,
            limit: None,
            tolerance_time: None,
            tolerance_benches: 0.5,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| words.next().cloned());
                value.with_context(|| format!("{name} has no value; see `cargo xtask nightly --help`"))
            };
            match name {
                "--help" | "-h" => return Ok(None),
                "--skip-benches" => options.benches = false,
                "--sweep" => options.sweeps.push(value()?),
                "--against" => options.against = Some(value()?.into()),
                "--out" => options.out = value()?.into(),
                "--limit" => options.limit = Some(value()?),
                "--tolerance-time" => options.tolerance_time = Some(value()?),
                "--tolerance-bench" => options.tolerance_benches = share(&value()?)?,
                _ => bail!("nightly: `{word}` is not understood\n\n{USAGE}"),
            }
        }
        Ok(Some(options))
    }
}

fn share(text: &str) -> anyhow::Result<f64> {
    let share: f64 = text
        .parse()
        .with_context(|| format!("--tolerance-bench {text}: expected a share, such as 0.5"))?;
    if !share.is_finite() || share < 0.0 {
        bail!("--tolerance-bench {text}: expected a share of 0 or more, such as 0.5");
    }
    Ok(share)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Options;

    fn parse(line: &str) -> anyhow::Result<Option<Options>> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words, "demo.toml")
    }

    #[test]
    fn the_demo_always_runs() {
        let options = parse("--sweep a.toml --sweep=b.toml --out x --skip-benches --tolerance-bench 0.2")
            .unwrap()
            .unwrap();
        assert_eq!(options.sweeps, ["demo.toml", "a.toml", "b.toml"]);
        assert!(!options.benches && options.out.ends_with("x") && (options.tolerance_benches - 0.2).abs() < 1e-12);
        assert_eq!(parse("--help").unwrap(), None);
    }

    #[test]
    fn a_word_that_is_not_understood_is_named() {
        for (line, part) in [
            ("--swep a", "--swep"),
            ("--out", "--out has no value"),
            ("--tolerance-bench -1", "-1"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
