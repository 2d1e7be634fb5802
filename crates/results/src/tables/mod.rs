//! Records as tables, CSV and Parquet: `metrics` has a row per cell and metric, `cells` a row per cell, `comparisons` a row per
//! pruned model, metric and fraction with seeds put together, `safe` a row per safe fraction; `risk_ratios`, `regressions` and `diagrams`
//! hold what records say beside metrics.
//!
//! `right_to_wrong` and `wrong_to_right` of `metrics` count outcomes that were 1 and became 0, and the other way: of a rate of errors, the
//! outcome 1 is the error. `regressions` names each kind of change by what it is.
//!
//! `p_holm` and `p_bh` of `metrics` correct `p_value` for all comparisons of the table that have one and speak of utility or
//! reliability: the family, whose size is `p_family`. Rows are ordered by model, method (the unpruned model first), profile, fraction, seed, corpus, task and, in `metrics`, the
//! record's order of metrics. In CSV, a text cell that a spreadsheet would take for a formula gets a `'` before it.

mod reliability;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, PolarsError, SerWriter, Series};
use secateur_metrics::statistics::{benjamini_hochberg, holm};
use secateur_metrics::value::{Aspect, Direction, MetricValue, Paired};

use crate::atomic;
use crate::comparisons::{Comparison, Difference, comparisons};
use crate::error::Error;
use crate::record::Record;
use crate::risk_ratio::risk_ratios;
use crate::safe::{Criterion, End, SafeFraction, words};

/// Writes the tables, each as `.csv` and `.parquet`, into a directory; each replaces an older
/// one at once or not at all. Returns their paths.
///
/// # Errors
/// [`Error::Table`] from polars; [`Error::DiskFull`], [`Error::NotWritable`], [`Error::Io`].
pub fn write_tables(directory: &Path, records: &[Record], safe: &[SafeFraction]) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(directory).map_err(|e| Error::io("write", directory, e))?;
    let sorted = in_order(records);
    let mut written = Vec::new();
    let tables = [
        ("metrics", metrics(&sorted)),
        ("cells", cells(&sorted)),
        ("comparisons", of_comparisons(&comparisons(records))),
        ("safe", of_safe(safe)),
        ("risk_ratios", reliability::risk_ratios(&risk_ratios(records))),
        ("regressions", reliability::regressions(&sorted)),
        ("diagrams", reliability::diagrams(&sorted)),
    ];
    for (name, table) in tables {
        for (extension, encode) in [
            ("csv", Table::csv as fn(&Table) -> Result<Vec<u8>, PolarsError>),
            ("parquet", Table::parquet),
        ] {
            let path = directory.join(format!("{name}.{extension}"));
            let bytes = encode(&table).map_err(|e| Error::Table {
                path: path.clone(),
                message: e.to_string(),
            })?;
            atomic::write_over(&path, &bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

fn in_order(records: &[Record]) -> Vec<&Record> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by(|a, b| {
        let place = |r: &Record| {
            let c = &r.cell;
            let line = (c.model.clone(), c.method.clone(), c.profile.clone());
            let bits = c.fraction_removed.to_bits();
            (line, bits, c.seed, c.calibration.clone(), c.task.clone())
        };
        place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key))
    });
    sorted
}

/// One column.
pub(crate) enum Values {
    Text(Vec<Option<String>>),
    Number(Vec<Option<f64>>),
    Count(Vec<Option<u64>>),
}

