//! Tells the program what it was built with, for the manifests of its runs.

use std::fs;
use std::process::Command;

/// Packages whose versions decide numbers.
const PACKAGES: [&str; 3] = ["burn", "safetensors", "tokenizers"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SECATEUR_COMMIT");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let compiler = Command::new(variable("RUSTC")).arg("--version").output();
    let compiler = compiler.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    // Where nothing is known, nothing is said: the program reads an empty text as "not known".
    println!("cargo::rustc-env=SECATEUR_COMPILER={}", compiler.unwrap_or_default());
    println!("cargo::rustc-env=SECATEUR_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=SECATEUR_PROFILE={}", variable("PROFILE"));
    println!("cargo::rustc-env=SECATEUR_PACKAGES={}", packages());
    println!("cargo::rustc-env=SECATEUR_COMMIT={}", variable("SECATEUR_COMMIT"));
}

/// `burn 0.22.1,…`, from the lock file of the workspace; nothing where this is built from a registry's package.
fn packages() -> String {
    let lock = "../../Cargo.lock";
    let Ok(text) = fs::read_to_string(lock) else {
        return String::new();
    };
    println!("cargo::rerun-if-changed={lock}");
    let mut found = Vec::new();
    for package in text.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_matches(['"', ' ', '=']))
        };
        if let (Some(name), Some(version)) = (field("name = "), field("version = "))
            && PACKAGES.contains(&name)
        {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(",")
}
