"""Configurations: what they refuse, and the bundle that the apply program reads back."""

import string
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_casebook import InputError
from pulumi_casebook.machines.configuration import (
    Allow,
    Configuration,
    Directory,
    File,
    Ready,
    Repository,
    Unit,
    bundle,
)
from pulumi_casebook.machines.configuration.programs.apply import parse


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"role": "Web server"}, "roles become names of files"),
        ({"role": "web", "packages": ["nginx\nrole other"]}, "a package of Debian"),
        ({"role": "web", "colour": "red"}, "colour: no such field"),
        (
            {"role": "web", "units": [Unit(unit="a.service", restart_on=("/etc/x",))]},
            "units.a.service: /etc/x is none of the files",
        ),
        ({"role": "web", "files": [File(path="/a", content=""), File(path="/a", content="b")]}, "/a is given twice"),
        ({"role": "web", "units": [Unit(unit="a.service"), Unit(unit="a.service", oneshot=True)]}, "given twice"),
    ],
)
def test_a_configuration_that_does_not_fit_together_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Configuration(**values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"path": "etc/x"}, "an absolute path without spaces"),
        ({"path": "/etc/x", "mode": "644"}, "permissions in octal, such as 0644"),
        ({"path": "/etc/x", "owner": "root"}, "a user and a group"),
        ({"path": "/etc/x", "content": "@secret(a)@"}, "/etc/x holds a secret; give it a mode that ends in 0"),
        ({"path": "/etc/x", "content": "Calling __str__ on an Output[T]"}, "not known yet; pass it through apply"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        File(**{"content": "", **values})


@pytest.mark.parametrize("values", [{"port": 80, "protocol": "vrrp"}, {}, {"protocol": "udp"}])
def test_only_vrrp_has_no_port(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="tcp and udp have one, vrrp has none"):
        Allow(sources=("10.8.0.0/24",), **values)


def test_commands_are_one_line() -> None:
    with pytest.raises(InputError, match="one line"):
        Ready(command="true\nfalse")
    with pytest.raises(InputError, match="one line"):
        Unit(unit="a.service", check="true\nfalse")


# Whatever a text file may hold, line separators that only Unicode knows included.
texts = st.text(st.characters(exclude_categories=["Cs"]))
commands = texts.map(lambda text: "".join(filter(str.isprintable, text)).strip()).filter(bool)
words = st.text(string.ascii_lowercase, min_size=2, max_size=8)
paths = st.builds("/{}/{}".format, words, words)
owners = st.builds("{}:{}".format, words, words)
modes = st.sampled_from(["0600", "0640", "0750", "0755"])
files = st.builds(File, path=paths, content=texts.filter(lambda t: "@secret(" not in t), owner=owners, mode=modes)


repositories = st.builds(
    Repository,
    name=words,
    uri=words.map("https://{}.example/apt".format),
    suite=words,
    component=words,
    key=words.map("https://{}.example/key".format),
    fingerprint=st.text("0123456789ABCDEF", min_size=40, max_size=40),
)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    held = draw(st.lists(files, max_size=3, unique_by=lambda file: file.path))
    follows = st.lists(st.sampled_from([file.path for file in held]), unique=True) if held else st.just([])
    name = words.map(lambda word: f"{word}.service")
    units = st.builds(Unit, unit=name, restart_on=follows, check=st.none() | commands)
    units |= st.builds(Unit, unit=name, reload_on=follows, check=st.none() | commands)
    return Configuration(
        role=draw(words),
        packages=tuple(draw(st.lists(words, unique=True))),
        repositories=tuple(draw(st.lists(repositories, max_size=2, unique=True))),
        variables=draw(st.dictionaries(words.map(str.upper), commands, max_size=2)),
        directories=tuple(draw(st.lists(st.builds(Directory, path=paths, owner=owners, mode=modes), unique=True))),
        files=tuple(held),
        units=tuple(draw(st.lists(units, max_size=3, unique_by=lambda unit: unit.unit))),
        ready=draw(st.none() | st.builds(Ready, command=commands, seconds=st.integers(1, 3600))),
    )


def test_a_service_is_started_again_however_it_ended() -> None:
    def said(role: str, unit: Unit) -> list[str] | None:
        found = parse(bundle(Configuration(role=role, units=(unit,))))["files"]
        return found[f"/etc/systemd/system/{unit.unit}.d/restart-{role}.conf"]["lines"] if found else None

    unlimited = ["[Unit]", "StartLimitIntervalSec=0", "", "[Service]"]
    daemon = [*unlimited, "Restart=always", "RestartSec=5", "RestartPreventExitStatus="]
    assert said("cache", Unit(unit="memcached.service", restart_seconds=5)) == daemon
    once = [*unlimited, "Restart=on-failure", "RestartSec=1", "RestartPreventExitStatus="]
    assert said("base", Unit(unit="nftables.service", oneshot=True)) == once
    # Of the machine's own the base role says it, once.
    assert said("cache", Unit(unit="nftables.service", oneshot=True)) is None
    assert said("cache", Unit(unit="cache.timer")) is None


@given(configurations())
def test_the_apply_program_reads_what_the_bundle_says(configuration: Configuration) -> None:
    read = parse(bundle(configuration))
    assert read["role"] == configuration.role
    assert tuple(read["packages"]) == configuration.packages
    assert read["repositories"] == [repository.model_dump() for repository in configuration.repositories]
    assert read["variables"] == configuration.variables
    assert read["directories"] == [(d.path, d.owner, int(d.mode, 8)) for d in configuration.directories]
    for file in configuration.files:
        wanted = read["files"].pop(file.path)
        text = "".join(line + "\n" for line in wanted["lines"])
        assert text.removesuffix("\n") == file.content.removesuffix("\n")
        assert (wanted["owner"], wanted["mode"]) == (file.owner, int(file.mode, 8))
    assert set(read["files"]) == {
        f"/etc/systemd/system/{unit.unit}.d/restart-{configuration.role}.conf" for unit in configuration.units
    }
    given = [
        (s.unit, "reload" if s.reload_on else "restart", [*s.restart_on, *s.reload_on], s.check)
        for s in configuration.units
    ]
    assert [(s["unit"], s["change"], s["follows"], s["check"]) for s in read["services"]] == given
    ready = configuration.ready
    assert read["ready"] == ((ready.seconds, ready.command) if ready else None)


def test_open_ports_become_rules_that_nft_accepts() -> None:
    allow = (
        Allow(port=80, sources=("10.8.0.0/24", "192.168.1.7/32")),
        Allow(port=53, protocol="udp", sources=("10.8.0.0/24",)),
        Allow(port=99, sources=()),
    )
    read = parse(bundle(Configuration(role="web", allow=allow)))
    assert read["services"] == [
        {
            "unit": "nftables.service",
            "change": "reload",
            "follows": ["/etc/nftables.d/web.nft"],
            "check": "nft -c -f /etc/nftables.conf",
        }
    ]
    rules = "\n".join(read["files"]["/etc/nftables.d/web.nft"]["lines"])
    assert rules.splitlines()[1:] == [
        "add rule inet filter input ip saddr { 10.8.0.0/24, 192.168.1.7/32 } tcp dport 80 accept",
        "add rule inet filter input ip saddr { 10.8.0.0/24 } udp dport 53 accept",
    ]
    table = "table inet filter {\nchain input {\ntype filter hook input priority filter;\n}\n}\n"
    nft(table + rules)
    with pytest.raises(AssertionError, match="syntax error"):
        nft(table + rules.replace("dport", "dprt"))


def nft(rules: str) -> None:
    """nftables' own check (Debian package nftables), where it cannot touch this machine's rules."""
    done = subprocess.run(
        ["unshare", "--net", "nft", "--check", "--file", "-"], input=rules, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
