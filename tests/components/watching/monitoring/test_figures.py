"""What a machine shows of itself: units as systemd tells of them, certificates, packages, mail."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from pulumi_casebook.watching.monitoring.programs import figures

# As systemd 257 answers `show`, a unit after the other.
UNITS = {
    "nginx.service": "Type=notify RemainAfterExit=no NRestarts=0 ActiveState=active SubState=running",
    "php8.4-fpm.service": "Type=notify RemainAfterExit=no NRestarts=7 ActiveState=activating SubState=auto-restart",
    "memcached.service": "Type=simple RemainAfterExit=no NRestarts=1 ActiveState=failed SubState=failed",
    "suricata.service": "Type=simple RemainAfterExit=no NRestarts=0 ActiveState=inactive SubState=dead",
    "nftables.service": "Type=oneshot RemainAfterExit=yes NRestarts=0 ActiveState=active SubState=exited",
    "nas.service": "Type=oneshot RemainAfterExit=yes NRestarts=0 ActiveState=inactive SubState=dead",
    "setup.service": "Type=oneshot RemainAfterExit=no NRestarts=0 ActiveState=inactive SubState=dead",
    "retried.service": "Type=oneshot RemainAfterExit=no NRestarts=3 ActiveState=activating SubState=auto-restart",
    "backup.timer": "Triggers=backup.service ActiveState=active SubState=waiting",
    "expire.timer": "Triggers=expire.service ActiveState=inactive SubState=dead",
    "keepalived.service": "Type=notify RemainAfterExit=no NRestarts=0 ActiveState=inactive SubState=dead",
    "x\\x2dy.path": "Triggers=x.service ActiveState=active SubState=waiting",
    # What those start.
    "backup.service": "Type=oneshot RemainAfterExit=no NRestarts=0 ActiveState=failed SubState=failed",
    "expire.service": "Type=oneshot RemainAfterExit=no NRestarts=0 ActiveState=inactive SubState=dead",
    "x.service": "Type=simple RemainAfterExit=no NRestarts=0 ActiveState=inactive SubState=dead",
}
WORK = {"nginx.service", "nftables.service", "setup.service", "backup.timer", "x\\x2dy.path", "expire.service"} | {
    "x.service"
}
DECLARED = [name for name in UNITS if name not in ("backup.service", "expire.service", "x.service")]
SYSTEMCTL = """#!/usr/bin/python3
import json, pathlib, sys
units = json.loads((pathlib.Path(__file__).parent / "units.json").read_text())
names = sys.argv[sys.argv.index("--") + 1:]
print("\\n\\n".join(units[name].replace(" ", "\\n") for name in names))
"""


def certificate(place: Path, days: int) -> str:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", str(days)]
    subprocess.run([*made, "-keyout", place / "key", "-out", place / "crt"], check=True, capture_output=True)
    return (place / "crt").read_text()


def shown(place: Path, patch: pytest.MonkeyPatch) -> str:
    """All figures of a machine below a folder."""
    root, roles, programs = place / "root", place / "roles", place / "programs"
    for folder in (root / "var/lib/apt/lists/partial", root / "boot", root / "run", roles, programs):
        folder.mkdir(parents=True)
    for name in ("deferred/A", "active"):
        (root / "var/spool/postfix" / name).mkdir(parents=True)
        (root / "var/spool/postfix" / name / "A1").touch()
    (root / "etc").mkdir()
    (root / "etc/haproxy.pem").write_text("-----BEGIN PRIVATE KEY-----\nx\n" + certificate(place, 90))
    (root / "etc/chain.pem").write_text(certificate(place, 90) + certificate(place, 9))
    (root / "run/reboot-required").touch()
    first = {"services": {name: [] for name in DECLARED[:4]}, "files": ["/etc/haproxy.pem", "/etc/none"]}
    second = {"services": {name: [] for name in DECLARED[3:]}, "files": ["/etc/chain.pem"]}
    for number, role in enumerate((first, second)):
        (roles / f"{number}.json").write_text(json.dumps(role))
    (roles / "resting").mkdir()
    (roles / "resting/drp-site").write_text("keepalived.service\n")
    (programs / "units.json").write_text(json.dumps(UNITS))
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    patch.setattr(figures, "ROLES", roles)
    patch.setattr(figures, "ROOT", root)
    return figures.quick() + figures.slow()


def test_a_machine_shows_what_does_not_run_and_what_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(line.rsplit(" ", 1) for line in shown(tmp_path, monkeypatch).splitlines())
    escaped = {name: name.replace("\\", "\\\\") for name in UNITS}
    assert found['casebook_unit_rests{unit="keepalived.service"}'] == "1"
    active = {
        name: found[f'casebook_unit_active{{unit="{escaped[name]}"}}'] for name in UNITS if name != "keepalived.service"
    }
    assert active == {name: str(int(name in WORK)) for name in UNITS if name != "keepalived.service"}
    assert 'casebook_unit_active{unit="keepalived.service"}' not in found
    assert found['casebook_unit_restarts_total{unit="php8.4-fpm.service"}'] == "7"
    for file, days in (("/etc/haproxy.pem", 90), ("/etc/chain.pem", 9)):
        ends = float(found[f'casebook_certificate_end_timestamp_seconds{{file="{file}"}}'])
        assert abs(ends - time.time() - days * 86400) < 600
    assert found["casebook_mail_queue"] == "2"
    assert found["casebook_reboot_required"] == "1"
    assert float(found["casebook_package_lists_timestamp_seconds"]) > time.time() - 600
    assert {"casebook_security_updates", "casebook_container"} <= found.keys()


def test_a_machine_without_roles_shows_no_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "ROLES", tmp_path)
    assert list(figures.of_units()) == []
