//! `secateur devices`.

use clap::Args;
use serde_json::json;

use crate::doctor::machine::devices;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  secateur devices
  secateur devices --json

A device that this build does not know needs another build: `cargo install --path crates/secateur --features wgpu`.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let devices = devices();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&json!({ "devices": devices }))?);
    } else {
        for device in &devices {
            println!("{}", device.line());
        }
    }
    Ok(Exit::Done)
}
