"""The tiers together, with the real daemons: what the world, an editor and a stranger see."""

import time
from functools import partial

import pytest

from tests.components.web.web_tier.conftest import CLIENT, Platform
from tests.waiting import until

WEBS = [f"web-{n}" for n in range(1, 9)]


def publish(platform: Platform, name: str, text: str) -> None:
    assert platform.as_editor(f"-X PUT --data-binary '{text}' https://10.8.0.2/edit/{name}").startswith("20")
    assert platform.as_editor("-X PUT -d '' https://10.8.0.2/publish").startswith("20")


def everywhere(platform: Platform, path: str, text: str) -> bool:
    return all(text in platform.boxes[name].run(f"cat /srv/www/{path}", check=False) for name in WEBS)


@pytest.mark.claim("SOF-1")
def test_eight_web_servers_answer_in_turn(platform: Platform) -> None:
    answers = platform.served_by(48)
    assert set(answers) == set(WEBS)
    # Two members, each in turn over the eight.
    assert {answers.count(name) for name in WEBS} == {6}


@pytest.mark.claim("SOF-1")
def test_https_ends_at_haproxy(platform: Platform) -> None:
    answer = platform.boxes["editor"].run("curl -ksS -D - -o /dev/null https://10.8.0.130/")
    assert "HTTP/2 200" in answer
    assert "x-served-by: web-" in answer


def test_web_servers_know_their_clients(platform: Platform) -> None:
    platform.get("/who", "-H 'X-Forwarded-For: 192.0.2.66'")
    logs = until(
        lambda: [log for name in WEBS if "/who" in (log := platform.boxes[name].run("cat /var/log/nginx/access.log"))],
        "nobody has logged the request",
    )
    line = next(line for line in logs[0].splitlines() if "/who" in line)
    assert line.startswith(f"{CLIENT} ")


@pytest.mark.claim("SOF-3")
@pytest.mark.claim("SOF-5")
def test_what_an_editor_publishes_is_on_every_web_server(platform: Platform) -> None:
    assert platform.as_editor("-X PUT -d one https://10.8.0.2/edit/news/final.html").startswith("20")
    time.sleep(2)
    assert not everywhere(platform, "news/final.html", "one"), "it went out before it was published"
    publish(platform, "news/final.html", "two")
    until(lambda: everywhere(platform, "news/final.html", "two"), "not on all eight")
    assert platform.get("/news/final.html") == "two"
    # The same size in the same second is a change all the same, and a deletion goes out as well.
    for text, moment in (("one", "2026-01-01 20:00:00.1"), ("six", "2026-01-01 20:00:00.2")):
        written = f"printf {text} >/srv/edit/news/final.html && touch -d '{moment}' /srv/edit/news/final.html"
        platform.boxes["office-1"].run(f"{written} && publish")
        until(partial(everywhere, platform, "news/final.html", text), f"{text} is not on all eight")
    assert platform.as_editor("-X DELETE https://10.8.0.2/edit/news/final.html").startswith("20")
    platform.boxes["office-1"].run("publish")
    until(lambda: not any("final" in platform.boxes[n].run("ls /srv/www/news") for n in WEBS), "still there")


@pytest.mark.claim("SOF-5")
def test_the_back_office_is_for_editors_alone(platform: Platform) -> None:
    editor, stranger = platform.boxes["editor"], platform.boxes["stranger"]
    assert editor.run("curl -ksS -o /dev/null -w '%{http_code}' https://10.8.0.2/edit/") == "401"
    assert "So $Foot" in platform.as_editor("https://10.8.0.2/")
    assert stranger.run("curl -ks --max-time 1 https://10.8.0.2/; echo $?", check=False) == "28\n"
    assert editor.run("curl -s --max-time 1 http://10.8.0.2/; echo $?", check=False) == "28\n"
    assert editor.run("curl -s --max-time 1 telnet://10.8.0.2:8730; echo $?", check=False) == "28\n"
    assert stranger.run("curl -s --max-time 1 telnet://10.8.0.2:873; echo $?", check=False) == "28\n"
    tls = "RSYNC_CONNECT_PROG='openssl s_client -quiet -connect 10.8.0.2:8730'"
    sent = f"echo x >/srv/x; {tls} rsync /srv/x rsync://10.8.0.2/www/x 2>&1"
    assert "read only" in stranger.run(sent, check=False)


@pytest.mark.claim("SOF-2")
def test_only_the_tier_in_front_reaches_a_tier(platform: Platform) -> None:
    stranger = platform.boxes["stranger"]
    for address in ("10.8.0.10", "10.8.0.11", "10.8.0.32", "10.8.0.39"):
        assert stranger.run(f"curl -s --max-time 1 http://{address}/; echo $?", check=False) == "28\n", address
    assert stranger.run("curl -s --max-time 1 http://10.8.0.10:8404/metrics; echo $?", check=False) == "28\n"
    assert "haproxy_process_" in platform.boxes["haproxy-1"].run("curl -sS http://127.0.0.1:8404/metrics")


