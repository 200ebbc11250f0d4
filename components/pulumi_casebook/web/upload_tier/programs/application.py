"""Gives browsers signed URLs of one container. Photos go from the browser to the container and back, not through here.

    POST /uploads           with the clients' token: {"name", "upload", "view"}, URLs for one new object
    GET  /photos/NAME       to the object, for a while
    GET  /healthz           whether this server works

Run by upload.service; UPLOAD_SECONDS and VIEW_SECONDS say how long URLs are good, CREDENTIALS_DIRECTORY where keys are.
"""

import hmac
import json
import os
import re
import signal
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import signed_url  # type: ignore[import-not-found] # it stands beside this file on the machine

KEYS = Path(os.environ["CREDENTIALS_DIRECTORY"])
SIGNER = signed_url.load((KEYS / "signing.json").read_text())
TOKEN = (KEYS / "token").read_text().strip()
UPLOAD_SECONDS, VIEW_SECONDS = int(os.environ["UPLOAD_SECONDS"]), int(os.environ["VIEW_SECONDS"])
# Names are drawn here, so that nobody can ask for a URL of another's object.
PHOTO = re.compile(r"/photos/([0-9a-f]{32})")
PAGE = b"<!doctype html><title>360</title><h1>Photos</h1><p>Upload with the camera's application.</p>\n"


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, PAGE, "text/html")
        elif self.path == "/healthz":
            self.answer(200, b"ready\n", "text/plain")
        elif photo := PHOTO.fullmatch(self.path):
            self.answer(302, b"", location=SIGNER.signed("GET", photo[1], VIEW_SECONDS))
        else:
            self.answer(404, b"no such page\n", "text/plain")

    def do_POST(self) -> None:
        # What a client may send along is not needed, and must not be taken for its next request.
        self.close_connection = True
        if self.path != "/uploads":
            self.answer(404, b"no such page\n", "text/plain")
        elif not hmac.compare_digest(self.headers.get("Authorization", "").encode(), f"Bearer {TOKEN}".encode()):
            self.answer(401, b"show the clients' token\n", "text/plain")
        else:
            name = uuid.uuid4().hex
            urls = {
                "name": name,
                "upload": SIGNER.signed("PUT", name, UPLOAD_SECONDS),
                "view": SIGNER.signed("GET", name, VIEW_SECONDS),
            }
            self.answer(201, json.dumps(urls).encode() + b"\n", "application/json")

    def answer(self, status: int, body: bytes, kind: str | None = None, location: str | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Location": location, "Content-Length": str(len(body))}
        # A signed URL is for the one who asked.
        headers["Cache-Control"] = "no-store"
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """nginx logs requests."""

    def address_string(self) -> str:
        return "nginx"  # a Unix socket's client has no address


class Server(ThreadingHTTPServer):
    daemon_threads = False  # a server that ends answers who has come

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(("", 0), Application, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


if __name__ == "__main__":
    # upload.socket listens, and goes on while this restarts: whoever comes then waits for the next one.
    with Server(socket.socket(fileno=3)) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()
