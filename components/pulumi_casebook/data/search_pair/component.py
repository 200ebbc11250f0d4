"""Two search servers that hold the same index, either of which takes over from the other."""

import json
from pathlib import Path

import pulumi

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.data.opensearch import HTTP_PORT, TRANSPORT_PORT, engine
from pulumi_casebook.data.search_pair.args import SearchPairArgs
from pulumi_casebook.machines.configuration import Allow, Configuration, File, Ready
from pulumi_casebook.machines.machine import Machine
from pulumi_casebook.machines.site import HealthCheck, Service, servers_of

PROGRAM = Path(__file__).with_name("programs") / "search_pair.py"
INSTALLED = "/usr/local/sbin/search-pair"
SETTINGS = "/etc/search-pair.json"


class SearchPair(Component[SearchPairArgs]):
    """OpenSearch on two machines: every index is written on one and copied, segment by segment, to the other.

    Declares on each machine of the pair the role `search`, and on the arbitrator the role `search-arbitrator`, one
    machine after the other. A node is ready when it is in one cluster with every node that answers, and all copies
    are complete.

    Attributes, known at preview: `service`, for clients and for a backend of HAProxy.
    Sources: NRT-20; docs.opensearch.org "Segment replication", "Discovery and cluster formation".
    """

    @takes(SearchPairArgs)
    def __init__(self, args: SearchPairArgs) -> None:
        # A node that has lost the others answers 503.
        healthy = HealthCheck(
            path="/_cluster/health?cluster_manager_timeout=1s",
            interval=2,
            timeout=2,
            proves="the node is one of the cluster's majority",
        )
        self.service = Service(self, self.name, servers_of(args.machines), HTTP_PORT, healthy, args.allowed_cidrs)
        before: list[pulumi.Resource] = []
        for machine in (args.arbitrator, *args.machines):
            role = "search-arbitrator" if machine is args.arbitrator else "search"
            node = machine.configure(
                configuration(self.name, args, machine, role), role=role, opts=self.child(depends_on=before)
            )
            before = [node.applied]


def configuration(name: str, args: SearchPairArgs, machine: Machine, role: str) -> Configuration:
    """What one of the three machines must hold."""
    members = {member.name: str(member.address) for member in (*args.machines, args.arbitrator)}
    votes_only = machine is args.arbitrator
    settings = {
        "cluster.name": name,
        "node.name": machine.name,
        "node.roles": ["cluster_manager"] if votes_only else ["cluster_manager", "data"],
        "network.host": machine.address,
        "http.port": HTTP_PORT,
        "transport.port": TRANSPORT_PORT,
        "discovery.seed_hosts": list(members.values()),
        # Looked at once, by nodes that have never been in a cluster.
        "cluster.initial_cluster_manager_nodes": list(members),
        # A node that finds no majority says so, instead of nothing, after this long.
        "discovery.initial_state_timeout": "5s",
        # One machine indexes; the other takes over finished segments, and searches.
        "cluster.indices.replication.strategy": "SEGMENT",
        # A machine that says goodbye is given up at once; one that has fallen silent, after three of these, a second
        # apart. If it led the cluster, first the others choose another leader, and then that one gives it up.
        "cluster.fault_detection.follower_check.timeout": "2s",
        "cluster.fault_detection.leader_check.timeout": "2s",
    }
    peers = tuple(f"{address}/32" for member, address in members.items() if member != machine.name)
    clients = () if votes_only else args.allowed_cidrs
    return engine(
        role,
        settings,
        args.arbitrator_heap_mib if votes_only else args.heap_mib,
        Ready(command=f"{INSTALLED} ready", seconds=300),
        (Allow(port=HTTP_PORT, sources=(*clients, *peers)), Allow(port=TRANSPORT_PORT, sources=peers)),
        (
            File(path=INSTALLED, content=PROGRAM.read_text(), mode="0755"),
            File(path=SETTINGS, content=json.dumps({"own": machine.name, "members": members}, indent=1)),
        ),
    )