/// Columns by name.
pub(crate) struct Table(pub(crate) Vec<(&'static str, Values)>);

impl Table {
    pub(crate) fn csv(&self) -> Result<Vec<u8>, PolarsError> {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes).finish(&mut self.frame(harmless)?)?;
        Ok(bytes)
    }

    fn parquet(&self) -> Result<Vec<u8>, PolarsError> {
        let mut bytes = Cursor::new(Vec::new());
        // One thread and one row group: the same bytes on every machine.
        ParquetWriter::new(&mut bytes)
            .set_parallel(false)
            .finish(&mut self.frame(str::to_owned)?)?;
        Ok(bytes.into_inner())
    }

    fn frame(&self, text: fn(&str) -> String) -> Result<DataFrame, PolarsError> {
        let columns = self.0.iter().map(|(name, values)| {
            let name = (*name).into();
            Column::from(match values {
                Values::Text(v) => {
                    let cells: Vec<_> = v.iter().map(|c| c.as_deref().map(text)).collect();
                    Series::new(name, cells)
                }
                Values::Number(v) => Series::new(name, v),
                Values::Count(v) => Series::new(name, v),
            })
        });
        DataFrame::new_infer_height(columns.collect())
    }
}

/// Text that no spreadsheet runs (OWASP ASVS 1.2.10).
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn text<R>(rows: &[R], cell: impl Fn(&R) -> &str) -> Values {
    Values::Text(rows.iter().map(|r| Some(cell(r).to_owned())).collect())
}

fn optional_text<R>(rows: &[R], cell: impl Fn(&R) -> Option<String>) -> Values {
    Values::Text(rows.iter().map(cell).collect())
}

fn number<R>(rows: &[R], cell: impl Fn(&R) -> f64) -> Values {
    Values::Number(rows.iter().map(|r| Some(cell(r))).collect())
}

fn count<R>(rows: &[R], cell: impl Fn(&R) -> u64) -> Values {
    Values::Count(rows.iter().map(|r| Some(cell(r))).collect())
}

/// The columns that say which cell a row belongs to.
fn identity<R>(rows: &[R], record: impl Fn(&R) -> &Record) -> Vec<(&'static str, Values)> {
    vec![
        ("key", text(rows, |r| &record(r).key)),
        ("model", text(rows, |r| &record(r).cell.model)),
        ("family", text(rows, |r| &record(r).cell.family)),
        ("method", optional_text(rows, |r| record(r).cell.method.clone())),
        ("profile", optional_text(rows, |r| record(r).cell.profile.clone())),
        ("fraction_removed", number(rows, |r| record(r).cell.fraction_removed)),
        ("seed", count(rows, |r| record(r).cell.seed)),
        ("calibration", text(rows, |r| &record(r).cell.calibration)),
        ("task", text(rows, |r| &record(r).cell.task)),
        ("domain", text(rows, |r| &record(r).cell.domain)),
        ("kind", text(rows, |r| &record(r).cell.kind)),
        ("mask", text(rows, |r| &record(r).cell.mask)),
    ]
}

fn metrics(records: &[&Record]) -> Table {
    let rows: Vec<(&Record, &MetricValue)> = records.iter().flat_map(|r| r.metrics.iter().map(|m| (*r, m))).collect();
    let paired = |cell: fn(&Paired) -> f64| {
        let values = rows.iter().map(|(_, m)| m.paired.as_ref().map(cell));
        Values::Number(values.collect())
    };
    let counted = |cell: fn(&Paired) -> Option<usize>| {
        let values = rows.iter().map(|(_, m)| m.paired.as_ref().and_then(cell));
        Values::Count(values.map(|v| v.map(|n| n as u64)).collect())
    };
    let maybe = |cell: fn(&Paired) -> Option<f64>| {
        let values = rows.iter().map(|(_, m)| m.paired.as_ref().and_then(cell));
        Values::Number(values.collect())
    };
    let test = |(_, m): &(_, &MetricValue)| m.paired.as_ref().map(|p| p.test.clone());
    let adjusted = adjusted(&rows);
    let mut columns = identity(&rows, |r| r.0);
    columns.extend([
        ("metric", text(&rows, |r| &r.1.name)),
        ("unit", text(&rows, |r| &r.1.unit)),
        ("direction", text(&rows, |r| direction(r.1.direction))),
        ("aspect", text(&rows, |r| aspect(r.1.aspect))),
        ("value", number(&rows, |r| r.1.value)),
        ("n", count(&rows, |r| r.1.n as u64)),
        ("items", count(&rows, |r| r.1.items as u64)),
        (
            "coverage",
            Values::Number(rows.iter().map(|r| r.1.coverage()).collect()),
        ),
        ("clusters", count(&rows, |r| r.1.clusters as u64)),
        ("scorer", text(&rows, |r| &r.1.scorer)),
        ("interval_low", number(&rows, |r| r.1.interval.0)),
        ("interval_high", number(&rows, |r| r.1.interval.1)),
        ("interval_method", text(&rows, |r| &r.1.interval_method)),
        ("difference", paired(|p| p.difference)),
        ("difference_low", paired(|p| p.interval.0)),
        ("difference_high", paired(|p| p.interval.1)),
        ("difference_error", maybe(|p| p.standard_error)),
        ("p_value", paired(|p| p.p_value)),
        ("test", optional_text(&rows, test)),
        ("p_holm", adjusted.holm),
        ("p_bh", adjusted.benjamini_hochberg),
        ("p_family", adjusted.family),
        ("mid_p", maybe(|p| p.mid_p)),
        ("wilcoxon_p", maybe(|p| p.wilcoxon_p)),
        ("minimum_detectable", maybe(|p| p.minimum_detectable)),
        ("paired_n", counted(|p| Some(p.n))),
        ("right_to_wrong", counted(|p| p.right_to_wrong)),
        ("wrong_to_right", counted(|p| p.wrong_to_right)),
    ]);
    Table(columns)
}

/// p-values corrected for the whole table.
struct Adjusted {
    holm: Values,
    benjamini_hochberg: Values,
    family: Values,
}

fn adjusted(rows: &[(&Record, &MetricValue)]) -> Adjusted {
    let p = |m: &MetricValue| {
        let speaks = m.aspect != Aspect::Diagnostic;
        m.paired.as_ref().filter(|_| speaks).map(|paired| paired.p_value)
    };
    let all: Vec<Option<f64>> = rows.iter().map(|(_, m)| p(m)).collect();
    let family: Vec<f64> = all.iter().flatten().copied().collect();
    let spread = |adjust: fn(&[f64]) -> secateur_metrics::error::Result<Vec<f64>>| {
        // A p-value that is none leaves the column empty.
        let mut adjusted = adjust(&family).unwrap_or_default().into_iter();
        Values::Number(all.iter().map(|p| p.and_then(|_| adjusted.next())).collect())
    };
    Adjusted {
        holm: spread(holm),
        benjamini_hochberg: spread(benjamini_hochberg),
        family: Values::Count(all.iter().map(|p| p.map(|_| family.len() as u64)).collect()),
    }
}

fn of_comparisons(rows: &[Comparison]) -> Table {
    let found = |cell: &dyn Fn(&Difference) -> Option<f64>| {
        Values::Number(rows.iter().map(|r| r.found.as_ref().ok().and_then(cell)).collect())
    };
    let counted = |cell: fn(&Difference) -> usize| {
        Values::Count(
            rows.iter()
                .map(|r| r.found.as_ref().ok().map(|d| cell(d) as u64))
                .collect(),
        )
    };
    Table(vec![
        ("model", text(rows, |r| &r.place.model)),
        ("method", text(rows, |r| &r.place.method)),
        ("domain", text(rows, |r| &r.place.domain)),
        ("fraction_removed", number(rows, |r| r.fraction)),
        ("task", text(rows, |r| &r.task)),
        ("metric", text(rows, |r| &r.metric)),
        ("unit", text(rows, |r| &r.unit)),
        ("aspect", text(rows, |r| aspect(r.aspect))),
        ("scorer", text(rows, |r| &r.scorer)),
        ("unpruned", number(rows, |r| r.unpruned)),
        ("difference", found(&|d| Some(d.value))),
        ("seeds", counted(|d| d.seeds)),
        ("n", counted(|d| d.n)),
        ("coverage", found(&|d| d.coverage)),
        ("items_low", found(&|d| d.over_items.map(|i| i.0))),
        ("items_high", found(&|d| d.over_items.map(|i| i.1))),
        ("between_seeds", found(&|d| d.between_seeds)),
        ("seed_lowest", found(&|d| Some(d.seed_range.0))),
        ("seed_highest", found(&|d| Some(d.seed_range.1))),
        ("low", found(&|d| d.over_both.map(|i| i.0))),
        ("high", found(&|d| d.over_both.map(|i| i.1))),
        ("minimum_detectable", found(&|d| d.minimum_detectable)),
        (
            "missing",
            optional_text(rows, |r| r.found.as_ref().err().map(|why| (*why).to_owned())),
        ),
    ])
}

fn of_safe(rows: &[SafeFraction]) -> Table {
    fn criterion(safe: &SafeFraction) -> Option<&Criterion> {
        match &safe.end {
            End::Missed { criterion, .. } => Some(criterion),
            _ => None,
        }
    }
    let ends = |cell: fn(&Criterion) -> f64| Values::Number(rows.iter().map(|r| criterion(r).map(cell)).collect());
    let next = |safe: &SafeFraction| match safe.end {
        End::Missed { fraction, .. } | End::Incomplete { fraction, .. } => Some(fraction),
        End::Largest => None,
    };
    Table(vec![
        ("model", text(rows, |r| &r.model)),
        ("method", text(rows, |r| &r.method)),
        ("domain", text(rows, |r| &r.domain)),
        (
            "in_domain",
            optional_text(rows, |r| r.in_domain.map(|own| own.to_string())),
        ),
        ("safe_fraction", number(rows, |r| r.fraction)),
        ("low", number(rows, |r| r.interval.0)),
        ("high", number(rows, |r| r.interval.1)),
        ("largest_evaluated", number(rows, |r| r.largest)),
        ("seeds", count(rows, |r| r.seeds as u64)),
        ("criteria", count(rows, |r| r.criteria as u64)),
        ("reason", text(rows, |r| words::reason(&r.end))),
        ("ends_at", Values::Number(rows.iter().map(next).collect())),
        (
            "metric",
            optional_text(rows, |r| criterion(r).map(|c| c.metric.clone())),
        ),
        (
            "scorer",
            optional_text(rows, |r| criterion(r).map(|c| c.scorer.clone())),
        ),
        ("task", optional_text(rows, |r| criterion(r).map(|c| c.task.clone()))),
        ("unpruned", ends(|c| c.unpruned)),
        ("difference", ends(|c| c.difference)),
        ("bound", ends(|c| c.bound)),
        ("margin", ends(|c| c.margin)),
        ("confirmable_margin", ends(|c| c.confirmable)),
        ("n", ends(|c| c.n as f64)),
        ("words", optional_text(rows, |r| Some(words::end(&r.end)))),
    ])
}

fn cells(records: &[&Record]) -> Table {
    let joined = |numbers: &[usize]| {
        let numbers: Vec<_> = numbers.iter().map(usize::to_string).collect();
        Some(numbers.join(" "))
    };
    let counts = |r: &&Record| {
        let counts: Vec<_> = r.counts.iter().map(|(k, n)| format!("{k}={n}")).collect();
        Some(counts.join(" "))
    };
    let mut columns = identity(records, |r| r);
    columns.extend([
        ("experts_kept", optional_text(records, |r| joined(&r.cell.experts_kept))),
        (
            "experts_total",
            optional_text(records, |r| joined(&r.cell.experts_total)),
        ),
        ("counts", optional_text(records, counts)),
        ("seconds", number(records, |r| r.cost.seconds)),
        ("tokens", count(records, |r| r.cost.tokens)),
        ("peak_memory_bytes", count(records, |r| r.cost.peak_memory_bytes)),
        ("warnings", optional_text(records, |r| Some(r.warnings.join("; ")))),
    ]);
    Table(columns)
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::HigherIsBetter => "higher_is_better",
        Direction::LowerIsBetter => "lower_is_better",
    }
}

