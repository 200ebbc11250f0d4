"""All components that have alerts, watched by one machine: two of those kinds whose rules must not mix."""

from pathlib import Path
from typing import Any

from pulumi_casebook import (
    Archive,
    Backend,
    Backup,
    BackupBucket,
    BackupServer,
    DedicatedServer,
    Frontend,
    GaleraCluster,
    HaproxyTier,
    Monitored,
    Monitoring,
    MysqlPair,
    RetentionArgs,
    VrackNetwork,
    ssh_key,
)
from tests.components.watching.monitoring.test_monitoring import files
from tests.harness import declare

NAMES = (
    *("watcher", "lb-1", "lb-2", "edge-1", "a-1", "a-2", "b-1", "b-2", "db-1", "db-2", "db-3"),
    *("far-1", "far-2", "far-3", "store", "office"),
)
NETWORK = "10.8.0.0/24"


def everything() -> None:
    """The program. Defaults are the first's of a kind; the second differs in each threshold."""
    network = VrackNetwork("private", vrack="pn-1001", vlan=8, cidr=NETWORK)
    machines = {
        name: DedicatedServer(
            name,
            service_name=f"ns{number}.ip-198-18-16.eu",
            network=network,
            address=f"10.8.0.{number}",
            ssh_key=ssh_key(),
            admin_cidrs=["198.18.0.0/16"],
        )
        for number, name in enumerate(NAMES, 10)
    }

    def some(prefix: str) -> list[DedicatedServer]:
        return [machine for name, machine in machines.items() if name.startswith(prefix)]

    front: dict[str, Any] = {
        "frontends": {"http": Frontend(port=80, backend="web")},
        "backends": {"web": Backend(servers={"web-1": "10.8.0.80"})},
        "clients": [NETWORK],
    }
    pair: dict[str, Any] = {"network": network, "clients": [NETWORK], "same_site": True}
    cluster = GaleraCluster(
        "near",
        machines=some("db-"),
        network=network,
        clients=[NETWORK],
        followers=[str(m.address) for m in some("far-")],
    )
    bucket = BackupBucket("old", project="0" * 32, region="GRA", bucket="acme-old", archives={"monthly": None})
    store = BackupServer("store", machine=machines["store"])
    kept: dict[str, Any] = {"to": store, "schedule": "daily", "retention": RetentionArgs(daily=1), "paths": ["/srv"]}
    watches: list[Monitored] = [
        HaproxyTier("front", machines=some("lb-"), **front).monitored,
        HaproxyTier("edge", machines=some("edge-"), down_minutes=9, metrics_port=8405, **front).monitored,
        MysqlPair("first", machines=some("a-"), address="10.8.0.201", **pair).monitored,
        MysqlPair(
            "second",
            machines=some("b-"),
            address="10.8.0.202",
            replication_seconds=600,
            replication_minutes=1,
            **pair,
        ).monitored,
        cluster.monitored,
        GaleraCluster(
            "far",
            machines=some("far-"),
            network=network,
            clients=[NETWORK],
            replica_of=cluster.source,
            flow_control_percent=50,
            degraded_minutes=15,
            missing_minutes=12,
        ).monitored,
        store.monitored,
        Backup("pages", machine=machines["office"], **kept).monitored,
        Backup("videos", machine=machines["office"], backup_hours=170, **kept).monitored,
        Archive(
            "monthly",
            machine=machines["office"],
            paths=["/srv"],
            to=bucket,
            schedule="monthly",
            backup_hours=800,
        ).monitored,
    ]
    Monitoring("watch", machine=machines["watcher"], watches=watches)


def rules(place: Path) -> list[Path]:
    """The files of rules that the watching machine gets, below a folder."""
    written = []
    for path, text in files(declare(everything, preview=False), "monitoring", "watcher").items():
        if "/rules/" in path:
            written.append(place / Path(path).name)
            written[-1].write_text(text)
    return written
