"""What holds for all that machines of every stack say to each other."""

import re

import pytest

from tests.architectures.test_every_stack import Role, _stack, roles_of
from tests.harness import Registered

__all__ = ["_stack"]  # a fixture

OPENED = re.compile(r"(?:(tcp|udp) dport (\d+)|ip protocol (112)) accept")
# The server shows a certificate or a host key; who comes shows one too, or a password.
KNOWN = {
    "22/tcp": "SSH",
    "2222/tcp": "SSH, to the backup server",
    "443/tcp": "HTTPS",
    "51820/udp": "WireGuard",
    "8730/tcp": "rsync inside TLS: the back office shows its certificate, of two sites both ends do",
    "2514/tcp": "RELP inside TLS, both ends with certificates",
    "3306/tcp": "MariaDB, whose accounts require TLS",
    "4444/tcp": "copies of a Galera member, both ends with certificates",
    "4567/tcp": "Galera, both ends with certificates",
    "4568/tcp": "Galera, both ends with certificates",
    "9201/tcp": "standings of Galera members, both ends with certificates",
}
# What a machine takes in clear, from the addresses of its firewall, and why.
CLEAR = {
    "53/tcp": "DNS has no other form that every client speaks; the resolver answers the private network alone",
    "53/udp": "DNS has no other form that every client speaks; the resolver answers the private network alone",
    "67/udp": "DHCP has no other form; going out, for an address",
    "80/tcp": "pages, for the tier in front, which ends TLS; or for the world, which is sent to HTTPS",
    "4000/tcp": "Tomcat's sessions, which its members encrypt with a key of their own",
    "8080/tcp": "pages, for the tier in front",
    "8081/tcp": "a health page",
    "8404/tcp": "figures and a health page of HAProxy, which tell of no client",
    "9000/tcp": "FastCGI has no TLS; php-fpm answers listed addresses only",
    "9100/tcp": "figures of a machine, for the monitoring machine",
    "9200/tcp": "a health page of Galera; the search engine, whose accounts and TLS are off",
    "9300/tcp": "nodes of the search engine among themselves, whose TLS is off",
    "10000/tcp": "HAProxy's peers, between the members of a tier",
    "11211/tcp": "Memcached as clients of PHP speak it has neither TLS nor accounts; it holds what can be made again",
    "vrrp": "VRRP has no authentication (RFC 5798); members hear each other's addresses only",
    "9090/tcp": "Prometheus, for those who may look",
    "9093/tcp": "Alertmanager, for those who may look",
}


@pytest.fixture(name="roles", scope="module")
def _roles(stack: list[Registered]) -> list[Role]:
    return roles_of(stack)


def test_a_port_that_a_machine_opens_is_known_to_be_safe_or_said_why_not(roles: list[Role]) -> None:
    strange = {}
    for role in roles:
        for protocol, port, _ in OPENED.findall(role.bundle):
            name = f"{port}/{protocol}" if port else "vrrp"
            if name not in KNOWN and name not in CLEAR:
                strange[name] = f"{role.machine}: {role.name}"
    assert not strange
