//! Cells and items for people.

use std::collections::BTreeSet;

use super::cells::ListedMetric;
use super::{ListedCell, Page, SeenItem};

/// Characters of a prompt that are shown: its end, where the question stands.
const PROMPT: usize = 600;
/// Characters of an answer.
const ANSWER: usize = 400;

/// Prints a list of cells.
pub fn cells(page: &Page<ListedCell>) {
    if page.entries.is_empty() {
        println!("no cell has a record yet");
        return;
    }
    let titles = ["cell", "model", "method", "removed", "seed", "task", "metrics"].map(str::to_owned);
    let rows = page.entries.iter().map(|cell| {
        let metrics: Vec<String> = cell.metrics.iter().map(brief).collect();
        [
            cell.id.clone(),
            cell.model.clone(),
            cell.method.clone(),
            cell.fraction_removed.to_string(),
            cell.seed.to_string(),
            cell.task.clone(),
            metrics.join(", "),
        ]
    });
    let lines: Vec<[String; 7]> = std::iter::once(titles).chain(rows).collect();
    for line in aligned(&lines) {
        println!("{line}");
    }
    let calibrated: BTreeSet<&str> = page.entries.iter().map(|cell| cell.calibration.as_str()).collect();
    let calibrated: Vec<&str> = calibrated.into_iter().filter(|name| !name.is_empty()).collect();
    println!();
    if !calibrated.is_empty() {
        println!("calibrated on {}", calibrated.join(", "));
    }
    println!(
        "{} cells; in brackets: pruned minus unpruned on the same items",
        page.total
    );
    if let Some(words) = page.words() {
        println!("{words}");
    }
}

/// Prints a cell with all of its metrics.
pub fn cell(cell: &ListedCell, words: &str, counts: &[(&String, &usize)], warnings: &[String]) {
    println!("{words}\nrecord {}\n", cell.key);
    let rows: Vec<[String; 4]> = cell
        .metrics
        .iter()
        .map(|metric| {
            let difference = match (metric.difference, metric.p_value) {
                (Some(difference), Some(p)) => format!("{difference:+.4}, p = {p:.3}"),
                _ => String::new(),
            };
            [
                metric.name.clone(),
                format!("{:.4} {}", metric.value, metric.unit),
                format!("[{:.4}, {:.4}] of {}", metric.interval.0, metric.interval.1, metric.n),
                difference,
            ]
        })
        .collect();
    for line in aligned(&rows) {
        println!("  {line}");
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("\nitems: {}", counts.join(", "));
    for warning in warnings {
        println!("warning: {warning}");
    }
}

/// Prints items.
pub fn items(page: &Page<SeenItem>) {
    for item in &page.entries {
        let flags: Vec<&str> = item.flags.iter().map(|flag| flag.name()).collect();
        let flags = if flags.is_empty() {
            String::new()
        } else {
            format!(" ({})", flags.join(", "))
        };
        println!("\n{}: {}{flags}", item.item, item.change.words());
        println!("  prompt    {}", indented(&end(&item.prompt, PROMPT)));
        if !item.gold.is_empty() {
            println!("  gold      {}", indented(&beginning(&item.gold.join(" | "), ANSWER)));
        }
        if let Some(unpruned) = &item.unpruned {
            println!("  unpruned  {}", indented(&beginning(unpruned, ANSWER)));
        }
        println!("  answer    {}", indented(&beginning(&item.answer, ANSWER)));
    }
    println!();
    match page.words() {
        Some(words) => println!("{} items, {words}", page.total),
        None => println!("{} items", page.total),
    }
}

/// `accuracy 0.812 (-0.050)`.
fn brief(metric: &ListedMetric) -> String {
    let difference = metric
        .difference
        .map_or_else(String::new, |difference| format!(" ({difference:+.3})"));
    format!("{} {:.3}{difference}", metric.name, metric.value)
}

/// Columns of equal width.
fn aligned<const N: usize>(lines: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let join = |line: &[String; N]| {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let joined = cells.collect::<Vec<_>>().join("  ");
        joined.trim_end().to_owned()
    };
    lines.iter().map(join).collect()
}

/// Further lines stand below the first. What a model wrote must not steer the terminal.
fn indented(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let lines = text.lines().map(|line| line.chars().map(clean).collect::<String>());
    lines.collect::<Vec<_>>().join("\n            ")
}

fn beginning(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        format!("{shown}…")
    } else {
        shown
    }
}

fn end(text: &str, most: usize) -> String {
    let skipped = text.chars().count().saturating_sub(most);
    let shown: String = text.chars().skip(skipped).collect();
    if skipped > 0 { format!("…{shown}") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_control_characters_left_out() {
        assert_eq!(beginning("abcd", 3), "abc…");
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!(end("abcd", 3), "…bcd");
        assert_eq!(indented("a\u{1b}[31m\nb"), "a [31m\n            b");
    }
}
