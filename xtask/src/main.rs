//! Developer driver: picks features for the device, builds in release and runs `secateur`; runs tests and checks.
//!
//! Thin on purpose: it links nothing heavy, so that `cargo xtask` itself builds in seconds.

mod figures;
mod nightly;
mod package;

use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  sweep [FILE] [OPTIONS]       run a sweep (the built-in demo without FILE) and draw its report
  sweep plan|run|reduce|status [FILE] [OPTIONS]
                               its cells one by one, in parts, and how far it is; several machines may work on one sweep
  report DIR [OPTIONS]         draw the report of a results directory again
  goldens DIR [--only NAME,…]  check Secateur against a directory of reference values
  demo data                    write the demo's tasks and calibration text from its knowledge files
  demo train [--model NAME]    train the demo models from scratch, or go on
  safe DIR [OPTIONS]           print how far each model can be pruned, from the records of a results directory
  scorers [OPTIONS]            measure every scorer on labelled sets; writes results/scorers.md
  simulate                     put the statistics to 2,000 simulated sweeps of known truth; writes results/statistics.md
  nightly [OPTIONS]            run sweeps and benches, compare with the last good run, summarise; see nightly --help
  test [ARGUMENTS]             run all tests, on all devices that are there
  check                        format, lints, tests, documentation: what CI runs
  figures [--check] [--from DIR]
                               run the demo sweep, and write results/demo, the book's charts and README's numbers from it
  package [OPTIONS]            pack all crates for a registry, and check that each compiles from its package alone
  run ARGUMENTS                any other `secateur` command, e.g. `cargo xtask run tasks`

Everything after the command goes to `secateur`; `--device ndarray|wgpu` also switches the build's feature on.
With SECATEUR_BUILD=tests the program is the one that the tests are built with: slower, but nothing is built anew.
";

/// What tests, lints and documentation are built with: all devices, so that one build serves them all.
const ALL_DEVICES: &str = "--features=secateur/ndarray,secateur/wgpu";

