"""Web hosting plans of the account: the addresses where OVHcloud's own web servers answer for a customer's sites.

The customer has no machine there, so the sandbox has none either: the edge answers with the page that a new plan
shows, for the domains that the account file attaches to the plan, and with 404 for others. No PHP, no files, no CDN.
"""

from typing import Any

import yaml

from sandbox.openstack.configuration import ACCOUNT

ADDRESSES = "198.18.31.0/24"
PORT = 80


def plans() -> dict[str, dict[str, Any]]:
    """Plan -> its `ip` and attached `domains`."""
    found: dict[str, dict[str, Any]] = (yaml.safe_load(ACCOUNT.read_text()) or {}).get("web_hostings") or {}
    return found


def addresses() -> list[str]:
    return [f"{plan['ip']}/32" for plan in plans().values()]


def configuration() -> list[str]:
    """Lines of the edge's configuration."""
    lines = []
    for name, plan in plans().items():
        page = f"<title>{name}</title><h1>Site under construction</h1>"
        lines += [
            f"frontend {name}",
            f"    bind {plan['ip']}:{PORT}",
            f"    acl attached hdr(host),host_only -i {' '.join(plan['domains'])}",
            f'    http-request return status 200 content-type text/html string "{page}" if attached',
            '    http-request return status 404 content-type text/html string "<h1>Site not installed</h1>"',
        ]
    return lines
