//! `secateur compare`.

use std::path::PathBuf;

use clap::Args;
use secateur_results::compare_runs::{Comparison, Outcome, Settings, compare_runs};
use secateur_results::store::Store;
use serde_json::json;

use crate::exit::Exit;

/// Lines of each kind of change in text.
const SHOWN: usize = 20;

const AFTER: &str = "\
Cells are matched by model, method, profile, fraction, seed, calibration and task. Metrics are
tested on the same items (McNemar's exact test for shares, paired bootstrap for the rest), at 0.05
for all metrics together (Holm). Times are summed by model, and judged only on one machine and from
one second on.

Examples:
  secateur compare results/sweeps/demo elsewhere/sweeps/demo
  secateur compare last-good/demo tonight/demo --json --tolerance-time 0.5

--json prints one object: `schema` (1), `outcome` (equal, regression, incomplete), `compared` (how
many cells, counts, answers and metrics), and the lists `missing`, `extra`, `inputs`, `counts`,
`answers`, `metrics`, `times` and `warnings`, each with what differs. A run is incomplete where what is
there is equal, but cells of A are missing in B.";

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Arguments {
    /// The results directory of one run of a sweep, or its address (`s3://…`, `gs://…`, `az://…`): what is expected.
    a: PathBuf,
    /// That of another run: what was found.
    b: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Share by which B may take longer, or make fewer tokens per second, before it counts as slower.
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().tolerance_time, value_parser = tolerance)]
    tolerance_time: f64,
    /// Compare every number of records and answers, as a repeated run on the same machine must give them; times are not judged.
    #[arg(long)]
    exact: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (a, b) = (Store::open_existing(&arguments.a)?, Store::open_existing(&arguments.b)?);
    let settings = Settings {
        tolerance_time: arguments.tolerance_time,
        exact: arguments.exact,
    };
    let found = compare_runs(&a, &b, &settings)?;
    print(&a, &b, &found, arguments.json)?;
    Ok(code(found.outcome))
}

/// Prints a comparison, as JSON or as text.
///
/// # Errors
/// If a number has no JSON form.
pub fn print(a: &Store, b: &Store, found: &Comparison, as_json: bool) -> anyhow::Result<()> {
    let places = (a.place().display().to_string(), b.place().display().to_string());
    if as_json {
        let mut all = json!({ "a": places.0, "b": places.1 });
        if let (Some(all), serde_json::Value::Object(found)) = (all.as_object_mut(), serde_json::to_value(found)?) {
            all.extend(found);
        }
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("A: {}, {} cells", places.0, found.compared.cells_a);
        println!("B: {}, {} cells\n", places.1, found.compared.cells_b);
        print!("{}", found.text(SHOWN));
    }
    Ok(())
}

/// The exit code of an outcome.
pub fn code(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Equal => Exit::Done,
        Outcome::Regression => Exit::Regression,
        Outcome::Incomplete => Exit::Incomplete,
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a share, such as 0.25".to_owned())?;
    if share.is_finite() && share >= 0.0 {
        Ok(share)
    } else {
        Err("expected a share of 0 or more, such as 0.25".to_owned())
    }
}
