"""The package cache: apt-cacher-ng between the machines and the mirror of Debian that this host uses.

What has been installed once is installed again without a network.  The cache outlives every reset.
"""

import os
import pathlib
import platform
import re

from sandbox import CODENAME, ETC, GATEWAY, RELEASE, STATE
from sandbox.processes import Daemon, is_listening
from sandbox.shell import run

PORT = 3142
CACHE = STATE / "packages"
CONFIGURATION = ETC / "packages"
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "CASEBOOK_DEBIAN_MIRROR"


def sources() -> str:
    """The machines' package sources, in deb822 form, from the mirror that this host's own packages come from.

    RuntimeError if this host's packages come from no mirror of Debian, and the environment names none.
    """
    archive, security = _mirror()
    suites = {archive: f"{CODENAME} {CODENAME}-updates", security: f"{CODENAME}-security"}
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {names}\nComponents: main\nSigned-By: {KEYRING}\n"
        for uri, names in suites.items()
    )


def cached() -> str:
    """The same through the cache, which speaks HTTP to machines; `http://HTTPS///` tells it to fetch by HTTPS."""
    return sources().replace("https://", "http://HTTPS///")


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


def _mirror() -> tuple[str, str]:
    """Where Debian's archive is, and its security archive."""
    if given := os.environ.get(MIRROR, "").rstrip("/"):
        return given, f"{given}-security"
    host = platform.freedesktop_os_release()
    own = host.get("VERSION_CODENAME", "") if host["ID"] == "debian" else ""
    # Also before the first apt-get update.
    listed = run(
        "apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(REPO_URI)", "Component: main"
    )
    found: dict[str, str] = {}
    for suite, uri in (line.split() for line in listed.splitlines()):
        found.setdefault(suite, _first(uri).rstrip("/"))
    if own not in found:
        raise RuntimeError(
            f"the machines run Debian {RELEASE}, and apt on this host ({host.get('PRETTY_NAME', host['ID'])}) names no "
            f"mirror of Debian's: set {MIRROR} to the URI of one, below which are dists/ and pool/; the security "
            "archive is taken from the same URI with -security at its end"
        )
    return found[own], found.get(f"{own}-security", f"{found[own]}-security")


def _first(uri: str) -> str:
    """Debian's images of clouds name their mirrors in a file."""
    listed = uri.removeprefix("mirror+file:")
    return uri if listed == uri else pathlib.Path(listed.rstrip("/")).read_text().split()[0]
