//! The table as a page and as CSV. Same data, same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::combination::{Tried, chosen};
use crate::labelled::{Half, Labelled};
use crate::measure::{Figure, Row};

/// All that the page says.
pub struct Page<'a> {
    /// The command that made it, as typed.
    pub command: String,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// The sets, in order.
    pub sets: &'a [Labelled],
    /// Their rows, set by set.
    pub rows: &'a [Row],
    /// Rules tried for the combined score, best first.
    pub tried: &'a [Tried],
}

/// How many of the tried rules are shown.
const TRIED: usize = 5;

impl Page<'_> {
    /// The page in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = self.introduction();
        for set in self.sets {
            text += &self.section(set);
        }
        text += &self.rules();
        text + &self.files()
    }

    fn introduction(&self) -> String {
        format!(
            "# How good is each scorer?\n\n\
             Made by `{}`; do not edit. Scores of texts against their sources, held against labels. {} resamples of documents, seed {}; \
             intervals are at 95 %.\n\n\
             - *n*: items with a score, and the share of all items that they are. A scorer that looks for numbers has none where a text \
             has no number.\n\
             - *AUROC*: probability that a supported text scores above an unsupported one; 0.5 is chance.\n\
             - *balanced accuracy*: mean of the shares of supported and of unsupported texts that are told right, on one half of the \
             documents, with the threshold that did best on the other half. Halves are every second document in the order of the SHA-256 of \
             their names, but for FRANK, which names its own. Where a threshold ships with the scorer, its figure on the same half stands behind `at`.\n\
             - *flags right*, *found*: of the texts below the (shipped, else chosen) threshold the share that is unsupported, and of \
             the unsupported texts the share below it, on the same half.\n\
             - An interval is missing where documents are too few for one; a figure is, where all labels or all scores are the same.\n\n",
            self.command, self.resamples, self.seed
        )
    }

    fn section(&self, set: &Labelled) -> String {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.set == set.name).collect();
        let mut text = format!("## {}\n\n{} Labelled by {}.", set.name, set.about, set.by.words());
        if !set.items.is_empty() {
            let supported = set.items.iter().filter(|item| item.supported).count();
            let report = set.items.iter().filter(|item| item.half == Half::Report).count();
            let _ = write!(
                text,
                " {} items of {} documents, {} of them supported ({}); {report} in the half that is reported.",
                set.items.len(),
                set.documents(),
                supported,
                percent(supported, set.items.len()),
            );
        }
        text += "\n\n";
        for note in &set.notes {
            let _ = writeln!(text, "{note}\n");
        }
        if rows.is_empty() {
            return text;
        }
        let partial = rows.iter().any(|row| row.partial_pearson.is_some());
        let extra = if partial {
            " partial Pearson | partial Spearman |"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| scorer | n | Pearson | Spearman |{extra} AUROC | threshold | balanced accuracy | flags right | found |\n\
             |---|---|---|---|{}---|---|---|---|---|",
            if partial { "---|---|" } else { "" }
        );
        for row in rows {
            let extra = if partial {
                format!(" {} | {} |", figure(row.partial_pearson), figure(row.partial_spearman))
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "| {} | {} ({}) | {} | {} |{extra} {} | {} | {} | {} | {} |",
                name(row),
                row.scored,
                percent(row.scored, row.items),
                figure(row.pearson),
                figure(row.spearman),
                figure(row.auroc),
                row.threshold
                    .map_or_else(|| "–".into(), |threshold| format!("{threshold:.3}")),
                accuracy(row),
                figure(row.precision),
                figure(row.recall),
            );
        }
        text + "\n"
    }

    fn rules(&self) -> String {
        if self.tried.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "## How `lexical_support` puts evidence together\n\n\
             {} rules were tried on the choice halves of the sets with texts that people labelled, and on nothing else. Of those within \
             one standard error of the best area under the curve, the one ships that lets facts without support cost most (marked), \
             with the threshold of best balanced accuracy there. That preference, and the cut into halves, were settled after first \
             figures on both halves had been seen: the reported half is not untouched. The best {TRIED}, and what ships:\n\n\
             | words must stand | facts without support | sentences | AUROC | standard error | threshold | balanced accuracy |\n\
             |---|---|---|---|---|---|---|\n",
            self.tried.len()
        );
        let ships = chosen(self.tried).map(|tried| tried.rule);
        for (at, tried) in self.tried.iter().enumerate() {
            let rule = tried.rule;
            let mark = if Some(rule) == ships { "**" } else { "" };
            if at < TRIED || Some(rule) == ships {
                let _ = writeln!(
                    text,
                    "| {mark}{:?}{mark} | {mark}{:?}{mark} | {mark}{:?}{mark} | {:.3} | {:.3} | {:.3} | {:.3} |",
                    rule.overlap,
                    rule.facts,
                    rule.over,
                    tried.auroc,
                    tried.standard_error,
                    tried.threshold,
                    tried.balanced_accuracy
                );
            }
        }
        text + "\n"
    }

    fn files(&self) -> String {
        let mut files: BTreeMap<&str, &str> = BTreeMap::new();
        for set in self.sets {
            files.extend(set.files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())));
        }
        let mut text = "## Files\n\n| file | SHA-256 |\n|---|---|\n".to_owned();
        for (name, sha256) in files {
            let _ = writeln!(text, "| {name} | `{sha256}` |");
        }
        let identities: BTreeMap<&str, &str> = self
            .rows
            .iter()
            .filter(|row| !row.identity.is_empty())
            .map(|row| (row.scorer.as_str(), row.identity.as_str()))
            .collect();
        let scorers: Vec<&str> = identities.into_values().collect();
        let _ = writeln!(text, "\nScorers: {}.", scorers.join(", "));
        text
    }

    /// All rows with all columns.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "set,labelled_by,scorer,identity,scored,items,documents,supported".to_owned();
        let figures = [
            "pearson",
            "spearman",
            "partial_pearson",
            "partial_spearman",
            "auroc",
            "balanced_accuracy",
            "shipped_balanced_accuracy",
            "precision",
            "recall",
        ];
        for name in figures {
            let _ = write!(text, ",{name},{name}_low,{name}_high");
        }
        text += ",threshold,threshold_accuracy_on_choice_half,shipped_threshold\n";
        for row in self.rows {
            let by = self
                .sets
                .iter()
                .find(|set| set.name == row.set)
                .map_or("", |set| set.by.words());
            let words = [row.set.as_str(), by, &row.scorer, &row.identity].map(quoted);
            let _ = write!(
                text,
                "{},{},{},{},{}",
                words.join(","),
                row.scored,
                row.items,
                row.documents,
                row.supported
            );
            let shipped = row.shipped.and_then(|shipped| shipped.1);
            let all = [
                row.pearson,
                row.spearman,
                row.partial_pearson,
                row.partial_spearman,
                row.auroc,
                row.balanced_accuracy,
                shipped,
                row.precision,
                row.recall,
            ];
            for figure in all {
                let _ = write!(text, ",{}", cells(figure));
            }
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let shipped = row.shipped.map(|shipped| shipped.0);
            let _ = writeln!(
                text,
                ",{},{},{}",
                number(row.threshold),
                number(row.chosen_accuracy),
                number(shipped)
            );
        }
        text
    }
}

