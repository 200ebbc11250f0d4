#!/usr/bin/python3
"""This machine's part in one of two sites: it works while its site serves, else it rests.

    drp-site serve      its site serves, from now on and after a reboot: start what rested
    drp-site rest       the other site serves: stop it
    drp-site status     what it does; JSON
    drp-site copy       the other site's files, now
    drp-site keep       what drp-site.timer runs at rest: stop what a reboot or a deployment has started; copy the files

Files are copied as their owner: where either site's storage is not mounted he may not look, and nothing is deleted.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = Path(os.environ.get("DRP_SITE", "/etc/drp-site.json"))
STATE = Path(os.environ.get("DRP_SITE_STATE", "/var/lib/drp-site"))
# Who watches the machine is told what does not run on purpose: a unit a line.
RESTING = Path(os.environ.get("DRP_RESTING", "/var/lib/casebook/resting/drp-site"))
APPLYING = Path("/var/lib/casebook/lock")  # held while the machine is configured, which waits for services


class Failed(Exception):
    """A sentence for the operator."""


class Part:
    def __init__(self) -> None:
        self.settings: dict[str, Any] = json.loads(SETTINGS.read_text())
        self.units: list[str] = self.settings["units"]
        self.files: dict[str, str] | None = self.settings["files"]

    @property
    def now(self) -> str:
        """serve or rest."""
        file = STATE / "part"
        return file.read_text() if file.exists() else str(self.settings["first"])

    def become(self, part: str) -> str:
        new = STATE / "part.new"
        new.write_text(part)
        new.replace(STATE / "part")
        self.tell()
        units = [unit for unit in self.units if running(unit) != (part == "serve")]
        if units:
            systemctl("start" if part == "serve" else "stop", *units)
        return part

    def tell(self) -> None:
        RESTING.parent.mkdir(exist_ok=True)
        RESTING.write_text("".join(f"{unit}\n" for unit in self.units if self.now == "rest"))

    def status(self) -> dict[str, object]:
        copied = STATE / "copied"
        return {
            "part": self.now,
            "units": {unit: running(unit) for unit in self.units},
            "files_copied": round(time.time() - copied.stat().st_mtime) if copied.exists() else None,
        }

    def keep(self) -> None:
        if self.now != "rest":
            return
        self.tell()
        with held(APPLYING) as free:
            if free and (started := [unit for unit in self.units if running(unit)]):
                print(f"at rest: stopping {', '.join(started)}", flush=True)
                systemctl("stop", *started)
        self.copy()

    def copy(self) -> None:
        if not self.files:
            return
        if self.now != "rest":
            raise Failed("this site serves: its own files are the ones to copy")
        command = ["runuser", "--user", self.files["owner"], "--", "rsync", "--recursive", "--links", "--perms"]
        command += ["--times", "--delete-delay", "--timeout=60"]
        # Inside TLS, in which both ends show their certificate.
        way = {**os.environ, "RSYNC_CONNECT_PROG": self.files["connect"]}
        with held(STATE / "copying", wait=True):
            done = subprocess.run(
                [*command, self.files["source"], self.files["path"] + "/"], capture_output=True, text=True, env=way
            )
        if done.returncode:
            raise Failed(f"{self.files['source']}: {done.stderr.strip()}")
        (STATE / "copied").touch()


def running(unit: str) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0


def systemctl(*words: str) -> None:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip())


@contextmanager
def held(file: Path, wait: bool = False) -> Iterator[bool]:
    """Whether the lock could be had."""
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def main() -> None:
    word = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        part = Part()
        if word in ("serve", "rest"):
            print(part.become(word))
        elif word == "status":
            print(json.dumps(part.status()))
        elif word in ("copy", "keep"):
            getattr(part, word)()
        else:
            sys.exit(__doc__)
    except (Failed, OSError) as error:
        sys.exit(f"drp-site: {error}")


if __name__ == "__main__":
    main()
