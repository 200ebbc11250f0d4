"""Files of the site that serves, copied by a real rsync from a real rsync."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_casebook.core.templates import render
from pulumi_casebook.recovery.drp_replica_site import component
from pulumi_casebook.recovery.drp_replica_site.component import PART
from sandbox.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.claim("KEY-6")
OWNER = "www-data"


class Two:
    def __init__(self, folder: Path) -> None:
        self.far, self.near, self.folder = folder / "far", folder / "near", folder
        for place in (folder, self.far, self.near):
            place.mkdir(exist_ok=True, parents=True)
        for place in (self.far, self.near):
            subprocess.run(["chown", OWNER, place], check=True)
        port = free_port()
        values = {"files": {"path": self.near}, "address": "127.0.0.1", "peer": "127.0.0.1", "port": port}
        configuration = folder / "rsyncd.conf"
        configuration.write_text(render(component.__file__, "drp-files.conf.j2", **values))
        files = {"path": str(self.far), "owner": OWNER, "source": f"rsync://127.0.0.1:{port}/files/"}
        (folder / "site.json").write_text(json.dumps({"units": [], "first": "rest", "files": files}))
        daemon = ["runuser", "-u", OWNER, "--", "rsync", "--daemon", "--no-detach", f"--config={configuration}"]
        self.daemon = subprocess.Popen(daemon)

    def run(self, word: str) -> tuple[bool, str]:
        environment = {**os.environ, "DRP_SITE": str(self.folder / "site.json"), "DRP_SITE_STATE": str(self.folder)}
        done = subprocess.run([sys.executable, str(PART), word], capture_output=True, text=True, env=environment)
        return done.returncode == 0, done.stdout + done.stderr

    def write(self, name: str) -> None:
        subprocess.run(["runuser", "-u", OWNER, "--", "sh", "-c", f"echo new > {self.near / name}"], check=True)


@pytest.fixture(name="two")
def _two(tmp_path: Path) -> Iterator[Two]:
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(0o755)
    two = Two(tmp_path)
    until(lambda: two.run("copy")[0])
    yield two
    two.daemon.terminate()
    two.daemon.wait()


def test_at_rest_it_has_what_the_other_has_and_no_more(two: Two) -> None:
    two.write("a.jpg")
    two.write("b.jpg")
    assert two.run("copy")[0]
    assert sorted(file.name for file in two.far.iterdir()) == ["a.jpg", "b.jpg"]
    (two.near / "a.jpg").unlink()
    assert two.run("copy")[0]
    assert [file.name for file in two.far.iterdir()] == ["b.jpg"]


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
