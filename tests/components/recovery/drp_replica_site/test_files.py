"""Files of the site that serves, copied by a real rsync from a real rsync."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.rsync_tls import Offer, connect_program
from pulumi_casebook.recovery.drp_replica_site import component
from pulumi_casebook.recovery.drp_replica_site.component import PART
from sandbox import REPOSITORY
from sandbox.ports import free_port
from tests.components.tls import Authority
from tests.debian import ROOT, VIEW
from tests.waiting import until

pytestmark = pytest.mark.claim("KEY-6")
OWNER = "www-data"
# On the machines' Debian, where everybody may run its programs.
THERE = ("unshare", "--mount", "sh", "-c", f'{VIEW} cd /; shift 2; exec "$@"', "view", str(ROOT), str(REPOSITORY))


class Two:
    def __init__(self, folder: Path) -> None:
        self.far, self.near, self.folder = folder / "far", folder / "near", folder
        for place in (folder, self.far, self.near):
            place.mkdir(exist_ok=True, parents=True)
        for place in (self.far, self.near):
            subprocess.run(["chown", OWNER, place], check=True)
        port, local = free_port(), free_port()
        values = {"files": {"path": self.near}, "port": local}
        configuration = folder / "rsyncd.conf"
        configuration.write_text(render(component.__file__, "drp-files.conf.j2", **values))
        self.authority = Authority(folder)
        self.show_own()
        files = {"path": str(self.far), "owner": OWNER, "source": f"rsync://127.0.0.1:{port}/files/"}
        files["connect"] = connect_program("127.0.0.1", port, f"{folder}/authority.crt", f"{folder}/own.pem")
        (folder / "site.json").write_text(json.dumps({"units": [], "first": "rest", "files": files}))
        daemon = ["runuser", "-u", OWNER, "--", "rsync", "--daemon", "--no-detach", f"--config={configuration}"]
        self.daemon = subprocess.Popen([*THERE, *daemon])
        shutil.copy(folder / "own.pem", folder / "server.pem")
        unit = next(
            file.content for file in Offer("x", "127.0.0.1", port, local, True).files if file.path.endswith("e")
        )
        [start] = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStart=")]
        start = start.replace("%d/own", f"{folder}/server").replace("%d", str(folder))
        self.tls = subprocess.Popen([*THERE, *start.split()])

    def show_own(self, by: Authority | None = None) -> None:
        (by or self.authority).certify(self.folder / "own", "127.0.0.1")
        own = self.folder / "own.pem"
        own.write_text("".join((self.folder / f"own.{kind}").read_text() for kind in ("crt", "key")))
        subprocess.run(["chown", OWNER, own], check=True)

    def run(self, word: str) -> tuple[bool, str]:
        environment = {**os.environ, "DRP_SITE": str(self.folder / "site.json"), "DRP_SITE_STATE": str(self.folder)}
        environment["DRP_RESTING"] = str(self.folder / "resting/drp-site")
        command = [*THERE, "python3", str(PART), word]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode == 0, done.stdout + done.stderr

    def write(self, name: str) -> None:
        subprocess.run(["runuser", "-u", OWNER, "--", "sh", "-c", f"echo new > {self.near / name}"], check=True)


@pytest.fixture(name="two")
def _two(tmp_path: Path) -> Iterator[Two]:
    # Pytest's own folders, for another account; not the host's /tmp, which has more bits.
    for above in (tmp_path, *(one for one in tmp_path.parents if "pytest-" in str(one))):
        above.chmod(0o755)
    two = Two(tmp_path)
    until(lambda: two.run("copy")[0])
    yield two
    for process in (two.daemon, two.tls):
        process.terminate()
        process.wait()


def test_at_rest_it_has_what_the_other_has_and_no_more(two: Two) -> None:
    two.write("a.jpg")
    two.write("b.jpg")
    assert two.run("copy")[0]
    assert sorted(file.name for file in two.far.iterdir()) == ["a.jpg", "b.jpg"]
    (two.near / "a.jpg").unlink()
    assert two.run("copy")[0]
    assert [file.name for file in two.far.iterdir()] == ["b.jpg"]


def test_nobody_else_reads_the_files_or_gives_others(two: Two) -> None:
    two.write("a.jpg")
    (stranger := two.folder / "stranger").mkdir()
    two.show_own(Authority(stranger))
    well, _ = two.run("copy")
    assert not well, "read by somebody whom the authority does not know"
    two.show_own()
    assert two.run("copy")[0]
    (two.folder / "authority.crt").write_text((stranger / "authority.crt").read_text())
    well, said = two.run("copy")
    assert not well
    assert "verify error" in said


def test_storage_that_is_not_mounted_deletes_nothing(two: Two) -> None:
    two.write("a.jpg")
    assert two.run("copy")[0]
    (two.near / "a.jpg").unlink()
    for place in (two.near, two.far):  # as the Nas leaves a place without its mount
        subprocess.run(["chown", "root:root", place], check=True)
        place.chmod(0)
        well, said = two.run("copy")
        assert not well
        assert "ermission denied" in said or "chdir failed" in said or "change_dir" in said
        assert (two.far / "a.jpg").exists()
        place.chmod(0o755)
        subprocess.run(["chown", OWNER, place], check=True)


def test_a_site_that_serves_copies_nothing(two: Two) -> None:
    assert two.run("serve")[0]
    well, said = two.run("copy")
    assert not well
    assert "this site serves" in said
    assert two.run("keep")[0]
    assert json.loads(two.run("status")[1])["part"] == "serve"
