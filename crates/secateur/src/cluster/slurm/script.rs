//! The two batch scripts.

use std::fmt::Write;

use super::super::resources::{Container, Resources};
use super::super::words::{command, quoted};
use super::super::work::Work;

/// Seconds before the time limit at which a task is told.
const WARNING_SECONDS: u32 = 60;
/// How often a task goes back to the queue at its time limit.
const MOST_RESTARTS: u32 = 16;

/// The script of the array: runs one shard, any number of times.
#[must_use]
pub fn array(resources: &Resources, work: &Work) -> String {
    let mut text = header(resources, work, &array_name(work), "%A_%a");
    if resources.gpus > 0 {
        let kind = resources
            .gpu_type
            .as_deref()
            .map_or(String::new(), |kind| format!("{kind}:"));
        directive(&mut text, &format!("--gres=gpu:{kind}{}", resources.gpus));
    }
    directive(&mut text, "--requeue");
    directive(&mut text, &format!("--signal=B:TERM@{WARNING_SECONDS}"));
    text.push_str(&preamble(resources));
    let forward = match resources.container {
        // srun takes a lone INT for a question; its step is told through Slurm.
        Container::Pyxis(_) => "scancel --signal=INT \"$SLURM_JOB_ID\"",
        _ => "kill -INT \"$running\" 2>/dev/null || true",
    };
    let run = started(resources, work, &work.run());
    let tasks = work.tasks;
    // Slurm's own names of states: RUNNING near the time limit, something else once the job is cancelled.
    let _ = write!(
        text,
        r#"
# Slurm sends TERM {WARNING_SECONDS} s before the time limit, and when the job is cancelled. INT makes Secateur finish what it
# is at, save and end; at the time limit the task then goes back to the queue, and takes up where it stopped.
again=no
stop() {{
    if [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T 2>/dev/null)" = RUNNING ]; then again=yes; fi
    {forward}
}}
trap stop TERM

{run} --shard "$SLURM_ARRAY_TASK_ID/{tasks}" &
running=$!
wait "$running" && status=0 || status=$?
while kill -0 "$running" 2>/dev/null; do wait "$running" && status=0 || status=$?; done
if [ "$status" -ne 0 ] && [ "$again" = yes ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {MOST_RESTARTS} ]; then
    scontrol requeue "$SLURM_JOB_ID" && sleep 30
fi
exit "$status"
"#
    );
    text
}

/// The script of the reducer. It leaves `reduced` behind, which says that the report is of all cells.
#[must_use]
pub fn reduce(resources: &Resources, work: &Work) -> String {
    let mut text = header(resources, work, &reduce_name(work), "%j_reduce");
    text.push_str(&preamble(resources));
    let done = quoted(&work.folder().join("slurm/reduced").to_string_lossy());
    let run = started(resources, work, &work.reduce());
    let _ = write!(
        text,
        "\n{run}\necho \"$SLURM_JOB_ID\" >{done}.new\nmv {done}.new {done}\n"
    );
    text
}

/// Name of the array's jobs. It holds the number of shards: task 3 of 8 is not task 3 of 16.
#[must_use]
pub fn array_name(work: &Work) -> String {
    format!("{}-of-{}", work.label(), work.tasks)
}

/// Name of the reducer's job.
#[must_use]
pub fn reduce_name(work: &Work) -> String {
    format!("{}-reduce", work.label())
}

fn header(resources: &Resources, work: &Work, name: &str, log: &str) -> String {
    let shell = if resources.modules.is_empty() {
        "#!/bin/bash"
    } else {
        "#!/bin/bash -l"
    };
    let mut text = format!(
        "{shell}\n# Written by `secateur submit` for the sweep `{}`.\n",
        work.sweep
    );
    directive(&mut text, &format!("--job-name={name}"));
    // A percent sign in a path would start one of Slurm's own.
    let logs = work.folder().join("slurm/logs").to_string_lossy().replace('%', "%%");
    directive(&mut text, &format!("--output={}", quoted(&format!("{logs}/{log}.txt"))));
    directive(&mut text, "--open-mode=append");
    directive(
        &mut text,
        &format!("--chdir={}", quoted(&work.directory.to_string_lossy())),
    );
    directive(&mut text, "--nodes=1");
    directive(&mut text, "--ntasks=1");
    for (key, value) in &resources.queue {
        directive(&mut text, &format!("--{key}={value}"));
    }
    if let Some(cpus) = resources.cpus {
        directive(&mut text, &format!("--cpus-per-task={cpus}"));
    }
    if let Some(memory) = resources.memory {
        directive(&mut text, &format!("--mem={}M", memory.0));
    }
    if let Some(time) = resources.time {
        directive(&mut text, &format!("--time={time}"));
    }
    for option in &resources.extra {
        directive(&mut text, option);
    }
    text
}

fn directive(text: &mut String, option: &str) {
    let _ = writeln!(text, "#SBATCH {option}");
}

/// Modules and variables. Modules come first: their scripts use variables that may be unset.
fn preamble(resources: &Resources) -> String {
    let mut text = String::new();
    for module in &resources.modules {
        let _ = writeln!(text, "module load {}", quoted(module));
    }
    text.push_str("set -euo pipefail\n");
    for (name, value) in &resources.environment {
        let _ = writeln!(text, "export {name}={}", quoted(value));
    }
    text
}

