"""What holds along every request's way in every stack: no tier refuses what those before it let through."""

import re
from collections.abc import Iterator

import pytest

import architectures
from docs import limits
from pulumi_casebook.edge.load_balancer_ip import LoadBalancerIp
from pulumi_casebook.machines.site import HealthCheck, Limits, Service
from tests.architectures.test_every_stack import _stack, roles_of
from tests.harness import Registered

__all__ = ["_stack"]  # a fixture
HAPROXY = "/etc/haproxy/haproxy.cfg"


@pytest.fixture(name="services", scope="module", params=architectures.names())
def _services(request: pytest.FixtureRequest) -> Iterator[list[Service]]:
    with limits.operator():
        yield limits.services(request.param.replace("_", "-"))


def test_a_tier_takes_what_those_before_it_let_through(services: list[Service]) -> None:
    found = [(front, behind, passed.misfit(behind.limits)) for front in services for behind, passed in front.passes_to]
    wrong = [f"{front.name} to {behind.name}: {misfit}" for front, behind, misfit in found if misfit]
    assert not wrong, "\n".join(wrong)


def test_who_reads_requests_behind_another_says_what_it_takes(services: list[Service]) -> None:
    """Otherwise nobody can tell whether it fits."""
    behind = {one.name: one for front in services for one, _ in front.passes_to if one.mode != "tcp"}
    silent = [name for name, one in behind.items() if not (one.limits.header_kib and one.limits.connections)]
    assert not silent


def test_a_probe_says_what_it_proves(services: list[Service]) -> None:
    unsaid = HealthCheck().proves
    assert not [
        one.name for one in services if one.check.proves == unsaid and not isinstance(one.component, LoadBalancerIp)
    ]


@pytest.mark.parametrize(
    ("passed", "behind", "message"),
    [
        (Limits(header_kib=16), Limits(header_kib=8), "header_kib=16: what stands behind takes 8 at most"),
        (Limits(body_mib=17), Limits(body_mib=16), "body_mib=17: what stands behind takes 16 at most"),
        (Limits(connections=300), Limits(connections=200), "connections=300: what stands behind takes 200 at most"),
        (Limits(answer_seconds=3), Limits(answer_seconds=30), "answer_seconds=3: what stands behind may take 30"),
    ],
)
def test_the_rule_sees_what_does_not_fit(passed: Limits, behind: Limits, message: str) -> None:
    assert (passed.misfit(behind) or "").startswith(message)
    assert behind.misfit(behind) is None
    assert Limits().misfit(behind) is None


def test_connections_that_pass_haproxy_live_as_long_as_is_said_and_leave_no_port_waiting(
    stack: list[Registered],
) -> None:
    """In all rendered files: of two limits that belong together, both."""
    wrong = []
    for role in roles_of(stack):
        if HAPROXY not in role.bundle:
            continue
        parts = re.split(r"^\|(?=\S)", role.bundle, flags=re.MULTILINE)
        for part in (one for one in parts if one.startswith("backend ")):
            lines = {line.lstrip("|").strip() for line in part.splitlines()}
            if any(re.match(r"server \S+ \S+:3306\b", line) for line in lines):
                wanted = {"option nolinger", "timeout server 28800000ms", "timeout tunnel 28800000ms"}
                if missing := wanted - lines:
                    wrong.append(f"{role.machine}, {part.splitlines()[0]}: without {', '.join(sorted(missing))}")
    assert not wrong, "\n".join(wrong)
