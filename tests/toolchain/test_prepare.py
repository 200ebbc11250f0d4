"""Which pulumi and which plugins are chosen, and what is said when none can be had."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.toolchain import __main__ as command
from sandbox.toolchain import engine, golang, home, plugins
from sandbox.toolchain.home import SOURCE, ToolchainError

Script = Callable[..., Path]


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an empty home and a PATH of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CASEBOOK_HOME", str(tmp_path / "casebook"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in list(os.environ):
        if name.startswith("PULUMI_"):
            monkeypatch.delenv(name)
    home.toolchain_home().mkdir(parents=True)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(name: str, text: str, folder: str = "bin") -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was built, instead of building it."""
    names: list[str] = []

    def build(source: Path, program: str, *_: object) -> Path:
        names.append(source.name)
        path = home.toolchain_home() / f"{source.name}-0" / program
        path.parent.mkdir(exist_ok=True)
        path.touch(0o755)
        return path

    monkeypatch.setattr(golang, "built", build)
    return names


def test_the_pulumi_on_path_is_used(script: Script, built: list[str]) -> None:
    script("pulumi", "echo v3.280.0")
    script("pulumi-language-python", "")
    found = engine.choose()
    assert (found.version, found.source) == ("3.280.0", "PATH")
    assert not built


@pytest.mark.parametrize(
    ("output", "with_host", "reason"),
    [
        ("v3.100.0", True, "older than 3.200"),
        ("v3.280.0", False, "no Python language host"),
        ("", True, "does not tell its version"),
    ],
)
def test_a_pulumi_that_will_not_do_is_passed_over(
    script: Script, built: list[str], output: str, with_host: bool, reason: str
) -> None:
    script("pulumi", f"echo {output}")
    if with_host:
        script("pulumi-language-python", "")
    found = engine.choose()
    assert found.source == "built from Go modules"
    assert reason in found.reason
    assert built == ["cli"]


@pytest.mark.usefixtures("built")
def test_our_own_build_on_path_does_not_count_as_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = engine.choose().folder
    (folder / "pulumi").write_text("#!/bin/sh\necho v3.280.0\n")
    monkeypatch.setenv("PATH", str(folder))
    assert engine.choose().source == "built from Go modules"


def chosen(name: str) -> plugins.Plugin:
    return plugins.choose_one(plugins.wanted(name))


def test_where_none_is_installed_ours_are_used_and_say_so(built: list[str]) -> None:
    assert chosen("openstack") == plugins.Plugin("openstack", "5.5.3", "built from Go modules", "none installed")
    for name in ("ovh", "command", "random", "tls"):
        wanted = plugins.wanted(name)
        assert chosen(name) == plugins.Plugin(name, wanted.version, "stand-in", "none installed")
        assert os.access(wanted.program, os.X_OK)
    assert plugins.wanted("ovh").version == "2.22.0"
    assert built == ["openstack"]


@pytest.mark.usefixtures("built")
def test_a_real_plugin_is_never_replaced() -> None:
    wanted = plugins.wanted("random")
    wanted.folder.mkdir(parents=True)
    wanted.program.write_text("the real one")
    assert chosen("random").source == "installed"
    assert wanted.program.read_text() == "the real one"


@pytest.mark.usefixtures("built")
def test_the_plugins_of_the_users_own_pulumi_are_used(tmp_path: Path) -> None:
    chosen("random")
    wanted = plugins.wanted("random")
    theirs = tmp_path / ".pulumi/plugins" / wanted.folder.name
    theirs.mkdir(parents=True)
    (theirs / wanted.program.name).write_text("the real one")
    assert chosen("random").source == "installed"
    assert wanted.program.read_text() == "the real one"


def test_a_plugin_on_path_wins_as_it_does_in_the_engine(script: Script) -> None:
    path = script("pulumi-resource-random", "")
    assert chosen("random") == plugins.Plugin("random", plugins.wanted("random").version, "PATH", str(path))


def test_no_go_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golang, "candidates", list)
    with pytest.raises(ToolchainError, match=r"install Go 1\.26 in /usr/local/go"):
        golang.find_go((1, 26))


