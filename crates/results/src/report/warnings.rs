//! Warnings of cells, for a reader: those that differ in their numbers alone are one line.

use std::collections::BTreeMap;

use crate::record::Record;

/// Cells of one model and task that warn of the same.
struct Group {
    of: String,
    cells: usize,
    first: String,
}

/// One line per model, task and kind of warning, with the number of cells and the first of them by name.
pub(super) fn of_cells(records: &[Record]) -> Vec<String> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for record in records {
        let of = format!("{} on {}", record.cell.model, record.cell.task);
        for warning in &record.warnings {
            let line = format!("{}: {warning}", record.cell);
            let group = groups.entry(format!("{of}: {}", without_numbers(warning)));
            let group = group.or_insert_with(|| Group {
                of: of.clone(),
                cells: 0,
                first: line.clone(),
            });
            group.cells += 1;
            group.first = line.min(std::mem::take(&mut group.first));
        }
    }
    let line = |group: Group| match group.cells {
        1 => group.first,
        cells => format!("{}, {cells} cells, the first: {}", group.of, group.first),
    };
    groups.into_values().map(line).collect()
}

/// Every run of digits as one `#`.
fn without_numbers(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn numbers_do_not_tell_warnings_apart() {
        assert_eq!(without_numbers("12 of 120 items"), "# of # items");
        assert_ne!(without_numbers("no value"), without_numbers("no label"));
    }
}
