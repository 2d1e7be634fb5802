//! The report of a sweep, made from its files alone: `report/report.md`, `report/index.html`, `report/charts/`, the tables
//! in `tables/`, and for papers `figures/`. It opens with [the answer](crate::safe).

mod answers;
mod assets;
mod captions;
mod costs;
mod expert_figures;
mod figures;
mod gallery;
mod groups;
mod items;
mod packed;
mod page;
mod rows;
mod warnings;
mod worse;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::aggregate::aggregate;
use crate::atomic;
use crate::changes::{changes, diagrams};
use crate::error::Error;
use crate::ranking_file;
use crate::record::Record;
use crate::risk_ratio::risk_ratios;
use crate::safe::{SafeOptions, SafeSection, safe_fractions};
use crate::shown::shown;
use crate::store::Store;
use crate::tables::write_tables;

pub(crate) use gallery::Gallery;
pub use gallery::{Figure, Printed};
pub use items::PAIRS as ITEMS;

/// What the caller decides.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportOptions {
    /// What counts as safe; what the sweep said in its manifest if `None`.
    pub safe: Option<SafeOptions>,
    /// Fraction removed at which kept sets are compared.
    pub agreement_fraction: f64,
    /// Page that compares the methods' masks, relative to the report, where it has been written.
    pub agreement_page: Option<String>,
    /// The command that makes this report, for the reader who wants to make it again.
    pub command: String,
    /// Keys of the records to report; `None` for all. For directories that hold records of an older program version.
    pub only: Option<BTreeSet<String>>,
    /// Pairs of answers that the page holds at most; 0 for none.
    pub items: usize,
    /// Whether charts are drawn for papers too, in `figures/`.
    pub figures: bool,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            safe: None,
            agreement_fraction: 0.5,
            agreement_page: None,
            command: "secateur report".to_owned(),
            only: None,
            items: ITEMS,
            figures: false,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// `report.md`, `index.html`.
    pub pages: Vec<PathBuf>,
    /// SVG and PNG files.
    pub charts: Vec<PathBuf>,
    /// SVG and PDF files at the width of a paper's column, and their captions; none unless asked for.
    pub figures: Vec<PathBuf>,
    /// CSV and Parquet files.
    pub tables: Vec<PathBuf>,
    /// What the reader must know; it is in the pages too.
    pub warnings: Vec<String>,
}

/// Draws everything.
///
/// # Errors
/// [`Error::CellTwice`] if two records describe one cell; trouble with files, fonts or the page's template.
pub fn report(store: &Store, options: &ReportOptions) -> Result<Report, Error> {
    let (mut stored, mut warnings) = store.read_all()?;
    stored.retain(|s| options.only.as_ref().is_none_or(|o| o.contains(&s.record.key)));
    let items = items::collect(store, &stored, options.items, &mut warnings)?;
    let records: Vec<Record> = stored.into_iter().map(|s| s.record).collect();
    let all = aggregate(&records)?;
    let rule = match &options.safe {
        Some(rule) => rule.clone(),
        None => said(store)?,
    };
    let safe = safe_fractions(&records, &rule);
    store.bring_all("rankings")?;
    let (rankings, bad_rankings) = ranking_file::read_all(store.directory())?;
    warnings.extend(bad_rankings);
    warnings.extend(all.notes.iter().cloned());
    warnings.extend(warnings::of_cells(&records));
    let (shown, changes, diagrams) = (shown(&safe), changes(&records), diagrams(&records));
    let figures = figures::draw(&figures::Drawn {
        records: &records,
        all: &all,
        rankings: &rankings,
        fraction: options.agreement_fraction,
        chosen: rule.reliability.as_deref().unwrap_or_default(),
        shown: &shown,
        changes: &changes,
        diagrams: &diagrams,
        printed: options.figures,
    })?;
    let directory = store.directory().join("report");
    let mut written = Report {
        charts: write_charts(&directory.join("charts"), &figures)?,
        figures: if options.figures {
            let folder = store.directory().join("figures");
            write_printed(
                &folder,
                &captions::captions(store, &options.command, &figures),
                &figures,
            )?
        } else {
            Vec::new()
        },
        tables: write_tables(&store.directory().join("tables"), &records, &safe)?,
        warnings,
        ..Report::default()
    };
    let page = page::Page::new(
        store,
        &options.command,
        page::Content {
            records: &records,
            all: &all,
            rule: &rule,
            safe: &safe,
            figures: &figures,
            worse: worse::worse(&shown, &risk_ratios(&records), &changes),
            agreement: options.agreement_page.as_deref(),
            items: &items,
            warnings: &written.warnings,
        },
    )?;
    let html = page.html(&figures, &items)?;
    for (name, text) in [("report.md", page.markdown()?), ("index.html", html)] {
        let path = directory.join(name);
        atomic::write_over(&path, text.as_bytes())?;
        written.pages.push(path);
    }
    Ok(written)
}