def test_an_old_go_is_named_or_made_to_fetch_a_newer_one(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    path = script("go", "echo go version go1.19.8 linux/amd64")
    monkeypatch.setattr(golang, "candidates", lambda: [str(path)])
    with pytest.raises(ToolchainError, match=r"only an older one \(.*go is 1\.19\)"):
        golang.find_go((1, 26))
    script("go", "echo go version go1.22.1 linux/amd64")
    found, environment = golang.find_go((1, 26))
    assert found == str(path)
    assert environment["GOTOOLCHAIN"] == "auto"


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("write /x: no space left on device", "pulumi needs 1 GiB of disk (pulumi cannot be built: write /x: no space"),
        ("go: example.com/x: dial tcp: lookup proxy: no such host", "its Go modules cannot be fetched"),
        ("main.go:3: undefined: x", "main.go:3: undefined: x"),
    ],
)
def test_a_failed_build_is_one_sentence_and_leaves_nothing(
    script: Script, monkeypatch: pytest.MonkeyPatch, output: str, sentence: str
) -> None:
    path = script("go", f"if [ $1 = version ]; then echo go1.26.1; else echo '{output}' >&2; exit 1; fi")
    monkeypatch.setattr(golang, "candidates", lambda: [str(path)])
    with pytest.raises(RuntimeError) as raised:
        golang.built(SOURCE / "cli", "pulumi", ".", "", "pulumi", 1)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(home.toolchain_home().glob("[!.]*"))


@pytest.mark.usefixtures("built")
def test_the_environment_leaves_the_users_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    command.prepare()
    found = command.exports()
    assert found["PATH"].startswith(str(home.toolchain_home() / "cli-0"))
    assert found["PULUMI_BACKEND_URL"].startswith("file://")
    assert Path(found["PULUMI_BACKEND_URL"].removeprefix("file://")).is_dir()
    passphrase = Path(found["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    kept = passphrase.read_text()
    assert len(kept) == 64
    command.prepare()
    assert command.exports()["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(passphrase)
    assert passphrase.read_text() == kept
    theirs = {
        "PULUMI_BACKEND_URL": "s3://theirs",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_PYTHON_CMD": "python3",
        "PULUMI_HOME": "/theirs",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    found = command.exports()
    assert found.keys() == {"PATH", "PULUMI_HOME", "PULUMI_SKIP_UPDATE_CHECK", command.UNASKED}
    assert found["PULUMI_HOME"] == "/theirs"


def test_for_an_account_nothing_of_ours_stands_in_and_nothing_is_downloaded(script: Script, built: list[str]) -> None:
    """Not even what was placed for the sandbox; one sentence names all that is missing, and what installs it."""
    command.prepare()
    assert sorted(built) == ["cli", "openstack"]
    script("pulumi", "echo v3.100.0")
    with pytest.raises(ToolchainError, match=r"pulumi \(.* older than 3\.200\): pulumi\.com/docs/install") as raised:
        command.prepare(account=True)
    for name in plugins.NAMES:
        assert f"`{plugins.wanted(name).command}`" in str(raised.value)
    assert "--server github://api.github.com/ovh/pulumi-ovh" in str(raised.value)
    script("pulumi", "echo v3.280.0")
    script("pulumi-language-python", "")
    for name in plugins.NAMES[1:]:
        script(f"pulumi-resource-{name}", "")
    with pytest.raises(ToolchainError, match=r"install plugin openstack 5\.5\.3: `[^`]+`; or unset"):
        command.prepare(account=True)
    script("pulumi-resource-openstack", "")
    command.prepare(account=True)
    assert sorted(built) == ["cli", "openstack"]
    assert command.exports(account=True)[command.UNASKED] == "true"


@pytest.mark.usefixtures("built")
def test_for_an_account_there_is_no_state_and_no_passphrase_of_ours() -> None:
    command.prepare()
    assert not {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"} & command.exports(account=True).keys()


def test_the_environment_of_nothing_prepared_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "-m", "sandbox.toolchain", "env"], capture_output=True, text=True)
    assert done.returncode == 1
    assert not done.stdout
    assert "run `python -m sandbox.toolchain prepare`" in done.stderr
