"""The machines' name server: dnsmasq on the gateway's address.

It answers for the zones that stand in DNS/*.conf (lines of dnsmasq.conf) and asks this host's resolver for
everything else.  dnsmasq reads its configuration once, so this process starts it anew when a file changes; a
configuration that dnsmasq refuses is reported, and the old answers stay.

    python -m sandbox.dns
"""

import contextlib
import pathlib
import signal
import subprocess
import sys
import time

from sandbox import DNS, GATEWAY, HOME, REPOSITORY
from sandbox.internet import DNS_PORT
from sandbox.processes import Daemon, is_listening

PERIOD = 0.5  # seconds between two looks at the files

OPTIONS = [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    f"--conf-dir={DNS},*.conf",
    f"--listen-address={GATEWAY}",
    "--bind-interfaces",
    "--no-hosts",
    "--user=root",
    "--log-facility=-",
    "--cache-size=1000",
    "--local-ttl=1",
    "--pid-file=",
]

State = dict[pathlib.Path, tuple[int, int]]


def daemon() -> Daemon:
    return Daemon(
        "dns",
        [sys.executable, "-m", "sandbox.dns"],
        lambda: is_listening(GATEWAY, DNS_PORT),
        {"PYTHONPATH": str(REPOSITORY), "CASEBOOK_HOME": str(HOME)},
        [(GATEWAY, DNS_PORT)],
    )


def state() -> State:
    found: State = {}
    for file in DNS.glob("*.conf"):
        with contextlib.suppress(FileNotFoundError):
            status = file.stat()
            found[file] = (status.st_ino, status.st_mtime_ns)
    return found


def accepted() -> bool:
    test = subprocess.run(["dnsmasq", *OPTIONS, "--test"], check=False, capture_output=True, text=True)
    if test.returncode:
        print(test.stderr.strip(), flush=True)
    return test.returncode == 0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server: subprocess.Popen[bytes] | None = None
    served: State | None = None
    try:
        while True:
            now = state()
            if now != served:
                served = now
                if server is None or accepted():
                    if server:
                        server.terminate()
                        server.wait()
                    server = subprocess.Popen(["dnsmasq", *OPTIONS])
            if server and server.poll() is not None:
                sys.exit(f"dnsmasq ended with status {server.returncode}")
            time.sleep(PERIOD)
    finally:
        if server:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
