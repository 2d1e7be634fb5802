//! The machine for people.

use super::Machine;
use crate::doctor::memory::limits;
use crate::doctor::print::{bytes, section};

/// Prints it.
pub fn print(found: &Machine) {
    println!("devices");
    for device in &found.devices {
        println!("  {}", device.line());
    }
    let threads = found.threads.map_or_else(|| "–".to_owned(), |n| n.to_string());
    println!("\nthreads  {threads}");
    if let Some(memory) = found.memory_bytes {
        let free = found
            .memory_available_bytes
            .map_or_else(String::new, |free| format!(", {} available", bytes(free)));
        println!("memory   {}{free}", bytes(memory));
    }
    for limit in limits(&found.memory_limits) {
        println!("limit    {limit}");
    }
    println!();
    for folder in &found.folders {
        let free = folder
            .free_bytes
            .map_or_else(String::new, |free| format!(", {} free", bytes(free)));
        let there = if folder.exists { "" } else { ", not made yet" };
        println!("{:<9}  {}{there}{free}", folder.what, folder.path.display());
    }
    println!(
        "hub        {} models in the cache, {}, {}",
        found.cached_models,
        if found.hub_token { "a token" } else { "no token" },
        if found.hub_offline {
            "never asked (HF_HUB_OFFLINE)"
        } else {
            "asked for what is missing"
        }
    );
    let models = found.models.iter().map(|model| {
        let here = if model.here { "here" } else { "not here" };
        format!("{}: {} ({here})", model.name, model.path)
    });
    section("models", &models.collect::<Vec<_>>());
    let judges = found.judges.iter().map(|judge| {
        let state = match judge.reachable {
            Some(true) => "reachable",
            Some(false) => "not reachable",
            None => "not tried",
        };
        format!("{}: {} at {} ({state})", judge.name, judge.model, judge.endpoint)
    });
    section("judges", &judges.collect::<Vec<_>>());
    section("problems", &found.problems);
    if found.problems.is_empty() {
        println!("\nno problem found");
    }
}