/// The sweep that runs where none is named.
const DEMO: &str = "benchmarks/sweeps/demo.toml";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> anyhow::Result<u8> {
    if words.is_empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help" {
        print!("{USAGE}");
        return Ok(0);
    }
    match words.remove(0).as_str() {
        "sweep" => {
            name_demo_where_no_file_is_named(&mut words)?;
            secateur("sweep", &words)
        }
        command @ ("report" | "goldens" | "demo" | "safe" | "scorers") => secateur(command, &words),
        "run" if !words.is_empty() => {
            let command = words.remove(0);
            secateur(&command, &words)
        }
        "test" => cargo(
            &[
                &["test", "--workspace", ALL_DEVICES],
                words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
            ]
            .concat(),
        ),
        "check" => check(),
        "nightly" => nightly::run(&words, &root_file(DEMO)?),
        "figures" => figures::run(&words, &root_file(DEMO)?),
        "package" => package::run(&words),
        "simulate" => simulate(),
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

/// Puts the built-in demo's sweep file where a sweep file belongs: first, or behind `plan`, `run`, `reduce` or `status`.
fn name_demo_where_no_file_is_named(words: &mut Vec<String>) -> anyhow::Result<()> {
    let options_with_value = ["--results", "--device", "--limit", "--cell", "--shard", "--shards"];
    let first = words.first().map(String::as_str);
    let place = usize::from(matches!(first, Some("plan" | "run" | "reduce" | "status" | "help")));
    let mut previous = "";
    let mut names_file = first == Some("help");
    for word in &words[place..] {
        names_file |= !word.starts_with('-') && !options_with_value.contains(&previous);
        previous = word;
    }
    if !names_file {
        words.insert(place, root_file(DEMO)?);
    }
    Ok(())
}

/// Builds and runs `secateur` in release, with the features that the device needs.
fn secateur(command: &str, words: &[String]) -> anyhow::Result<u8> {
    cargo(&secateur_arguments(command, words)?)
}

/// The same, with what it prints; errors and progress go to the terminal.
fn secateur_output(command: &str, words: &[String]) -> anyhow::Result<(u8, String)> {
    cargo_output(&secateur_arguments(command, words)?)
}

fn secateur_arguments<'a>(command: &'a str, words: &'a [String]) -> anyhow::Result<Vec<&'a str>> {
    let device = words
        .iter()
        .enumerate()
        .find_map(|(at, word)| match word.strip_prefix("--device") {
            Some("") => words.get(at + 1).cloned(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        });
    let mut arguments = vec!["run", "--quiet", "--package", "secateur"];
    let build = std::env::var("SECATEUR_BUILD").unwrap_or_default();
    match (build.as_str(), device.as_deref()) {
        ("tests", _) => arguments.push(ALL_DEVICES),
        ("", Some("wgpu")) => arguments.extend(["--release", "--features", "wgpu"]),
        ("", Some("ndarray")) => arguments.extend(["--release", "--features", "ndarray"]),
        ("", _) => arguments.push("--release"),
        (other, _) => bail!("SECATEUR_BUILD is `{other}`; expected `tests`, or nothing for the release build"),
    }
    arguments.extend(["--", command]);
    arguments.extend(words.iter().map(String::as_str));
    Ok(arguments)
}

/// The long form of the simulation tests, which links nothing heavy.
fn simulate() -> anyhow::Result<u8> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("results/statistics.md");
    let words = "test --release --package secateur-metrics --test simulation -- --ignored --nocapture";
    let words: Vec<&str> = words.split(' ').collect();
    let status = cargo_command(&words)
        .env("SECATEUR_STATISTICS_PAGE", page)
        .status()
        .context("cannot start cargo")?;
    Ok(u8::from(!status.success()))
}

fn check() -> anyhow::Result<u8> {
    let steps: [&[&str]; 4] = [
        &["fmt", "--all", "--check"],
        &[
            "clippy",
            "--workspace",
            ALL_DEVICES,
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &["test", "--workspace", ALL_DEVICES],
        &["doc", "--workspace", ALL_DEVICES, "--no-deps"],
    ];
    for step in steps {
        eprintln!("cargo {}", step.join(" "));
        let code = cargo(step)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

fn cargo(arguments: &[&str]) -> anyhow::Result<u8> {
    let status = cargo_command(arguments).status().context("cannot start cargo")?;
    Ok(code(status))
}

fn cargo_output(arguments: &[&str]) -> anyhow::Result<(u8, String)> {
    let mut command = cargo_command(arguments);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    Ok((
        code(output.status),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

fn cargo_command(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(arguments);
    // `cargo run` tells xtask these about itself. Build scripts that watch them would run again, and all that stands on them be compiled again.
    let of_xtask = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_xtask) {
            command.env_remove(&name);
        }
    }
    command
}

/// A code that does not fit, or a signal, is a failure.
fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The repository.
fn root() -> anyhow::Result<&'static std::path::Path> {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent directory")
}

fn root_file(path: &str) -> anyhow::Result<String> {
    let here = std::env::current_dir()?;
    let file = root()?.join(path);
    Ok(file.strip_prefix(&here).unwrap_or(&file).to_string_lossy().into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_runs_where_no_file_is_named() {
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            name_demo_where_no_file_is_named(&mut words).unwrap();
            words.join(" ").replace(&root_file(DEMO).unwrap(), "DEMO")
        };
        for (given, expected) in [
            ("", "DEMO"),
            ("--limit 4", "DEMO --limit 4"),
            ("a.toml --quiet", "a.toml --quiet"),
            ("plan --json", "plan DEMO --json"),
            ("run --shard 0/4", "run DEMO --shard 0/4"),
            ("run a.toml --cell 12ab", "run a.toml --cell 12ab"),
            ("status --shards 4 b.toml", "status --shards 4 b.toml"),
        ] {
            assert_eq!(words(given), expected);
        }
    }
}
