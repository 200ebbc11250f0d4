"""A site's tiers, and what is handed over: who comes after whom, what is open, what is refused."""

from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from pulumi_casebook import (
    AddressPlan,
    InputError,
    MysqlPair,
    Nas,
    NginxTier,
    PhpTier,
    Site,
    VrackNetwork,
    exposure,
)
from pulumi_casebook.machines.configuration import Allow, Configuration
from pulumi_casebook.machines.forced_commands import take_orders
from tests.components.tier_fixtures import written
from tests.harness import Registered, comes_after, declare, declares_the_same, only

ROOM = {"gateway": "1/32", "database": "8/29", "writer": "16/29", "web": "32/28", "front": "48/28"}


def site_of(name: str | None = None) -> Site:
    network = VrackNetwork(
        "private", vrack="pn-1002", vlan=4, cidr="10.4.0.0/24", project="0123456789ab4cdef0123456789abcde",
        regions=["GRA11"],
    )  # fmt: skip
    plan = AddressPlan(network.cidr, **ROOM)
    return Site(name=name, network=network, plan=plan, admin_cidrs=["198.18.0.1/32"], region="GRA11")


def role(declared: list[Registered], name: str) -> Registered:
    return only(declared, "command:remote:Command", name)


def test_a_tier_that_may_have_more_gateways_is_numbered() -> None:
    def program() -> None:
        site_of(name="rbx").instances("gateway", 1, ip_forwarding=True)

    port = only(declares_the_same(program), "Port", "rbx-gateway-1-private")
    assert port.inputs["portSecurityEnabled"] is False


@pytest.fixture(name="application")
def _application(tmp_path: Path) -> Path:
    return written(tmp_path, {"index.php": "<?php phpinfo();\n"})


def shop(application: Path, mounted: int = 2, clients: Callable[[Site], list[str]] | None = None) -> Callable[[], None]:
    """Two web servers with a database and shared files; `mounted` of them have the files."""

    def program() -> None:
        site = site_of()
        servers = {"db-1": "ns31000006.ip-198-18-16-6.eu", "db-2": "ns31000007.ip-198-18-16-7.eu"}
        web = site.dedicated("web", {f"web-{n}": f"ns{n}.ip-198-18-16.eu" for n in (11, 12)})
        database = MysqlPair(
            "database",
            machines=site.dedicated("database", servers),
            network=site.network,
            address=site.plan.address("writer"),
            clients=clients(site) if clients else [web],
        )
        files = Nas(
            "files", service_name="zpool-000001", partition="files", size_gb=10, machines=[*web][:mounted],
            mount="/srv/files",
        )  # fmt: skip
        php = PhpTier(
            "php", machines=web, application=application, clients=[web], uses=[database.service, files.mounted]
        )
        NginxTier("nginx", machines=web, clients=[site.tier("front")], to=php.service)

    return program


def test_what_is_used_is_there_first(application: Path) -> None:
    declared = declares_the_same(shop(application))
    for number in (11, 12):
        for earlier in ("db-1-mysql-pair", "db-2-mysql-pair", f"web-{number}-nas-files"):
            assert comes_after(declared, role(declared, f"web-{number}-php"), role(declared, earlier)), earlier
        assert comes_after(declared, role(declared, f"web-{number}-nginx"), role(declared, f"web-{number}-php"))


def test_files_that_are_not_mounted_cannot_be_used(application: Path) -> None:
    with pytest.raises(InputError, match=r"uses: web-12 does not mount /srv/files; name it in machines there"):
        declare(shop(application, mounted=1), preview=True)


def test_a_database_that_lets_nobody_in_cannot_be_used(application: Path) -> None:
    with pytest.raises(InputError, match=r"uses: database does not let web-11 in; name its tier in clients there"):
        declare(shop(application, clients=lambda site: [site.plan.range("front")]), preview=True)


def test_orders_are_open_to_who_gives_them() -> None:
    found: list[dict[str, dict[str, list[str]]]] = []

    def program() -> None:
        site = site_of()
        [machine] = site.dedicated("web", {"web-11": "ns11.ip-198-18-16.eu"})
        key = pulumi.Output.from_input("ssh-ed25519 AAAA")
        take_orders(site.network, machine, "drp", "10.4.0.99", key, "/usr/local/sbin/drp-site", ["status"])
        found.append(exposure([machine]))

    declares_the_same(program)
    assert found[0] == found[1] == {"web-11": {"10.4.0.99/32": ["22/tcp"], "198.18.0.1/32": ["22/tcp"]}}


def test_a_role_that_is_still_to_come_lets_in_what_was_said_of_it() -> None:
    def program() -> None:
        [machine] = site_of().dedicated("web", {"web-11": "ns11.ip-198-18-16.eu"})
        hidden = Configuration(role="hidden", allow=(Allow(port=81, sources=("10.4.0.0/24",)),))
        machine.configure(pulumi.Output.from_input(hidden), role="hidden")

    with pytest.raises(InputError, match=r"Machine 'web-11': role hidden lets in .*port=81.* was said to let in"):
        declare(program, preview=False)
