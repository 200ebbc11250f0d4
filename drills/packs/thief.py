"""What root on a machine can do to copies: a program that comes there on standard input, behind signed_url.py.

Takes every key that the machine has, deletes and, told so, overwrites all that it finds, and turns off what would undo
it. Prints how much of that it was let do, as JSON.
"""

import json
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from pulumi_casebook.data.swift_storage.programs.signed_url import S3

FOLDER = Path("/etc/casebook")


def keys(folder: Path) -> Iterator[S3]:
    for path in folder.glob("backup-*.env"):
        values = dict(line.split("=", 1) for line in shlex.split(path.read_text()))
        if values["RESTIC_REPOSITORY"].startswith("s3:"):
            scheme, _, rest = values["RESTIC_REPOSITORY"].removeprefix("s3:").partition("://")
            host, bucket, _ = rest.split("/", 2)
            secret = values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"]
            yield S3(f"{scheme}://{host}", values["AWS_DEFAULT_REGION"], bucket, *secret)
    for path in [*folder.glob("archive-*.json"), *folder.glob("backup-bucket/*.json")]:
        found = json.loads(path.read_text())
        yield S3(*(found[name] for name in ("endpoint", "region", "bucket", "access_key", "secret_key")))


def ask(key: S3, method: str, name: str, body: bytes = b"", **query: str) -> bytes | None:
    """The answer, or nothing where it is refused."""
    url = key.signed(method, name, 300, **query)
    request = urllib.request.Request(url, body or None, method=method)  # noqa: S310 (of a storage)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return bytes(answer.read())
    except urllib.error.HTTPError:
        return None


def items(page: bytes, word: str) -> Iterator[tuple[str, str]]:
    for item in ElementTree.fromstring(page).iterfind(f"{{*}}{word}"):  # noqa: S314 (of a storage)
        yield item.findtext("{*}Key") or "", item.findtext("{*}VersionId") or ""


def names_of(key: S3) -> list[str]:
    found: list[str] = []
    while page := ask(key, "GET", "", marker=found[-1] if found else ""):
        more = [name for name, _ in items(page, "Contents")]
        found += more
        if not more or b"<IsTruncated>true" not in page:
            break
    return found


def taken(folder: Path, overwrite: bool) -> dict[str, int]:
    done = {"deleted": 0, "overwritten": 0, "changed": 0}
    suspended = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    for key in keys(folder):
        names = names_of(key)
        done["changed"] += ask(key, "PUT", "", suspended, versioning="") is not None
        done["changed"] += ask(key, "DELETE", "", lifecycle="") is not None
        for name in names:
            # Its own locks it may delete.
            done["deleted"] += "/locks/" not in name and ask(key, "DELETE", name) is not None
        for name, version in items(ask(key, "GET", "", versions="") or b"<none/>", "Version"):
            done["deleted"] += ask(key, "DELETE", name, versionId=version) is not None
        for name in names if overwrite else ():
            done["overwritten"] += ask(key, "PUT", name, b"gone") is not None
    return done


if __name__ == "__main__":
    print(json.dumps(taken(FOLDER, "overwrite" in sys.argv)))
