"""Serves the shelf to machines.

python -m sandbox.shelf
"""

import email.utils
import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from http import HTTPStatus

from sandbox import GATEWAY
from sandbox.building import write
from sandbox.shelf import PORT, SHELF, opensearch


def publish() -> None:
    """Make what is missing, and the lists that apt reads."""
    package = opensearch.package()
    data = package.read_bytes()
    control = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
    listed = f"{control}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {_digest(data)}\n"
    write(SHELF / "Packages", listed)
    date = email.utils.formatdate(usegmt=True)
    write(SHELF / "Release", f"Date: {date}\nSHA256:\n {_digest(listed.encode())} {len(listed)} Packages\n")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    lock = threading.Lock()

    def do_GET(self) -> None:
        # apt asks for it first, and for the rest once it has it.
        if self.path.endswith("/Release"):
            try:
                with self.lock:
                    publish()
            except RuntimeError as error:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
                print(error, file=sys.stderr, flush=True)
                return
        super().do_GET()


def main() -> None:
    SHELF.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(Handler, directory=str(SHELF))
    http.server.ThreadingHTTPServer((GATEWAY, PORT), handler).serve_forever()


if __name__ == "__main__":
    main()
