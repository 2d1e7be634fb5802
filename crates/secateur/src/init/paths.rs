//! Paths as a sweep file writes them: relative to its own folder where that is near.

use std::path::{Component, Path, PathBuf};

use anyhow::Context;

/// `path` as seen from `folder`; as it is where it was written as an absolute one, or where the two have only the root in common.
///
/// # Errors
/// If the current folder is unknown, or `path` is not Unicode: TOML has no other text.
pub fn from(folder: &Path, path: &Path) -> anyhow::Result<String> {
    let seen = if path.is_absolute() {
        path.to_path_buf()
    } else {
        relative(&real(folder)?, &real(path)?)
    };
    let text = seen
        .to_str()
        .with_context(|| format!("{} is not Unicode, which a sweep file has to be", path.display()))?;
    Ok(if text.is_empty() {
        ".".to_owned()
    } else {
        text.to_owned()
    })
}

/// The absolute path, links followed as far as it exists.
fn real(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    })
    .with_context(|| format!("cannot find {}", path.display()))?;
    let there = absolute.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        Some(match absolute.strip_prefix(above) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => real,
        })
    });
    Ok(there.unwrap_or(absolute))
}

/// `to` as seen from the folder `from`, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b);
    let names = common.clone().filter(|(part, _)| matches!(part, Component::Normal(_)));
    if names.count() == 0 {
        return to.to_path_buf();
    }
    let common = common.count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// A name for the model and the sweep: the last part of what the user named, of letters, digits, `-`, `_` and `.` alone.
pub fn plain_name(named: &str, directory: &Path) -> String {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    // `.` and `..` have no name of their own.
    let real = || directory.canonicalize().ok().and_then(|real| last(&real));
    let name = last(Path::new(named)).or_else(real).unwrap_or_default();
    let name = name.split('@').next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let plain: String = name.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    let plain = plain.trim_matches(['-', '.']);
    if plain.is_empty() {
        "model".to_owned()
    } else {
        plain.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_path_is_relative() {
        let relative = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).to_string_lossy().into_owned();
        assert_eq!(relative("/a/sweeps", "/a/models/olmoe"), "../models/olmoe");
        assert_eq!(relative("/a", "/a/models"), "models");
        assert_eq!(relative("/a", "/a"), "");
        assert_eq!(relative("/home/me", "/data/models"), "/data/models");
    }

    #[test]
    fn names_become_directories() {
        let nowhere = Path::new("/nowhere/olmoe");
        assert_eq!(plain_name("allenai/OLMoE-1B-7B-0924@main", nowhere), "OLMoE-1B-7B-0924");
        assert_eq!(plain_name("models/my model/", nowhere), "my-model");
        assert_eq!(plain_name("..", nowhere), "model");
    }
}
