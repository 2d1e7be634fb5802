//! Draws the report of a results directory without a build of the whole program: for work on the page, and for its test in a browser
//! (`benchmarks/report`).
//!
//! ```text
//! page DIRECTORY [PAIRS]           of a sweep that is there
//! page --made-up DIRECTORY PAIRS   of a sweep that is made up there, with about so many pairs of answers, some of them hostile
//! ```

#[path = "../../tests/synthetic/mod.rs"]
mod synthetic;

mod made_up;

use std::path::PathBuf;

use secateur_results::report::{ITEMS, ReportOptions, report};
use secateur_results::store::Store;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let made_up = arguments.first().is_some_and(|first| first == "--made-up");
    if made_up {
        arguments.remove(0);
    }
    let directory = PathBuf::from(arguments.first().ok_or("which results directory?")?);
    let pairs = arguments.get(1).map(|pairs| pairs.parse()).transpose()?;
    let store = if made_up {
        made_up::sweep(&directory, pairs.ok_or("how many pairs of answers?")?)?
    } else {
        Store::open_existing(&directory)?
    };
    let options = ReportOptions {
        items: if made_up { ITEMS } else { pairs.unwrap_or(ITEMS) },
        figures: true,
        ..ReportOptions::default()
    };
    for page in report(&store, &options)?.pages {
        println!("{}", page.display());
    }
    Ok(())
}
