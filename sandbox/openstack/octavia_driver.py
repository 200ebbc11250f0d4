"""Octavia amphora driver: HAProxy in a namespace instead of a virtual machine.

Octavia's own REST driver does the work (it renders the configuration and collects certificates); only its client
is ours.  It puts the files below BALANCERS, where the fabric finds them (balancer.py).  Health flows back the
usual way: HAProxy's counters become the heartbeats that Octavia's health manager would receive.
"""

# ruff: noqa: ARG002, ARG005 - the signatures are Octavia's
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from octavia.amphorae.backends.utils import haproxy_query
from octavia.amphorae.drivers.haproxy import rest_api_driver
from octavia.amphorae.drivers.health import heartbeat_udp
from oslo_log import log as logging

from sandbox import BALANCERS
from sandbox.shell import run, wake

LOG = logging.getLogger(__name__)
PERIOD = 2  # seconds between two heartbeats


class Files:
    """In place of the REST client of an amphora."""

    def get_api_version(self, amphora: Any, **kwargs: Any) -> dict[str, str]:
        return {"api_version": "1.0"}

    def get_info(self, amphora: Any, **kwargs: Any) -> dict[str, str]:
        return {"haproxy_version": run("haproxy", "-v").split()[2], "api_version": "1.0"}

    def get_details(self, amphora: Any) -> dict[str, Any]:
        return {}

    def upload_config(self, amphora: Any, balancer: str, config: str, timeout_dict: Any = None) -> None:
        (BALANCERS / balancer / "haproxy.cfg").write_text(config)

    def get_cert_md5sum(self, amphora: Any, balancer: str, name: str, ignore: Any = ()) -> str | None:
        file = BALANCERS / balancer / name
        return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() if file.exists() else None

    def upload_cert_pem(self, amphora: Any, balancer: str, name: str, pem: bytes) -> None:
        file = BALANCERS / balancer / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pem)

    def delete_cert_pem(self, amphora: Any, balancer: str, name: str) -> None:
        (BALANCERS / balancer / name).unlink(missing_ok=True)

    def delete_listener(self, amphora: Any, balancer: str) -> None:
        (BALANCERS / balancer / "haproxy.cfg").unlink(missing_ok=True)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Everything else concerns a virtual machine's own life."""
        return lambda *args, **kwargs: None


class Driver(rest_api_driver.HaproxyAmphoraLoadBalancerDriver):
    def __init__(self) -> None:
        super().__init__()
        self.clients = {"base": Files(), "1.0": Files()}

    def _remember(self, balancer: Any, amphora: Any) -> None:
        """`serial` changes with every update: new certificates need a reload, too."""
        directory = BALANCERS / balancer.id
        directory.mkdir(parents=True, exist_ok=True)
        vip = {"port_id": balancer.vip.port_id, "amphora": amphora.id, "serial": time.time()}
        (directory / "vip.json").write_text(json.dumps(vip))

    def post_vip_plug(self, amphora: Any, load_balancer: Any, *args: Any, **kwargs: Any) -> None:
        self._remember(load_balancer, amphora)
        wake()

    def post_network_plug(self, amphora: Any, port: Any, amphora_network_config: Any) -> None:
        """The namespace has one leg, on the VIP's network."""

    def get_interface_from_ip(self, amphora: Any, ip_address: str, timeout_dict: Any = None) -> str:
        return "vip"

    def update_amphora_listeners(self, loadbalancer: Any, amphora: Any, timeout_dict: Any = None) -> None:
        self._remember(loadbalancer, amphora)
        super().update_amphora_listeners(loadbalancer, amphora, timeout_dict)
        wake()

    def delete(self, listener: Any) -> None:
        super().delete(listener)
        wake()


# ------------------------------------------------------------ health
def heartbeat(vip: dict[str, Any], query: Any) -> dict[str, Any]:
    listeners = {
        row["pxname"]: {
            "status": row["status"],
            "stats": {
                "tx": int(row["bout"]),
                "rx": int(row["bin"]),
                "conns": int(row["scur"]),
                "totconns": int(row["stot"]),
                "ereq": int(row["ereq"] or 0),
            },
        }
        for row in query.show_stat()
        if row["svname"] == "FRONTEND"
    }
    pools = {
        name: {"status": pool["status"], "members": pool["members"]} for name, pool in query.get_pool_status().items()
    }
    return {"id": vip["amphora"], "listeners": listeners, "pools": pools, "recv_time": time.time(), "ver": 2}


def watch() -> None:
    update = heartbeat_udp.UpdateHealthDb()
    while True:
        time.sleep(PERIOD)
        for config in BALANCERS.glob("*/haproxy.cfg"):
            balancer = config.parent
            try:
                vip = json.loads((balancer / "vip.json").read_text())
                message = heartbeat(vip, haproxy_query.HAProxyQuery(f"{balancer}.sock"))
                update.update_health(message, None)
                heartbeat_udp.update_stats(message)
            except Exception as error:  # it is being made or deleted; the next round tells
                LOG.info("load balancer %s: %s", balancer.name, error)


def start_watching() -> None:
    threading.Thread(target=watch, daemon=True).start()
