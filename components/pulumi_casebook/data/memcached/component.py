"""Memcached on each of a tier's machines."""

from pydantic import Field

from pulumi_casebook.core.args import Port
from pulumi_casebook.core.clients import Clients, Served
from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready, Unit
from pulumi_casebook.machines.machine import Machine, PrivateMachines, one_after_another
from pulumi_casebook.machines.site import HealthCheck, Limits, Service, servers_of

SETTINGS = "/etc/memcached.conf"


class MemcachedArgs(Served):
    # The caches; each holds a share of the keys, which the clients work out.
    machines: PrivateMachines
    # Who may connect: the machines of the application. Memcached asks nobody for a password.
    clients: Clients = Field(min_length=1)
    # What each may hold, in MiB, beside the program itself.
    memory_mib: int = Field(default=256, ge=16)
    # The largest thing it keeps, in MiB.
    item_mib: int = Field(default=1, ge=1, le=128)
    # Clients at once, for each.
    max_connections: int = Field(default=4096, ge=16)
    # TCP; UDP is off.
    port: Port = 11211


class Memcached(Component[MemcachedArgs]):
    """Memcached 1.6 (Debian 13) on machines that know nothing of each other.

    Declares the role `memcached` on each machine, one machine after the other, so that a change empties one cache at
    a time.

    Attributes, known at preview: `service`.
    Sources: NRT-4; docs.memcached.org; CVE-2018-1000115 (why there is no UDP).
    """

    @takes(MemcachedArgs)
    def __init__(self, args: MemcachedArgs) -> None:
        servers = servers_of(args.machines)
        found = HealthCheck(path=None, proves="the cache takes connections; clients leave out one that does not answer")
        limits = Limits(connections=args.max_connections)
        self.service = Service(self, self.name, servers, args.port, found, args.allowed_cidrs, "tcp", limits=limits)
        one_after_another(self, args.machines, "memcached", lambda machine: configuration(args, machine))


def configuration(args: MemcachedArgs, machine: Machine) -> Configuration:
    """What one cache must hold."""
    settings = File(path=SETTINGS, content=render(__file__, "memcached.conf.j2", args=args, address=machine.address))
    # It answers, and with the memory that it was given.
    asked = rf'printf "stats\r\nquit\r\n" >&3; grep -q "limit_maxbytes {args.memory_mib << 20}" <&3'
    return Configuration(
        role="memcached",
        packages=("memcached",),
        files=(settings,),
        units=(Unit(unit="memcached.service", restart_on=(settings.path,)),),
        allow=(Allow(port=args.port, sources=args.allowed_cidrs),),
        ready=Ready(command=f"timeout 5 bash -c 'exec 3<>/dev/tcp/{machine.address}/{args.port}; {asked}'"),
    )
