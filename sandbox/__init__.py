"""OVHcloud on one machine: real control planes, a real network, real (small) machines.

Everything the sandbox keeps is below :data:`STATE`; besides that it changes only the kernel (namespaces, rules,
mounts, control groups), and `python -m sandbox stop` takes all of that back.
"""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(os.environ.get("CASEBOOK_HOME") or "~/.cache/casebook").expanduser().resolve()
STATE = HOME / "sandbox"
# The Debian that machines run, whatever this host's own is.
RELEASE, CODENAME = 13, "trixie"

ETC = STATE / "etc"  # configuration, written anew at every start
LOG = STATE / "log"
RUN = STATE / "run"  # sockets
DATA = STATE / "data"  # databases and files of the control planes
DNS = STATE / "dns"  # *.conf: zones that the machines' name server answers for
ROOTFS = STATE / "rootfs"  # one root file system per image
MACHINES = STATE / "machines"  # one directory per machine
VOLUMES = STATE / "volumes"  # one sparse file per volume
BALANCERS = STATE / "balancers"  # one directory per Octavia load balancer
PROJECT = STATE / "project.json"  # the customer's project and credentials
SSH_KEY = STATE / "ssh" / "id_ed25519"  # the customer's own

INTERNET = "internet"  # the wires' key of the bridge that stands for the Internet
NETWORK = "198.18.0.0/16"  # its addresses: the range reserved for benchmarks, routed nowhere
GATEWAY = "198.18.0.1"  # this host, as machines see it
NETWORK6, GATEWAY6 = "2001:2::/64", "2001:2::1"  # the same by IPv6 (RFC 5180)
OVHCLOUD_PORT = 28000  # of the OVHcloud API, on the loopback
