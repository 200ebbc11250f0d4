"""The sandbox's daemons as processes.

A process belongs to a part of the sandbox when its environment carries the part's mark.  Children inherit it,
it survives the death of whoever started the process, and no other process can have it by chance: there are no
pid files that could be stale.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox import LOG, RUN, STATE

MARK = "CASEBOOK_PART"
PROC = pathlib.Path("/proc")
GRACE = 12.0  # seconds between the request to end and the end by force


@dataclass(frozen=True, eq=False)
class Daemon:
    name: str
    command: Sequence[object]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    listens: Sequence[tuple[str, int]] = ()


def mark(part: str) -> str:
    return f"{part}@{STATE}"


def marked() -> dict[str, list[int]]:
    """The processes of every part of this sandbox, the first started first."""
    suffix, found = f"@{STATE}", dict[str, list[tuple[int, int]]]()
    for entry in PROC.glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
            fields = _stat(int(entry.name))
        except OSError:
            continue
        for variable in environment.split(b"\0"):
            name, _, value = variable.decode(errors="replace").partition("=")
            if name == MARK and value.endswith(suffix) and fields[0] != "Z":
                found.setdefault(value.removesuffix(suffix), []).append((int(fields[19]), int(entry.name)))
    return {part: [pid for _, pid in sorted(processes)] for part, processes in found.items()}


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third (state) on; the twentieth of these is the start time."""
    return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()


def spawn(daemon: Daemon) -> "subprocess.Popen[bytes]":
    with (LOG / f"{daemon.name}.out").open("ab") as out:
        return subprocess.Popen(
            [str(word) for word in daemon.command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=RUN,
            env={**os.environ, **daemon.environment, MARK: mark(daemon.name)},
        )


def start(daemons: Iterable[Daemon], seconds: float, say: Callable[[str], None]) -> None:
    """Start those that do not answer, all at once, and wait until every one answers.

    RuntimeError names the one that ended or did not answer, and its last words.
    """
    begun, living = time.monotonic(), marked()
    waiting: dict[Daemon, subprocess.Popen[bytes] | None] = {}
    silent = [daemon for daemon in daemons if daemon.name not in living or not daemon.ready()]
    end({daemon.name for daemon in silent})
    for daemon in silent:
        check_ports(daemon)
        waiting[daemon] = spawn(daemon)
    while waiting:
        for daemon, process in list(waiting.items()):
            if daemon.ready():
                del waiting[daemon]
                say(f"{daemon.name} answers")
            elif process and process.poll() is not None:
                raise RuntimeError(f"{daemon.name} ended with status {process.returncode}: {last_words(daemon)}")
        if waiting and time.monotonic() - begun > seconds:
            names = ", ".join(daemon.name for daemon in waiting)
            raise RuntimeError(f"no answer from {names} after {seconds:.0f} s; see {LOG}")
        time.sleep(0.1)


def last_words(daemon: Daemon) -> str:
    lines = (LOG / f"{daemon.name}.out").read_text(errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'it said nothing'} (more in {LOG / daemon.name}.*)"


def end(parts: Iterable[str] | None = None) -> None:
    """End the processes of these parts, or of all: first ask, then force."""
    wanted = None if parts is None else set(parts)
    limit = time.monotonic() + GRACE
    asked = set[int]()
    while True:
        pids = {pid for part, pids in marked().items() if wanted is None or part in wanted for pid in pids}
        if not pids:
            return
        forced = time.monotonic() > limit
        for pid in pids if forced else pids - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if forced else signal.SIGTERM)
        asked |= pids
        for pid in pids:  # those that this process started itself would stay as zombies
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def memory(pids: Iterable[int]) -> int:
    """Bytes, shared pages counted by share."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            total += int((PROC / str(pid) / "smaps_rollup").read_text().split("Pss:")[1].split()[0]) << 10
    return total


def uptime(pid: int) -> float:
    """Seconds since the process was started."""
    since_boot = float((PROC / "uptime").read_text().split()[0])
    return since_boot - int(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")


def answers(url: str) -> bool:
    """Whether an HTTP server answers there with anything but a failure of its own."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - one of ours, HTTP
            return bool(response.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def wait_for(*urls: str) -> None:
    """Return when HTTP servers answer at all of them."""
    while not all(map(answers, urls)):
        time.sleep(0.1)


# ------------------------------------------------------------ ports
def is_listening(address: str, port: int) -> bool:
    return _listener(address, port) is not None


def check_ports(daemon: Daemon) -> None:
    """RuntimeError if another process listens where this daemon will."""
    for address, port in daemon.listens:
        inode = _listener(address, port)
        if inode:
            raise RuntimeError(
                f"port {port} of {address} is in use by {_owner(inode)}, and {daemon.name} needs it; "
                "end that process, then start the sandbox again"
            )


def _listener(address: str, port: int) -> str | None:
    """The inode of the socket that listens on a TCP port of an address."""
    for table, any_address in (("tcp", "00000000"), ("tcp6", "0" * 32)):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            host, number = fields[1].split(":")
            mine = bytes(int(part) for part in address.split("."))[::-1].hex().upper()
            if fields[3] == "0A" and int(number, 16) == port and host in (mine, any_address):
                return fields[9]
    return None


def _owner(inode: str) -> str:
    for link in PROC.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) == f"socket:[{inode}]":
                command = (link.parent.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"process {link.parts[2]} ({command.strip()[:80]})"
    return "a process that cannot be seen from here"
