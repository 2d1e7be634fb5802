//! The machine and the program, as far as numbers depend on them. The same machine gives the same text every time.

use std::collections::BTreeMap;
use std::fs;

use secateur_results::store::RECORD_SCHEMA;
use serde_json::{Value, json};

/// Variables that change how or where a sweep computes. None that could hold a key is named here.
const VARIABLES: [&str; 9] = [
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "WGPU_ADAPTER_NAME",
    "WGPU_BACKEND",
    "WGPU_POWER_PREF",
];

/// System, processor and its features, threads, memory, and the variables that are set.
pub fn environment() -> Value {
    let variables = VARIABLES
        .iter()
        .filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    json!({
        "system": std::env::consts::OS,
        "kernel": line_of("/proc/sys/kernel/osrelease"),
        "architecture": std::env::consts::ARCH,
        "processor": field_of("/proc/cpuinfo", "model name"),
        "processor_features": features(),
        "threads": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        "memory_bytes": memory_bytes("MemTotal"),
        "variables": variables.collect::<BTreeMap<_, _>>(),
    })
}

/// Versions of the program, of what it was built with, and of what it writes.
pub fn versions() -> Value {
    let packages = env!("SECATEUR_PACKAGES")
        .split(',')
        .filter_map(|one| one.split_once(' '));
    json!({
        "secateur": env!("CARGO_PKG_VERSION"),
        "record_layout": RECORD_SCHEMA,
        "compiler": known(env!("SECATEUR_COMPILER")),
        "target": known(env!("SECATEUR_TARGET")),
        "profile": known(env!("SECATEUR_PROFILE")),
        "packages": packages.collect::<BTreeMap<_, _>>(),
    })
}

/// A text that the build filled in, unless it could not.
pub fn known(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}

fn line_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// `name : value`, the first line of that name.
fn field_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `MemTotal` or `MemAvailable`, where the system counts it.
pub fn memory_bytes(name: &str) -> Option<u64> {
    let kib = field_of("/proc/meminfo", name)?;
    Some(kib.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Instruction sets that inner loops choose by.
fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let all = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let all = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let all: [(&'static str, bool); 0] = [];
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}
