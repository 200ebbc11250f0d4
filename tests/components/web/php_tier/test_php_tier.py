"""What PHP servers hold, and what is refused. That it works is seen with nginx in front (../nginx_tier)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_casebook import InputError, Memcached, PhpTier
from pulumi_casebook.core.debian import PHP
from tests.components.tier_fixtures import Values, files_of, machines, role_of, written
from tests.harness import comes_after, declare, declares_the_same, only

POOL = f"/etc/php/{PHP}/fpm/pool.d/www.conf"


def tier(folder: Path, **values: object) -> Callable[[], None]:
    def program() -> None:
        given: Values = {"application": folder, "clients": ["10.4.0.1/32"], **values}
        PhpTier("php", machines=machines("php", 31, 32), **given)

    return program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path, {"index.php": "<?php echo 1;\n", ".env": "SECRET=1\n", ".git/config": "x\n"})


def test_one_member_after_the_other(folder: Path) -> None:
    declared = declares_the_same(tier(folder, secrets={"PASSWORD": "x"}))
    first, second = (only(declared, "command:remote:Command", f"php-{number}-php") for number in (31, 32))
    assert comes_after(declared, second, first)


def test_hidden_files_stay_where_they_are(folder: Path) -> None:
    below = [path for path in files_of(role_of(tier(folder), "php-31-php")) if path.startswith("/srv/php/")]
    assert below == ["/srv/php/files/index.php"]


def test_secrets_are_by_name_and_their_values_nowhere(folder: Path) -> None:
    declared = declare(tier(folder, secrets={"PASSWORD": "much-secret"}), preview=True)
    text = only(declared, "command:remote:Command", "php-31-php").inputs["stdin"]
    assert "env[PASSWORD] = @secret(PASSWORD:quoted)@" in text
    assert "much-secret" not in text
    assert "stdin" in only(declared, "command:remote:Command", "php-31-php-secrets").secrets


@pytest.mark.parametrize(
    ("values", "workers"), [({"memory_mib": 1024, "request_mib": 32}, 32), ({"memory_mib": 1024, "processes": 7}, 7)]
)
def test_processes_fit_into_the_memory(folder: Path, values: Values, workers: int) -> None:
    assert f"pm.max_children = {workers}\n" in files_of(role_of(tier(folder, **values), "php-31-php"))[POOL]


@pytest.mark.parametrize(("values", "said"), [({}, "On"), ({"secure_cookies": False}, "Off")])
def test_session_cookies_go_over_tls_alone_unless_the_site_has_none(folder: Path, values: Values, said: str) -> None:
    ini = files_of(role_of(tier(folder, **values), "php-31-php"))[f"/etc/php/{PHP}/fpm/conf.d/90-casebook.ini"]
    assert f"session.cookie_secure = {said}\n" in ini


def test_a_folder_with_a_picture_goes_as_one_archive_that_is_always_the_same(folder: Path) -> None:
    (folder / "picture.png").write_bytes(bytes(range(256)))
    once, again = (files_of(role_of(tier(folder), "php-31-php")) for _ in range(2))
    assert once == again
    assert "/srv/php/archive" in once
    assert not [path for path in once if path.startswith("/srv/php/files/")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"application": "/nowhere"}, "application='/nowhere': neither a folder nor a Java archive"),
        ({"environment": {"lower": "x"}}, "environment.lower"),
        ({"environment": {"HTTP_PROXY": "x"}}, "HTTP_… are the headers that a client sent"),
        ({"environment": {"A": "one\ntwo"}}, "environment.A='one\\ntwo': one line of text"),
        ({"environment": {"A": "x"}, "secrets": {"A": "y"}}, "secrets.A: also in environment"),
        ({"memory_mib": 64, "request_mib": 128}, "memory_mib=64: not enough for one request of 128 MiB"),
        ({"server": "nginx"}, "server='nginx': Input should be 'fpm' or 'apache'"),
    ],
)
def test_refusals(folder: Path, values: Values, message: str) -> None:
    with pytest.raises(InputError) as refused:
        declare(tier(folder, **values), preview=True)
    assert message in str(refused.value)


def test_sessions_need_the_extension_that_speaks_to_memcached(tmp_path: Path) -> None:
    (tmp_path / "index.php").write_text("<?php\n")

    def program() -> None:
        cache = Memcached("cache", machines=machines("cache", 41), clients=["10.4.0.0/24"])
        PhpTier(
            "php",
            machines=machines("php", 31),
            application=tmp_path,
            clients=["10.4.0.1/32"],
            sessions=cache.service,
            extensions=["gd"],
        )

    with pytest.raises(InputError, match="needs the extension memcached"):
        declare(program, preview=True)
