"""A SQL server as HAProxy sees it: says its name to whoever connects and keeps the connection; 200 on port 9200."""

import http.server
import socket
import sys
import threading

name, address = sys.argv[1:]


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def greet(connection: socket.socket) -> None:
    with connection:
        connection.sendall(f"{name}\n".encode())
        while connection.recv(100):
            pass


def serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=greet, args=(connection,), daemon=True).start()


threading.Thread(target=serve, args=(socket.create_server((address, 3306)),), daemon=True).start()
http.server.ThreadingHTTPServer((address, 9200), Health).serve_forever()
