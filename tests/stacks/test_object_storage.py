"""Object storage at work: presigned URLs of S3, and what is deleted when its time has come."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook.data.swift_storage.programs import signed_url
from sandbox import DATA
from sandbox.openstack.admin import connection
from sandbox.ovhcloud.public_cloud import PublicCloud
from sandbox.ovhcloud.storage import expire
from sandbox.ovhcloud.store import Store
from stacks.environment import prepare
from tests.stacks.running import project, request, token_of

pytestmark = pytest.mark.sandbox
PROGRAM = """
import os

import pulumi
from pulumi_casebook import ObjectStorage, SwiftStorage

project = os.environ["OVH_CLOUD_PROJECT_SERVICE"]
bucket = {"writers": ["web"], "readers": ["visitor"], "lifecycle": {"old": {"prefix": "dump/", "expire_days": 21}}}
s3 = ObjectStorage("s3", project=project, region="GRA", prefix="probe", buckets={"photos": bucket})
swift = SwiftStorage("swift", project=project, region="GRA", containers={"dumps": {"writers": ["backup"]}})
pulumi.export("keys", {user: s3.signing_key("photos", user) for user in ("web", "visitor")})
pulumi.export("container", swift.containers["dumps"].url)
pulumi.export("login", swift.users["backup"]._asdict())
"""


@pytest.fixture(scope="module", name="storage")
def _storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The outputs of a program with a bucket and a container."""
    pulumi = project(tmp_path_factory.mktemp("storage"), Path(sys.prefix), PROGRAM, prepare(cloud=True))
    try:
        pulumi("up", "--yes", "--skip-preview")
        yield json.loads(pulumi("stack", "output", "--json", "--show-secrets"))
    finally:
        pulumi("destroy", "--yes", "--skip-preview")


def put(url: str) -> int:
    return request(url, "-X", "PUT", "-d", "a photo")[0]


@pytest.mark.claim("GIR-4")
def test_a_presigned_url_allows_what_its_user_may_and_for_so_long(storage: dict[str, Any]) -> None:
    web, visitor = (signed_url.load(storage["keys"][user]) for user in ("web", "visitor"))
    upload, brief = web.signed("PUT", "one", 300), web.signed("PUT", "two", 1)
    assert put(upload) == 200
    assert request(visitor.signed("GET", "one", 300)) == (200, "a photo")
    assert request(upload)[0] == 403, "signed for writing"
    assert put(upload.replace("/one?", "/other?")) == 403, "signed for another object"
    assert put(upload.partition("?")[0]) in (400, 403), "unsigned: no S3 request at all, to Swift"
    assert put(visitor.signed("PUT", "one", 300)) == 403, "signed by a user who may only read"
    time.sleep(3)
    assert put(brief) == 403, "expired"


@pytest.mark.claim("NRT-12")
def test_the_platform_deletes_an_object_after_its_days(storage: dict[str, Any]) -> None:
    web = signed_url.load(storage["keys"]["web"])
    names = {"kept": 200, "dump/monday": 404}
    assert {put(web.signed("PUT", name, 300)) for name in names} == {200}
    store, cloud = Store(DATA / "ovhcloud.sqlite"), PublicCloud(connection())
    assert expire(store, cloud, datetime.now(UTC) + timedelta(days=20)) == 0
    assert expire(store, cloud, datetime.now(UTC) + timedelta(days=21)) == 1
    assert {name: request(web.signed("GET", name, 300))[0] for name in names} == names


@pytest.mark.claim("NRT-12")
def test_swift_deletes_an_object_at_its_moment(storage: dict[str, Any]) -> None:
    login = ("-H", f"X-Auth-Token: {token_of(**storage['login'])}")
    for name, after in (("brief", ("-H", "X-Delete-After: 3")), ("lasting", ())):
        assert request(f"{storage['container']}/{name}", "-X", "PUT", "-d", "x", *login, *after)[0] == 201
    deadline = time.monotonic() + 60
    while (listed := request(storage["container"], *login)[1].split()) != ["lasting"]:
        assert time.monotonic() < deadline, f"a minute later there is still {listed}"
        time.sleep(1)
    assert request(f"{storage['container']}/brief", *login)[0] == 404
