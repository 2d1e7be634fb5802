//! The words of the report: one value, two templates.

use minijinja::{AutoEscape, Environment, Output, State, Value as Shown, escape_formatter};
use secateur_metrics::value::{Aspect, MetricValue};
use serde::Serialize;

use super::{Figure, ReportOptions};
use crate::aggregate::Aggregate;
use crate::charts::{capital, percent};
use crate::error::Error;
use crate::record::Record;
use crate::retention::Estimate;
use crate::safe_fraction::{End, SafeFraction};
use crate::store::Store;

const HTML: &str = "report.html";

/// Everything that the pages show, as text; templates escape it.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    name: String,
    bound: String,
    places: Vec<String>,
    models: Vec<Answer>,
    safe: Vec<SafeRow>,
    unpruned: Vec<UnprunedRow>,
    figures: Vec<FigureView>,
    command: String,
    definition_sha256: String,
    definition: String,
    fence: String,
    records: usize,
    manifest: Vec<(String, String)>,
    warnings: Vec<String>,
}

/// How far one model can be pruned.
#[derive(Debug, Serialize)]
struct Answer {
    model: String,
    best: Vec<String>,
    rows: Vec<(String, Vec<AnswerCell>)>,
}

/// One method in one quadrant.
#[derive(Debug, Serialize)]
struct AnswerCell {
    safe: String,
    kept: String,
    end: String,
}

#[derive(Debug, Serialize)]
struct SafeRow {
    model: String,
    method: String,
    place: String,
    safe: String,
    utility: String,
    reliability: String,
    end: String,
    worst: String,
}

#[derive(Debug, Serialize)]
struct UnprunedRow {
    model: String,
    place: String,
    task: String,
    metric: String,
    unit: String,
    value: String,
    n: usize,
}

#[derive(Debug, Serialize)]
struct FigureView {
    name: String,
    title: String,
    svg: String,
}

impl Page {
    pub(super) fn new(
        store: &Store,
        options: &ReportOptions,
        records: &[Record],
        all: &Aggregate,
        safe: &[SafeFraction],
        figures: &[Figure],
        warnings: &[String],
    ) -> Result<Self, Error> {
        let identity = store.identity();
        let mut places: Vec<String> = safe.iter().map(place).collect();
        places.sort();
        places.dedup();
        let models = all.models();
        let answer = |model: &String| answer(model, &all.methods(), &places, safe);
        let manifest = store.manifest()?.into_iter();
        Ok(Self {
            name: identity.name.clone(),
            bound: percent(1.0 - options.margin),
            models: models.iter().map(answer).collect(),
            safe: safe.iter().map(safe_row).collect(),
            unpruned: unpruned(records),
            figures: figures.iter().map(view).collect(),
            command: options.command.clone(),
            definition_sha256: identity.definition_sha256.clone(),
            fence: fence(&identity.definition),
            definition: identity.definition.trim_end().to_owned(),
            records: records.len(),
            manifest: manifest.map(|(name, value)| (name, plain(&value))).collect(),
            warnings: warnings.to_vec(),
            places,
        })
    }

    pub(super) fn markdown(&self) -> Result<String, Error> {
        let template = include_str!("../../templates/report.md");
        self.render("report.md", template)
    }

    pub(super) fn html(&self) -> Result<String, Error> {
        let template = include_str!("../../templates/report.html");
        self.render(HTML, template)
    }

    fn render(&self, name: &str, template: &str) -> Result<String, Error> {
        let failed = |e: minijinja::Error| Error::Page {
            message: format!("{e:#}"),
        };
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let html = name == HTML;
        environment.set_auto_escape_callback(move |_| {
            if html {
                AutoEscape::Html
            } else {
                AutoEscape::Custom("markdown")
            }
        });
        environment.set_formatter(format_value);
        let template = environment.template_from_named_str(name, template).map_err(failed)?;
        template.render(self).map_err(failed)
    }
}

fn format_value(out: &mut Output, state: &State, value: &Shown) -> Result<(), minijinja::Error> {
    if state.auto_escape() == AutoEscape::Custom("markdown") && !value.is_safe() {
        return Ok(out.write_str(&markdown(&value.to_string()))?);
    }
    if value.is_safe() {
        return Ok(out.write_str(&value.to_string())?);
    }
    escape_formatter(out, state, value)
}

/// Text that Markdown shows as it is, on one line.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '$' | '!' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A code fence that the text cannot close.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn view(figure: &Figure) -> FigureView {
    FigureView {
        name: figure.name.clone(),
        title: figure.title.clone(),
        svg: figure.svg.clone(),
    }
}

fn place(safe: &SafeFraction) -> String {
    format!("{} {}", safe.quadrant.domain, safe.quadrant.kind)
}

