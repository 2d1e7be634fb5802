//! The words of the report: one value, two templates.

use minijinja::{AutoEscape, Environment, Output, State, Value as Shown, escape_formatter};
use serde::Serialize;

use super::answers::{self, Answer, SafeRow};
use super::costs::{CostRow, costs};
use super::groups::{self, FigureView, Group};
use super::items::{Count, Items};
use super::rows::{self, DifferenceRow, UncoveredRow, UnprunedRow};
use super::worse::Worse;
use super::{Figure, assets, packed};
use crate::aggregate::Aggregate;
use crate::charts::drawing::Drawing;
use crate::error::Error;
use crate::record::Record;
use crate::safe::{SafeFraction, SafeOptions, words};
use crate::store::Store;

const HTML: &str = "report.html";
const ONE_SEED: &str = "Every method was calibrated with one seed: intervals show what the sample of items leaves open, and \
nothing is known of what another calibration seed would change.";
const SEVERAL_SEEDS: &str = "Where a method was calibrated with several seeds, the difference is the mean over them. What the sample of \
items leaves open and what the choice of seeds leaves open are shown apart (interval over items; standard deviation between seeds) and \
enter the answer together.";

/// What a report is made of.
pub(super) struct Content<'a> {
    pub(super) records: &'a [Record],
    pub(super) all: &'a Aggregate,
    pub(super) rule: &'a SafeOptions,
    pub(super) safe: &'a [SafeFraction],
    pub(super) figures: &'a [Figure],
    pub(super) worse: Vec<Worse>,
    pub(super) agreement: Option<&'a str>,
    pub(super) items: &'a Items,
    pub(super) warnings: &'a [String],
}

/// Everything that the pages show, as text; templates escape it.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    name: String,
    rule: String,
    seeds: &'static str,
    places: Vec<String>,
    models: Vec<Answer>,
    safe: Vec<SafeRow>,
    worse: Vec<Worse>,
    differences: Vec<DifferenceRow>,
    uncovered: Vec<UncoveredRow>,
    family: usize,
    unpruned: Vec<UnprunedRow>,
    groups: Vec<Group>,
    cost_figures: Vec<FigureView>,
    command: String,
    definition_sha256: String,
    definition: String,
    definition_shown: String,
    fence: String,
    records: usize,
    /// Name, value on one line, value as a reader likes it.
    manifest: Vec<(String, String, String)>,
    costs: Vec<CostRow>,
    items: Option<ItemsView>,
    agreement: Option<String>,
    warnings: Vec<String>,
}

/// The page as one file.
#[derive(Serialize)]
struct Parts<'a> {
    #[serde(flatten)]
    page: &'a Page,
    style: &'static str,
    script: String,
    script_source: String,
    charts_data: String,
    items_data: String,
}

/// What charts and the largest table are drawn from.
#[derive(Serialize)]
struct ChartsData<'a> {
    charts: Vec<&'a Drawing>,
    differences: Differences<'a>,
}

