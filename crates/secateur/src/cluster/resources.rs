//! `[cluster]`, checked: nothing in it can break out of a script or a manifest.

use anyhow::bail;
use secateur_datasets::error::nearest_hint;
use secateur_datasets::toml_place::Spot;

use super::section::{ClusterSection, ContainerSection, KubernetesSection};
use super::units::{Memory, TimeLimit};
use super::words::{check_name, check_text};
use crate::sweep::refused::Refused;

/// Options of sbatch that the submission itself decides.
const OURS: [&str; 17] = [
    "array",
    "chdir",
    "cpus-per-task",
    "dependency",
    "error",
    "gres",
    "job-name",
    "kill-on-invalid-dep",
    "mem",
    "no-requeue",
    "open-mode",
    "output",
    "parsable",
    "signal",
    "time",
    "wait",
    "wrap",
];

/// How the program is started.
#[derive(Debug, Clone, PartialEq)]
pub enum Container {
    /// As it is.
    None,
    /// `apptainer exec`, or `singularity exec` where that is what there is.
    Apptainer(String),
    /// `srun --container-image`.
    Pyxis(String),
}

/// What a task asks for, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Shards, at least 1.
    pub tasks: Option<usize>,
    /// Tasks at a time, at least 1.
    pub max_concurrent: Option<usize>,
    /// `--partition`, `--account`, `--qos` where given.
    pub queue: Vec<(&'static str, String)>,
    /// GPUs per task.
    pub gpus: u32,
    /// Their type.
    pub gpu_type: Option<String>,
    /// CPUs per task.
    pub cpus: Option<u32>,
    /// Memory per task.
    pub memory: Option<Memory>,
    /// Time limit.
    pub time: Option<TimeLimit>,
    /// Modules.
    pub modules: Vec<String>,
    /// Image.
    pub container: Container,
    /// Directories shown in it.
    pub mounts: Vec<String>,
    /// Variables, by name.
    pub environment: Vec<(String, String)>,
    /// Program, where it is named.
    pub program: Option<String>,
    /// Options for sbatch, `--name` or `--name=value`.
    pub extra: Vec<String>,
    /// Kubernetes' part.
    pub kubernetes: Option<KubernetesSection>,
}

impl Resources {
    /// Checks `[cluster]`.
    ///
    /// # Errors
    /// Names the key, what stands there, and what can.
    pub fn check(section: &ClusterSection) -> anyhow::Result<Self> {
        for (key, count) in [("tasks", section.tasks), ("max_concurrent", section.max_concurrent)] {
            if count == Some(0) {
                let message = format!("cluster.{key}: 0 leaves nothing to run; expected at least 1");
                return Err(Refused::at(spot(key), message));
            }
        }
        if section.cpus == Some(0) {
            return Err(Refused::at(spot("cpus"), "cluster.cpus: a task needs at least 1"));
        }
        if section.gpu_type.is_some() && section.gpus == 0 {
            let message = "cluster.gpu_type is set and cluster.gpus is not; say how many, or leave both out";
            return Err(Refused::at(spot("gpu_type"), message));
        }
        let mut queue = Vec::new();
        let named = [
            ("partition", &section.partition),
            ("account", &section.account),
            ("qos", &section.qos),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                check_name(key, value, "-_.,+@").map_err(at(spot(key)))?;
                queue.push((key, value.clone()));
            }
        }
        if let Some(kind) = &section.gpu_type {
            check_name("gpu_type", kind, "-_.").map_err(at(spot("gpu_type")))?;
        }
        for module in &section.modules {
            check_name("modules", module, "-_./+").map_err(at(spot("modules").value(module)))?;
        }
        for (name, value) in &section.environment {
            check_variable(name, value).map_err(at(spot("environment").then(name)))?;
        }
        for option in &section.extra {
            check_extra(option).map_err(at(spot("extra").value(option)))?;
        }
        if let Some(program) = &section.program {
            check_text("program", program).map_err(at(spot("program")))?;
        }
        if let Some(kubernetes) = &section.kubernetes {
            check_kubernetes(kubernetes).map_err(at(spot("kubernetes")))?;
        }
        let memory = section.memory.as_deref().map(Memory::parse).transpose();
        let time = section.time.as_deref().map(TimeLimit::parse).transpose();
        let written = section.container.clone().unwrap_or_default();
        Ok(Self {
            tasks: section.tasks,
            max_concurrent: section.max_concurrent,
            queue,
            gpus: section.gpus,
            gpu_type: section.gpu_type.clone(),
            cpus: section.cpus,
            memory: memory.map_err(at(spot("memory")))?,
            time: time.map_err(at(spot("time")))?,
            modules: section.modules.clone(),
            container: match &section.container {
                Some(container) => check_container(container).map_err(at(spot("container")))?,
                None => Container::None,
            },
            mounts: written.mounts,
            environment: section.environment.clone().into_iter().collect(),
            program: section.program.clone(),
            extra: section.extra.clone(),
            kubernetes: section.kubernetes.clone(),
        })
    }
}

