#!/usr/bin/env bash
# A small sweep through a real Slurm on this machine: a task and the controller are killed, and the tables are those of a
# plain `secateur sweep`, byte for byte. Prints one line per check. Where Slurm cannot be had it says so and ends well.
#
#   check.sh SECATEUR
set -euo pipefail

secateur=$(realpath "${1:?usage: check.sh SECATEUR}")
here=$(cd "$(dirname "$0")" && pwd)
demo=$(cd "$here/../../datasets/demo" && pwd)
work=$(mktemp -d)
slurm="$work/slurm"

finish() {
    local status=$?
    "$here/localhost.sh" stop "$slurm" || true
    if [ "$status" = 0 ]; then rm -rf "$work"; else echo "files are kept in $work" >&2; fi
}
trap finish EXIT

ok() { echo "ok: $1"; }
fail() {
    echo "FAILED: $1" >&2
    tail -n 20 "$work"/*.txt "$work"/slurm-results/*/slurm/logs/*.txt >&2 || true
    exit 1
}
# Waits up to two minutes for a command to succeed.
until_true() {
    local what="$1"
    shift
    for _ in $(seq 2400); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    fail "two minutes passed without: $what"
}
tasks() { squeue --noheader --array --format='%F_%K %T %j' | awk '/-of-/ { print $1, $2 }'; }
running() { tasks | grep -q " RUNNING$"; }
no_tasks() { [ -z "$(squeue --noheader --format=%i)" ]; }
# The process of a shard, by its number.
shard_process() { pgrep -f "^$secateur sweep run $work/.* --shard $1/4"; }
# Submits, and stops the process of a shard as soon as it is there, which is before the submission returns: however fast the
# machine, the process has work left when it is told to end.
submit_and_stop() {
    submit >"$work/$2.txt" &
    until_true "a process of shard $1" shard_process "$1"
    kill -STOP "$(shard_process "$1" | head -n 1)" || fail "shard $1 ended before it could be stopped"
    wait
}
array_of() { sed -nE 's/^array ([0-9]+),.*/\1/p' "$work/$1.txt"; }
records() { find "$work/slurm-results/slurm-check/records" -name '*.json' 2>/dev/null | wc -l; }
submit() { "$secateur" submit "$work/sweep.toml" --executor slurm --results "$work/slurm-results" "$@"; }

"$here/localhost.sh" start "$slurm" >"$work/start.txt" || {
    status=$?
    [ "$status" = 2 ] || exit "$status"
    echo "skipped: Slurm cannot be had here"
    exit 0
}
export SLURM_CONF="$slurm/slurm.conf"
ok "slurmctld and slurmd $(slurmctld -V | cut -d' ' -f2) are up"

cat >"$work/sweep.toml" <<TOML
name = "slurm-check"
methods = ["frequency", "reap"]
ratios = [0.25, 0.5]
calibrate_on = ["biomedical"]
cards = ["$demo/tasks"]
bootstrap_samples = 100
[cluster]
tasks = 4
max_concurrent = 2
partition = "local"
gpus = 1
cpus = 1
memory = "2G"
time = "10"
environment = { RAYON_NUM_THREADS = "1" }
[[models]]
name = "demo-olmoe"
path = "$demo/models/demo-olmoe"
[[corpora]]
name = "biomedical"
file = "$demo/calibration/biomedical.jsonl"
samples = 16
TOML
for card in "$demo"/tasks/*.toml; do
    printf '[[tasks]]\nname = "%s"\n' "$(basename "$card" .toml)" >>"$work/sweep.toml"
done

RAYON_NUM_THREADS=1 "$secateur" sweep "$work/sweep.toml" --results "$work/plain-results" --quiet >"$work/plain.txt"
plain="$work/plain-results/slurm-check"
cells=$(find "$plain/records" -name '*.json' | wc -l)
ok "a plain sweep wrote $cells records"

submit --dry-run >"$work/dry-run.txt"
grep -q '^sbatch --array=0-3%2 array.sh' "$work/dry-run.txt" || fail "--dry-run does not print the command"
no_tasks || fail "--dry-run submitted a job"
ok "a dry run prints the scripts and submits nothing"

submit_and_stop 0 submit-1
submit >"$work/submit-2.txt"
grep -q '^nothing to submit' "$work/submit-2.txt" || fail "a second submission did not leave running tasks alone"
ok "a second submission leaves tasks alone that wait or run"

kill -KILL "$(shard_process 0 | head -n 1)"
ok "killed the process of shard 0"
until_true "an end of all jobs" no_tasks
[ "$(records)" -lt "$cells" ] || fail "nothing is missing after the kill"
[ ! -e "$work/slurm-results/slurm-check/slurm/reduced" ] || fail "the reducer took an incomplete sweep"
ok "the other tasks went on, and the reducer refuses $(records) of $cells records"

# What the controller knows of the jobs so far reaches its disk within 5 s; without that it would take finished tasks for
# running ones when it comes back, for minutes.
sleep 6
submit >"$work/submit-3.txt"
grep -qE '^array [0-9]+, tasks 0%2;' "$work/submit-3.txt" || fail "more or less than shard 0 was submitted again"
ok "only the missing shard is submitted again"

# Killed at once, it may come back without the job.
kill -KILL "$(cat "$slurm/slurmctld.pid")"
"$here/localhost.sh" controller "$slurm"
array=$(array_of submit-3)
if tasks | grep -q "^${array}_"; then kept="kept"; else kept="lost"; fi
ok "killed the controller after it took the job, and started it again: it $kept the job"

submit --wait --poll 1 >"$work/submit-4.txt"
[ "$(records)" = "$cells" ] || fail "$(records) of $cells records"
ok "the sweep is complete: $cells records"

swept="$work/slurm-results/slurm-check"
for table in metrics comparisons safe; do
    cmp "$plain/tables/$table.csv" "$swept/tables/$table.csv" || fail "$table.csv is another"
done
# Columns 16 and 18: seconds, peak memory.
untimed() { cut -d, -f1-15,17,19- "$1/tables/cells.csv"; }
cmp <(untimed "$plain") <(untimed "$swept") || fail "cells.csv is another"
ok "tables are equal byte for byte, times and peak memory aside"

submit >"$work/submit-5.txt"
grep -q '^nothing to submit' "$work/submit-5.txt" || fail "a complete sweep was submitted again"
ok "a complete sweep submits nothing"

# Near its time limit a task gets TERM; the same signal, without the wait.
rm -rf "$swept"
submit_and_stop 1 submit-6
array=$(array_of submit-6)
# scancel goes on asking for a minute if the task has gone back to the queue by then.
timeout 3 scancel --batch --signal=TERM "${array}_1" || true
kill -CONT "$(shard_process 1 | head -n 1)"
requeued() { scontrol show job "${array}_1" | grep -q 'Restarts=1'; }
until_true "a requeued task" requeued
# Slurm would let it wait two minutes.
scontrol update JobId="${array}_1" StartTime=now
submit --wait --poll 1 >"$work/submit-7.txt"
cmp "$plain/tables/metrics.csv" "$swept/tables/metrics.csv" || fail "metrics.csv is another after the requeue"
ok "a task near its time limit goes back to the queue and takes up where it stopped"

echo "all checks passed"
