//! Submissions, with a stand-in for Slurm that runs every job at once; `benchmarks/slurm/check.sh` has a real one.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

mod tiny;

use tiny::{Sweep, stdout};

/// Keeps its words in `calls`; loses the task whose number stands in `lose`, once.
const SBATCH: &str = r#"#!/bin/bash
for word in "$@"; do
    case $word in
    --array=*) list=${word#--array=} ;;
    *.sh) script=$word ;;
    esac
done
echo "${*%/*}" >>calls
id=$(wc -l <calls)
list=${list%%%*}
for part in ${list//,/ }; do
    for task in $(seq "${part%-*}" "${part#*-}"); do
        if [ "$task" = "$(cat lose 2>/dev/null)" ]; then rm lose; continue; fi
        SLURM_JOB_ID=$id SLURM_ARRAY_TASK_ID=$task bash "$script" >>output 2>&1
    done
done
[ -n "$list" ] || SLURM_JOB_ID=$id bash "$script" >>output 2>&1
echo "$id"
"#;

fn sweep(cluster: &str) -> Sweep {
    let sweep = Sweep::new();
    sweep.definition(|text| text.replace("[[models]]", &format!("[cluster]\n{cluster}\n[[models]]")));
    sweep
}

/// Puts programs of these texts first on the path.
fn with_programs(sweep: &Sweep, programs: &[(&str, &str)]) -> PathBuf {
    let bin = sweep.folder.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, text) in programs {
        let file = bin.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

fn submit(sweep: &Sweep, words: &[&str]) -> Output {
    let bin = sweep.folder.path().join("bin").to_string_lossy().into_owned();
    let path = std::env::var("PATH").unwrap();
    Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(sweep.folder.path())
        .env("PATH", format!("{bin}:{path}"))
        .args(["submit", "sweep.toml", "--results", "results"])
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn what_is_lost_is_submitted_again_and_the_tables_are_those_of_one_run() {
    let plain = Sweep::new();
    stdout(&plain.run());
    let sweep = sweep("tasks = 4\nmax_concurrent = 2");
    with_programs(&sweep, &[("sbatch", SBATCH), ("squeue", "#!/bin/sh\n")]);
    sweep.write("lose", "2");
    let calls = || fs::read_to_string(sweep.folder.path().join("calls")).unwrap();

    let said = stdout(&submit(&sweep, &["--executor", "slurm"]));
    assert!(said.starts_with("array 1, tasks 0-3%2; reducer 2; 0 of "), "{said}");
    assert!(
        !sweep.folder.path().join("results/tiny/tables").exists(),
        "the reducer took an incomplete sweep"
    );

    let said = stdout(&submit(&sweep, &["--executor", "slurm", "--wait", "--poll", "1"]));
    assert!(said.starts_with("array 3, tasks 2%2; reducer 4; "), "{said}");
    assert_eq!(sweep.table(), plain.table());

    let said = stdout(&submit(&sweep, &["--executor", "slurm"]));
    assert!(said.starts_with("nothing to submit"), "{said}");
    assert_eq!(calls().lines().count(), 4, "{}", calls());
    assert!(calls().contains("--dependency=afterany:1,singleton"), "{}", calls());
}

#[test]
fn a_dry_run_needs_no_slurm_and_leaves_nothing() {
    let sweep = sweep("tasks = 2\npartition = \"gpu\"");
    let text = stdout(&submit(&sweep, &["--executor", "slurm", "--dry-run"]));
    for line in ["#SBATCH --partition=gpu", "sbatch --array=0-1 array.sh"] {
        assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
    }
    assert!(!sweep.folder.path().join("results").exists());
}

#[test]
fn mistakes_are_said() {
    for (cluster, words, message) in [
        (
            "time = \"4h\"",
            ["--executor", "slurm"],
            "cluster.time: `4h` is no time",
        ),
        (
            "partitoin = \"gpu\"",
            ["--executor", "slurm"],
            "did you mean `partition`?",
        ),
        ("tasks = 2", ["--executor", "kubernetes"], "no [cluster.kubernetes]"),
    ] {
        let sweep = sweep(cluster);
        let output = submit(&sweep, &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(message), "{cluster}: {said}");
    }
}

#[test]
fn a_scheduler_that_refuses_is_quoted() {
    let sweep = sweep("tasks = 2");
    let refuses = "#!/bin/sh\necho 'sbatch: error: Batch job submission failed: Invalid account' >&2\nexit 1\n";
    with_programs(&sweep, &[("sbatch", refuses), ("squeue", "#!/bin/sh\n")]);
    let output = submit(&sweep, &["--executor", "slurm"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.trim(),
        "error: sbatch: Batch job submission failed: Invalid account"
    );
}

#[test]
fn kubernetes_gets_the_missing_shards() {
    let sweep = sweep("tasks = 4\n[cluster.kubernetes]\nimage = \"secateur:1\"\nclaim = \"sweeps\"");
    let said = stdout(&submit(&sweep, &["--executor", "kubernetes"]));
    assert_eq!(said.matches("kubectl create -f").count(), 2, "{said}");
    let file = sweep.folder.path().join("results/tiny/kubernetes/shards.json");
    let job: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(job["spec"]["completions"], 4);
    let words = &job["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(
        words[3], "sweep.toml",
        "pods see the paths of the command line: {words}"
    );
}
