"""Sites on rented plans: their names, and the proof that the plan answers to them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pulumi_casebook import InputError, WebHosting
from pulumi_casebook.network.web_hosting.check import trouble


@pytest.fixture(name="port")
def _port() -> Iterator[int]:
    """A plan's web server, to which one name is attached."""

    class Plan(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Host"] == "www.giroptic.example" else 404)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Plan)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.claim("GIR-6")
def test_a_name_that_is_not_attached_is_told(port: int) -> None:
    assert trouble("127.0.0.1", "www.giroptic.example", port) is None
    assert "status 404; attach the name to the plan" in str(trouble("127.0.0.1", "preprod.giroptic.example", port))


def test_a_plan_that_does_not_answer_is_told() -> None:
    assert "does not answer" in str(trouble("127.0.0.1", "www.giroptic.example", 9))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"address": "cluster031"}, "address='cluster031': not an IPv4 address"),
        ({"zone": "giroptic"}, "zone='giroptic'"),
        ({"subdomains": []}, "subdomains"),
        ({"subdomains": ["www "]}, "names become host names"),
        ({"ttl": 5}, "greater than or equal to 60"),
    ],
)
def test_what_cannot_be_built_is_refused(values: dict[str, Any], sentence: str) -> None:
    given: dict[str, Any] = {"address": "198.18.31.1", "zone": "giroptic.example", "subdomains": ["www"], **values}
    with pytest.raises(InputError, match=sentence):
        WebHosting("site", **given)