/// Where a key of `[cluster]` stands.
fn spot(key: &str) -> Spot {
    Spot::key("cluster").then(key)
}

/// Gives an error its place.
fn at<E: Into<anyhow::Error>>(spot: Spot) -> impl FnOnce(E) -> anyhow::Error {
    |error| Refused::because_of(spot, error)
}

fn check_container(section: &ContainerSection) -> anyhow::Result<Container> {
    for mount in &section.mounts {
        check_text("container.mounts", mount)?;
        if !mount.starts_with('/') || mount.contains(',') {
            bail!("cluster.container.mounts: `{mount}`: expected `/directory` or `/directory:/inside`, without commas");
        }
    }
    let (container, image) = match (&section.apptainer, &section.pyxis) {
        (Some(image), None) => (Container::Apptainer(image.clone()), image),
        (None, Some(image)) => (Container::Pyxis(image.clone()), image),
        _ => bail!("cluster.container: name one image, either `apptainer = \"…\"` or `pyxis = \"…\"`"),
    };
    check_name("container", image, "-_./:@+#~")?;
    Ok(container)
}

fn check_variable(name: &str, value: &str) -> anyhow::Result<()> {
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        bail!("cluster.environment: `{name}` is no name of a variable; letters, digits and `_` can stand there");
    }
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        bail!("cluster.environment.{name}: {value:?} holds the control character {bad:?}");
    }
    Ok(())
}

fn check_extra(option: &str) -> anyhow::Result<()> {
    let Some(rest) = option.strip_prefix("--") else {
        bail!("cluster.extra: `{option}`: expected one option of sbatch in its long form, as in `--constraint=h100`");
    };
    check_name("extra", rest, "-_.,:/@+=%&|()[]*!")?;
    let name = rest.split('=').next().unwrap_or(rest);
    if OURS.contains(&name) {
        bail!(
            "cluster.extra: `--{name}` is decided by `secateur submit`{}",
            match name {
                "time" | "mem" | "gres" | "cpus-per-task" =>
                    "; use the keys `time`, `memory`, `gpus` and `cpus` of [cluster]",
                _ => "; take it out",
            }
        );
    }
    // An option that sbatch takes by a beginning of its name would slip by.
    if OURS.iter().any(|ours| ours.starts_with(name)) {
        bail!("cluster.extra: `--{name}`{}", nearest_hint(name, OURS));
    }
    Ok(())
}

