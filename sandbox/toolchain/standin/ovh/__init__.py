"""A stand-in for the ovh plugin (terraform-provider-ovh behind Pulumi's bridge), over OVHcloud's REST API.

https://www.pulumi.com/registry/packages/ovh/
"""

import os

from sandbox.toolchain.standin.ovh import (
    cloud,
    dedicated,
    domain,
    functions,
    iam,
    ip,
    loadbalancer,
    nasha,
    storage,
    vrack,
)
from sandbox.toolchain.standin.ovh.client import Account
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.protocol import StandIn
from sandbox.toolchain.standin.resource import Invokable, Resource
from sandbox.toolchain.standin.values import Values

FAMILIES = (cloud, dedicated, domain, iam, ip, loadbalancer, nasha, storage, vrack)


class Ovh(StandIn):
    def __init__(self, version: str) -> None:
        self.account = Account()
        entries: dict[str, Rest] = {token: entry for family in FAMILIES for token, entry in family.RESOURCES.items()}
        for entry in entries.values():
            entry.account = self.account
        resources: dict[str, Resource] = {**entries}
        invokables = {
            token: Invokable(self.account.bound(function), needed, others)
            for token, (function, needed, others) in functions.FUNCTIONS.items()
        }
        super().__init__("ovh", version, resources, invokables)

    def configure(self, config: Values) -> None:
        calm = str(config.get("ignoreInitError") or os.environ.get("OVH_IGNORE_INIT_ERROR", "")).lower() in (
            "true",
            "1",
        )
        self.account.configure(config, calm)


def provider(version: str) -> StandIn:
    return Ovh(version)
