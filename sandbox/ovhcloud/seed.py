"""What cloud-init reads on a server's first boot: an OpenStack config drive, laid down as files.

`configDriveUserData` is taken as OVHcloud takes it: base64 is decoded; clear text has its escape sequences (a
literal `\\n`) expanded. A post-installation script runs once, at the end of the installation, whatever it is
written in; it too may come in base64.
"""

import base64
import binascii
import ipaddress
import json
import re
from dataclasses import dataclass
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from sandbox import GATEWAY, NETWORK

from .store import Object

DRIVE = "var/lib/cloud/seed/config_drive/openstack/latest/"
ANYWHERE = str(ipaddress.IPv4Address(0))
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class PublicNic:
    """A machine's interface on the Internet."""

    mac: str
    address: str


def decoded(text: str) -> str | None:
    """The text that base64 stands for, or None if this is not base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def user_data(text: str) -> str:
    """What reaches cloud-init of a `configDriveUserData`."""
    clear = decoded(text)
    return re.sub(r"\\(.)", expanded, text) if clear is None else clear


def expanded(escape: re.Match[str]) -> str:
    return ESCAPES.get(escape[1], escape[0])


def combined(given: str | None, script: str | None) -> str:
    """User data and post-installation script as the one document that cloud-init takes."""
    data = user_data(given) if given else ""
    if not script:
        return data
    body = decoded(script) or script
    if not body.startswith("#!"):
        body = f"#!/bin/sh\n{body}"
    parts = MIMEMultipart()
    for text in filter(None, (data, body)):
        parts.attach(MIMEText(text, "x-shellscript" if text.startswith("#!") else "cloud-config"))
    return parts.as_string()


def files(identity: str, wanted: Object, nic: PublicNic) -> dict[str, bytes]:
    """Path inside the machine -> content. `wanted`: a record of machines.py; `identity`: the instance's id."""
    network = ipaddress.ip_network(NETWORK)
    meta = {
        "uuid": identity,
        "name": wanted["hostname"],
        "hostname": wanted["hostname"],
        "meta": wanted["metadata"],
        "public_keys": {"customer": wanted["ssh_key"]} if wanted["ssh_key"] else {},
    }
    default_route = {"network": ANYWHERE, "netmask": ANYWHERE, "gateway": GATEWAY}
    layout = {
        "links": [{"id": "public", "type": "phy", "ethernet_mac_address": nic.mac, "mtu": 1500}],
        "networks": [
            {
                "id": "internet",
                "link": "public",
                "type": "ipv4",
                "ip_address": nic.address,
                "netmask": str(network.netmask),
                "routes": [default_route],
            }
        ],
        "services": [{"type": "dns", "address": GATEWAY}],
    }
    drive = {"meta_data.json": json.dumps(meta), "network_data.json": json.dumps(layout)}
    if data := combined(wanted["user_data"], wanted["script"]):
        drive["user_data"] = data
    return {
        **{DRIVE + name: text.encode() for name, text in drive.items()},
        "etc/resolv.conf": f"nameserver {GATEWAY}\n".encode(),
    }
