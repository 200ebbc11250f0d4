"""What every test may rely on."""

import subprocess
from pathlib import Path

import pytest

pytest_plugins = ["tests.claims", "tests.selection"]


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
