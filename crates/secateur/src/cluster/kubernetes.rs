//! Kubernetes: an Indexed Job, one index per shard, and a Job that reduces. JSON, which kubectl reads as it reads YAML.

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::resources::Resources;
use super::section::KubernetesSection;
use super::work::Work;

/// How often one shard may fail, and the reducer. A pod that a node lost or that made room for others does not count.
const MOST_FAILURES: u32 = 3;
/// Seconds between SIGTERM and SIGKILL: as much as a task under Slurm gets.
const GRACE_SECONDS: u32 = 60;

/// A pod's first process ignores SIGTERM unless it asks for it; INT makes Secateur finish what it is at, save and end.
const FORWARD: &str = r#"trap 'kill -INT "$running" 2>/dev/null' TERM
"$@" &
running=$!
wait "$running"; status=$?
while kill -0 "$running" 2>/dev/null; do wait "$running"; status=$?; done
exit "$status"
"#;

/// The manifest that runs `shards`, ascending: an index has one of them.
///
/// # Errors
/// If there is no `[cluster.kubernetes]`, or no shard.
pub fn shards(resources: &Resources, work: &Work, shards: &[usize]) -> anyhow::Result<Value> {
    let section = section(resources)?;
    if shards.is_empty() {
        bail!("every cell has its record; only the reducer is left to run");
    }
    let list: Vec<String> = shards.iter().map(usize::to_string).collect();
    let script = format!(
        "shard=$(echo {} | cut -d, -f$((JOB_COMPLETION_INDEX + 1)))\nset -- \"$@\" --shard \"$shard/{}\"\n{FORWARD}",
        list.join(","),
        work.tasks
    );
    let mut spec = json!({
        "completionMode": "Indexed",
        "completions": shards.len(),
        "parallelism": resources.max_concurrent.unwrap_or(shards.len()).min(shards.len()),
        "backoffLimitPerIndex": MOST_FAILURES,
        "podFailurePolicy": { "rules": [
            { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        ] },
    });
    spec["template"] = template(resources, section, work, "shard", &script, &work.run());
    Ok(job(section, work, "shard", &spec))
}

/// The manifest of the reducer, to be created once the shards are through.
///
/// # Errors
/// If there is no `[cluster.kubernetes]`.
pub fn reduce(resources: &Resources, work: &Work) -> anyhow::Result<Value> {
    let section = section(resources)?;
    // Tables and charts need no GPU.
    let resources = Resources {
        gpus: 0,
        ..resources.clone()
    };
    let mut spec = json!({ "backoffLimit": MOST_FAILURES });
    spec["template"] = template(&resources, section, work, "reduce", FORWARD, &work.reduce());
    Ok(job(section, work, "reduce", &spec))
}

fn section(resources: &Resources) -> anyhow::Result<&KubernetesSection> {
    resources.kubernetes.as_ref().context(
        "the sweep file has no [cluster.kubernetes]; it needs `image` and `claim`, the volume claim with the sweep",
    )
}

fn labels(work: &Work, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "secateur",
        "app.kubernetes.io/instance": work.label(),
        "app.kubernetes.io/component": component,
    })
}

fn job(section: &KubernetesSection, work: &Work, component: &str, spec: &Value) -> Value {
    let mut metadata = json!({ "name": format!("{}-{component}", work.label()), "labels": labels(work, component) });
    if let Some(namespace) = &section.namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec })
}

fn template(
    resources: &Resources,
    section: &KubernetesSection,
    work: &Work,
    component: &str,
    script: &str,
    words: &[String],
) -> Value {
    let mut pod = Map::new();
    pod.insert("restartPolicy".to_owned(), json!("Never"));
    pod.insert("terminationGracePeriodSeconds".to_owned(), json!(GRACE_SECONDS));
    if let Some(time) = resources.time {
        pod.insert("activeDeadlineSeconds".to_owned(), json!(time.0));
    }
    if !section.node_selector.is_empty() {
        pod.insert("nodeSelector".to_owned(), json!(section.node_selector));
    }
    if let Some(secret) = &section.pull_secret {
        pod.insert("imagePullSecrets".to_owned(), json!([{ "name": secret }]));
    }
    let environment: Vec<Value> = resources
        .environment
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": literal(value) }))
        .collect();
    let words: Vec<String> = words.iter().map(|word| literal(word)).collect();
    let container = json!({
        "name": "secateur",
        "image": section.image,
        "workingDir": section.mount,
        // `sh -c SCRIPT NAME WORDS…`: the words are the script's arguments, and never part of its text.
        "command": ["/bin/sh", "-c", literal(script), "secateur"],
        "args": words,
        "env": environment,
        "resources": amounts(resources, section),
        "volumeMounts": [{ "name": "work", "mountPath": section.mount }],
    });
    pod.insert("containers".to_owned(), json!([container]));
    let volume = json!({ "name": "work", "persistentVolumeClaim": { "claimName": section.claim } });
    pod.insert("volumes".to_owned(), json!([volume]));
    json!({ "metadata": { "labels": labels(work, component) }, "spec": pod })
}

