"""Ports for what drills and tests start on this computer."""

import contextlib
import random
import socket

# From the upper one on, the kernel gives ports to connections (ip_local_port_range).
LOWEST, HIGHEST = 20_000, 32_767


def free_port() -> int:
    """One where nothing listens, and that no connection takes by chance before the listener has started."""
    while True:
        port = random.SystemRandom().randint(LOWEST, HIGHEST)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
