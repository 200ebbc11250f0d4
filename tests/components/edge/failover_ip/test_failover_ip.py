"""The additional IP: what is declared of it, and that neither an `up` nor a `destroy` moves it."""

import pytest

from pulumi_casebook import DedicatedServer, FailoverIp, InputError, ssh_key
from tests.harness import declare, declares_the_same, only

NAMES = {"srv-1": "ns31000011.ip-198-18-16-11.eu", "srv-2": "ns31000012.ip-198-18-16-12.eu"}


def program(holder: str | None = None) -> None:
    machines = [
        DedicatedServer(name, service_name=service, ssh_key=ssh_key(), admin_cidrs=["198.18.0.1/32"])
        for name, service in NAMES.items()
    ]
    FailoverIp("extranet", ip="198.18.28.1", machines=machines, holder=holder)


def test_every_machine_has_it_ready_and_one_gets_it() -> None:
    declared = declares_the_same(program)
    for name in NAMES:
        assert (
            "address replace 198.18.28.1/32 dev lo"
            in only(declared, "Command", f"{name}-failover-extranet").inputs["stdin"]
        )
    move = only(declared, "Move", "extranet")
    assert move.inputs["routedTo"] == {"serviceName": NAMES["srv-1"]}
    assert move.ignore_changes == ("routedTo",)
    assert move.retain_on_delete, "its deletion would park the address"


def test_a_holder_that_is_no_machine_is_refused() -> None:
    with pytest.raises(InputError, match="holder='srv-3': not one of the machines srv-1, srv-2"):
        declare(lambda: program("srv-3"), preview=True)
