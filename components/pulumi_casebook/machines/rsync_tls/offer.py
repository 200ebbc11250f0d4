"""Both ends: the unit that stands before an rsync daemon, and how rsync gets there."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import File, Unit
from pulumi_casebook.machines.units import UNITS


@dataclass(frozen=True)
class Offer:
    """The rsync daemon at 127.0.0.1:`local_port`, for others at `address`:`port` (socat). A role takes its `files`,
    `unit`, the packages openssl, rsync and socat, and the `secrets` of an `Authority`'s certificate.

    `mutual`: only who shows a certificate of the same authority is let in.
    """

    # Of the unit, and of the folder below /etc that holds the certificate.
    name: str
    address: str
    port: int
    local_port: int = 873
    mutual: bool = False

    @property
    def folder(self) -> str:
        return f"/etc/{self.name}"

    @property
    def authority(self) -> str:
        return f"{self.folder}/authority.crt"

    @property
    def files(self) -> tuple[File, ...]:
        own = "@secret(rsync/certificate)@\n@secret(rsync/key)@\n"
        return (
            File(path=self.authority, content="@secret(rsync/authority)@", mode="0600"),
            File(path=f"{self.folder}/own.pem", content=own, mode="0600"),
            File(
                path=f"{UNITS}/{self.name}.service",
                content=render(__file__, "rsync-tls.service.j2", **vars(self), folder=self.folder),
            ),
        )

    @property
    def unit(self) -> Unit:
        return Unit(unit=f"{self.name}.service", restart_on=tuple(file.path for file in self.files))

    @staticmethod
    def secrets(certificate: Mapping[str, pulumi.Input[str]]) -> dict[str, pulumi.Input[str]]:
        return {f"rsync/{name}": certificate[name] for name in ("authority", "certificate", "key")}


def connect_program(address: str, port: int, authority: str, own: str | None = None) -> str:
    """rsync's RSYNC_CONNECT_PROG: to whoever shows, at this address, a certificate that says so and is signed by the
    authority in this file. `own` is a file of one's own certificate and key."""
    shown = f" -cert {own} -key {own}" if own else ""
    return (
        "exec openssl s_client -quiet -verify_quiet -verify_return_error -no-CApath -no-CAstore"
        f" -CAfile {authority}{shown} -verify_ip {address} -connect {address}:{port}"
    )
