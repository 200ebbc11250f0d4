"""The two ports: health, for load balancers, and this member's standing, for the others of the cluster alone."""

import http.client
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pulumi_casebook.data.galera_cluster.programs.decide import Standing

HEALTH, PEERS = 9200, 9201
FRESH = 0.5  # seconds for which an answer to load balancers and members holds

Answer = Callable[[], tuple[int, str]]


def tls(settings: dict[str, Any], purpose: ssl.Purpose) -> ssl.SSLContext:
    """Only the cluster's machines speak, and only they are believed."""
    context = ssl.create_default_context(purpose, cafile=settings["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(settings["certificate"], settings["key"])
    return context


def told(settings: dict[str, Any], address: str) -> Standing | None:
    """What the machine at an address says; None where it says nothing."""
    context = tls(settings, ssl.Purpose.SERVER_AUTH)
    connection = http.client.HTTPSConnection(address, PEERS, timeout=5, context=context)
    try:
        connection.request("GET", "/")
        return Standing(*json.loads(connection.getresponse().read()))
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Port(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # who asked has gone
            super().handle_error(request, client_address)


def ports(settings: dict[str, Any], health: Answer, standing: Answer) -> Iterator[Port]:
    own = settings["members"][settings["name"]]
    given = int(os.environ.get("LISTEN_FDS", "0"))  # systemd's, in the order of galera.socket
    for number, (port, answer) in enumerate(((HEALTH, kept(health)), (PEERS, kept(standing)))):
        server = Port((own, port), handler(answer), bind_and_activate=False)
        if given:
            server.socket = socket.socket(fileno=3 + number)
        else:
            server.allow_reuse_address = True
            server.server_bind()
            server.server_activate()
        if port == PEERS:
            context = tls(settings, ssl.Purpose.CLIENT_AUTH)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield server


def kept(answer: Answer) -> Answer:
    """The answer, made at most every FRESH seconds: ten members and their load balancers ask forty times a second.

    Whoever waits while it is made takes it as well: on a busy machine it would else be made for each of them in turn.
    """
    lock, made, when = threading.Lock(), (503, ""), 0.0

    def answered() -> tuple[int, str]:
        nonlocal made, when
        asked = time.monotonic()
        with lock:
            if asked - when > FRESH:
                made = answer()
                when = time.monotonic()
            return made

    return answered


def handler(answer: Answer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, text = answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Load balancers ask every second."""

    return Handler
