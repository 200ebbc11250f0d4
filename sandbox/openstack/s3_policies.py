"""S3 policies in force: a filter of Swift's front, behind the login, that judges each S3 request by its user's policy.

Swift's S3 itself knows access lists of whole containers alone. The OVHcloud API writes FILE (`storage.enforce`).
"""

import json
import pathlib
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import DATA
from sandbox.policies import judged

FILE = DATA / "s3-policies.json"
# Where Swift's S3 keeps the parts of large objects.
SEGMENTS = "+segments"
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
OF_BUCKETS = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
OF_OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
OF_PARTS = {"DELETE": "AbortMultipartUpload"}


def asked(environ: Environ) -> list[tuple[str, str]]:
    """The actions of one of the requests that Swift's S3 makes of a client's, with what they are done to."""
    method = environ["REQUEST_METHOD"]
    _, _, _, container, key = [*environ["PATH_INFO"].split("/", 4), "", ""][:5]
    bucket, resource = container.removesuffix(SEGMENTS), f"{container.removesuffix(SEGMENTS)}/{key}"
    if not container:
        return [("s3:ListAllMyBuckets", "*")]
    if not key:
        if method == "POST":
            changes = "PutBucketVersioning" if "HTTP_X_VERSIONS_ENABLED" in environ else "PutBucketAcl"
            return [(f"s3:{changes}", bucket)]
        if "versions" in urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True):
            return [("s3:ListBucketVersions", bucket)]
        if container != bucket:
            return [("s3:ListBucketMultipartUploads", bucket)]
        return [(f"s3:{OF_BUCKETS[method]}", bucket)]
    if container != bucket:
        return [(f"s3:{OF_PARTS.get(method, 'PutObject')}", resource)]
    wanted = [(f"s3:{OF_OBJECTS.get(method, 'PutObject')}", resource)]
    if source := environ.get("HTTP_X_COPY_FROM"):
        wanted.append(("s3:GetObject", urllib.parse.unquote(source.partition("?")[0]).lstrip("/")))
    return wanted


def allowed(known: dict[str, Any], user: str, wanted: list[tuple[str, str]]) -> bool:
    """Where the policy is silent, owners may. Buckets are made and deleted by the OVHcloud API alone."""
    for action, resource in wanted:
        if action in ("s3:CreateBucket", "s3:DeleteBucket"):
            return False
        verdict = judged(known["policies"][user], action, resource)
        silent = action == "s3:ListAllMyBuckets" or known["owners"].get(resource.split("/")[0]) == user
        if not (silent if verdict is None else verdict):
            return False
    return True


class Filter:
    def __init__(self, application: Application, file: pathlib.Path = FILE) -> None:
        self.application, self.file = application, file

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        user = environ.get("HTTP_X_USER_ID", "")
        # What did not come in by S3, or by nobody of the OVHcloud API's, is for Swift's own access lists.
        if "s3api.auth_details" in environ and self.file.exists():
            known = json.loads(self.file.read_text())
            if user in known["policies"]:
                if not allowed(known, user, asked(environ)):
                    start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "0")])
                    return [b""]
                environ["swift.authorize"], environ["swift.authorize_override"] = (lambda _: None), True
        return self.application(environ, start_response)


def filter_factory(_: Any, **__: Any) -> Callable[[Application], Filter]:
    """For the server's configuration."""
    return Filter
