//! Tables of what records say beside metrics: risk ratios, regressions of single items, diagrams.

use secateur_metrics::regressions::Regression;

use super::{Table, Values, count, identity, number, optional_text, text};
use crate::record::Record;
use crate::risk_ratio::{Ratio, RiskRatio};

/// A row per reliability metric, task, fraction and method, seeds put together.
pub(super) fn risk_ratios(rows: &[RiskRatio]) -> Table {
    let found =
        |cell: fn(&Ratio) -> f64| Values::Number(rows.iter().map(|r| r.found.as_ref().ok().map(cell)).collect());
    let counted = |cell: fn(&Ratio) -> usize| {
        Values::Count(
            rows.iter()
                .map(|r| r.found.as_ref().ok().map(|f| cell(f) as u64))
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
        ("scorer", text(rows, |r| &r.scorer)),
        (
            "hallucination",
            text(rows, |r| if r.hallucination { "true" } else { "false" }),
        ),
        ("ratio_of", text(rows, ratio_of)),
        ("unpruned", number(rows, |r| r.unpruned)),
        ("pruned", found(|f| f.pruned)),
        ("risk_ratio", found(|f| f.value)),
        ("low", found(|f| f.interval.0)),
        ("high", found(|f| f.interval.1)),
        ("n", counted(|f| f.n)),
        ("seeds", counted(|f| f.seeds)),
        ("undefined", optional_text(rows, |r| r.found.err().map(str::to_owned))),
    ])
}

fn ratio_of(ratio: &RiskRatio) -> &str {
    if ratio.higher_is_better {
        "unpruned/pruned"
    } else {
        "pruned/unpruned"
    }
}

/// A row per cell and kind of change.
pub(super) fn regressions(records: &[&Record]) -> Table {
    let mut rows: Vec<(&Record, &Regression)> = Vec::new();
    for record in records {
        rows.extend(
            record
                .regressions
                .iter()
                .flat_map(|all| &all.kinds)
                .map(|change| (*record, change)),
        );
    }
    let mut columns = identity(&rows, |r| r.0);
    columns.extend([
        ("change", text(&rows, |r| r.1.kind.name())),
        (
            "outcome",
            text(&rows, |r| if r.1.kind.is_loss() { "loss" } else { "gain" }),
        ),
        ("metric", text(&rows, |r| &r.1.metric)),
        ("scorer", text(&rows, |r| &r.1.scorer)),
        ("at_risk", count(&rows, |r| r.1.at_risk as u64)),
        ("count", count(&rows, |r| r.1.count as u64)),
        ("rate", Values::Number(rows.iter().map(|r| r.1.rate()).collect())),
        ("interval_low", number(&rows, |r| r.1.interval.0)),
        ("interval_high", number(&rows, |r| r.1.interval.1)),
        ("items", optional_text(&rows, |r| Some(r.1.items.join(" ")))),
    ]);
    Table(columns)
}

/// One number of a diagram.
struct Mark<'a> {
    record: &'a Record,
    diagram: &'static str,
    lower: Option<f64>,
    upper: Option<f64>,
    items: Option<u64>,
    x: f64,
    y: f64,
}

/// A row per cell and bin (`reliability`: x the mean confidence, y the share that is right) or point (`risk_coverage`: x the coverage,
/// y the risk).
pub(super) fn diagrams(records: &[&Record]) -> Table {
    let mut rows: Vec<Mark<'_>> = Vec::new();
    for record in records {
        let Some(diagrams) = &record.diagrams else {
            continue;
        };
        rows.extend(diagrams.reliability.iter().map(|bin| Mark {
            record,
            diagram: "reliability",
            lower: Some(bin.lower),
            upper: Some(bin.upper),
            items: Some(bin.count as u64),
            x: bin.confidence,
            y: bin.accuracy,
        }));
        rows.extend(diagrams.risk_coverage.iter().map(|(coverage, risk)| Mark {
            record,
            diagram: "risk_coverage",
            lower: None,
            upper: None,
            items: None,
            x: *coverage,
            y: *risk,
        }));
    }
    let mut columns = identity(&rows, |r| r.record);
    columns.extend([
        ("diagram", text(&rows, |r| r.diagram)),
        ("bin_lower", Values::Number(rows.iter().map(|r| r.lower).collect())),
        ("bin_upper", Values::Number(rows.iter().map(|r| r.upper).collect())),
        ("items", Values::Count(rows.iter().map(|r| r.items).collect())),
        ("x", number(&rows, |r| r.x)),
        ("y", number(&rows, |r| r.y)),
    ]);
    Table(columns)
}
