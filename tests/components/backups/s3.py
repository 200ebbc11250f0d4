"""An S3 in memory, with versions of objects, that holds each request against the policy of its user.

As much of S3 as restic, rclone and archive.py ask for. Signatures are not looked at: the key's first half is the user.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from sandbox.openstack.s3_policies import asked
from sandbox.policies import judged

BUCKET = "acme-backups"


class Version(NamedTuple):
    id: str
    moment: datetime
    # None: a deletion.
    content: bytes | None


class S3:
    def __init__(self, policies: dict[str, dict[str, Any]]) -> None:
        self.policies, self.url = policies, ""
        # Key -> its versions, the newest last.
        self.objects: dict[str, list[Version]] = {}
        # What was refused: user, action, resource.
        self.refused: list[tuple[str, str, str]] = []

    def put(self, key: str, content: bytes | None) -> None:
        versions = self.objects.setdefault(key, [])
        versions.append(Version(f"v{len(versions)}", datetime.now(UTC), content))

    def current(self, prefix: str = "") -> dict[str, bytes]:
        found = {key: versions[-1].content for key, versions in sorted(self.objects.items()) if key.startswith(prefix)}
        return {key: content for key, content in found.items() if content is not None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3

    def do_any(self) -> None:
        body = self.body()
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        credential = self.headers.get("Authorization", "") + query.get("X-Amz-Credential", "")
        user = re.search(r"(?:Credential=|^)([A-Za-z0-9-]+)/", credential)
        environ = {"REQUEST_METHOD": self.command, "PATH_INFO": f"/v1/a/{bucket}/{key}", "QUERY_STRING": url.query}
        for action, resource in asked(environ):
            if not user or not judged(self.s3.policies.get(user[1], {"Statement": []}), action, resource):
                self.s3.refused.append((user[1] if user else "", action, resource))
                return self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>")
        if not key:
            return self.answer(200, self.listing(query).encode())
        return self.one(key, body, query)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do_any  # noqa: N815 (the library's names)

    def one(self, key: str, body: bytes, query: dict[str, str]) -> None:
        if self.command == "PUT":
            self.s3.put(key, body)
            return self.answer(200, headers={"ETag": etag(body)})
        if self.command == "DELETE":
            if "versionId" in query:
                self.s3.objects[key] = [one for one in self.s3.objects[key] if one.id != query["versionId"]]
            else:
                self.s3.put(key, None)
            return self.answer(204)
        versions = [one for one in self.s3.objects.get(key, []) if query.get("versionId", one.id) == one.id]
        if not versions or versions[-1].content is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        content, status = versions[-1].content, 200
        headers = {"ETag": etag(content), "Last-Modified": f"{versions[-1].moment:%a, %d %b %Y %H:%M:%S GMT}"}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"
            content, status = content[first : last + 1], 206
        return self.answer(status, content, headers)

    def listing(self, query: dict[str, str]) -> str:
        if "location" in query:
            return "<LocationConstraint>gra</LocationConstraint>"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = max(query.get(name, "") for name in ("marker", "start-after", "key-marker"))
        lines, folders = [], set()
        for key, versions in sorted(self.s3.objects.items()):
            if not key.startswith(prefix) or key <= after:
                continue
            if delimiter and delimiter in key[len(prefix) :]:
                folders.add(prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter)
                continue
            for one in reversed(versions if "versions" in query else versions[-1:]):
                if one.content is None and "versions" not in query:
                    continue
                kind = ("DeleteMarker" if one.content is None else "Version") if "versions" in query else "Contents"
                content, latest = one.content or b"", str(one is versions[-1]).lower()
                lines.append(
                    f"<{kind}><Key>{escape(key)}</Key><VersionId>{one.id}</VersionId><IsLatest>{latest}</IsLatest>"
                    f"<LastModified>{one.moment:%Y-%m-%dT%H:%M:%S.%fZ}</LastModified><ETag>{etag(content)}</ETag>"
                    f"<Size>{len(content)}</Size></{kind}>"
                )
        lines += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        root = "ListVersionsResult" if "versions" in query else "ListBucketResult"
        return f"<{root}><IsTruncated>false</IsTruncated>{''.join(lines)}</{root}>"

    def body(self) -> bytes:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
            return text
        found = b""
        while text:
            size, _, text = text.partition(b"\r\n")
            length = int(size.partition(b";")[0] or b"0", 16)
            found, text = found + text[:length], text[length + 2 :]
        return found

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def serving(policies: dict[str, dict[str, Any]]) -> Iterator[S3]:
    s3 = S3(policies)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"s3": s3})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        s3.url = f"http://127.0.0.1:{server.server_port}"
        yield s3
        server.shutdown()
