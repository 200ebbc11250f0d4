"""The shelf: software of vendors for machines that cannot reach a vendor.

Machines have the shelf among their package sources. It holds the real programs, from the registries that publish
them, in packages of the vendor's name and layout. A package is made the first time that a machine looks for what
is not in its lists (`apt-get update`), and outlives every reset; a stack that needs none never waits for one.
"""

import sys

from sandbox import GATEWAY, HOME, REPOSITORY, STATE
from sandbox.processes import Daemon, is_listening

PORT = 3143
SHELF = STATE / "shelf"
# The machines' line of sources.list(5). The wire between a machine and this host is this host's own.
SOURCE = f"deb [trusted=yes] http://{GATEWAY}:{PORT}/ ./"


def daemon() -> Daemon:
    return Daemon(
        "shelf",
        [sys.executable, "-m", "sandbox.shelf"],
        lambda: is_listening(GATEWAY, PORT),
        {"PYTHONPATH": str(REPOSITORY), "CASEBOOK_HOME": str(HOME)},
        [(GATEWAY, PORT)],
    )