fn name(row: &Row) -> String {
    if row.identity.is_empty() {
        row.scorer.clone()
    } else {
        format!("`{}`", row.scorer)
    }
}

fn accuracy(row: &Row) -> String {
    let chosen = figure(row.balanced_accuracy);
    match row.shipped {
        Some((threshold, at)) => format!("{chosen}; {} at {threshold}", figure(at)),
        None => chosen,
    }
}

/// `0.71 (0.65–0.77)`.
fn figure(figure: Option<Figure>) -> String {
    let Some(Figure { value, interval }) = figure else {
        return "–".into();
    };
    let number = |value: f64| format!("{value:.3}").replace('-', "−");
    match interval {
        Some((low, high)) => format!("{} ({} to {})", number(value), number(low), number(high)),
        None => number(value),
    }
}

fn cells(figure: Option<Figure>) -> String {
    match figure {
        Some(Figure {
            value,
            interval: Some((low, high)),
        }) => format!("{value},{low},{high}"),
        Some(Figure { value, interval: None }) => format!("{value},,"),
        None => ",,".into(),
    }
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / whole.max(1) as f64)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_interval_or_not_at_all() {
        let with = Figure {
            value: -0.5,
            interval: Some((-0.75, 0.25)),
        };
        assert_eq!(figure(Some(with)), "−0.500 (−0.750 to 0.250)");
        assert_eq!(figure(Some(Figure { interval: None, ..with })), "−0.500");
        assert_eq!((figure(None), cells(None)), ("–".to_owned(), ",,".to_owned()));
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
    }
}
