//! A diagnosis for people.

use super::ratios::CACHED_TOKENS;
use super::{Diagnosis, LayerGroup, some};

/// Prints it.
pub fn print(found: &Diagnosis) {
    println!("{}", found.directory.display());
    println!("  family           {}", found.family.as_deref().unwrap_or("unknown"));
    for (name, can) in [
        ("loaded", found.loads),
        ("pruned", found.prunes),
        ("exported", found.exports),
    ] {
        println!("  can be {name:<9} {}", if can { "yes" } else { "no" });
    }
    parts(found);
    if let Some(layers) = found.decoder_layers {
        println!("\nlayers: {layers}, of which with experts:");
        for group in &found.layers {
            println!("  {}", layer_group(group));
        }
    }
    if let Some(memory) = &found.memory {
        println!("\nmemory on this machine's CPU:");
        for (name, text) in memory.lines() {
            println!("  {name:<16} {text}");
        }
    }
    ratios(found);
    if !found.unused_tensors.is_empty() {
        println!(
            "\n{} tensors are not used: {}",
            found.unused_tensors.len(),
            some(&found.unused_tensors)
        );
    }
    if !found.unread_config_fields.is_empty() {
        println!(
            "\nfields of config.json that nothing reads: {}",
            found.unread_config_fields.join(", ")
        );
    }
    section("notes", &found.notes);
    let problems = found
        .problems
        .iter()
        .map(|p| format!("[{}] {}", stops(p.stops), p.message));
    section("problems", &problems.collect::<Vec<_>>());
    if found.problems.is_empty() {
        println!("\nno problem found");
    }
}

fn stops(step: super::Step) -> &'static str {
    match step {
        super::Step::Load => "cannot be loaded",
        super::Step::Prune => "cannot be pruned",
        super::Step::Export => "cannot be exported",
    }
}

/// A title and its lines, where there are any.
pub fn section(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title}:");
    }
    for line in lines {
        println!("  - {line}");
    }
}

fn parts(found: &Diagnosis) {
    if found.parts.is_empty() {
        return;
    }
    println!(
        "\n{:<24}{:>9}{:>14}{:>12}  dtype",
        "weights", "tensors", "parameters", "bytes"
    );
    let (mut tensors, mut elements, mut total) = (0, 0, 0);
    for part in &found.parts {
        println!(
            "  {:<22}{:>9}{:>14}{:>12}  {}",
            part.name,
            part.tensors,
            part.elements,
            bytes(part.bytes),
            part.dtypes.join(" ")
        );
        tensors += part.tensors;
        elements += part.elements;
        total += part.bytes;
    }
    println!(
        "  {:<22}{tensors:>9}{elements:>14}{:>12}  in {} file(s)",
        "all",
        bytes(total),
        found.files.len()
    );
}

/// `0–15: 64 experts, 8 per token`.
pub fn layer_group(group: &LayerGroup) -> String {
    let groups = if group.groups > 1 {
        format!(
            ", in {} groups of which a token may use {}",
            group.groups, group.topk_groups
        )
    } else {
        String::new()
    };
    format!(
        "{}: {} experts, {} per token{groups}",
        ranges(&group.layers),
        group.experts,
        group.top_k
    )
}

/// `0–3, 5`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let show = |(first, last): &(usize, usize)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}–{last}")
        }
    };
    ranges.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn ratios(found: &Diagnosis) {
    if found.ratios.is_empty() {
        return;
    }
    println!(
        "\n{:>9}{:>10}{:>14}{:>12}{:>12}",
        "removed", "kept", "parameters", "on disk", "memory"
    );
    for row in &found.ratios {
        let kept: Vec<String> = row.experts_kept.iter().map(usize::to_string).collect();
        let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |n| n.to_string());
        let size = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), bytes);
        match &row.refused {
            Some(reason) => println!("{:>9}  not possible: {reason}", row.ratio),
            None => println!(
                "{:>9}{:>10}{:>14}{:>12}{:>12}",
                row.ratio,
                kept.join(" "),
                number(row.parameters),
                size(row.file_bytes),
                size(row.memory_bytes)
            ),
        }
    }
    println!("  memory: weights as on disk, and at most the keys and values of {CACHED_TOKENS} tokens in f32");
}

/// `1.23 MB`; powers of ten.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        if n >= size {
            return format!("{:.2} {unit}", n / size);
        }
    }
    format!("{n} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_sizes_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234_567), "1.23 MB");
    }
}
