//! Draws the report of a results directory: for work on the page, without a build of the whole program.
//!
//! `cargo run --example page -- DIRECTORY [PAIRS]`

use std::path::PathBuf;

use secateur_results::report::{ITEMS, ReportOptions, report};
use secateur_results::store::Store;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which results directory?")?;
    let items = arguments.next().map_or(Ok(ITEMS), |pairs| pairs.parse())?;
    let store = Store::open_existing(&PathBuf::from(directory))?;
    let options = ReportOptions {
        items,
        ..ReportOptions::default()
    };
    for page in report(&store, &options)?.pages {
        println!("{}", page.display());
    }
    Ok(())
}
