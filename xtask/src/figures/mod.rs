//! `cargo xtask figures`: the demo's reference run, and what README and the book show of it.
//!
//! One run of `benchmarks/sweeps/demo.toml` makes the tables and the report in `results/demo`, the charts that the book has copies of, and the
//! numbers between `<!-- figures: … -->` marks. With `--check` nothing is written: what the run gives is held against what is there.

mod against;
mod blocks;
mod drawing;
mod numbers;
mod reference;
mod rows;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::{root, root_file, secateur};

const USAGE: &str = "\
cargo xtask figures [OPTIONS]

Runs the demo sweep from its beginning, and writes from it results/demo, docs/src/charts, and the numbers that stand between
`<!-- figures: NAME -->` and `<!-- figures end -->` in README.md and docs/src.

  --check      write nothing; fail where something differs
  --from DIR   take this finished run of the demo sweep instead of a new one
";

/// The sweep's folder in the folder for results.
const NAME: &str = "demo";

/// Writes or checks. Returns the exit code: 3 if `--check` found a difference.
///
/// # Errors
/// If an option makes no sense, the run lacks a table or chart, or a file cannot be read or written.
pub(crate) fn run(words: &[String], demo: &str) -> anyhow::Result<u8> {
    let Some(options) = Options::parse(words)? else {
        print!("{USAGE}");
        return Ok(0);
    };
    let run = if let Some(run) = options.from {
        run
    } else {
        let results = PathBuf::from(root_file("target/figures")?);
        let run = results.join(NAME);
        // A record of an older program would be found, and not evaluated.
        if run.exists() {
            std::fs::remove_dir_all(&run).with_context(|| run.display().to_string())?;
        }
        let results = results
            .to_str()
            .context("the name of the working folder is not UTF-8")?;
        let words = [demo, "--results", results, "--quiet"].map(str::to_owned);
        let status = secateur("sweep", &words)?;
        if status != 0 {
            return Ok(status);
        }
        run
    };
    let root = root()?;
    if options.check {
        check(&run, root)
    } else {
        write(&run, root)
    }
}

fn write(run: &Path, root: &Path) -> anyhow::Result<u8> {
    let pages = blocks::pages(&numbers::Numbers::read(run)?, root)?;
    reference::write(run, root)?;
    for page in pages {
        std::fs::write(&page.path, &page.made).with_context(|| page.path.display().to_string())?;
    }
    println!(
        "results/demo, docs/src/charts and the numbers of README and the book are those of {}",
        run.display()
    );
    Ok(0)
}

fn check(run: &Path, root: &Path) -> anyhow::Result<u8> {
    let against = against::Against::read(run, root)?;
    let mut problems = against.too_far();
    problems.extend(reference::chart_names(run, root)?);
    if against.same() {
        problems.extend(reference::charts(run, root)?);
        let pages = blocks::pages(&numbers::Numbers::read(run)?, root)?;
        let stale = pages.iter().filter(|page| page.made != page.found);
        problems.extend(stale.map(|page| format!("{}: its numbers are not those of this run", page.path.display())));
    } else {
        println!("{}", against.summary());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!("README, book and results/demo show what the demo sweep gives");
        return Ok(0);
    }
    eprintln!("`cargo xtask figures` writes them again; then read what is said of them");
    Ok(3)
}

struct Options {
    check: bool,
    from: Option<PathBuf>,
}

impl Options {
    /// `None` where help was asked for.
    fn parse(words: &[String]) -> anyhow::Result<Option<Self>> {
        let mut options = Self {
            check: false,
            from: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--check" => options.check = true,
                "--from" => options.from = Some(words.next().context("--from needs a results directory")?.into()),
                other => bail!("unknown option `{other}`\n\n{USAGE}"),
            }
        }
        Ok(Some(options))
    }
}