/// Key of `[safe]` in a sweep's manifest.
pub const MANIFEST_SAFE: &str = "safe";

/// What the sweep said of safety, as written; the defaults where it says nothing.
///
/// # Errors
/// [`Error::Malformed`] if the manifest's section is none; [`Error::Io`].
pub fn written_section(store: &Store) -> Result<SafeSection, Error> {
    match store.manifest()?.remove(MANIFEST_SAFE) {
        None => Ok(SafeSection::default()),
        Some(value) => serde_json::from_value(value).map_err(|e| Error::Malformed {
            path: store.directory().join("manifest.json"),
            found: format!("`{MANIFEST_SAFE}`: {e}"),
            expected: "what the sweep file says in [safe]",
        }),
    }
}

fn said(store: &Store) -> Result<SafeOptions, Error> {
    SafeOptions::check(&written_section(store)?)
}

/// Writes the charts and removes those of an earlier report that are no longer drawn.
pub(crate) fn write_charts(directory: &Path, figures: &[Figure]) -> Result<Vec<PathBuf>, Error> {
    let files = figures.iter().flat_map(|figure| {
        let name = |extension| format!("{}.{extension}", figure.name);
        [
            (name("svg"), figure.svg.as_bytes()),
            (name("png"), figure.png.as_slice()),
        ]
    });
    write_pictures(directory, files, ["svg", "png"])
}

/// The same for papers, with a file of captions.
fn write_printed(directory: &Path, captions: &str, figures: &[Figure]) -> Result<Vec<PathBuf>, Error> {
    let files = figures.iter().filter_map(|figure| {
        let printed = figure.printed.as_ref()?;
        let name = |extension| format!("{}.{extension}", figure.name);
        Some([
            (name("svg"), printed.svg.as_bytes()),
            (name("pdf"), printed.pdf.as_slice()),
        ])
    });
    let mut written = write_pictures(directory, files.flatten(), ["svg", "pdf"])?;
    let path = directory.join("captions.md");
    atomic::write_over(&path, captions.as_bytes())?;
    written.push(path);
    Ok(written)
}

/// Writes pictures and removes others with one of the extensions.
fn write_pictures<'a>(
    directory: &Path,
    files: impl Iterator<Item = (String, &'a [u8])>,
    extensions: [&str; 2],
) -> Result<Vec<PathBuf>, Error> {
    fs::create_dir_all(directory).map_err(|e| Error::io("write", directory, e))?;
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = directory.join(name);
        atomic::write_over(&path, bytes)?;
        written.push(path);
    }
    let entries = fs::read_dir(directory).map_err(|e| Error::io("read", directory, e))?;
    for path in entries.flatten().map(|e| e.path()) {
        let picture = path
            .extension()
            .is_some_and(|e| extensions.iter().any(|known| e == *known));
        if picture && !written.contains(&path) {
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(written)
}
