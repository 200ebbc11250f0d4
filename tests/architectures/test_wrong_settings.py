"""Every stack refuses wrong settings before anything is declared, and says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import architectures
from pulumi_casebook.core.args import explained
from tests.harness import declare
from tests.invalid_inputs import HOSTILE, Wrong, complaints, mistakes, put, swept

FILES = sorted((Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"))
PROJECT = "0123456789ab4cdef0123456789abcde"
CDN = {"zone": "example.org", "subdomain": "static", "target": "cdn.example.net.", "ttl": 3600}
SCALING = {"setting": "web_instances", "minimum": 1, "maximum": 9}
SMS = {"to": ["+33612345678"], "operators": [{"url": "https://sms.example.net/messages", "token": "of the operator"}]}
SIZES = {"front": 4, "nginx": 2, "php": 2, "memcached": 1, "sql": 2}
PLACE_SIZES = {"haproxy": 1, "proxy": 1, "keys": 1, "mobile": 1}
# What a stack's file leaves off.
OPTIONS: dict[str, dict[str, Any]] = {
    "sofoot": {"scaling": SCALING, "cdn": CDN},
    "giroptic": {
        "scaling": SCALING | {"setting": "peaks.instances"},
        "cdn": CDN,
        "peaks": {"instances": 2, "vrack": "pn-1002", "monitoring": "vps-0a1b2c06.vps.ovh.net"},
    },
    "sextant_erp": {
        "sms": SMS,
        "backup": None,
        "backup_storage": {"project": PROJECT},
        "database_servers": {f"db-{n}": f"ns3100002{n}.ip-198-18-16-2{n}.eu" for n in (1, 2)},
    },
    "nextradiotv": {
        "sms": SMS,
        "night": {"start": "20:00"},
        "vpn_peers": {"ann": "A" * 42 + "A="},
        "drp": {
            "region": "SBG5",
            "sizes": SIZES,
            "database_servers": {f"drp-db-{n}": f"ns3100003{n}.ip-198-18-16-3{n}.eu" for n in (0, 1, 2)},
        },
    },
    "keyzee": {
        "elsewhere": {
            "america": {
                "name": "bhs",
                "region": "BHS5",
                "sizes": PLACE_SIZES,
                "databases": {f"bhs-db-{n}": f"ns3100010{n}.ip-198-18-17-{n}.net" for n in (1, 2, 3)},
                "nas": "zpool-000003",
                "vlan": 13,
                "private_cidr": "10.13.0.0/24",
            }
        }
    },
}


@pytest.fixture(autouse=True, scope="module")
def _project() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OVH_CLOUD_PROJECT_SERVICE", raising=False)
        yield


def whole(file: Path) -> tuple[str, dict[str, Any]]:
    """The architecture's name, and all that may be set, with the values that are."""
    config = yaml.safe_load(file.read_text())["config"]
    name = config["casebook:architecture"]
    model = architectures.load(name).Arguments
    project = {"project": PROJECT} if "project" in model.model_fields else {}
    given = {**config["casebook:settings"], **project, **OPTIONS.get(name, {})}
    return name, model.model_validate_json(json.dumps(given)).model_dump(mode="json")


def build(name: str, given: dict[str, Any]) -> None:
    config = {"casebook:architecture": name, "casebook:settings": json.dumps(given)}
    pulumi.runtime.set_all_config(config)
    architectures.build()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.split(".")[1])
@settings(max_examples=10, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(data=st.data())
def test_a_stack_refuses_one_mistake(file: Path, data: Any) -> None:
    name, valid = whole(file)
    found: list[str] = []

    def program() -> None:
        for mistake in mistakes(architectures.load(name).Arguments, valid, json=True):
            value = data.draw(mistake.wrong)
            one = Wrong(mistake.path, value, put(valid, mistake.path, value), mistake.secret)
            found.extend(complaints(one, lambda given: build(name, given)))

    registered = declare(program, preview=True)
    assert not found, "\n".join(found)
    assert [one.type for one in registered] == ["pulumi:pulumi:Stack"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.split(".")[1])
def test_hostile_values_anywhere_are_taken_or_refused_in_a_sentence(file: Path) -> None:
    name, valid = whole(file)
    model = architectures.load(name).Arguments

    def attempt(given: dict[str, Any]) -> None:
        try:
            model.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise explained("settings", error, model) from None

    # A file of JSON has no numbers of thousands of digits, and no lone halves of characters.
    values = tuple(value for value in HOSTILE if value not in ("\ud800", 10**5000, [10**5000]))
    found = list(swept(model, valid, attempt, values))
    assert not found, "\n".join(found[:30])
