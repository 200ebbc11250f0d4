"""Build a Go program from its module, once for each content of its source folder."""

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

from sandbox import building, host
from sandbox.toolchain.home import ToolchainError, fingerprint, say, toolchain_home

# From 1.21 on, go fetches the newer toolchain that a go.mod asks for.
SELF_UPDATING = (1, 21)


def built(source: Path, program: str, package: str, linker_flags: str, note: str, gib: float) -> Path:
    """The program built from the module in `source`, in a folder of its own.

    program        what to call it
    package        what to build, as `go build` names it
    linker_flags   e.g. the version to stamp into the program
    note           what to tell the reader while it is built
    gib            GiB of disk that this takes, with Go's caches

    Raises ToolchainError when there is no Go, no network or no room.
    """

    def build(draft: Path) -> None:
        go, environment = find_go(needed_version(source / "go.mod"))
        say(f"building {note}; this happens once")
        started = time.monotonic()
        command = [
            *(go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
            *("-ldflags", f"-s -w {linker_flags}", "-o", str(draft / program), package),
        ]
        with Reported(note):
            done = subprocess.run(
                command, cwd=source, env={**environment, "CGO_ENABLED": "0"}, capture_output=True, text=True
            )
        if done.returncode:
            raise ToolchainError(explained(note, done.stderr))
        say(f"built {note} in {time.monotonic() - started:.0f} s")

    folder = toolchain_home() / f"{source.name}-{fingerprint(source)}"
    return building.built(folder, build, note, gib) / program


class Reported:
    """Says every quarter of a minute that a build is still under way."""

    def __init__(self, note: str) -> None:
        self.note, self.over = note, threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self.report, daemon=True).start()

    def report(self) -> None:
        started = time.monotonic()
        while not self.over.wait(15):
            say(f"  still building {self.note}: {time.monotonic() - started:.0f} s")

    def __exit__(self, *_: object) -> None:
        self.over.set()


def explained(note: str, output: str) -> str:
    """One sentence from the output of a failed build."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("go: downloading")]
    last = lines[-1].strip() if lines else "no output"
    if re.search(r"dial tcp|no such host|i/o timeout|connection re(fused|set)|TLS handshake|proxyconnect", output):
        return (
            f"{note} cannot be built: its Go modules cannot be fetched ({last}); "
            "fix the network or GOPROXY and run this again"
        )
    return f"{note} cannot be built: {last}"


def needed_version(go_mod: Path) -> tuple[int, int]:
    found = re.search(r"^go (\d+)\.(\d+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise ToolchainError(f"{go_mod} names no Go version; restore the file from git")
    return int(found[1]), int(found[2])


def find_go(needed: tuple[int, int]) -> tuple[str, dict[str, str]]:
    """A go that can build for the needed version, with the environment to run it in."""
    seen = []
    for install in (False, True):
        if install:
            install_from_apt()
        for path in candidates():
            version = version_of(path)
            if version is None:
                continue
            if version >= needed:
                return path, dict(os.environ)
            if version >= SELF_UPDATING:
                return path, {**os.environ, "GOTOOLCHAIN": "auto"}
            seen.append(f"{path} is {version[0]}.{version[1]}")
    wanted = f"{needed[0]}.{needed[1]}"
    there = f"only an older one ({seen[0]})" if seen else "none here"
    raise ToolchainError(
        f"a program must be built with Go {wanted} or later, but there is {there}: put the official one on PATH, "
        f"or install Go {wanted} in /usr/local/go, and run this again"
    )


def candidates() -> list[str]:
    newest_first = sorted(
        Path("/usr/lib").glob("go-1.*/bin/go"), key=lambda p: int(p.parts[3].split(".")[1]), reverse=True
    )
    paths = [shutil.which("go"), "/usr/local/go/bin/go", *map(str, newest_first)]
    return [path for path in paths if path and os.access(path, os.X_OK)]


def version_of(go: str) -> tuple[int, int] | None:
    # Without GOTOOLCHAIN=local this might already fetch a toolchain.
    done = subprocess.run(
        [go, "version"], capture_output=True, text=True, cwd="/", env={**os.environ, "GOTOOLCHAIN": "local"}
    )
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found and done.returncode == 0 else None


def install_from_apt() -> None:
    """The newest Go that apt has, if it is one that can fetch a newer toolchain itself."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    listed = subprocess.run(
        ["apt-cache", "search", "--names-only", r"^golang-1\.[0-9]+-go$"], capture_output=True, text=True
    ).stdout
    versions = sorted({int(minor) for minor in re.findall(r"^golang-1\.(\d+)-go", listed, re.MULTILINE)})
    if versions and (1, versions[-1]) >= SELF_UPDATING:
        package = f"golang-1.{versions[-1]}-go"
        say(f"installing {package} with apt")
        with contextlib.suppress(RuntimeError):  # then there is none, which is told
            host.install([package])
