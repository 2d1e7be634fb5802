//! `cargo xtask package`: could every crate be published, and does each compile from what is in its package alone?
//!
//! Packages are unpacked beside each other into a workspace of their own, in which they stand in for the registry, and checked there
//! with the lock file and profiles of this one. A file that a crate embeds but does not ship is an error there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{ALL_DEVICES, cargo, cargo_output, code};

/// What crates.io takes of one package, compressed.
const LARGEST_BYTES: u64 = 10 << 20;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Registries that may take it; absent: all, empty: none.
    publish: Option<Vec<String>>,
}

/// `words` go to `cargo package`, as `--allow-dirty`.
pub(crate) fn run(words: &[String]) -> anyhow::Result<u8> {
    let (status, listing) = cargo_output(&["metadata", "--no-deps", "--format-version=1"])?;
    if status != 0 {
        return Ok(status);
    }
    let all: Metadata = serde_json::from_str(&listing).context("what `cargo metadata` printed")?;
    let (ours, kept): (Vec<_>, Vec<_>) = all
        .packages
        .iter()
        .partition(|package| package.publish.as_ref().is_none_or(|registries| !registries.is_empty()));
    let mut arguments = vec!["package", "--workspace", "--no-verify", "--quiet"];
    arguments.extend(kept.iter().flat_map(|package| ["--exclude", &package.name]));
    arguments.extend(words.iter().map(String::as_str));
    let status = cargo(&arguments)?;
    if status != 0 {
        return Ok(status);
    }
    let folder = all.target_directory.join("package");
    let alone = folder.join("alone");
    if alone.exists() {
        std::fs::remove_dir_all(&alone).with_context(|| alone.display().to_string())?;
    }
    std::fs::create_dir_all(&alone).with_context(|| alone.display().to_string())?;
    for package in &ours {
        unpack(&folder, &alone, package)?;
    }
    let manifest = std::fs::read_to_string(all.workspace_root.join("Cargo.toml")).context("Cargo.toml")?;
    std::fs::write(alone.join("Cargo.toml"), workspace(&manifest, &ours)).context("the workspace of the packages")?;
    std::fs::copy(all.workspace_root.join("Cargo.lock"), alone.join("Cargo.lock")).context("Cargo.lock")?;
    let here = alone.join("Cargo.toml");
    let here = here.to_str().context("the target folder's name is not UTF-8")?;
    let target = all
        .target_directory
        .to_str()
        .context("the target folder's name is not UTF-8")?;
    // Dependencies are those of the lints, which are there already.
    let status = cargo(&[
        "check",
        "--quiet",
        "--workspace",
        ALL_DEVICES,
        "--manifest-path",
        here,
        "--target-dir",
        target,
    ])?;
    if status == 0 {
        println!("{} packages compile by themselves", ours.len());
    }
    Ok(status)
}

/// Unpacks a package, with the time of day on its files: a package has them all of one day, by which cargo would take what was
/// checked before for what is there now. Refuses one that a registry would refuse for its size.
fn unpack(folder: &Path, alone: &Path, package: &Package) -> anyhow::Result<()> {
    let file = folder.join(format!("{}-{}.crate", package.name, package.version));
    let bytes = std::fs::metadata(&file)
        .with_context(|| file.display().to_string())?
        .len();
    if bytes > LARGEST_BYTES {
        bail!(
            "{} has {bytes} bytes; a registry takes at most {LARGEST_BYTES}: exclude what a user does not need",
            file.display()
        );
    }
    let status = Command::new("tar")
        .arg("-xzmf")
        .arg(&file)
        .arg("-C")
        .arg(alone)
        .status()
        .context("cannot start tar")?;
    if code(status) != 0 {
        bail!("tar could not unpack {}", file.display());
    }
    Ok(())
}

/// The manifest of a workspace in which the packages stand in for the registry. Its profiles are the repository's, or all
/// dependencies would be checked anew.
fn workspace(manifest: &str, packages: &[&Package]) -> String {
    let mut text = "[workspace]\nresolver = \"3\"\nmembers = [\"*-*.*.*\"]\n\n[patch.crates-io]\n".to_owned();
    for Package { name, version, .. } in packages {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name} = {{ path = \"{name}-{version}\" }}");
    }
    if let Some(at) = manifest.find("\n[profile.") {
        text.push_str(&manifest[at..]);
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn packages_stand_in_for_the_registry_under_the_same_profiles() {
        let package = Package {
            name: "pears".to_owned(),
            version: "1.2.3".to_owned(),
            publish: None,
        };
        let text = workspace(
            "[workspace]\nmembers = []\n\n[profile.dev]\nopt-level = 1\n",
            &[&package],
        );
        assert!(text.contains("\npears = { path = \"pears-1.2.3\" }\n"), "{text}");
        assert!(text.ends_with("\n[profile.dev]\nopt-level = 1\n"), "{text}");
        assert!(!text.contains("members = []"), "{text}");
    }

    #[test]
    fn what_cargo_says_of_packages_is_understood() {
        let listing = r#"{"packages": [{"name": "a", "version": "0.1.0", "publish": null}, {"name": "b", "version": "0.1.0", "publish": []}],
            "workspace_root": "/w", "target_directory": "/w/target", "version": 1}"#;
        let all: Metadata = serde_json::from_str(listing).unwrap();
        assert_eq!(all.packages[0].publish, None);
        assert_eq!(all.packages[1].publish, Some(Vec::new()));
    }
}
