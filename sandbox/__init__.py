"""OVHcloud on one machine: real control planes, a real network, real (small) machines.

Everything the sandbox keeps is below :data:`STATE`; nothing is written anywhere else but in the kernel
(namespaces, rules, mounts, control groups), and `python -m sandbox stop` takes all of that back.
"""

import os
import pathlib

HOME = pathlib.Path(os.environ.get("CASEBOOK_HOME") or "~/.cache/casebook").expanduser().resolve()
STATE = HOME / "sandbox"

ROOTFS = STATE / "rootfs"  # one root file system per image
MACHINES = STATE / "machines"  # one directory per machine
VOLUMES = STATE / "volumes"  # one sparse file per volume
BALANCERS = STATE / "balancers"  # one directory per Octavia load balancer
DNS = STATE / "dns"  # *.conf: zones that the machines' name server answers for

INTERNET = "internet"  # the wires' key of the bridge that stands for the Internet
NETWORK = "198.18.0.0/16"  # its addresses: the range reserved for benchmarks, routed nowhere
GATEWAY = "198.18.0.1"  # this host, as machines see it
