"""An application's files: shown where that can be, packed where not, laid down by a link that changes at once."""

import base64
import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from pulumi_casebook import InputError
from pulumi_casebook.web.application import Application
from pulumi_casebook.web.application import application as module


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def content(application: Application, path: str) -> str:
    return next(file.content for file in application.files if file.path == path)


def test_text_is_shown_and_hidden_files_stay(tmp_path: Path) -> None:
    source = folder(tmp_path, {"index.php": b"<?php\n", "lib/a.php": b"<?php\n", ".env": b"SECRET\n", ".git/x": b"x\n"})
    application = Application("php", source)
    shown = {file.path for file in application.files if file.path.startswith("/srv/php/files/")}
    assert shown == {"/srv/php/files/index.php", "/srv/php/files/lib/a.php"}
    assert application.root == "/srv/php/current"


@pytest.mark.parametrize(
    "odd",
    [b"\xff\xfe\n", b"no end of line", b"@secret(x)@\n", b"carriage\r\n"],
    ids=["binary", "end", "secret", "return"],
)
def test_what_would_not_survive_as_text_is_packed_whole(tmp_path: Path, odd: bytes) -> None:
    application = Application("php", folder(tmp_path, {"index.php": b"<?php\n", "odd": odd}))
    packed = base64.decodebytes(content(application, "/srv/php/archive").encode())
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("odd")
        assert member is not None
        assert (sorted(archive.getnames()), member.read()) == (["index.php", "odd"], odd)


def test_the_same_files_are_the_same_archive_and_a_change_runs_the_unit_again(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"a.bin": b"\x00\xff"})
    two = folder(tmp_path / "two", {"a.bin": b"\x00\xff"})
    os.utime(two / "a.bin", (1, 1))
    assert Application("web", one).files == Application("web", two).files
    (two / "a.bin").write_bytes(b"\x00\xfe")
    place = "/usr/local/sbin/web-application"
    assert content(Application("web", one), place) != content(Application("web", two), place)
    [unit] = Application("web", one).units
    assert place in unit.restart_on


@pytest.mark.parametrize("binary", [False, True], ids=["shown", "packed"])
def test_the_link_changes_at_once_and_keeps_the_one_before(tmp_path: Path, binary: bool) -> None:
    """The program itself, in a folder of its own: two releases one after the other."""
    srv = tmp_path / "srv"
    for release in (b"one\n", b"two\n", b"three\n"):
        source = folder(tmp_path / "source", {"index": release, **({"x": b"\x00"} if binary else {})})
        application = Application("web", source)
        for file in application.files:
            if file.path.startswith("/srv/"):
                folder(srv, {file.path.removeprefix("/srv/"): file.content.encode()})
        program = content(application, "/usr/local/sbin/web-application").replace("/srv/", f"{srv}/")
        subprocess.run(["sh", "-c", program], check=True)
        assert (srv / "web/current/index").read_bytes() == release
    if binary:
        assert len(list((srv / "web").glob("archive-*"))) == 2


def test_a_java_archive_is_read_as_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "keys.war", "w") as war:
        war.writestr("WEB-INF/web.xml", "<distributable/>\n")
    assert Application("tomcat", tmp_path / "keys.war").held == {"WEB-INF/web.xml": b"<distributable/>\n"}


def test_nothing_and_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="an empty folder"):
        Application("web", tmp_path)
    with pytest.raises(ValueError, match="neither a folder nor a Java archive"):
        Application("web", tmp_path / "missing")
    monkeypatch.setattr(module, "LARGEST", 100)
    folder(tmp_path, {"video": os.urandom(400)})
    with pytest.raises(InputError, match="Leave out what is not the application's own"):
        _ = Application("web", tmp_path).files
