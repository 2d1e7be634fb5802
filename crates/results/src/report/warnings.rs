//! Warnings of cells, for a reader: those that differ in their numbers alone are one line.

use std::collections::BTreeMap;

use crate::record::Record;

/// One line per model, task and kind of warning, with the number of cells and the first of them.
pub(super) fn of_cells(records: &[Record]) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &str, String), Vec<(String, &str)>> = BTreeMap::new();
    for record in records {
        let cell = &record.cell;
        for warning in &record.warnings {
            let kind = (cell.model.as_str(), cell.task.as_str(), without_numbers(warning));
            groups.entry(kind).or_default().push((cell.to_string(), warning));
        }
    }
    let line = |((model, task, _), mut cells): ((&str, &str, String), Vec<(String, &str)>)| {
        cells.sort();
        match &cells[..] {
            [(cell, warning)] => format!("{cell}: {warning}"),
            [(cell, warning), ..] => format!("{model} on {task}, {} cells, the first {cell}: {warning}", cells.len()),
            [] => String::new(),
        }
    };
    groups.into_iter().map(line).collect()
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
