//! `secateur goldens`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use secateur_model::DeviceKind;

use super::SOME_FAILED;

const EXAMPLES: &str = "\
Examples:
  secateur goldens crates/goldens/fixtures/core
  secateur goldens crates/goldens/fixtures --only olmoe,reap

Exit status: 0 if nothing fails, 3 if something does.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Directory in the layout of the reference values, or one that holds such directories.
    directory: PathBuf,
    /// Only checks whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// cpu, ndarray or wgpu.
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        arguments.directory.is_dir(),
        "{} is not a directory",
        arguments.directory.display()
    );
    let report = secateur_goldens::check_all(&arguments.directory, &arguments.only, arguments.device);
    let (passed, failed, skipped) = report.counts();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    anyhow::ensure!(
        passed + failed + skipped > 0,
        "{} holds nothing that can be checked",
        arguments.directory.display()
    );
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_FAILED)
    })
}
