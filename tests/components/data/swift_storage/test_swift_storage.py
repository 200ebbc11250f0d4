"""Containers, their users' rights, and their keys."""

from typing import Any

import pulumi
import pytest

from pulumi_casebook import ContainerArgs, InputError, SwiftStorage
from tests.harness import declare, declares_the_same, only

PROJECT = "0123456789abcdef0123456789abcdef"


def storage(**containers: Any) -> SwiftStorage:
    return SwiftStorage("store", project=PROJECT, region="GRA", containers=containers)


def test_readers_read_and_writers_do_both() -> None:
    declared = declares_the_same(lambda: storage(photos={"readers": ["web"], "writers": ["editor"]}, logs={}))
    photos = only(declared, "Container", "store-photos").inputs
    assert photos["containerRead"] == f"{PROJECT}:user-store-web,{PROJECT}:user-store-editor"
    assert photos["containerWrite"] == f"{PROJECT}:user-store-editor"
    assert only(declared, "Container", "store-logs").inputs["containerRead"] == "", "nobody, not everybody"


@pytest.mark.claim("GIR-3")
def test_a_user_s_role_opens_no_container_by_itself() -> None:
    declared = declares_the_same(lambda: storage(photos={"writers": ["web"]}))
    assert only(declared, "User", "store-web").inputs["roleNames"] == ["authentication"]


@pytest.mark.claim("GIR-4")
def test_keys_are_drawn_where_urls_are_signed_and_are_secret() -> None:
    def program() -> None:
        store = storage(photos={"signed_urls": True, "origins": ["https://www.example.org"]}, logs={})
        assert store.containers["photos"].url == f"https://storage.gra.cloud.ovh.net/v1/AUTH_{PROJECT}/photos"
        assert store.containers["logs"].signing_key is None
        pulumi.export("key", store.containers["photos"].signing_key)

    stack, *declared = declare(program, preview=False)
    assert stack.secret_outputs == {"key"}
    container = only(declared, "Container", "store-photos")
    assert container.inputs["metadata"]["Temp-Url-Key"] == "drawn-store-photos-key"
    assert container.secrets == {"metadata"}
    assert container.inputs["metadata"]["Access-Control-Allow-Origin"] == "https://www.example.org"


@pytest.mark.parametrize("keep", [True, False])
def test_destroy_empties_a_container_unless_it_is_kept(keep: bool) -> None:
    container = only(declare(lambda: storage(photos={"keep": keep}), preview=False), "Container", "store-photos")
    assert (container.protect, container.inputs["forceDestroy"]) == (keep, True)


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        ({"readers": ["u"], "writers": ["u"]}, "u is both; a writer reads as well"),
        ({"origins": ["https://www.example.org"]}, "browsers have no login; they need signed_urls=True"),
        ({"signed_urls": True, "origins": ["http://www.example.org"]}, "an origin is https://"),
        ({"world": True}, r"containers\.photos\.world: no such field"),
    ],
)
def test_what_cannot_be_built_is_refused(container: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        storage(photos=container)


def test_a_compute_region_is_refused() -> None:
    with pytest.raises(InputError, match="region='GRA11': not a region of Swift; it has BHS"):
        SwiftStorage("store", project=PROJECT, region="GRA11", containers={"photos": ContainerArgs()})
