//! The commands that tasks run.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::words::label;

/// A sweep, and where tasks find it.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The sweep's name.
    pub sweep: String,
    /// Its file, as tasks see it.
    pub file: PathBuf,
    /// Folder that holds the sweep's folder, as tasks see it.
    pub results: PathBuf,
    /// Where tasks start.
    pub directory: PathBuf,
    /// The program.
    pub program: String,
    /// Shards.
    pub tasks: usize,
    /// What the command line adds to every command: `--device wgpu`, `--limit 6`.
    pub options: Vec<String>,
}

impl Work {
    /// The words of `secateur sweep run`, all but the shard.
    #[must_use]
    pub fn run(&self) -> Vec<String> {
        let mut words = self.command("run");
        words.push("--quiet".to_owned());
        words
    }

    /// The words of `secateur sweep reduce`.
    #[must_use]
    pub fn reduce(&self) -> Vec<String> {
        self.command("reduce")
    }

    /// The sweep's own folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.results.join(&self.sweep)
    }

    /// What schedulers call it: the sweep's name, and a hash of where its results are, so that two sweeps of one name are two.
    #[must_use]
    pub fn label(&self) -> String {
        let place = format!("{:x}", Sha256::digest(self.folder().to_string_lossy().as_bytes()));
        format!("secateur-{}-{}", label(&self.sweep), &place[..8])
    }

    fn command(&self, what: &str) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = vec![
            self.program.clone(),
            "sweep".to_owned(),
            what.to_owned(),
            text(&self.file),
        ];
        words.extend(["--results".to_owned(), text(&self.results)]);
        words.extend(self.options.iter().cloned());
        words
    }
}

#[cfg(test)]
pub(super) fn example() -> Work {
    Work {
        sweep: "demo".to_owned(),
        file: PathBuf::from("/data/my sweeps/demo.toml"),
        results: PathBuf::from("/data/results"),
        directory: PathBuf::from("/data"),
        program: "/opt/secateur".to_owned(),
        tasks: 8,
        options: vec!["--limit".to_owned(), "6".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_agree_on_file_results_and_options() {
        let work = example();
        let common = [
            "/data/my sweeps/demo.toml",
            "--results",
            "/data/results",
            "--limit",
            "6",
        ];
        assert_eq!(work.run()[3..8], common);
        assert_eq!(work.reduce()[3..], common);
    }

    #[test]
    fn sweeps_of_one_name_in_two_places_are_called_differently() {
        let work = example();
        let elsewhere = Work {
            results: PathBuf::from("/elsewhere"),
            ..work.clone()
        };
        assert!(work.label().starts_with("secateur-demo-"));
        assert_ne!(work.label(), elsewhere.label());
    }
}
