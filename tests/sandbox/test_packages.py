"""The package sources that machines get from this host."""

from pathlib import Path

import pytest

from sandbox import packages

DEB822 = """\
# a comment
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://vendor.example/apt
Suites: stable
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(packages, "APT", tmp_path)
    monkeypatch.setattr(packages, "codename", lambda: "bookworm")
    return tmp_path


def test_only_sources_of_the_release_are_taken(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    assert packages.sources() == (
        "Types: deb deb-src\n"
        "URIs: http://HTTPS///mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def test_one_line_sources_are_understood(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "deb [arch=amd64 signed-by=/etc/apt/keyrings/d.gpg] http://mirror.example/debian bookworm main contrib # ours\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb http://mirror.example/debian trixie main\n"
    )
    assert packages.sources() == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: bookworm\n"
        "Components: main contrib\n"
        "Signed-By: /etc/apt/keyrings/d.gpg\n"
    )


def test_a_host_without_sources_is_told(apt: Path) -> None:
    with pytest.raises(RuntimeError, match=f"{apt}/sources.list and sources.list.d hold no package source"):
        packages.sources()
