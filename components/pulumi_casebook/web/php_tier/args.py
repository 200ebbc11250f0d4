"""Arguments of a tier of PHP."""

import math
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from pulumi_casebook.core.args import Unique
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.machines.machine import PrivateMachines
from pulumi_casebook.machines.site import Limits, Service, Usable
from pulumi_casebook.web.application import Source
from pulumi_casebook.web.environment import Authorities, SecretValue, Value, Variable, check_environment

# A FastCGI server gets all parameters in 64 KiB, where a request's path and query stand up to three times.
FASTCGI_HEADER_KIB = 20


class PhpTierArgs(Served):
    # The members; one takes a change after the other.
    machines: PrivateMachines
    # The folder of PHP files, laid down as it is; index.php answers what no file does.
    application: Source
    # Who may connect: the nginx or HAProxy tier in front.
    clients: Clients = Field(min_length=1)
    # fpm: FastCGI on port 9000, for nginx in front; apache: HTTP on port 80.
    server: Literal["fpm", "apache"] = "fpm"
    # What the application needs: databases, caches, shared files. It is made after them, and refused where they are not
    # for its machines.
    uses: Unique[Usable] = ()
    # What the application finds in its environment.
    environment: Mapping[Variable, Value] = Field(default_factory=dict)
    # The same, secret: encrypted in state, in a file that root alone reads.
    secrets: Mapping[Variable, SecretValue] = Field(default_factory=dict, repr=False)
    # The certificates (PEM) by which the application knows its databases, `database.authority`: each in a file, whose
    # path it finds in this variable.
    authorities: Authorities = Field(default_factory=dict)
    # Of Debian's packages of PHP.
    extensions: Unique[Literal["curl", "gd", "intl", "mbstring", "memcached", "mysql", "xml", "zip"]] = (
        "gd",
        "memcached",
        "mysql",
    )
    # The Memcached tier that keeps sessions, so that any member knows every visitor.
    sessions: Service | None = None
    # Session cookies go over TLS alone; False where the site has none.
    secure_cookies: bool = True
    # What of a machine's memory requests may take together, in MiB.
    memory_mib: int = Field(default=2048, ge=64)
    # What one request may take, in MiB (PHP's memory_limit).
    request_mib: int = Field(default=64, ge=8)
    # Requests at once; None: as many as fit in memory_mib.
    processes: int | None = Field(default=None, ge=1, le=4096)
    # How long a request may take; a reload waits as long for those that it finds.
    request_seconds: int = Field(default=30, ge=1, le=3600)
    # The largest upload.
    upload_mib: int = Field(default=16, ge=1)
    # KiB of a request's first line and headers together, of apache; FastCGI has room for 20.
    header_kib: int = Field(default=16, ge=4, le=256)

    @model_validator(mode="after")
    def _consistent(self) -> "PhpTierArgs":
        check_environment(self.environment, secrets=self.secrets, authorities=self.authorities)
        for service in (*self.uses, *([self.sessions] if self.sessions else [])):
            service.check_open_to("uses", self.machines)
        if self.processes is None and self.memory_mib < self.request_mib:
            raise ValueError(f"memory_mib={self.memory_mib}: not enough for one request of {self.request_mib} MiB")
        if self.sessions and "memcached" not in self.extensions:
            raise ValueError("sessions: are kept in Memcached, which needs the extension memcached")
        for service, passed in self.passes_to:
            if misfit := passed.misfit(service.limits):
                raise ValueError(f"processes={self.workers}, each with a connection to {service.name}: {misfit}")
        return self

    @property
    def workers(self) -> int:
        return self.processes or self.memory_mib // self.request_mib

    @property
    def body_mib(self) -> int:
        """An upload, and what a form has around it."""
        return self.upload_mib + 1

    @property
    def passes_to(self) -> tuple[tuple[Service, Limits], ...]:
        """A connection a process, shared out among the servers of what is used."""
        processes = self.workers * len(self.machines)
        used = [one for one in self.uses if isinstance(one, Service)]
        return tuple((one, Limits(connections=math.ceil(processes / len(one.servers)))) for one in used)

    @property
    def limits(self) -> Limits:
        """Of its requests."""
        return Limits(
            header_kib=self.header_kib if self.server == "apache" else FASTCGI_HEADER_KIB,
            body_mib=self.body_mib,
            answer_seconds=self.request_seconds,
            connections=self.workers,
        )
