//! `secateur safe`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use secateur_datasets::error::nearest_hint;
use secateur_metrics::registry::METRICS;
use secateur_results::report::written_section;
use secateur_results::safe::{
    Criterion, End, Over, SafeFraction, SafeOptions, SafeSection, WrittenMargin, safe_fractions, words,
};
use secateur_results::store::Store;
use serde_json::{Value, json};

use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur safe results/sweeps/demo
  secateur safe results/sweeps/demo --margin 0.1 --margin rouge_l=5% --alpha 0.025
  secateur safe results/sweeps/demo --tasks mean --json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A sweep's results directory, or its address: `s3://…`, `gs://…`, `az://…`.
    directory: PathBuf,
    #[command(flatten)]
    rule: Rule,
    /// Print JSON: the rule, and every answer with its numbers.
    #[arg(long)]
    json: bool,
}

/// What counts as safe, where the command line says otherwise than the sweep.
#[derive(Debug, Args)]
pub struct Rule {
    /// The loss that is accepted, for all metrics or for one: `0.05`, `accuracy=0.02`, `rouge_l=5%`; may be repeated.
    #[arg(long, value_name = "[METRIC=]MARGIN")]
    margin: Vec<String>,
    /// Level of each test, one-sided.
    #[arg(long)]
    alpha: Option<f64>,
    /// Utility metrics, instead of each task's first; may be repeated.
    #[arg(long, value_name = "METRIC")]
    utility: Vec<String>,
    /// Reliability metrics, instead of each task's first; may be repeated.
    #[arg(long, value_name = "METRIC")]
    reliability: Vec<String>,
    /// Let a metric hold on each task, or in its mean over the domain's tasks.
    #[arg(long, value_enum)]
    tasks: Option<Tasks>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Tasks {
    Each,
    Mean,
}

impl Rule {
    /// What the sweep said, with what the command line says instead.
    ///
    /// # Errors
    /// If a margin or the level makes no sense.
    pub fn over(&self, mut section: SafeSection) -> anyhow::Result<SafeOptions> {
        for text in &self.margin {
            let (metric, margin) = text.split_once('=').unwrap_or(("default", text));
            if metric == "default" {
                section.margins.clear();
            }
            section
                .margins
                .insert(metric.trim().to_owned(), WrittenMargin::parse(margin));
        }
        section.alpha = self.alpha.or(section.alpha);
        let list = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
        section.utility = list(&self.utility).or(section.utility);
        section.reliability = list(&self.reliability).or(section.reliability);
        let over = self.tasks.map(|tasks| match tasks {
            Tasks::Each => Over::Each,
            Tasks::Mean => Over::Mean,
        });
        section.tasks = over.or(section.tasks);
        Ok(SafeOptions::check(&section)?)
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = Store::open_existing(&arguments.directory)?;
    let rule = arguments.rule.over(written_section(&store)?)?;
    let records: Vec<_> = super::records(&store)?
        .into_iter()
        .map(|stored| stored.record)
        .collect();
    known(&rule, &records)?;
    let mut answers = safe_fractions(&records, &rule);
    answers.sort_by_key(|answer| {
        let domain = (answer.in_domain != Some(true), answer.domain.clone());
        (
            answer.model.clone(),
            domain,
            answer.method != "random",
            answer.method.clone(),
        )
    });
    if arguments.json {
        let answers: Vec<Value> = answers.iter().map(as_json).collect();
        let all = json!({ "rule": words::rule(&rule), "alpha": rule.alpha, "answers": answers });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(Exit::Done);
    }
    println!("{}", words::rule(&rule));
    if answers.is_empty() {
        println!("\nNo pruned cell has been evaluated yet.");
    }
    let mut above = (String::new(), String::new());
    for answer in &answers {
        let place = (answer.model.clone(), words::domain(answer));
        if place != above {
            println!("\n{}, {}", place.0, place.1);
            above = place;
        }
        print(answer);
    }
    Ok(Exit::Done)
}

/// Refuses chosen metrics that no record has, and margins of metrics that do not exist.
fn known(rule: &SafeOptions, records: &[secateur_results::record::Record]) -> anyhow::Result<()> {
    let metrics = records.iter().flat_map(|record| &record.metrics);
    let recorded: BTreeSet<&str> = metrics.map(|metric| metric.name.as_str()).collect();
    if recorded.is_empty() {
        return Ok(());
    }
    let refuse = |name: &str, known: &BTreeSet<&str>| {
        let hint = nearest_hint(name, known.iter().copied());
        anyhow::bail!("no record has the metric `{name}`{hint}")
    };
    for name in rule.utility.iter().chain(&rule.reliability).flatten() {
        if !recorded.contains(name.as_str()) {
            return refuse(name, &recorded);
        }
    }
    // A sweep file may hold margins for tasks that this sweep does not have.
    let all: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).chain(recorded).collect();
    for name in rule.margins.keys() {
        if !all.contains(name.as_str()) {
            return refuse(name, &all);
        }
    }
    Ok(())
}

fn print(answer: &SafeFraction) {
    let share = words::share(answer.fraction);
    let interval = words::interval(answer);
    println!("  {:<24} {share:>7}  (interval {interval})", answer.method);
    println!("  {:<24} ends {}", "", words::end(&answer.end));
}

fn as_json(answer: &SafeFraction) -> Value {
    let (ends_at, missed) = match &answer.end {
        End::Largest => (None, None),
        End::Incomplete { fraction, .. } => (Some(*fraction), None),
        End::Missed {
            fraction, criterion, ..
        } => (Some(*fraction), Some(criterion_json(criterion))),
    };
    json!({
        "model": answer.model,
        "method": answer.method,
        "domain": answer.domain,
        "in_domain": answer.in_domain,
        "safe_fraction": answer.fraction,
        "interval": [answer.interval.0, answer.interval.1],
        "largest_evaluated": answer.largest,
        "seeds": answer.seeds,
        "reason": words::reason(&answer.end),
        "ends_at": ends_at,
        "missed": missed,
        "words": words::end(&answer.end),
        "kept": answer.kept.iter().map(criterion_json).collect::<Vec<_>>(),
    })
}

fn criterion_json(criterion: &Criterion) -> Value {
    json!({
        "metric": criterion.metric,
        "scorer": criterion.scorer,
        "task": criterion.task,
        "aspect": criterion.aspect,
        "unpruned": criterion.unpruned,
        "difference": criterion.difference,
        "bound": criterion.bound,
        "margin": criterion.margin,
        "confirmable_margin": criterion.confirmable,
        "n": criterion.n,
        "coverage": criterion.coverage,
        "between_seeds": criterion.between_seeds,
    })
}
