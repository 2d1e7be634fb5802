"""Processes under a memory limit, and what they took: control groups of either version, directly or through systemd."""

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
SAMPLED_EVERY_S = 0.1
# Of /proc/PID/status, in kB there.
STATUS = {"VmHWM": "resident_at_most", "RssAnon": "anonymous_at_most", "RssFile": "file_pages_at_most"}


def own_group():
    """The control group of this process that counts memory: its folder and its version; None where there is none."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().split()]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            return GROUPS / "memory" / path.lstrip("/"), 1
    for _, controllers, path in lines:
        if not controllers and (GROUPS / "cgroup.controllers").exists():
            return GROUPS / path.lstrip("/"), 2
    return None


class Group:
    """A control group below the one this process is in."""

    def __init__(self, limit):
        found = own_group()
        if found is None:
            raise OSError("no control group counts memory")
        parent, self.version = found
        self.folder = parent / f"larger_than_memory_{os.getpid()}"
        self.folder.mkdir()
        try:
            if self.version == 2:
                (self.folder / "memory.swap.max").write_text("0")
            (self.folder / ("memory.max" if self.version == 2 else "memory.limit_in_bytes")).write_text(str(limit))
        except OSError:
            self.folder.rmdir()
            raise
        self.how = f"a control group of version {self.version}, made below this process's own"

    def command(self, words):
        return words

    def enter(self):
        """In the child, before it runs its program."""
        (self.folder / "cgroup.procs").write_text("0")

    def figures(self):
        read = lambda name: (self.folder / name).read_text()
        try:
            peak = int(read("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"))
            kills = read("memory.events" if self.version == 2 else "memory.oom_control")
        except OSError:
            return {}
        killed = next((int(line.split()[1]) for line in kills.splitlines() if line.startswith("oom_kill ")), None)
        return {"group_at_most_bytes": peak, "killed_for_memory": killed}

    def begin(self):
        """Peaks count from here."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        try:
            (self.folder / name).write_text("0")
        except OSError:
            pass  # An older kernel: the peak is that of all processes so far.

    def close(self):
        self.folder.rmdir()


class Systemd:
    """A scope of systemd, one for each process."""

    def __init__(self, limit):
        who = [] if os.geteuid() == 0 else ["--user"]
        self.words = ["systemd-run", *who, "--scope", "--quiet", "-p", f"MemoryMax={limit}", "-p", "MemorySwapMax=0"]
        if shutil.which("systemd-run") is None or subprocess.run([*self.words, "true"], capture_output=True).returncode:
            raise OSError("systemd-run starts no scopes here")
        self.how = " ".join(self.words)

    def command(self, words):
        return [*self.words, *words]

    def enter(self):
        pass

    def figures(self):
        return {}

    def begin(self):
        pass

    def close(self):
        pass


class Open:
    """No limit."""

    how = "none"
    command = staticmethod(lambda words: words)
    enter = begin = close = staticmethod(lambda: None)
    figures = staticmethod(dict)


def cage(limit):
    """Whatever limits memory here, files' pages included. `ulimit` does not: it knows addresses, which a mapped file takes whole."""
    refused = []
    for kind in (Group, Systemd):
        try:
            return kind(limit)
        except OSError as error:
            refused.append(f"{kind.__name__}: {error}")
    raise SystemExit(f"nothing here limits a process's memory: {'; '.join(refused)}")


@dataclass
class Taken:
    """A process that has ended."""

    output: list
    errors: str
    status: int
    seconds: float
    cpu_seconds: float = 0.0  # of all cores: what other programs' load does not change
    read_bytes: int = 0  # from disk
    memory: dict = field(default_factory=dict)


def run(words, around, told=lambda line, read: None):
    """Runs a command in a cage; `told` gets each line of its output as it comes, and the bytes it had read from disk by then."""
    around.begin()
    started = time.perf_counter()
    child = subprocess.Popen(
        [str(word) for word in around.command([str(word) for word in words])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=around.enter,
    )
    taken = Taken([], "", 0, 0.0)
    errors = threading.Thread(target=lambda: setattr(taken, "errors", child.stderr.read()))
    sampler = threading.Thread(target=sample, args=(child, taken))
    errors.start()
    sampler.start()
    for line in child.stdout:
        taken.output.append(line)
        told(line, taken.read_bytes)
    errors.join()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    taken.status, taken.seconds = child.returncode, time.perf_counter() - started
    taken.cpu_seconds = used.ru_utime + used.ru_stime
    sampler.join()
    # Counted to the end, where the last sample is a little older; in units of 512 bytes.
    taken.read_bytes = max(taken.read_bytes, used.ru_inblock * 512)
    taken.memory |= around.figures()
    return taken


def sample(child, taken):
    """Looks at a process until it is gone."""
    folder = Path(f"/proc/{child.pid}")
    while child.returncode is None:
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            counted = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
        except (OSError, ValueError):
            break
        for name, ours in STATUS.items():
            if name in status:
                found = int(status[name].split()[0]) * 1024
                taken.memory[f"{ours}_bytes"] = max(found, taken.memory.get(f"{ours}_bytes", 0))
        taken.read_bytes = int(counted["read_bytes"])
        time.sleep(SAMPLED_EVERY_S)
