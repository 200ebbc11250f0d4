"""The look for secrets finds them wherever they must not be, and leaves what only root reads where it belongs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills import lookout
from drills.canary import MARK, SECRET, texts

CANARY = "canary-of-the-drill"
TEXTS = [b"something else", CANARY.encode()]


@pytest.fixture(name="open_folder")
def _open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the machine's that anybody may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        monkeypatch.setattr(lookout, "READABLE", (name,))
        yield Path(name)


def written(file: Path, mode: int) -> Path:
    file.write_text(f"password = {CANARY}\n")
    file.chmod(mode)
    return file


def test_a_file_that_anybody_reads_is_found_and_one_of_root_s_is_not(open_folder: Path) -> None:
    readable = written(open_folder / "readable.conf", 0o644)
    written(open_folder / "kept.conf", 0o600)
    assert lookout.as_nobody(TEXTS) == {(1, f"{readable}, which anybody reads")}


def test_a_log_and_user_data_are_found_also_where_only_root_reads_them(tmp_path: Path) -> None:
    log = written(tmp_path / "user-data.txt", 0o600)
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to(log)
    assert lookout.files((str(tmp_path),), TEXTS) == {(1, str(log))}
    assert {"/var/log", "/var/lib/cloud"} <= set(lookout.LOGGED)


def test_an_argument_of_a_process_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", CANARY], stdin=subprocess.PIPE) as process:
        found = lookout.arguments(TEXTS, lambda: True)
        process.communicate(b"\n")
    assert found == {(1, f"arguments of {process.pid}")}


def test_secrets_are_those_of_the_state_however_deep() -> None:
    def secret(value: object) -> dict[str, str]:
        return {SECRET: MARK, "plaintext": json.dumps(value)}

    key = "-----BEGIN KEY-----\nAAAAfirst-line\nAAAAAAAAthe-longest-line\n-----END KEY-----\n"
    state = {"plain": "p" * 20, "deep": [{"password": secret("of-the-database")}], "key": secret({"pem": key})}
    assert set(texts(state)) == {"of-the-database", "AAAAAAAAthe-longest-line"}
    assert set(texts({"host": secret("192.0.2.7.example")}, known=("host",))) == set()
    assert set(texts(secret("short"))) == set()
