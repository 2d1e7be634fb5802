"""`transformers serve` on loopback, for the scripts that need a real server."""

import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request


def check(holds, what):
    """A failed check ends the run; the exit status says so."""
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


def without_proxies():
    """What is on loopback is asked for directly, by this process and those it starts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)


class Server:
    """`transformers serve` on a port; models are loaded by the name that a request asks for, in their own dtype or in `dtype`."""

    def __init__(self, work, port=None, dtype=None):
        with socket.socket() as free:
            # The port of a server that was killed is not quite free yet.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port or 0))
            self.port = free.getsockname()[1]
        program = pathlib.Path(sys.executable).with_name("transformers")
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(work / "no-cache"), "OMP_NUM_THREADS": "1"}
        self.log = open(work / "server.log", "ab")
        command = [program, "serve", "--host", "127.0.0.1", "--port", str(self.port), "--device", "cpu"]
        self.process = subprocess.Popen(
            command + (["--dtype", dtype] if dtype else []),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=os.environ | offline,
        )
        self.wait(work)

    def wait(self, work, seconds=300):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(seconds * 2):
            if self.process.poll() is not None:
                raise SystemExit(f"FAILED: the server ended: {(work / 'server.log').read_text()[-2000:]}")
            try:
                with direct.open(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.5)
        raise SystemExit("FAILED: the server did not become healthy")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/v1"
