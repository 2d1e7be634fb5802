//! Memory and speed at each share removed: for the table, and for the chart.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::charts::memory_speed::{KindCosts, Spread};
use crate::charts::percent;
use crate::record::Record;
use crate::safe::words::plain;

/// A model at one share removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CostRow {
    model: String,
    removed: String,
    experts: String,
    cells: usize,
    speed: String,
    seconds: String,
    memory: String,
}

/// By model and share.
pub(super) fn costs(records: &[Record]) -> Vec<CostRow> {
    let mut groups: BTreeMap<(&str, u64), Vec<&Record>> = BTreeMap::new();
    for record in records {
        let place = (record.cell.model.as_str(), record.cell.fraction_removed.to_bits());
        groups.entry(place).or_default().push(record);
    }
    let row = |((model, bits), cells): ((&str, u64), Vec<&Record>)| CostRow {
        model: model.to_owned(),
        removed: percent(f64::from_bits(bits)),
        experts: experts(&cells),
        cells: cells.len(),
        speed: spread(speeds(&cells)),
        seconds: spread(ran(&cells).map(|r| r.cost.seconds)),
        memory: spread(memory(&cells).map(|bytes| bytes / f64::from(1 << 20))),
    };
    groups.into_iter().map(row).collect()
}

/// What the chart of a model is drawn from.
pub(super) fn by_kind(records: &[Record], model: &str) -> Vec<KindCosts> {
    let mut kinds: BTreeMap<&str, BTreeMap<u64, Vec<&Record>>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.cell.model == model) {
        let shares = kinds.entry(&record.cell.kind).or_default();
        let share = record.cell.fraction_removed.to_bits();
        shares.entry(share).or_default().push(record);
    }
    let costs = |(kind, shares): (&str, BTreeMap<u64, Vec<&Record>>)| {
        let of = |spread: &dyn Fn(&[&Record]) -> Option<Spread>| {
            let points = shares
                .iter()
                .filter_map(|(share, cells)| Some((f64::from_bits(*share), spread(cells)?)));
            points.collect()
        };
        KindCosts {
            kind: kind.to_owned(),
            speed: of(&|cells| Spread::of(speeds(cells))),
            memory: of(&|cells| Spread::of(memory(cells).filter(|bytes| *bytes > 0.0))),
        }
    };
    kinds.into_iter().map(costs).collect()
}

/// Tokens a second; cells that ran nothing, because an equal mask had been evaluated, say nothing.
fn speeds<'a>(cells: &'a [&Record]) -> impl Iterator<Item = f64> + 'a {
    ran(cells).map(|r| r.cost.tokens as f64 / r.cost.seconds)
}

fn ran<'a>(cells: &'a [&Record]) -> impl Iterator<Item = &'a Record> {
    let ran = |r: &&Record| r.cost.seconds > 0.0 && r.cost.tokens > 0;
    cells.iter().copied().filter(ran)
}

/// Bytes.
fn memory<'a>(cells: &'a [&Record]) -> impl Iterator<Item = f64> + 'a {
    cells.iter().map(|r| r.cost.peak_memory_bytes as f64)
}

/// `16 of 32`; `12–16 of 32` where layers or methods differ.
fn experts(cells: &[&Record]) -> String {
    let range = |counts: &dyn Fn(&Record) -> Vec<usize>| {
        let all: Vec<usize> = cells.iter().flat_map(|record| counts(record)).collect();
        match (all.iter().min(), all.iter().max()) {
            (Some(low), Some(high)) if low < high => format!("{low}–{high}"),
            (Some(low), _) => low.to_string(),
            _ => "–".to_owned(),
        }
    };
    let total = range(&|record| record.cell.experts_total.clone());
    match range(&|record| record.cell.experts_kept.clone()).as_str() {
        // An unpruned model keeps all.
        "–" => total,
        kept => format!("{kept} of {total}"),
    }
}

/// `12 (8 to 40)`: median, smallest, largest, to three digits.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let Some(Spread { low, middle, high, .. }) = Spread::of(values) else {
        return "–".to_owned();
    };
    let short = |value: f64| {
        let unit = 10_f64.powf(value.abs().max(1e-9).log10().floor() - 2.0).min(1.0);
        plain((value / unit).round() * unit)
    };
    format!("{} ({} to {})", short(middle), short(low), short(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::record;

    #[test]
    fn medians_stand_between_the_ends() {
        let a = ("a", "biomedical", "classification");
        let mut records = [
            record(None, 0.0, 0, a, (0.8, 0.2)),
            record(Some("ean"), 0.5, 0, a, (0.8, 0.2)),
            record(Some("reap"), 0.5, 0, a, (0.8, 0.2)),
        ];
        records[2].cost.seconds = 0.5;
        records[1].cell.experts_kept = vec![7, 8];
        let rows = costs(&records);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].speed, "1333 (667 to 2000)");
        assert_eq!(rows[1].experts, "7–8 of 16");
        assert_eq!((rows[1].removed.as_str(), rows[1].cells), ("50", 2));
        assert_eq!(rows[0].memory, "1 (1 to 1)");
        let kinds = by_kind(&records, &records[0].cell.model);
        assert_eq!(kinds.len(), 1);
        let speed = kinds[0].speed[1];
        assert_eq!((speed.0, speed.1.middle.round(), speed.1.cells), (0.5, 1333.0, 2));
    }
}
