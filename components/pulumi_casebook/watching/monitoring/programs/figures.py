#!/usr/bin/python3
"""Figures of this machine that its exporter does not have: what runs of what roles declared, certificates, updates.

casebook-figures keep    write them for the exporter, again and again
casebook-figures show    print them
"""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROLES = Path(os.environ.get("CASEBOOK_STATE", "/var/lib/casebook"))  # what casebook-apply remembers
METRICS = Path(os.environ.get("CASEBOOK_METRICS", "/var/lib/casebook-metrics"))
ROOT = Path(os.environ.get("CASEBOOK_ROOT", "/"))
PERIOD, SLOW = 15, 900  # seconds between two looks, and between two at what changes within hours
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
ASKED = "--property=ActiveState,SubState,Type,RemainAfterExit,NRestarts,Triggers"


def line(name: str, value: float, **labels: str) -> str:
    escaped = {label: text.replace("\\", r"\\").replace('"', r"\"") for label, text in labels.items()}
    inside = ",".join(f'{label}="{text}"' for label, text in escaped.items())
    return f"casebook_{name}{{{inside}}} {value:.15g}\n" if inside else f"casebook_{name} {value:.15g}\n"


def said(*command: str, given: str | None = None) -> str:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120).stdout


# Units


def remembered() -> tuple[list[str], list[str]]:
    """The units and the files of all roles of this machine."""
    roles = [json.loads(path.read_text()) for path in sorted(ROLES.glob("*.json"))]
    units, files = ({name: None for role in roles for name in role[what]} for what in ("services", "files"))
    return list(units), list(files)


def shown(units: list[str]) -> dict[str, dict[str, str]]:
    """What systemd knows of units, by name."""
    if not units:
        return {}
    blocks = said("systemctl", "show", ASKED, "--", *units).strip("\n").split("\n\n")
    return {
        unit: dict(row.split("=", 1) for row in block.splitlines()) for unit, block in zip(units, blocks, strict=True)
    }


def works(unit: Mapping[str, str], *, awaited: bool = True) -> bool:
    """Whether it runs; one that nobody awaits, as it does its work and ends: whether it did not fail."""
    if unit["ActiveState"] in ("active", "reloading", "refreshing"):
        return True
    ends = unit.get("Type") == "oneshot" and unit.get("RemainAfterExit") != "yes"
    if ends or not awaited:
        return unit["ActiveState"] != "failed" and unit["SubState"] != "auto-restart"
    return False


def resting() -> set[str]:
    """Units that do not run on purpose, as programs say that stop them: a file each, a unit a line."""
    return {unit for path in (ROLES / "resting").glob("*") for unit in path.read_text().split()}


def of_units() -> Iterator[str]:
    rests = resting()
    declared = shown(remembered()[0])
    # What timers, paths and sockets start.
    started = sorted({name for unit in declared.values() for name in unit.get("Triggers", "").split()} - {*declared})
    for names, awaited in ((declared, True), (shown(started), False)):
        for name, unit in names.items():
            yield (
                line("unit_rests", 1, unit=name)
                if name in rests
                else line("unit_active", works(unit, awaited=awaited), unit=name)
            )
            if unit.get("NRestarts"):
                yield line("unit_restarts_total", int(unit["NRestarts"]), unit=name)


# What changes within hours


def ends(text: str) -> Iterator[float]:
    """When certificates end."""
    for part in text.split(BEGIN)[1:]:
        certificate = BEGIN + part.partition(END)[0] + END
        end = said("openssl", "x509", "-noout", "-enddate", given=certificate).strip()
        if end.startswith("notAfter="):
            yield ssl.cert_time_to_seconds(end.removeprefix("notAfter="))


def of_certificates() -> Iterator[str]:
    """Of those that roles have written, with the first that ends where several are in one file."""
    for name in remembered()[1]:
        try:
            text = (ROOT / name.lstrip("/")).read_text(errors="replace")
        except OSError:
            continue
        if found := list(ends(text)):
            yield line("certificate_end_timestamp_seconds", min(found), file=name)


def of_packages() -> Iterator[str]:
    simulated = said("apt-get", "--simulate", "--quiet", "-o", "Debug::NoLocking=true", "dist-upgrade")
    pending = [row for row in simulated.splitlines() if row.startswith("Inst ") and "-security" in row]
    yield line("security_updates", len(pending))
    yield line("package_lists_timestamp_seconds", (ROOT / "var/lib/apt/lists/partial").stat().st_mtime)
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    kernels = (ROOT / "boot").glob("vmlinuz-*")
    newer = any(kernel.stat().st_ctime > booted for kernel in kernels)
    yield line("reboot_required", newer or (ROOT / "run/reboot-required").exists())


# All of it


def of_mail() -> Iterator[str]:
    queue = ROOT / "var/spool/postfix"
    if queue.exists():
        waiting = ("active", "deferred", "incoming", "maildrop")
        yield line("mail_queue", sum(file.is_file() for name in waiting for file in (queue / name).rglob("*")))


def of_machine() -> Iterator[str]:
    container = subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False)
    yield line("container", container.returncode == 0)


def quick() -> str:
    return "".join([*of_units(), *of_mail()])


def slow() -> str:
    return "".join([*of_certificates(), *of_packages(), *of_machine()])


def keep() -> None:
    looked, seldom = float(-SLOW), ""
    while True:
        if time.monotonic() - looked >= SLOW:
            looked, seldom = time.monotonic(), slow()
        new = METRICS / ".machine.prom"
        new.write_text(quick() + seldom)
        new.chmod(0o644)
        new.replace(METRICS / "machine.prom")
        time.sleep(PERIOD)


def main() -> None:
    if sys.argv[1:] == ["keep"]:
        keep()
    elif sys.argv[1:] == ["show"]:
        print(quick() + slow(), end="")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