fn aspect(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Utility => "utility",
        Aspect::Reliability => "reliability",
        Aspect::Diagnostic => "diagnostic",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{record, regression, with_key};
    use secateur_metrics::curves::Diagrams;
    use secateur_metrics::regressions::{Kind, Regressions};
    use std::fs;

    const TASK: (&str, &str, &str) = ("=cmd|calc", "biomedical", "classification");

    fn records() -> Vec<Record> {
        let mut odd = record(Some("reap"), 0.5, 0, TASK, (0.1 + 0.2, 1.0 / 3.0));
        odd.regressions = Some(Regressions {
            kinds: vec![
                regression(Kind::RightToWrong, 3, 12),
                regression(Kind::WrongToRight, 0, 0),
            ],
        });
        odd.diagrams = Diagrams::new(&[0.9, 0.35, 0.8], &[true, false, false]).ok();
        odd.warnings = vec!["a, \"quoted\"\nline".to_owned()];
        vec![with_key(odd), record(None, 0.0, 0, TASK, (1e-17, 0.2))]
    }

    #[test]
    fn tables_are_the_same_bytes_twice_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("1"), directory.path().join("2"));
        let mut records = records();
        let written = write_tables(&one, &records, &[]).unwrap();
        records.reverse();
        write_tables(&two, &records, &[]).unwrap();
        assert_eq!(written.len(), 14);
        for path in written {
            let other = two.join(path.file_name().unwrap());
            assert_eq!(fs::read(&path).unwrap(), fs::read(other).unwrap());
        }
    }

    #[test]
    fn numbers_survive_csv_and_formulas_do_not() {
        let directory = tempfile::tempdir().unwrap();
        write_tables(directory.path(), &records(), &[]).unwrap();
        let csv = fs::read_to_string(directory.path().join("metrics.csv")).unwrap();
        let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
        let column = |name| rows[0].iter().position(|c| *c == name).unwrap();
        let number = |row: usize| rows[row][column("value")].parse::<f64>().unwrap();
        assert_eq!(rows.len(), 5);
        assert_eq!(number(1), 1e-17);
        assert_eq!(number(3), 0.1 + 0.2);
        assert_eq!(number(4), 1.0 / 3.0);
        assert_eq!(rows[1][column("task")], "'=cmd|calc");
        assert_eq!(rows[1][column("method")], "");
        assert_eq!(rows[1][column("difference")], "");
        assert_eq!(rows[3][column("difference")].parse::<f64>().unwrap(), 0.1 + 0.2 - 0.8);
        let cells = fs::read_to_string(directory.path().join("cells.csv")).unwrap();
        assert!(cells.contains("\"a, \"\"quoted\"\"\nline\""));
        assert!(cells.contains("8 8"));
    }

    #[test]
    fn parquet_keeps_text_as_it_is() {
        use polars::prelude::{ParquetReader, SerReader};
        let directory = tempfile::tempdir().unwrap();
        write_tables(directory.path(), &records(), &[]).unwrap();
        let file = fs::File::open(directory.path().join("metrics.parquet")).unwrap();
        let frame = ParquetReader::new(file).finish().unwrap();
        assert_eq!(frame.shape(), (4, 40));
        let task = frame.column("task").unwrap().str().unwrap().get(0);
        assert_eq!(task, Some("=cmd|calc"));
        let value = frame.column("value").unwrap().f64().unwrap().get(2);
        assert_eq!(value, Some(0.1 + 0.2));
    }

    #[test]
    fn what_stands_beside_metrics_has_tables_too() {
        let directory = tempfile::tempdir().unwrap();
        write_tables(directory.path(), &records(), &[]).unwrap();
        let table = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let regressions = table("regressions.csv");
        assert!(
            regressions.contains(",right_to_wrong,loss,accuracy,rules,12,3,0.25,"),
            "{regressions}"
        );
        assert!(
            regressions.contains(",wrong_to_right,gain,accuracy,rules,0,0,,0.0,1.0,"),
            "{regressions}"
        );
        let diagrams = table("diagrams.csv");
        assert_eq!(diagrams.lines().count(), 1 + 3 + 3);
        let ratios = table("risk_ratios.csv");
        assert!(ratios.contains(",ece,rules,false,pruned/unpruned,0.2,"), "{ratios}");
    }

    #[test]
    fn no_records_make_tables_with_headers_only() {
        let directory = tempfile::tempdir().unwrap();
        write_tables(directory.path(), &[], &[]).unwrap();
        let csv = fs::read_to_string(directory.path().join("cells.csv")).unwrap();
        assert_eq!(csv.lines().count(), 1);
    }
}
