"""The package sources that machines get from this host."""

import re
from pathlib import Path

import pytest

import sandbox
from sandbox import packages
from sandbox.shell import run
from stacks.inventory import committed
from stacks.stack_files import names
from tests import debian

DEBIAN = {"ID": "debian", "VERSION_CODENAME": "bookworm", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}
UBUNTU = {"ID": "ubuntu", "VERSION_CODENAME": "noble", "PRETTY_NAME": "Ubuntu 24.04 LTS"}


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of apt's sources on a host with Debian 12, of which nobody has fetched a list."""
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir::Etc "{tmp_path}"; Dir::Etc::sourcelist "sources.list"; Dir::Etc::sourceparts "sources.list.d";\n'
        f'Dir::State::lists "{tmp_path}";\n'
    )
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.delenv(packages.MIRROR, raising=False)
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: DEBIAN)
    return tmp_path


def uris(text: str) -> list[str]:
    return [line.removeprefix("URIs: ") for line in text.splitlines() if line.startswith("URIs: ")]


def test_machines_have_their_own_release_from_the_hosts_mirror(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(
        "Types: deb deb-src\nURIs: https://mirror.example/debian/\nSuites: bookworm bookworm-updates\n"
        "Components: main\n\n"
        "Types: deb\nURIs: http://safe.example/security\nSuites: bookworm-security\nComponents: main\n\n"
        "Types: deb\nURIs: http://vendor.example/apt\nSuites: stable\nComponents: main\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    assert packages.sources() == (
        "Types: deb\n"
        "URIs: https://mirror.example/debian\n"
        "Suites: trixie trixie-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "\n"
        "Types: deb\n"
        "URIs: http://safe.example/security\n"
        "Suites: trixie-security\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    assert uris(packages.cached()) == ["http://HTTPS///mirror.example/debian", "http://safe.example/security"]


def test_one_line_sources_are_understood(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "deb [arch=amd64 signed-by=/etc/apt/keyrings/d.gpg] http://mirror.example/debian bookworm main contrib # ours\n"
        "deb http://newer.example/debian trixie main\n"
    )
    assert uris(packages.sources()) == ["http://mirror.example/debian", "http://mirror.example/debian-security"]


def test_mirrors_of_a_cloud_image_stand_in_a_file(apt: Path) -> None:
    mirrors = apt / "debian.list"
    mirrors.write_text("https://cloud.example/debian\nhttps://other.example/debian\n")
    (apt / "sources.list").write_text(f"deb mirror+file:{mirrors} bookworm main\n")
    assert uris(packages.sources())[0] == "https://cloud.example/debian"


@pytest.mark.parametrize("system", [DEBIAN, UBUNTU])
def test_without_a_mirror_of_debians_one_must_be_named(
    system: dict[str, str], apt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: system)
    (apt / "sources.list").write_text("deb http://ubuntu.example/ubuntu noble main\n")
    with pytest.raises(RuntimeError, match=r"set CASEBOOK_DEBIAN_MIRROR to the URI of one") as refused:
        packages.sources()
    assert system["PRETTY_NAME"] in str(refused.value)
    monkeypatch.setenv(packages.MIRROR, "http://given.example/debian/")
    assert uris(packages.sources()) == ["http://given.example/debian", "http://given.example/debian-security"]


def test_machines_debian_has_all_that_roles_install() -> None:
    """What Debian lacks is on the sandbox's shelf, whose packages need Debian's again."""
    known = set(run("chroot", debian.ROOT, "apt-cache", "pkgnames").split())
    roles = "\n".join(str(inputs.get("stdin")) for stack in names() for inputs in committed(stack).resources.values())
    wanted = set(re.findall(r"^package (\S+)$", roles, re.MULTILINE))
    assert {"nginx", "mariadb-server"} < wanted
    shelf = {}
    for control in (Path(sandbox.__file__).parent / "shelf").glob("*/root/DEBIAN/control"):
        fields = dict(re.findall(r"^(\w+): (.+)$", control.read_text(), re.MULTILINE))
        shelf[fields["Package"]] = set(fields["Depends"].split(", "))
    assert wanted - known == shelf.keys()
    assert set().union(*shelf.values()) <= known
