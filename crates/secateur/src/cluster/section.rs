//! `[cluster]` of the sweep file, as written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one task of the sweep asks a cluster for. Records do not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSection {
    /// Shards that the sweep is cut into, one task each.
    pub tasks: Option<usize>,
    /// At most so many of them at a time.
    pub max_concurrent: Option<usize>,
    /// Slurm partition.
    pub partition: Option<String>,
    /// Slurm account.
    pub account: Option<String>,
    /// Slurm quality of service.
    pub qos: Option<String>,
    /// GPUs per task.
    pub gpus: u32,
    /// Their type, as Slurm's `--gres=gpu:TYPE:N` calls it.
    pub gpu_type: Option<String>,
    /// CPUs per task.
    pub cpus: Option<u32>,
    /// Memory per task, as in `32G`.
    pub memory: Option<String>,
    /// Time limit per task, as Slurm writes it.
    pub time: Option<String>,
    /// Environment modules to load.
    pub modules: Vec<String>,
    /// Image that the program runs in, under Slurm.
    pub container: Option<ContainerSection>,
    /// Environment variables of a task.
    pub environment: BTreeMap<String, String>,
    /// The program on the nodes, or in the image; by default the one that submits, and `secateur` in an image.
    pub program: Option<String>,
    /// Further options of sbatch, as in `--constraint=h100`.
    pub extra: Vec<String>,
    /// What Kubernetes needs beside.
    pub kubernetes: Option<KubernetesSection>,
}

/// An image for one of two ways to run it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerSection {
    /// For Apptainer or Singularity: a file, or a `docker://` address.
    pub apptainer: Option<String>,
    /// For pyxis (`srun --container-image`).
    pub pyxis: Option<String>,
    /// Directories to show to the program, beside those of the sweep file and of the results: `/data` or `/data:/inside`.
    pub mounts: Vec<String>,
}

/// `[cluster.kubernetes]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSection {
    /// Image of the tasks, with `secateur` and `/bin/sh` in it.
    pub image: String,
    /// Persistent volume claim with the sweep file, models, data and results, writable from many nodes.
    pub claim: String,
    /// Where it is mounted; relative paths start there.
    #[serde(default = "mount")]
    pub mount: String,
    /// Namespace; the context's where absent.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Resource that GPUs are counted by.
    #[serde(default = "gpu_resource")]
    pub gpu_resource: String,
    /// Labels that a node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Secret for the image's registry.
    #[serde(default)]
    pub pull_secret: Option<String>,
}

fn mount() -> String {
    "/work".to_owned()
}

fn gpu_resource() -> String {
    "nvidia.com/gpu".to_owned()
}