fn answer(model: &str, methods: &[String], places: &[String], safe: &[SafeFraction]) -> Answer {
    let here: Vec<_> = safe.iter().filter(|s| s.model == model).collect();
    let rows = methods
        .iter()
        .filter(|m| here.iter().any(|s| s.method == **m))
        .map(|method| {
            let cell = |p: &String| {
                let found = here.iter().find(|s| s.method == *method && place(s) == *p);
                found.map_or_else(no_cell, |s| answer_cell(s))
            };
            (method.clone(), places.iter().map(cell).collect())
        });
    Answer {
        model: model.to_owned(),
        rows: rows.collect(),
        best: places.iter().filter_map(|p| best(p, &here)).collect(),
    }
}

/// The furthest safe methods of a quadrant, in a sentence.
fn best(quadrant: &str, here: &[&SafeFraction]) -> Option<String> {
    let there: Vec<_> = here.iter().filter(|s| place(s) == quadrant).collect();
    let furthest = there
        .iter()
        .map(|s| s.fraction)
        .fold(None, |best, f| Some(best.map_or(f, |b: f64| b.max(f))))?;
    let quadrant = capital(quadrant);
    if furthest == 0.0 {
        let smallest = there.iter().filter_map(|s| s.end.as_ref()).map(|e| e.fraction);
        let smallest = smallest.fold(1.0, f64::min);
        return Some(format!(
            "{quadrant}: with no method is a loss ruled out, even with the smallest share removed ({} %).",
            percent(smallest)
        ));
    }
    let names: Vec<_> = there
        .iter()
        .filter(|s| s.fraction == furthest)
        .map(|s| s.method.as_str())
        .collect();
    let share = percent(furthest);
    Some(format!("{quadrant}: up to {share} % with {}.", names.join(", ")))
}

fn no_cell() -> AnswerCell {
    AnswerCell {
        safe: "–".to_owned(),
        kept: String::new(),
        end: "not evaluated".to_owned(),
    }
}

fn answer_cell(safe: &SafeFraction) -> AnswerCell {
    let mut kept = Vec::new();
    if safe.fraction > 0.0 {
        for (name, estimate) in [("utility", safe.utility), ("reliability", safe.reliability)] {
            kept.extend(estimate.map(|e| format!("{name} {}", interval(e))));
        }
    }
    AnswerCell {
        safe: format!("{} %", percent(safe.fraction)),
        kept: kept.join(", "),
        end: end(safe),
    }
}

fn end(safe: &SafeFraction) -> String {
    match &safe.end {
        Some(End {
            fraction,
            estimate,
            aspect,
            ..
        }) => format!(
            "at {} %: {} {}",
            percent(*fraction),
            aspect_name(*aspect),
            interval(*estimate)
        ),
        None if safe.fraction < safe.largest => "next fraction not fully evaluated".to_owned(),
        None => "nothing up to the largest evaluated".to_owned(),
    }
}

fn aspect_name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Utility => "utility",
        Aspect::Reliability => "reliability",
        Aspect::Diagnostic => "diagnostic",
    }
}

/// `97.1 % (95.0 to 99.2)`
fn interval(estimate: Estimate) -> String {
    let show = |share: f64| format!("{:.1}", share * 100.0);
    let (low, high) = (show(estimate.low), show(estimate.high));
    format!("{} % ({low} to {high})", show(estimate.value))
}

fn safe_row(safe: &SafeFraction) -> SafeRow {
    let kept = |e: Option<Estimate>| e.map_or_else(|| "–".to_owned(), interval);
    let worst = safe.end.as_ref().map(|e| &e.task);
    SafeRow {
        model: safe.model.clone(),
        method: safe.method.clone(),
        place: place(safe),
        safe: format!("{} %", percent(safe.fraction)),
        utility: kept(safe.utility),
        reliability: kept(safe.reliability),
        end: end(safe),
        worst: worst.map_or_else(String::new, |(t, e)| format!("{t}: {}", interval(*e))),
    }
}

fn unpruned(records: &[Record]) -> Vec<UnprunedRow> {
    let mut cells: Vec<&Record> = records.iter().filter(|r| r.cell.method.is_none()).collect();
    cells.sort_by_key(|r| {
        let c = &r.cell;
        let place = (c.domain.clone(), c.kind.clone());
        (c.model.clone(), place, c.task.clone(), c.seed)
    });
    let mut rows = Vec::new();
    for record in cells {
        let metrics = record.metrics.iter();
        for metric in metrics.filter(|m| m.aspect != Aspect::Diagnostic) {
            rows.push(UnprunedRow {
                model: record.cell.model.clone(),
                place: format!("{} {}", record.cell.domain, record.cell.kind),
                task: record.cell.task.clone(),
                metric: metric.name.clone(),
                unit: metric.unit.clone(),
                value: metric_value(metric),
                n: metric.n,
            });
        }
    }
    rows
}

/// Value and interval to four significant decimals.
fn metric_value(metric: &MetricValue) -> String {
    let (low, high) = metric.interval;
    format!("{:.4} ({low:.4} to {high:.4})", metric.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_text_as_it_is() {
        assert_eq!(
            markdown("a|b <script> *x*\n# y"),
            "a\\|b &lt;script&gt; \\*x\\*  \\# y".replace("  ", " ")
        );
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fence("no ticks"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