@pytest.mark.claim("SOF-3")
def test_a_server_is_ready_once_it_holds_the_site(platform: Platform) -> None:
    web = platform.boxes["web-8"]
    health = "curl -s -o /dev/null -w '%{http_code}' http://10.8.0.39/healthz"
    assert web.run(health) == "200"
    # As after a lost disk: not ready, and filled again by itself.
    platform.boxes["office-1"].run("nft insert rule inet filter input tcp dport 8730 drop")
    web.run("rm -rf /srv/www/* /var/lib/web-sync/held")
    assert web.run(health) == "503"
    platform.boxes["office-1"].run("nft -f /etc/nftables.conf")
    until(lambda: web.run(health) == "200", "not filled again")


def test_another_site_is_refused(platform: Platform) -> None:
    """A back office that was installed anew must not empty the web servers."""
    office, web = platform.boxes["office-1"], platform.boxes["web-1"]
    before = office.run("cat /srv/www/.generation")
    held = web.run("ls /srv/www")
    office.run("echo 'another-site 1' > /srv/www/.generation")
    said = web.run("setpriv --reuid=web-sync --regid=web-sync --groups=www-data web-sync 2>&1; echo $?", check=False)
    assert "The back office holds another site (another-site)" in said
    assert said.endswith("1\n")
    assert web.run("ls /srv/www") == held
    office.run("cat > /srv/www/.generation", before)


def test_nobody_but_the_back_office_makes_web_servers_serve_something(platform: Platform) -> None:
    """A web server that somebody has taken over plays the back office, whose address it takes."""
    office, taken, web = (platform.boxes[name] for name in ("office-1", "web-2", "web-1"))
    held = web.run("cat /var/lib/web-sync/held")
    assert web.run("stat -c %U /srv/www/index.html") == "web-sync\n"
    office.cut()
    own = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=10.8.0.2 -addext subjectAltName=IP:10.8.0.2"
    taken.run(f"{own} -keyout /run/key -out /run/crt && cat /run/key /run/crt >/run/both.pem")
    site = "mkdir -p /srv/evil && ln -s /etc/passwd /srv/evil/link && echo theirs >/srv/evil/index.html"
    taken.run(f"{site} && echo '{held.split()[0]} 99999999999.0' >/srv/evil/.generation")
    daemon = "[www]\npath = /srv/evil\nuse chroot = no\n"
    taken.run("cat >/run/rsyncd.conf && rsync --daemon --config=/run/rsyncd.conf --address=127.0.0.1", daemon)
    taken.run("ip address add 10.8.0.2/24 dev eth0 && nft insert rule inet filter input tcp dport 8730 accept")
    taken.start("socat OPENSSL-LISTEN:8730,reuseaddr,fork,cert=/run/both.pem,verify=0 TCP:127.0.0.1:873")
    web.run("ip neigh flush all")
    unverified = "RSYNC_CONNECT_PROG='openssl s_client -quiet -connect 10.8.0.2:8730'"
    fetched = f"{unverified} rsync rsync://10.8.0.2/www/.generation /run/theirs 2>/dev/null; cat /run/theirs"
    until(lambda: "99999999999" in web.run(fetched, check=False), "the attack is none")
    said = web.run("setpriv --reuid=web-sync --regid=web-sync --groups=www-data web-sync 2>&1; echo $?", check=False)
    assert "verify error" in said
    time.sleep(2)
    for name in ("web-1", "web-3"):
        assert "theirs" not in platform.boxes[name].run("cat /srv/www/index.html")
        assert platform.boxes[name].run("cat /var/lib/web-sync/held") == held
    taken.run("ip address del 10.8.0.2/24 dev eth0")
    office.run("ip link set eth0 up; ip route add 198.18.127.0/24 dev eth0")
    web.run("ip neigh flush all")
    publish(platform, "after.html", "ours")
    until(lambda: "ours" in web.run("cat /srv/www/after.html", check=False), "not from the back office again")


def test_a_second_apply_does_nothing(platform: Platform) -> None:
    for name in ("web-1", "haproxy-1", "office-1"):
        assert "nothing to do" in platform.configure(name)


@pytest.mark.claim("SOF-6")
def test_a_ninth_server_joins_without_an_error_and_without_a_touch_on_the_others(platform: Platform) -> None:
    assert "started nginx.service" in platform.configure("web-9", webs=9)
    assert "nothing to do" in platform.configure("web-1", webs=9)
    platform.boxes["editor"].start(
        'for i in $(seq 300); do curl -s -o /dev/null -w "%{http_code}\\n" http://10.8.0.130/; done >/run/codes; '
        "touch /run/asked"
    )
    assert "reloaded haproxy.service" in platform.configure("haproxy-1", webs=9)
    assert "reloaded haproxy.service" in platform.configure("haproxy-2", webs=9)
    until(lambda: platform.boxes["editor"].run("ls /run").count("asked"), "still asking")
    assert set(platform.boxes["editor"].run("cat /run/codes").split()) == {"200"}
    until(lambda: "web-9" in platform.served_by(18), "web-9 serves nobody")


@pytest.mark.claim("SOF-10")
def test_a_lost_web_server_costs_no_answer(platform: Platform) -> None:
    platform.boxes["web-3"].cut()
    answers = platform.served_by(60)
    assert set(answers) <= {f"web-{n}" for n in range(1, 10)} - {"web-3"}
    assert len(answers) == 60


@pytest.mark.claim("SOF-10")
def test_a_lost_haproxy_costs_no_answer(platform: Platform) -> None:
    platform.boxes["haproxy-2"].cut()
    answers = platform.served_by(6)
    assert len(answers) == 6
    assert all(answer.startswith("web-") for answer in answers)
