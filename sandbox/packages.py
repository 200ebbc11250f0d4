"""The package cache: apt-cacher-ng between the machines and the package sources of this host.

What has been installed once is installed again without a network.  The cache outlives every reset.
"""

import pathlib
import re

from sandbox import ETC, GATEWAY, STATE
from sandbox.processes import Daemon, is_listening
from sandbox.shell import run

PORT = 3142
CACHE = STATE / "packages"
CONFIGURATION = ETC / "packages"
APT = pathlib.Path("/etc/apt")
FIELDS = ("Types", "URIs", "Suites", "Components", "Signed-By")


def codename() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M)
    if not found:
        raise RuntimeError("/etc/os-release names no release (VERSION_CODENAME): the sandbox needs Debian 12")
    return found[1]


def sources() -> str:
    """This host's sources of its Debian release, in deb822 form, as a machine names them.

    The cache speaks HTTP to machines; `http://HTTPS///` tells it to fetch by HTTPS.
    """
    stanzas = [
        stanza | {"Suites": " ".join(suites), "URIs": stanza["URIs"].replace("https://", "http://HTTPS///")}
        for stanza in _host_sources()
        if "deb" in stanza["Types"].split()
        and (suites := [suite for suite in stanza["Suites"].split() if re.match(codename() + r"\b", suite)])
    ]
    if not stanzas:
        raise RuntimeError(f"{APT}/sources.list and sources.list.d hold no package source of Debian {codename()}")
    return "\n".join(
        "".join(f"{field}: {stanza[field]}\n" for field in FIELDS if field in stanza) for stanza in stanzas
    )


def configure() -> None:
    CONFIGURATION.mkdir(parents=True, exist_ok=True)
    (CACHE / "log").mkdir(parents=True, exist_ok=True)
    proxy = re.search(r'"(.*)"', run("apt-config", "dump", "Acquire::http::Proxy"))
    settings = {
        "CacheDir": CACHE,
        "LogDir": CACHE / "log",
        "SupportDir": "/usr/lib/apt-cacher-ng",
        "BindAddress": GATEWAY,
        "Port": PORT,
        "ForeGround": 1,
        # An expiry would empty the cache of a machine that is seldom on the network.
        "ExStartTradeOff": "100g",
        **({"Proxy": proxy[1]} if proxy else {}),
    }
    (CONFIGURATION / "cache.conf").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))


def daemon() -> Daemon:
    command = ["apt-cacher-ng", "-c", CONFIGURATION]
    return Daemon("packages", command, lambda: is_listening(GATEWAY, PORT), listens=[(GATEWAY, PORT)])


def _host_sources() -> list[dict[str, str]]:
    found = []
    for file in sorted(APT.glob("sources.list.d/*.sources")):
        found += [_deb822(text) for text in re.split(r"\n\s*\n", file.read_text())]
    for file in [APT / "sources.list", *sorted(APT.glob("sources.list.d/*.list"))]:
        if file.exists():
            found += [_one_line(line) for line in file.read_text().splitlines()]
    return [stanza for stanza in found if {"Types", "URIs", "Suites"} <= stanza.keys()]


def _deb822(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    fields: dict[str, str] = {}
    field = ""
    for line in lines:
        if line[:1].isspace() and field:
            fields[field] += " " + line.strip()
        elif ":" in line:
            field, value = line.split(":", 1)
            fields[field] = value.strip()
    return {} if fields.get("Enabled", "yes").lower() in ("no", "false") else fields


def _one_line(line: str) -> dict[str, str]:
    parts = re.match(r"(deb)\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
    if not parts:
        return {}
    kind, options, uri, suite, components = parts.groups()
    key = re.search(r"signed-by=(\S+)", options or "")
    signed = {"Signed-By": key[1]} if key else {}
    return {"Types": kind, "URIs": uri, "Suites": suite, "Components": components.strip(), **signed}
