"""What is open on machines, from where: the firewall rules that their roles were given, together."""

from collections.abc import Iterable, Mapping

from pulumi_casebook.machines.machine import Machine

# Machine (or what else takes connections) -> network -> what it reaches there: 443/tcp, vrrp.
Exposure = dict[str, dict[str, list[str]]]


def exposure(machines: Iterable[Machine], others: Mapping[str, Mapping[str, Iterable[int]]] | None = None) -> Exposure:
    """All openings of the machines, and those of `others`: what is no machine, its clients' networks, its TCP ports.

    Nothing here is written by hand: it follows from the `Allow` of each role, so it is complete once all of a program's
    components are declared.
    """
    found: Exposure = {}
    for machine in machines:
        mine = found.setdefault(machine.name, {})
        for allow in machine.openings:
            for source in allow.sources:
                mine.setdefault(source, []).append(f"{allow.port}/{allow.protocol}" if allow.port else allow.protocol)
    for name, clients in (others or {}).items():
        found[name] = {source: [f"{port}/tcp" for port in ports] for source, ports in clients.items()}
    return {
        name: {source: sorted(set(ports), key=_by_number) for source, ports in sorted(clients.items())}
        for name, clients in sorted(found.items())
    }


def _by_number(opening: str) -> tuple[int, str]:
    port, _, protocol = opening.rpartition("/")
    return int(port or 0), protocol