/// CPUs are asked for and may be exceeded; memory and GPUs are also the limit.
fn amounts(resources: &Resources, section: &KubernetesSection) -> Value {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    if let Some(cpus) = resources.cpus {
        requests.insert("cpu".to_owned(), json!(cpus.to_string()));
    }
    if let Some(memory) = resources.memory {
        let amount = json!(format!("{}Mi", memory.0));
        requests.insert("memory".to_owned(), amount.clone());
        limits.insert("memory".to_owned(), amount);
    }
    if resources.gpus > 0 {
        limits.insert(section.gpu_resource.clone(), json!(resources.gpus.to_string()));
    }
    json!({ "requests": requests, "limits": limits })
}

/// Kubernetes replaces `$(NAME)` in commands and variables; `$$(` is how it is told not to.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use secateur_datasets::strict_toml;

    use super::super::work::example;
    use super::*;

    fn resources() -> Resources {
        let table = r#"
            gpus = 1
            cpus = 8
            memory = "32G"
            time = "4:00:00"
            max_concurrent = 2
            environment = { NOTE = "$(HOME)" }
            [kubernetes]
            image = "registry.example/secateur:1"
            claim = "sweeps"
            namespace = "lab"
            node_selector = { "nvidia.com/gpu.product" = "NVIDIA-A100-SXM4-80GB" }
        "#;
        Resources::check(&strict_toml::parse(table).unwrap()).unwrap()
    }

    #[test]
    fn an_index_has_a_shard_and_what_it_needs() {
        let job = shards(&resources(), &example(), &[0, 3, 7]).unwrap();
        assert_eq!(job["spec"]["completions"], 3);
        assert_eq!(job["spec"]["parallelism"], 2);
        assert_eq!(job["metadata"]["namespace"], "lab");
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["activeDeadlineSeconds"], 14_400);
        let container = &pod["containers"][0];
        assert_eq!(
            container["resources"]["limits"],
            json!({ "memory": "32768Mi", "nvidia.com/gpu": "1" })
        );
        assert_eq!(container["env"][0]["value"], "$$(HOME)");
        let reducer = reduce(&resources(), &example()).unwrap();
        let limits = &reducer["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits, &json!({ "memory": "32768Mi" }));
    }

    /// The container's command, run here with `echo` for the program.
    #[test]
    fn the_shell_in_the_pod_finds_its_shard() {
        let work = super::super::Work {
            program: "echo".to_owned(),
            ..example()
        };
        let job = shards(&resources(), &work, &[0, 3, 7]).unwrap();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        let strings = |key: &str| -> Vec<String> {
            let words = container[key].as_array().unwrap();
            words
                .iter()
                .map(|word| word.as_str().unwrap().replace("$$(", "$("))
                .collect()
        };
        let command = strings("command");
        let output = Command::new(&command[0])
            .args(&command[1..])
            .args(strings("args"))
            .env("JOB_COMPLETION_INDEX", "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert_eq!(
            said.trim(),
            "sweep run /data/my sweeps/demo.toml --results /data/results --limit 6 --quiet --shard 3/8"
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let none = Resources::check(&super::super::ClusterSection::default()).unwrap();
        let message = shards(&none, &example(), &[0]).unwrap_err().to_string();
        assert!(message.contains("[cluster.kubernetes]"), "{message}");
        let message = shards(&resources(), &example(), &[]).unwrap_err().to_string();
        assert!(message.contains("every cell has its record"), "{message}");
    }
}
