"""An S3-compatible server on loopback, from the PyPI package moto, with everything in memory. See README.md.

    python server.py PORT LOG [--careless]

Requests are answered one after the other: moto looks at conditions and writes in two steps, and a real store does in one. Each line of LOG is
a method, a path and a status. `--careless` takes no notice of conditions, as servers do that have none.
"""

import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


def one_at_a_time(app, log, careless):
    lock = threading.Lock()

    def answer(environ, start):
        with lock:
            conditions = [environ.pop(name) for name in CONDITIONS if careless and name in environ]
            statuses = []

            def started(status, headers, *more):
                statuses.append(status)
                return start(status, headers, *more)

            body = list(app(environ, started))
            words = [environ["REQUEST_METHOD"], environ["PATH_INFO"], statuses[0].split()[0]]
            log.write(" ".join(words + ["careless"] * bool(conditions)) + "\n")
            return body

    return answer


def main():
    port, log = int(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", port, one_at_a_time(app, log, "--careless" in sys.argv), threaded=True)


main()
