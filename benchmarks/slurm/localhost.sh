#!/usr/bin/env bash
# A real Slurm on this machine, from Debian's packages, as root and without systemd: munged, slurmctld and slurmd, all
# files in one directory. Exit status 2: Slurm cannot be had here; the message says why.
#
#   localhost.sh start DIR        install what is missing, start, wait until the node is idle
#   localhost.sh controller DIR   start slurmctld again after it died
#   localhost.sh stop DIR         end the three; files stay
#
# Then `export SLURM_CONF=DIR/slurm.conf`, and sbatch, squeue and scontrol work. The node pretends to have 4 CPUs and 2 GPUs.
set -euo pipefail

packages="munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins"

unavailable() {
    echo "no Slurm here: $1" >&2
    exit 2
}

install() {
    [ "$(id -u)" = 0 ] || unavailable "its daemons need root, and this user is $(id -un)"
    export PATH="/usr/sbin:$PATH"
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null && continue
        command -v apt-get >/dev/null || unavailable "$program is not installed, and there is no apt-get to install it with"
        # shellcheck disable=SC2086 # one word per package
        (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages) \
            >"$directory/apt.log" 2>&1 || unavailable "apt-get could not install $packages; see $directory/apt.log"
        break
    done
}

# A port of loopback that nothing listens on.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

configure() {
    local host memory
    host=$(hostname -s)
    memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    mkdir -p "$directory/state" "$directory/spool"
    (umask 077 && head -c 128 /dev/urandom >"$directory/munge.key")
    cat >"$directory/slurm.conf" <<CONF
ClusterName=localhost
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
GresTypes=gpu
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.run
SlurmdPidFile=$directory/slurmd.run
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=local Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    # Any two device files do: nothing opens them, and the GPUs exist for the scheduler alone.
    printf "NodeName=$host Name=gpu File=%s\n" /dev/null /dev/zero >"$directory/gres.conf"
}

# Starts a daemon away from this shell, and keeps its process id.
start() {
    local name="$1"
    shift
    setsid nohup "$@" >>"$directory/$name.log" 2>&1 </dev/null &
    echo $! >"$directory/$name.pid"
}

start_controller() { start slurmctld slurmctld -D -f "$directory/slurm.conf"; }

# Waits until the controller answers and the node can take a job.
wait_until_idle() {
    for _ in $(seq 120); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -qxE 'idle|mixed|allocated'; then
            return
        fi
        sleep 0.5
    done
    tail -n 5 "$directory"/*.log >&2
    unavailable "the daemons did not come up within a minute"
}

stop() {
    for name in slurmd slurmctld munged; do
        [ -e "$directory/$name.pid" ] || continue
        local id
        id=$(cat "$directory/$name.pid")
        kill "$id" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$id" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$id" 2>/dev/null || true
        rm -f "$directory/$name.pid"
    done
}

[ $# = 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 1; }
mkdir -p "$2"
directory=$(cd "$2" && pwd)
export SLURM_CONF="$directory/slurm.conf"
case "$1" in
start)
    install
    configure
    # munged refuses a directory that others can write to; `--force` takes any parent.
    start munged munged --foreground --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" \
        --pid-file="$directory/munged.run" --log-file="$directory/munged.log" --seed-file="$directory/munge.seed"
    for _ in $(seq 50); do [ -S "$directory/munge.socket" ] && break || sleep 0.1; done
    start_controller
    start slurmd slurmd -D -f "$directory/slurm.conf"
    wait_until_idle
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
controller)
    export PATH="/usr/sbin:$PATH"
    start_controller
    wait_until_idle
    ;;
stop) stop ;;
*) echo "unknown command \`$1\`: start, controller or stop" >&2; exit 1 ;;
esac
