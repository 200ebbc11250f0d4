"""Serve a WSGI application on the loopback, and its service's workers in the same process.

    python -m sandbox.openstack.serve MODULE:ATTRIBUTE PORT THREADS [--workers MODULE] [ARGUMENT...]

The arguments become the application's own (several of them parse sys.argv).  Workers that share the process let
the service use the in-memory message transport: no message broker.
"""

import gc
import importlib
import os
import sys

from sandbox import faults


def main() -> None:
    # Imports make no garbage, and a third of their time goes into looking for it.
    gc.disable()
    target, port, threads, *arguments = sys.argv[1:]
    workers = importlib.import_module(arguments.pop(1)) if arguments[:1] == ["--workers"] else None
    module, attribute = target.split(":")
    sys.argv = [module.split(".")[0] + "-api", *arguments[1 if workers else 0 :]]
    application = getattr(importlib.import_module(module), attribute)
    import waitress

    running = workers.start() if workers else None
    gc.freeze()
    gc.enable()
    waitress.serve(
        faults.wsgi(application),
        host="127.0.0.1",
        port=int(port),
        threads=int(threads),
        ident=None,
        max_request_body_size=1 << 34,
        connection_limit=1000,
        channel_timeout=600,
    )
    del running
    os._exit(0)  # the workers' threads are not daemons


if __name__ == "__main__":
    main()
