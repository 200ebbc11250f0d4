"""S3 policies, and the filter that holds requests against them."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.openstack.s3_policies import Filter
from sandbox.policies import judged

GET = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::photos/a/*"]}
ALL = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
NO_DELETION = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::photos/*/data/*"}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "verdict"),
    [
        ([], "s3:GetObject", "photos/a/1", None),
        ([GET], "s3:GetObject", "photos/a/1", True),
        ([GET], "s3:GetObject", "photos/b/1", None),
        ([GET], "s3:PutObject", "photos/a/1", None),
        ([GET], "s3:ListBucket", "photos", None),
        ([ALL], "s3:ListBucket", "photos", True),
        ([ALL, NO_DELETION], "s3:DeleteObject", "photos/a/data/1", False),
        ([NO_DELETION, ALL], "s3:DeleteObject", "photos/a/locks/1", True),
        ([NO_DELETION], "s3:DeleteObject", "photos/a/locks/1", None),
    ],
)
def test_a_denial_wins_and_what_is_not_allowed_is_not_said(
    statements: list[dict[str, Any]], action: str, resource: str, verdict: bool | None
) -> None:
    assert judged({"Statement": statements}, action, resource) is verdict


SAVER = {
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::kept"]},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": ["arn:aws:s3:::kept/db/*"],
        },
        {"Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::kept/db/locks/*"]},
    ]
}


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "kept", {}, 200),
        ("GET", "kept", {"QUERY_STRING": "versions=true&prefix=db"}, 403),
        ("GET", "kept/db/config", {}, 200),
        ("GET", "kept/site/config", {}, 403),
        ("GET", "other/db/config", {}, 403),
        ("PUT", "kept/db/data/00/1", {}, 200),
        ("PUT", "kept/site/data/00/1", {}, 403),
        ("PUT", "kept/db/mine", {"HTTP_X_COPY_FROM": "/kept/db/config"}, 200),
        ("PUT", "kept/db/mine", {"HTTP_X_COPY_FROM": "/kept/site/config"}, 403),
        ("PUT", "kept+segments/db/data/00/1/upload/1", {}, 200),
        ("PUT", "kept+segments/site/data/00/1/upload/1", {}, 403),
        ("DELETE", "kept/db/locks/1", {}, 200),
        ("DELETE", "kept/db/data/00/1", {}, 403),
        ("DELETE", "kept/db/data/00/1", {"QUERY_STRING": "version-id=1"}, 403),
        ("DELETE", "kept", {}, 403),
        ("PUT", "made", {}, 403),
        ("POST", "kept", {"HTTP_X_VERSIONS_ENABLED": "false"}, 403),
        ("POST", "kept", {"HTTP_X_CONTAINER_WRITE": "me"}, 403),
        ("GET", "", {}, 200),
        # Its own bucket, of which the policy says nothing.
        ("DELETE", "own/1", {}, 200),
        ("POST", "own", {"HTTP_X_VERSIONS_ENABLED": "false"}, 200),
    ],
)
def test_a_request_is_what_its_users_policy_says(
    tmp_path: Path, method: str, path: str, more: dict[str, str], status: int
) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"owners": {"own": "saver"}, "policies": {"saver": SAVER}}))
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": f"/v1/AUTH_p/{path}".rstrip("/"), **more}
    environ |= {"HTTP_X_USER_ID": "saver", "s3api.auth_details": {}}
    seen: list[str] = []

    def passed(environ: dict[str, Any], _: object) -> list[bytes]:
        assert environ["swift.authorize"](None) is None
        seen.append("200")
        return []

    Filter(passed, file)(environ, lambda status, _: seen.append(status.split()[0]))
    assert seen == [str(status)]


def test_what_is_no_s3_and_who_is_unknown_is_left_to_swift(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    asked = {"REQUEST_METHOD": "DELETE", "PATH_INFO": "/v1/AUTH_p/kept/db/config"}

    def passed(environ: dict[str, Any], _: object) -> list[bytes]:
        assert "swift.authorize" not in environ
        return [b"passed"]

    for told in (None, {"owners": {}, "policies": {"saver": SAVER}}):
        if told:
            file.write_text(json.dumps(told))
        for more in ({"HTTP_X_USER_ID": "saver"}, {"HTTP_X_USER_ID": "service", "s3api.auth_details": {}}, {}):
            assert Filter(passed, file)({**asked, **more}, print) == [b"passed"]
