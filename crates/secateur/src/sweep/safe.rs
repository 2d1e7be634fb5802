//! What a sweep counts as safe, completed and checked against its tasks.

use std::collections::BTreeSet;

use secateur_datasets::error::nearest_hint;
use secateur_datasets::toml_place::Spot;
use secateur_evaluation::{evaluate, score};
use secateur_metrics::registry::METRICS;
use secateur_results::safe::{SafeOptions, SafeSection};
use serde_json::json;

use super::definition::Sweep;
use super::refused::Refused;
use super::scorers::Scorers;
use super::tasks::LoadedTask;

/// `[safe]` with the domain filled in where one corpus of a domain's name is calibrated on.
///
/// # Errors
/// If it names a metric that nothing reports, or a domain that no task is of.
pub fn section(sweep: &Sweep, tasks: &[LoadedTask], scorers: &Scorers) -> anyhow::Result<SafeSection> {
    let mut section = sweep.safe.clone();
    let reported = tasks
        .iter()
        .flat_map(|task| evaluate::metrics(&task.spec, &task.data.items, &[], &scorers.answers));
    let mut metrics: BTreeSet<&str> = reported.map(|metric| metric.definition.name).collect();
    metrics.extend(METRICS.iter().chain(score::BY_ANSWERS).map(|metric| metric.name));
    for name in SafeOptions::names(&section) {
        if !metrics.contains(name) {
            let hint = nearest_hint(name, metrics.iter().copied());
            let message = format!("[safe] names the metric `{name}`, which no task reports{hint}");
            return Err(Refused::at(spot_of(&section, name), message));
        }
    }
    let of = |task: &LoadedTask| json!(task.spec.domain).as_str().unwrap_or_default().to_owned();
    let domains: BTreeSet<String> = tasks.iter().map(of).collect();
    match &section.domain {
        Some(domain) if !domains.contains(domain) => {
            let hint = nearest_hint(domain, domains.iter().map(String::as_str));
            let known: Vec<&str> = domains.iter().map(String::as_str).collect();
            let message = format!(
                "[safe] domain is `{domain}`, but the tasks are of {}{hint}",
                known.join(", ")
            );
            return Err(Refused::at(Spot::key("safe").then("domain"), message));
        }
        Some(_) => {}
        None => {
            let corpora: BTreeSet<&String> = sweep.calibrate_on.iter().flatten().collect();
            let only = corpora.first().filter(|_| corpora.len() == 1);
            section.domain = only
                .filter(|name| domains.contains(name.as_str()))
                .map(|name| (*name).clone());
        }
    }
    Ok(section)
}

/// Where `[safe]` names a metric.
fn spot_of(section: &SafeSection, name: &str) -> Spot {
    let safe = Spot::key("safe");
    let lists = [("utility", &section.utility), ("reliability", &section.reliability)];
    let named = |list: &Option<Vec<String>>| list.iter().flatten().any(|metric| metric == name);
    match lists.into_iter().find(|(_, list)| named(list)) {
        Some((key, _)) => safe.then(key).value(name),
        None => safe.then("margins").named(name),
    }
}