fn check_kubernetes(section: &KubernetesSection) -> anyhow::Result<()> {
    check_name("kubernetes.image", &section.image, "-_./:@")?;
    let objects = [
        ("claim", Some(&section.claim)),
        ("namespace", section.namespace.as_ref()),
        ("pull_secret", section.pull_secret.as_ref()),
    ];
    for (key, name) in objects {
        let Some(name) = name else { continue };
        let letters = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
        let ends = |c: char| c.is_ascii_alphanumeric();
        if !letters || !name.starts_with(ends) || !name.ends_with(ends) || name.len() > 253 {
            bail!(
                "cluster.kubernetes.{key}: `{name}` is no name of Kubernetes: lower-case letters, digits, `-` and `.`"
            );
        }
    }
    check_text("kubernetes.mount", &section.mount)?;
    if !section.mount.starts_with('/') || section.mount.contains(':') {
        bail!(
            "cluster.kubernetes.mount: `{}`: expected an absolute path without `:`",
            section.mount
        );
    }
    check_name("kubernetes.gpu_resource", &section.gpu_resource, "-_./")?;
    for (label, value) in &section.node_selector {
        check_name("kubernetes.node_selector", label, "-_./")?;
        check_name("kubernetes.node_selector", value, "-_.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secateur_datasets::strict_toml;

    use super::*;

    fn checked(text: &str) -> Result<Resources, String> {
        let section = strict_toml::parse::<ClusterSection>(text).map_err(|(_, message)| message)?;
        Resources::check(&section).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_table_is_read() {
        let resources = checked(
            r#"
            tasks = 24
            max_concurrent = 4
            partition = "gpu"
            account = "lab-7"
            gpus = 2
            gpu_type = "a100"
            cpus = 8
            memory = "32G"
            time = "04:00:00"
            modules = ["cuda/12.4"]
            container = { apptainer = "/images/secateur.sif", mounts = ["/data"] }
            environment = { RAYON_NUM_THREADS = "8" }
            extra = ["--constraint=a100&nvlink", "--exclusive"]
            [kubernetes]
            image = "registry.example/secateur:1"
            claim = "sweeps"
            "#,
        )
        .unwrap();
        assert_eq!(resources.memory, Some(Memory(32 << 10)));
        assert_eq!(resources.time, Some(TimeLimit(14_400)));
        assert_eq!(
            resources.container,
            Container::Apptainer("/images/secateur.sif".to_owned())
        );
        assert_eq!(resources.kubernetes.unwrap().mount, "/work");
        assert_eq!(checked("").unwrap().tasks, None);
    }

    #[test]
    fn what_could_break_out_is_refused_with_its_key() {
        for (text, words) in [
            ("partition = \"gpu\\n#SBATCH --wrap=x\"", "cluster.partition"),
            ("account = \"a b\"", "cluster.account"),
            ("qos = \"$(id)\"", "cluster.qos"),
            ("modules = [\"cuda; reboot\"]", "cluster.modules"),
            ("environment = { \"A B\" = \"1\" }", "cluster.environment"),
            ("environment = { A = \"1\\n2\" }", "cluster.environment.A"),
            ("extra = [\"-p gpu\"]", "cluster.extra"),
            ("extra = [\"--array=0-9\"]", "`--array` is decided by `secateur submit`"),
            ("extra = [\"--time=3\"]", "use the keys `time`"),
            ("extra = [\"--outp=x\"]", "did you mean `output`?"),
            ("extra = [\"--comment='x'\"]", "holds `'`"),
            ("container = { mounts = [\"/a\"] }", "name one image"),
            ("container = { pyxis = \"a\", apptainer = \"b\" }", "name one image"),
            (
                "container = { pyxis = \"a\", mounts = [\"data\"] }",
                "expected `/directory`",
            ),
            ("tasks = 0", "cluster.tasks: 0 leaves nothing to run"),
            ("cpus = 0", "cluster.cpus"),
            ("gpu_type = \"a100\"", "cluster.gpus is not"),
            ("memory = \"lots\"", "cluster.memory: `lots` is no amount"),
            ("time = \"4h\"", "cluster.time: `4h` is no time"),
            ("partitions = \"gpu\"", "did you mean `partition`?"),
            (
                "kubernetes = { image = \"i\", claim = \"My Claim\" }",
                "cluster.kubernetes.claim",
            ),
            (
                "kubernetes = { image = \"i\", claim = \"c\", mount = \"work\" }",
                "expected an absolute path",
            ),
            ("kubernetes = { image = \"i\" }", "missing field `claim`"),
        ] {
            let message = checked(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
