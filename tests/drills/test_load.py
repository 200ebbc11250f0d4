"""Load by vegeta itself, on a server of this computer that fails when it is told to."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import drills.load
from drills.drill import NotSeen
from drills.load import Load, Request, load

RATE = 40


class Site(http.server.ThreadingHTTPServer):
    """Answers with `status`, after `pause` seconds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.pause, self.connections = 200, 0.0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def target(self) -> list[str]:
        return [f"GET http://127.0.0.1:{self.server_port}/"]


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        time.sleep(self.server.pause)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="site")
def _site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    # This computer is the world.
    monkeypatch.setattr(drills.load, "from_the_world", lambda *command: list(command))
    site = Site()
    yield site
    site.shutdown()
    site.server_close()


def test_every_request_is_known_and_the_failed_ones_by_when(site: Site) -> None:
    with load(site.target, rate=RATE, seconds=60) as seen:
        time.sleep(1)
        site.status = 503
        broken = time.time()
        time.sleep(1)
        site.status = 200
        mended = time.time()
        time.sleep(1)
        seen.stop()
    assert len(seen.requests) > 2 * RATE
    assert 0 < len(seen.failed) < len(seen.requests)
    assert {one.status for one in seen.failed} == {503}
    assert all(broken - 1 < one.ended < mended + 1 for one in seen.failed)
    assert 0 < seen.clean_after(broken) < mended - broken + 1
    assert seen.clean_after(mended + 1) == 0
    assert 0 < seen.rate < 2 * RATE


def test_slow_answers_do_not_slow_the_visitors_down(site: Site) -> None:
    site.pause = 0.5
    with load(site.target, rate=RATE, seconds=2) as seen:
        time.sleep(2)
    assert len(seen.requests) == 2 * RATE
    assert seen.percentile(0.5) >= 0.5


def test_strangers_come_each_on_a_connection_of_their_own(site: Site) -> None:
    with load(site.target, rate=RATE, seconds=1):
        pass
    kept, site.connections = site.connections, 0
    with load(site.target, rate=RATE, seconds=1, strangers=True):
        pass
    assert kept < site.connections == RATE


def test_nobody_there_is_a_failed_request_with_its_reason(site: Site) -> None:
    site.shutdown()
    site.server_close()
    with load(site.target, rate=RATE, seconds=1) as seen:
        pass
    assert len(seen.failed) == RATE
    assert {one.status for one in seen.failed} == {0}
    assert "refused" in seen.failed[0].error


def test_load_that_cannot_be_sent_proves_nothing(site: Site) -> None:
    with pytest.raises(NotSeen, match="vegeta said"), load(["NONSENSE"], rate=RATE, seconds=1):
        assert site


def test_a_request_that_hangs_until_after_a_fault_is_of_the_fault() -> None:
    seen = Load(Path("unused"))
    seen.requests = [Request(0, 1, 200, ""), Request(4, 9, 0, "timeout"), Request(6, 7, 503, "")]
    assert seen.clean_after(2, until=5) == 7
    assert seen.clean_after(8, until=5) == 1
    assert seen.clean_after(2, until=3) == 0


def test_without_an_answer_there_is_no_percentile() -> None:
    seen = Load(Path("unused"))
    seen.requests = [Request(0, 1, 0, "refused")]
    with pytest.raises(NotSeen, match="no request was answered"):
        seen.percentile(0.99)