#[derive(Serialize)]
struct Differences<'a> {
    header: [&'static str; 11],
    rows: Vec<[&'a str; 11]>,
}

/// What the page says of the answers that it holds.
#[derive(Debug, Serialize)]
struct ItemsView {
    here: String,
    all: String,
    one_seed: bool,
    /// Tasks of which some are not here, with their numbers.
    left: Vec<String>,
    longest: usize,
    shortened: usize,
}

/// `None` where the page holds none.
fn items_view(count: &Count) -> Option<ItemsView> {
    let left = count.tasks.iter().filter(|(_, here, all)| here < all);
    (count.here > 0).then(|| ItemsView {
        here: counted(count.here),
        all: counted(count.all),
        one_seed: count.one_seed,
        left: left
            .map(|(task, here, all)| format!("{task}, {} of {}", counted(all - here), counted(*all)))
            .collect(),
        longest: count.longest,
        shortened: count.shortened,
    })
}

/// `12,345`.
fn counted(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl Page {
    pub(super) fn new(store: &Store, command: &str, content: Content<'_>) -> Result<Self, Error> {
        let identity = store.identity();
        let places = answers::places(content.safe);
        let models = content.all.models();
        let answer = |model: &String| answers::answer(model, &content.all.methods(), &places, content.safe);
        let manifest = store.manifest()?.into_iter();
        let several = content.safe.iter().any(|safe| safe.seeds > 1);
        Ok(Self {
            name: identity.name.clone(),
            rule: words::rule(content.rule),
            seeds: if several { SEVERAL_SEEDS } else { ONE_SEED },
            models: models.iter().map(answer).collect(),
            safe: content.safe.iter().map(answers::row).collect(),
            worse: content.worse,
            differences: rows::differences(content.records),
            uncovered: rows::uncovered(content.records),
            family: rows::family(content.records),
            unpruned: rows::unpruned(content.records),
            groups: groups::groups(content.figures),
            cost_figures: groups::of_costs(content.figures),
            command: command.to_owned(),
            definition_sha256: identity.definition_sha256.clone(),
            fence: fence(&identity.definition),
            definition: identity.definition.trim_end().to_owned(),
            definition_shown: readable(&identity.definition),
            records: content.records.len(),
            manifest: manifest
                .map(|(name, value)| (name, plain(&value), pretty(&value)))
                .collect(),
            costs: costs(content.records),
            items: items_view(&content.items.count),
            agreement: content.agreement.map(str::to_owned),
            warnings: content.warnings.to_vec(),
            places,
        })
    }

    pub(super) fn markdown(&self) -> Result<String, Error> {
        let template = include_str!("../../templates/report.md");
        render("report.md", template, self)
    }

    pub(super) fn html(&self, figures: &[Figure], items: &Items) -> Result<String, Error> {
        let template = include_str!("../../templates/report.html");
        let script = assets::script();
        let parts = Parts {
            page: self,
            style: assets::STYLE,
            script_source: packed::source(&script),
            script,
            charts_data: packed::packed(&ChartsData {
                charts: figures.iter().map(|figure| &figure.drawing).collect(),
                differences: Differences {
                    header: DifferenceRow::HEADER,
                    rows: self.differences.iter().map(DifferenceRow::cells).collect(),
                },
            })?,
            items_data: match self.items {
                Some(_) => packed::packed(&items.columns)?,
                None => String::new(),
            },
        };
        render(HTML, template, &parts)
    }
}

fn render(name: &str, template: &str, content: &impl Serialize) -> Result<String, Error> {
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
    template.render(content).map_err(failed)
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
pub(super) fn markdown(text: &str) -> String {
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

/// A definition in JSON over several lines, with the JSON that its strings hold; any other as it is.
fn readable(definition: &str) -> String {
    match serde_json::from_str(definition) {
        Ok(value @ serde_json::Value::Object(_)) => pretty(&opened(value)),
        _ => definition.trim_end().to_owned(),
    }
}

/// The value, objects in place of strings that hold them.
fn opened(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, opened(field))).collect(),
        Value::Array(values) => values.into_iter().map(opened).collect(),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(held @ Value::Object(_)) => held,
            _ => Value::String(text),
        },
        other => other,
    }
}

/// A code fence that the text cannot close.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pretty(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_in_json_is_opened_and_any_other_left() {
        let held = serde_json::json!({"name": "demo", "limit": 2}).to_string();
        let nested = serde_json::json!({"sweep": held, "cards": ["{", "2"]}).to_string();
        let shown = readable(&nested);
        assert!(shown.contains("\"sweep\": {\n    \""), "{shown}");
        assert!(shown.contains("\"{\"") && shown.contains("\"2\""), "{shown}");
        assert_eq!(readable("name = \"demo\"\n"), "name = \"demo\"");
        assert_eq!(readable("3\n"), "3");
    }

    #[test]
    fn markdown_shows_text_as_it_is() {
        assert_eq!(
            markdown("a|b <script> *x*\n# y"),
            "a\\|b &lt;script&gt; \\*x\\*  \\# y".replace("  ", " ")
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(counted),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fence("no ticks"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
