"""Octavia's load balancers: one HAProxy each, in a namespace on the VIP's port.

Octavia's own amphora driver writes the configuration (octavia_driver.py) into BALANCERS/<load balancer id>; what
would be a virtual machine is a namespace here.
"""

import json
import os
import shutil
import signal
import subprocess
from typing import Any

from sandbox import BALANCERS, LOG, processes, wires
from sandbox.openstack.routers import set_addresses
from sandbox.openstack.view import View
from sandbox.shell import ip

PREFIX = "qlb-"  # of their namespaces
# Octavia allows 50000 connections; this host may not have that many descriptors.
MODEST = "global\n    no strict-limits\n"


def known() -> set[str]:
    return {file.parent.name for file in BALANCERS.glob("*/vip.json")}


def wanted(view: View) -> dict[str, dict[str, Any]]:
    """Namespace -> what it must look like, as plain data."""
    found = {}
    for balancer in known():
        directory = BALANCERS / balancer
        vip, config = json.loads((directory / "vip.json").read_text()), directory / "haproxy.cfg"
        port = view.ports.get(vip["port_id"])
        if port:
            found[PREFIX + balancer] = {
                "port": port["id"],
                "mac": port["mac_address"],
                "network": view.key(port["network_id"]),
                "mtu": view.mtu(port),
                "addresses": view.addresses(port),
                "gateway": view.gateway(port),
                "config": config.read_text() if config.exists() else None,
                "serial": vip["serial"],
            }
    return found


def apply(ns: str, want: dict[str, Any]) -> None:
    wires.ensure_namespace(ns)
    wires.plug(want["port"], want["mac"], want["network"], want["mtu"], ns, "vip")
    set_addresses(ns, "vip", want["addresses"])
    if want["gateway"]:
        ip("route", "replace", "default", "via", want["gateway"], ns=ns)
    if not want["config"]:
        stop(ns)
        return
    home, old = BALANCERS / ns.removeprefix(PREFIX), _running(ns)
    (home / "modest.cfg").write_text(MODEST)
    command = ["haproxy", "-D", "-f", home / "modest.cfg", "-f", home / "haproxy.cfg"]
    # -sf: the new process takes over, the old ones finish their connections.
    finish = ["-sf", *old] if old else []
    with (LOG / "balancers.out").open("ab") as out:
        subprocess.run(
            [str(word) for word in ["ip", "netns", "exec", ns, *command, *finish]],
            check=True,
            stdout=out,
            stderr=out,
            # It shall outlive the fabric.
            env={**os.environ, processes.MARK: processes.mark(ns)},
        )


def stop(ns: str) -> None:
    for pid in _running(ns):
        os.kill(pid, signal.SIGTERM)


def forget(balancer: str) -> None:
    (BALANCERS / f"{balancer}.sock").unlink(missing_ok=True)
    shutil.rmtree(BALANCERS / balancer, ignore_errors=True)


def _running(ns: str) -> list[int]:
    return processes.marked().get(ns, [])
