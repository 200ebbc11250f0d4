"""What every test may rely on."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import debian

pytest_plugins = ["tests.claims", "tests.selection"]
PATH = os.environ["PATH"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Daemons and clients are those of machines; the sandbox's own are this host's, as far as it has them."""
    own = not item.get_closest_marker("sandbox")
    assert debian.BIN.exists() or not own, "the daemons that checks run are missing: make test-tools"
    os.environ["PATH"] = f"{debian.BIN}:{PATH}" if own else f"{PATH}:{debian.BIN}"


@pytest.fixture(scope="session")
def ssh_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key pair of this run, of no use anywhere."""
    path = tmp_path_factory.mktemp("ssh") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", path], check=True)
    return path


@pytest.fixture(autouse=True)
def _operator(ssh_key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is an operator who has an SSH key and no credentials."""
    monkeypatch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
