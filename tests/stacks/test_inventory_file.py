"""An inventory's file: what is read is what was written, and what is alike stands in it once."""

import difflib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.inventory import file_of
from stacks.inventory_file import Inventory, Resources, read, written
from stacks.stack_files import names

COMMAND, PORT = "command:remote:Command", "openstack:networking/port:Port"
BASE = """\
role base
package nftables
file /etc/nftables.conf root:root 0755
| table inet filter {{
|     policy {policy};
|     ip saddr {{ {bastion} }} tcp dport 22 accept
| }}
file /etc/systemd/network/05-private.network root:root 0644
| [Network]
| Address=10.0.0.{number}/24
| Gateway=10.0.0.1
service nftables.service reload
"""
LOGS = """\
role logs
file /etc/rsyslog.conf root:root 0644
| *.* @10.0.0.9
file /etc/nftables.conf root:root 0755
| table inet filter {{
|     policy {policy};
|     ip saddr {{ {bastion} }} tcp dport 22 accept
| }}
"""


def tier(machines: int, policy: str = "drop", bastion: str = "10.0.0.2") -> Resources:
    """Machines of one kind, whose ports have a hardware address and a size each, and one of another kind."""
    said = {"policy": policy, "bastion": bastion}
    found: Resources = {f"{COMMAND} logs-logs": {"create": "apply logs", "stdin": LOGS.format(**said)}}
    for number in range(1, machines + 1):
        bundle = BASE.format(number=number + 16, **said)
        found[f"{COMMAND} web-{number}-base"] = {"create": "apply base", "stdin": bundle}
        mac = {"macAddress": f"fa:16:3e:00:00:{number:02x}", "mtu": 1500 + number, "tags": ["web", f"web-{number}"]}
        found[f"{PORT} web-{number}-private"] = mac
    return found


def changed_lines(before: Resources, after: Resources) -> tuple[int, int]:
    old, new = (written(Inventory(one, {})).splitlines() for one in (before, after))
    lines = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
    return sum(line.startswith("-") for line in lines), sum(line.startswith("+") for line in lines)


def test_a_line_of_a_template_that_changes_is_one_line_in_review() -> None:
    assert changed_lines(tier(9), tier(9, policy="accept")) == (1, 1)


def test_one_more_machine_is_a_few_lines() -> None:
    removed, added = changed_lines(tier(9), tier(10))
    assert removed == 0
    assert added <= 4


def test_a_file_that_two_roles_have_is_stated_once() -> None:
    text = written(Inventory(tier(3), {}))
    assert text.count("| table inet filter {") == 1
    assert "like logs-logs /etc/nftables.conf: {}" in text


def test_the_order_of_declaration_is_not_seen() -> None:
    assert written(Inventory(dict(reversed(tier(9).items())), {})) == written(Inventory(tier(9), {}))


def test_a_word_that_becomes_two_is_told_by_its_line() -> None:
    resources = {
        f"{COMMAND} a": {"stdin": "one\nlimit 5 5\nkeep 5\ntwo\nthree\n"},
        f"{COMMAND} b": {"stdin": "one\nlimit 5 7\nkeep 5\ntwo\nthree\n"},
    }
    text = written(Inventory(resources, {}))
    assert "like a: {limit 5 5: limit 5 7}" in text
    assert read(text).resources == resources


def test_losses_are_kept() -> None:
    inventory = Inventory(tier(2), {f"{PORT} old": "deleted: for a check"})
    assert read(written(inventory)) == inventory


words = st.sampled_from(
    ["web-1", "web-2", "5", "10.0.0.1", "fa:16:3e:00:00:01", "like web-1", "é", "-", "", "two words"]
)
lines = st.lists(st.lists(words, max_size=4).map(" ".join), max_size=4).map("\n".join)
bundles = st.lists(
    st.sampled_from(
        ["file /etc/a root:root 0644\n", "file /etc/b root:root 0644\n", "| 5 web-1\n", "| 7 web-2\n", "|\n"]
    ),
    max_size=6,
).map("".join)
values: st.SearchStrategy[Any] = st.recursive(
    lines | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
inputs = st.fixed_dictionaries({}, optional={"stdin": bundles | lines, "name": values, "size": values})
keys = st.builds(
    lambda kind, name: f"{kind} {name}", st.sampled_from([COMMAND, PORT]), st.sampled_from(["a-1", "a-2", "a-10", "b"])
)


@given(st.dictionaries(keys, inputs, max_size=6))
def test_what_is_read_is_what_was_written(resources: Resources) -> None:
    inventory = Inventory(resources, {})
    assert read(written(inventory)) == inventory


@pytest.mark.parametrize("stack", names())
def test_what_is_committed_is_as_it_would_be_written(stack: str) -> None:
    text = file_of(stack).read_text()
    assert written(read(text)) == text
