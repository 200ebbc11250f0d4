"""A tier of web servers: what each holds, in which order, and what is refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from pulumi_casebook import BackOffice, Certificate, InputError, VrackNetwork, WebTier
from pulumi_casebook.machines.configuration.programs.apply import Role, parse
from tests.components.web.web_tier.site import servers, site
from tests.harness import Registered, declare, declares_the_same, only


def bundle(name: str = "web-1", webs: int = 2, **web: Any) -> Role:
    declared = declare(site(webs, web=web), preview=True)
    return parse(only(declared, "command:remote:Command", f"{name}-web").inputs["stdin"])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/nftables.d/web.nft",
        "/etc/nginx/nginx.conf",
        "/usr/local/sbin/web-sync",
        "/etc/systemd/system/web-sync.service",
        "/etc/systemd/system/web-sync.timer",
    ],
)
def test_files_are_as_accepted(path: str, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(bundle()["files"][path]["lines"]) + "\n" == snapshot


def test_web_sync_is_a_shell_script_that_parses(tmp_path: Path) -> None:
    script = tmp_path / "web-sync"
    script.write_text("\n".join(bundle()["files"]["/usr/local/sbin/web-sync"]["lines"]) + "\n")
    subprocess.run(["dash", "-n", script], check=True)


@pytest.mark.claim("SOF-6")
def test_one_more_web_server_changes_nothing_on_the_others() -> None:
    def configured(webs: int) -> dict[str, Any]:
        return {r.name: r.inputs for r in declare(site(webs), preview=False) if r.name.endswith("-web")}

    eight, nine = configured(8), configured(9)
    assert {name: nine[name] for name in eight} == eight
    assert set(nine) - set(eight) == {"web-9-web"}


@pytest.mark.claim("SOF-3")
def test_a_server_is_ready_once_it_answers_with_the_whole_site() -> None:
    assert bundle("web-2")["ready"] == (1200, "curl -fsS --max-time 5 http://10.8.0.33/healthz")
    assert bundle("web-2", first_sync_minutes=60)["ready"] == (3600, "curl -fsS --max-time 5 http://10.8.0.33/healthz")


def waits_for(declared: list[Registered], name: str) -> set[str]:
    """The machines and roles whose configuration comes before this one's."""
    urns = only(declared, "casebook:index:Configured", name).depends_on
    return {urn.rpartition("::")[2] for urn in urns}


def test_the_back_office_comes_first_then_one_server_then_all_others() -> None:
    declared = declares_the_same(site(4))
    assert waits_for(declared, "web-1-web") == {"office-1-back-office"}
    for number in (2, 3, 4):
        assert waits_for(declared, f"web-{number}-web") == {"office-1-back-office", "web-1-web"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"machines": []}, "machines=[]"),
        ({"sync_seconds": 0}, "sync_seconds=0"),
        ({"first_sync_minutes": 61}, "first_sync_minutes=61"),
        ({"php": "8.2"}, "php: no such field"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        declare(site(web=values) if "machines" not in values else without_machines, preview=True)
    assert message in str(refused.value)


def office_of(network: VrackNetwork) -> BackOffice:
    return BackOffice(
        "office",
        machine=servers(network, "office", 1, 300)[0],
        certificate=Certificate("office", names=["office.example.org"]),
        editors_cidrs=["198.18.127.0/24"],
        network=network,
    )


def without_machines() -> None:
    network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
    WebTier("web", machines=[], source=office_of(network), proxies=servers(network, "haproxy", 1, 100))


def test_the_back_office_cannot_be_a_web_server() -> None:
    def program() -> None:
        network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr="10.8.0.0/24")
        machine = servers(network, "office", 1, 300)[0]
        certificate = Certificate("office", names=["office.example.org"])
        office = BackOffice(
            "office", machine=machine, certificate=certificate, editors_cidrs=["198.18.127.0/24"], network=network
        )
        WebTier("web", machines=[machine], source=office, proxies=servers(network, "haproxy", 1, 100))

    with pytest.raises(InputError, match="machines: office-1 is the back office, whose nginx has another purpose"):
        declare(program, preview=True)
