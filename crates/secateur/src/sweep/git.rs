//! The state of git: of the folder that the sweep file lies in, and of the build.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::environment::known;

/// Commit and dirtiness of `folder`, and the commit of the build where whoever built it said so (`SECATEUR_COMMIT`). Where git is
/// absent, or the folder is none of its, that is said instead.
pub fn git(folder: &Path) -> Value {
    let of_folder = match state(folder) {
        Ok((commit, dirty)) => json!({ "commit": commit, "dirty": dirty }),
        Err(why) => json!({ "absent": why }),
    };
    json!({ "sweep_file": of_folder, "build": known(env!("SECATEUR_COMMIT")) })
}

/// Commit, and whether a file that git knows differs from it. Files that git does not know are results more often than sources.
fn state(folder: &Path) -> Result<(String, bool), String> {
    let commit = ask(folder, &["rev-parse", "--verify", "HEAD"])?;
    let changes = ask(folder, &["status", "--porcelain", "--untracked-files=no"])?;
    Ok((commit, !changes.is_empty()))
}

fn ask(folder: &Path, words: &[&str]) -> Result<String, String> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        // A run only looks: no lock, no questions, no words of another language.
        .envs([
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ])
        .output()
        .map_err(|e| format!("git cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or("git failed without a word");
    Err(first.trim_start_matches("fatal: ").to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_no_repository_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let found = git(folder.path());
        assert!(found["sweep_file"]["absent"].is_string(), "{found}");
        assert_eq!(found, git(folder.path()));
    }

    #[test]
    fn a_changed_file_is_dirt_and_a_new_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| ask(folder.path(), words);
        // Where there is no git there is nothing to test.
        if git(&["init", "--quiet"]).is_err() {
            return;
        }
        std::fs::write(folder.path().join("a"), "1").unwrap();
        git(&["add", "a"]).unwrap();
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        git(&[who.as_slice(), &["commit", "--quiet", "--message", "a"]].concat()).unwrap();
        std::fs::write(folder.path().join("b"), "1").unwrap();
        let (commit, dirty) = state(folder.path()).unwrap();
        assert!(commit.len() == 40 && !dirty);
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert!(state(folder.path()).unwrap().1);
    }
}
