//! Which instructions each response follows: JSON lines in, JSON lines out. The other half of `benchmarks/interop/ifeval.py`.
//!
//! A line in is a record of the official file with the field `response`; a line out is `{"strict": [true, …], "loose": […]}`.

use std::io::{BufRead, Write};

use secateur_datasets::tasks::ifeval::instruction::Instruction;
use secateur_evaluation::score::ifeval;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let record: Value = serde_json::from_str(&line?)?;
        let list = |field: &str| record[field].as_array().cloned().unwrap_or_default();
        let mut instructions = Vec::new();
        for (id, kwargs) in list("instruction_id_list").iter().zip(list("kwargs")) {
            let read = Instruction::read(id.as_str().unwrap_or_default(), &kwargs);
            instructions.push(
                read.map_err(|(found, expected)| format!("line {}: found {found}, expected {expected}", number + 1))?,
            );
        }
        let response = record["response"]
            .as_str()
            .ok_or_else(|| format!("line {}: no response", number + 1))?;
        let followed = ifeval::followed(response, &instructions);
        let (strict, loose): (Vec<bool>, Vec<bool>) = followed.into_iter().unzip();
        writeln!(out, "{}", json!({"strict": strict, "loose": loose}))?;
    }
    Ok(())
}
