//! A comparison in words.

use std::fmt::Write;

use super::{Comparison, MetricChange, Outcome, Speed, TimeChange, Verdict};

/// A table of what was compared, then what differs, at most `shown` lines of each kind.
pub fn text(all: &Comparison, shown: usize) -> String {
    let mut out = String::new();
    let line = |out: &mut String, words: [&str; 4]| {
        let [what, compared, differ, note] = words;
        let text = format!("{what:<15} {compared:>9} {differ:>7}  {note}");
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{}", text.trim_end());
    };
    let verdicts = |verdict| all.metrics.iter().filter(|m| m.verdict == verdict).count();
    let changed: usize = all.answers.iter().map(|change| change.items.len()).sum();
    let cells = format!("{} of A missing in B, {} only in B", all.missing.len(), all.extra.len());
    let metrics = format!(
        "{} worse, {} better, {} in doubt, {} not judged",
        verdicts(Verdict::Worse),
        verdicts(Verdict::Better),
        verdicts(Verdict::InDoubt),
        verdicts(Verdict::NotJudged)
    );
    let slower = all.times.iter().filter(|t| t.speed == Speed::Slower).count();
    let unjudged = all.times.iter().filter(|t| t.speed == Speed::NotJudged).count();
    let times = format!("{slower} slower, {unjudged} not judged");
    let differ = all
        .times
        .iter()
        .filter(|t| matches!(t.speed, Speed::Slower | Speed::Faster));
    let differ = differ.count();
    line(&mut out, ["", "compared", "differ", ""]);
    for (what, compared, differ, note) in [
        ("cells", all.compared.cells, all.missing.len() + all.extra.len(), cells),
        ("counts", all.compared.counts, all.counts.len(), String::new()),
        ("greedy answers", all.compared.answers, changed, String::new()),
        ("metrics", all.compared.metrics, all.metrics.len(), metrics),
        ("times by model", all.times.len(), differ, times),
    ] {
        line(&mut out, [what, &compared.to_string(), &differ.to_string(), &note]);
    }
    if let Some(numbers) = &all.numbers {
        let _ = writeln!(out, "{:<15} {:>9} {:>7}", "numbers", "all", numbers.len());
    }
    lists(all, shown, &mut out);
    let _ = writeln!(out, "\n{}", outcome(all));
    out
}

fn lists(all: &Comparison, shown: usize, out: &mut String) {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
    list(out, shown, "Missing in B", &all.missing, |missing| {
        let instead = missing.instead.as_ref().map(|instead| format!("; B has {instead}"));
        format!("{}{}", missing.cell, instead.unwrap_or_default())
    });
    list(out, shown, "Only in B", &all.extra, ToString::to_string);
    list(out, shown, "Inputs that differ", &all.inputs, |input| {
        let (a, b) = (short(&side(&input.a)), short(&side(&input.b)));
        format!("{}: {a} → {b}, in {} cells", input.name, input.cells)
    });
    list(out, shown, "Counts", &all.counts, |count| {
        let side = |value: Option<usize>| value.map_or_else(|| "absent".to_owned(), |value| value.to_string());
        format!("{}: {} {} → {}", count.cell, count.name, side(count.a), side(count.b))
    });
    list(out, shown, "Greedy answers", &all.answers, |change| {
        let (first, items) = (&change.first, &change.items);
        format!(
            "{}: {} of {} items; the first, `{}`: {} {} → {}",
            change.cell,
            items.len(),
            change.of,
            items.first().map_or("", String::as_str),
            first.what,
            first.a,
            first.b
        )
    });
    let mut metrics: Vec<&MetricChange> = all.metrics.iter().collect();
    metrics.sort_by_key(|metric| metric.verdict != Verdict::Worse);
    list(out, shown, "Metrics", &metrics, |metric| self::metric(metric));
    list(out, shown, "Times", &all.times, time);
    list(
        out,
        usize::MAX,
        "Numbers",
        all.numbers.as_deref().unwrap_or_default(),
        |number| format!("{}: {} {} → {}", number.cell, number.place, number.a, number.b),
    );
    list(out, shown, "Warnings", &all.warnings, Clone::clone);
}

fn list<T>(out: &mut String, shown: usize, title: &str, all: &[T], words: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}:");
    for one in all.iter().take(shown) {
        let _ = writeln!(out, "  {}", words(one));
    }
    if all.len() > shown {
        let _ = writeln!(out, "  … and {} more; --json lists all", all.len() - shown);
    }
}

fn metric(metric: &MetricChange) -> String {
    let verdict = match metric.verdict {
        Verdict::Worse => "worse",
        Verdict::Better => "better",
        Verdict::InDoubt => "in doubt",
        Verdict::NotJudged => "not judged",
    };
    let number = |value: Option<f64>| value.map_or_else(|| "absent".to_owned(), |value| format!("{value:.4}"));
    let p = match (metric.p_value, metric.p_holm) {
        (Some(p), Some(holm)) => format!(", p {p:.4}, Holm {holm:.4}"),
        _ => String::new(),
    };
    let (a, b) = (number(metric.a), number(metric.b));
    format!(
        "{}: {} {a} → {b}, {verdict} ({}{p})",
        metric.cell, metric.metric, metric.test
    )
}

fn time(time: &TimeChange) -> String {
    let why = |why: &String| format!("not judged: {why}");
    let verdict = match time.speed {
        Speed::Within => "within the tolerance".to_owned(),
        Speed::Slower => "slower".to_owned(),
        Speed::Faster => "faster".to_owned(),
        Speed::NotJudged => time.note.as_ref().map_or_else(|| "not judged".to_owned(), why),
    };
    format!(
        "{}, {} cells: {:.2} s → {:.2} s, {:.0} → {:.0} tokens/s; {verdict}",
        time.model, time.cells, time.seconds_a, time.seconds_b, time.tokens_per_second_a, time.tokens_per_second_b
    )
}

/// Hashes and long texts, for one line.
fn short(text: &str) -> String {
    if text.chars().count() <= 40 {
        return format!("`{text}`");
    }
    format!("`{}…`", text.chars().take(12).collect::<String>())
}

fn outcome(all: &Comparison) -> String {
    match all.outcome {
        Outcome::Equal if all.numbers.is_some() => "equal: every number of A is that of B".to_owned(),
        Outcome::Equal => "equal, or within doubt and tolerance".to_owned(),
        Outcome::Incomplete => format!("incomplete: {} cells of A are missing in B", all.missing.len()),
        Outcome::Regression => {
            let missing = match all.missing.len() {
                0 => String::new(),
                count => format!("; besides, {count} cells of A are missing in B"),
            };
            format!("regression: B differs from A where it must not, or is worse{missing}")
        }
    }
}