/// The command, in its container if there is one.
fn started(resources: &Resources, work: &Work, words: &[String]) -> String {
    let mut mounts: Vec<String> = [Some(work.directory.as_path()), work.file.parent(), Some(&work.results)]
        .into_iter()
        .flatten()
        .map(|path| path.to_string_lossy().into_owned())
        .chain(resources.mounts.iter().cloned())
        .collect();
    mounts.dedup();
    let command = command(words);
    let directory = quoted(&work.directory.to_string_lossy());
    match &resources.container {
        Container::None => command,
        Container::Apptainer(image) => {
            let gpu = if resources.gpus > 0 { " --nv" } else { "" };
            let binds: Vec<String> = mounts.iter().map(|mount| format!("--bind {}", quoted(mount))).collect();
            format!(
                "\"$(command -v apptainer || command -v singularity)\" exec{gpu} {} --pwd {directory} {} {command}",
                binds.join(" "),
                quoted(image)
            )
        }
        Container::Pyxis(image) => {
            let pairs: Vec<String> = mounts
                .iter()
                .map(|mount| {
                    if mount.contains(':') {
                        mount.clone()
                    } else {
                        format!("{mount}:{mount}")
                    }
                })
                .collect();
            // Since 22.05 a step does not inherit its job's CPUs per task.
            let cpus = resources
                .cpus
                .map_or(String::new(), |cpus| format!(" --cpus-per-task={cpus}"));
            format!(
                "srun --ntasks=1{cpus} --container-image={} --container-mounts={} --container-workdir={directory} {command}",
                quoted(image),
                quoted(&pairs.join(","))
            )
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secateur_datasets::strict_toml;

    use super::super::super::work::example;
    use super::*;

    fn resources(text: &str) -> Resources {
        Resources::check(&strict_toml::parse(text).unwrap()).unwrap()
    }

    /// bash reads the script without running it.
    fn parses(script: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script.sh");
        std::fs::write(&file, script).unwrap();
        std::process::Command::new("bash")
            .arg("-n")
            .arg(&file)
            .status()
            .unwrap()
            .success()
    }

    #[test]
    fn the_table_becomes_directives() {
        let table = "partition = \"gpu\"\naccount = \"lab\"\nqos = \"night\"\ngpus = 2\ngpu_type = \"a100\"\ncpus = 8\n\
                     memory = \"32G\"\ntime = \"4:00:00\"\nextra = [\"--constraint=nvlink\"]\nmodules = [\"cuda/12.4\"]\n\
                     environment = { NOTE = \"it's $HOME\" }";
        let script = array(&resources(table), &example());
        for line in [
            "#!/bin/bash -l",
            "#SBATCH --output=/data/results/demo/slurm/logs/%A_%a.txt",
            "#SBATCH --chdir=/data",
            "#SBATCH --partition=gpu",
            "#SBATCH --account=lab",
            "#SBATCH --qos=night",
            "#SBATCH --gres=gpu:a100:2",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --mem=32768M",
            "#SBATCH --time=0-04:00:00",
            "#SBATCH --constraint=nvlink",
            "#SBATCH --signal=B:TERM@60",
            "module load cuda/12.4",
            r#"export NOTE='it'"'"'s $HOME'"#,
            "/opt/secateur sweep run '/data/my sweeps/demo.toml' --results /data/results --limit 6 --quiet --shard \"$SLURM_ARRAY_TASK_ID/8\" &",
        ] {
            assert!(script.lines().any(|l| l == line), "no line `{line}` in\n{script}");
        }
        assert!(parses(&script));
        let reducer = reduce(&resources(table), &example());
        assert!(!reducer.contains("gres"), "the reducer needs no GPU\n{reducer}");
        assert!(reducer.contains("--limit 6\n") && parses(&reducer), "{reducer}");
    }

    #[test]
    fn containers_see_the_sweep_and_its_results() {
        let apptainer = resources("gpus = 1\ncontainer = { apptainer = \"/i/s.sif\", mounts = [\"/models\"] }");
        let script = array(&apptainer, &example());
        assert!(
            script.contains("exec --nv --bind /data --bind '/data/my sweeps' --bind /data/results --bind /models --pwd /data /i/s.sif"),
            "{script}"
        );
        let pyxis = array(
            &resources("container = { pyxis = \"nvcr.io#lab/secateur:1\" }"),
            &example(),
        );
        assert!(
            pyxis.contains(
                "srun --ntasks=1 --container-image='nvcr.io#lab/secateur:1' --container-mounts='/data:/data,"
            )
        );
        assert!(pyxis.contains("scancel --signal=INT"));
        assert!(parses(&script) && parses(&pyxis));
    }

    #[test]
    fn percent_signs_in_paths_are_not_patterns() {
        let work = Work {
            results: "/data/50% done".into(),
            ..example()
        };
        let script = array(&resources(""), &work);
        assert!(
            script.contains("#SBATCH --output='/data/50%% done/demo/slurm/logs/%A_%a.txt'"),
            "{script}"
        );
    }
}
