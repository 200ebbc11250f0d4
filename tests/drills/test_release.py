"""The later release that a drill rolls out: this one, but for comments."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.release import MARK, later
from stacks.environment import CHECKOUT


@pytest.fixture(name="checkout")
def _checkout() -> Iterator[Path]:
    with later() as checkout:
        yield checkout


def test_each_component_with_daemons_differs_by_a_comment_and_machines_are_born_the_same(checkout: Path) -> None:
    differ = set()
    for here in CHECKOUT.glob("components/pulumi_casebook/*/*/templates/*"):
        old, new = here.read_text(), (checkout / here.relative_to(CHECKOUT)).read_text()
        assert new.replace(f" {MARK}", "", 1) == old
        if new != old:
            differ.add(here.parts[-3])
    web = {"haproxy_tier", "memcached", "nginx_tier", "php_tier", "tomcat_tier", "upload_tier", "web_tier"}
    assert web | {"galera_cluster", "gateway", "mysql_pair", "opensearch", "resolver"} <= differ
    assert "machine" not in differ


def test_it_runs_with_this_environment(checkout: Path) -> None:
    assert (checkout / ".venv/bin/python").exists()
    assert (checkout / "components/pulumi_casebook/__init__.py").exists()
