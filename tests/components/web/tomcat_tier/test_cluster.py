"""Two Tomcats that know each other's sessions, with the real daemon."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import InputError, TomcatTier
from tests.components.tier_fixtures import Network, machines, network, written
from tests.harness import declare

KEYS = """<%@ page contentType="text/plain" %><%
    if (request.getParameter("key") != null) session.setAttribute("key", request.getParameter("key"));
%><%= session.getAttribute("key") %> <%= System.getenv("PLACE") %> <%= System.getenv("PASSWORD") %>
"""
WEB = """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0"><distributable/></web-app>
"""
SLOW = """<%@ page contentType="text/plain" session="false" %><% Thread.sleep(3000); %>done
"""
SECRETS = {"replication": "00112233445566778899aabbccddeeff" * 2, "PASSWORD": '"of \\"quotes\\" and $"'}


def tier(folder: Path, **values: Any) -> Callable[[], None]:
    def program() -> None:
        TomcatTier(
            "keys",
            machines=machines("keys", 11, 12),
            application=folder,
            clients=["10.4.0.1/32"],
            environment={"PLACE": "Roubaix"},
            secrets={"PASSWORD": 'of "quotes" and $'},
            **{"drain_seconds": 1, "memory_mib": 256, **values},
        )

    return program


def get(pair: Network, member: str, path: str = "/keys.jsp", options: str = "") -> str:
    number = member.rpartition("-")[2]
    return pair["client"].run(f"curl -sS --max-time 5 {options} 'http://10.4.0.{number}:8080{path}'", check=False)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("keys"), {"keys.jsp": KEYS, "slow.jsp": SLOW, "WEB-INF/web.xml": WEB})


@pytest.fixture(scope="module")
def pair(application: Path, ssh_key_file: Path) -> Iterator[Network]:
    with network(keys_11=11, keys_12=12, client=1) as boxes, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        boxes.configure(tier(application), SECRETS)
        yield boxes


def session(pair: Network, member: str, key: str) -> str:
    """A session made on a member that holds a key: the header that brings it back."""
    answer = get(pair, member, f"/keys.jsp?key={key}", "-D -")
    assert f"\n{key} Roubaix" in answer
    return "-H 'Cookie: JSESSIONID=" + answer.partition("JSESSIONID=")[2].partition(";")[0] + "'"


@pytest.mark.claim("KEY-3")
def test_a_session_is_known_to_the_other_member_at_once(pair: Network) -> None:
    for number in range(20):
        cookie = session(pair, "keys-11", f"blue{number}")
        assert get(pair, "keys-12", options=cookie).startswith(f"blue{number} ")


def test_a_client_without_the_cookie_has_another_session(pair: Network) -> None:
    session(pair, "keys-11", "blue")
    assert get(pair, "keys-11").startswith("null ")


def test_the_application_has_its_environment(pair: Network) -> None:
    assert get(pair, "keys-11") == 'null Roubaix of "quotes" and $\n'


@pytest.mark.claim("KEY-3")
def test_a_member_that_is_lost_takes_no_session_with_it_and_gets_all_back(pair: Network, application: Path) -> None:
    cookie = session(pair, "keys-11", "red")
    pair["keys-11"].run("pkill -9 -x java && sleep 0.2; rm -f /run/active-tomcat10.service")
    assert get(pair, "keys-12", options=cookie).startswith("red ")
    cookies = {key: session(pair, "keys-12", key) for key in ("green", "white")}
    # Back on its feet it says so only when it holds what happened meanwhile.
    pair.configure(tier(application), SECRETS)
    for key, one in {"red": cookie, **cookies}.items():
        assert get(pair, "keys-11", options=one).startswith(f"{key} ")


def test_a_member_that_restarts_is_left_alone_first(pair: Network, application: Path) -> None:
    pair["client"].run("rm -f /run/health")
    once = "curl -s -o /dev/null -w '%{http_code}\n' http://10.4.0.11:8080/healthz >>/run/health"
    pair["client"].start(f"while :; do {once}; sleep 0.1; done")
    pair["client"].start("curl -sS 'http://10.4.0.11:8080/slow.jsp' >/run/slow")
    # Another amount of memory: each restarts, the second after the first is ready again.
    pair.configure(tier(application, memory_mib=288), SECRETS)
    assert pair["client"].run("cat /run/slow").strip() == "done"
    health = pair["client"].run("uniq /run/health").split()
    assert health[:4] == ["200", "503", "000", "200"], health


def test_members_alone_reach_the_replication(pair: Network) -> None:
    connect = "timeout 2 bash -c '</dev/tcp/10.4.0.11/4000' && echo open"
    assert pair["keys-12"].run(connect, check=False) == "open\n"
    assert pair["client"].run(connect, check=False) == ""


def test_an_application_that_is_not_distributable_is_refused(application: Path, tmp_path: Path) -> None:
    alone = written(tmp_path, {"keys.jsp": KEYS, "WEB-INF/web.xml": WEB.replace("<distributable/>", "")})
    with pytest.raises(InputError, match="does not say <distributable/>"):
        declare(tier(alone), preview=True)
    with pytest.raises(InputError, match="port=4000: members tell each other their sessions on it"):
        declare(tier(application, port=4000), preview=True)
