"""Whole copies in object storage. Runs on the machine, as root, on the standard library alone.

    archive-NAME setup                   does the storage answer? A copy's age counts from here until there is one
    archive-NAME run                     make a copy now
    archive-NAME list                    the copies, and when the platform deletes them
    archive-NAME restore TARGET [COPY]   put the newest copy, or one by its name, below the directory TARGET

A copy is a folder of objects, NAME/TIME/0000 and so on, and one that says it is whole, NAME/TIME/complete, made last.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any, TypedDict, cast

# Swift takes 5 GiB for one object.
PART, BLOCK = 4 << 30, 1 << 20
DAY = 86400


class Settings(TypedDict):
    archive: str
    auth: str
    container: str
    user: str
    password: str
    passphrase: str
    source: str
    expire_days: int | None
    metric: str


class Failed(Exception):
    """A sentence for the operator."""


class Storage:
    """The container, with a login's token."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.container = settings, urllib.parse.urlsplit(settings["container"])
        # .../v1/AUTH_PROJECT/CONTAINER
        project = self.container.path.split("/")[2].removeprefix("AUTH_")
        user = {"name": settings["user"], "domain": {"id": "default"}, "password": settings["password"]}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {"id": project}}}})
        answer, _ = ask("POST", f"{settings['auth']}/auth/tokens", body, {"Content-Type": "application/json"})
        self.headers = {"X-Auth-Token": str(answer.getheader("X-Subject-Token"))}

    def ask(
        self, method: str, name: str, body: Any = None, headers: dict[str, str] | None = None, query: str = ""
    ) -> tuple[http.client.HTTPResponse, bytes]:
        url = f"{self.settings['container']}/{urllib.parse.quote(name)}".rstrip("/") + query
        return ask(method, url, body, {**self.headers, **(headers or {})})

    def names(self) -> list[str]:
        """All objects of this archive, in their order."""
        found: list[str] = []
        while True:
            query = {"prefix": f"{self.settings['archive']}/", "marker": found[-1] if found else ""}
            _, text = self.ask("GET", "", query=f"?{urllib.parse.urlencode(query)}")
            if not text.strip():
                return found
            found += text.decode().split()

    def copies(self) -> list[str]:
        """The whole ones, oldest first."""
        return [name.split("/")[1] for name in self.names() if name.endswith("/complete")]

    def read(self, name: str, into: IO[bytes]) -> None:
        answer, connection = begin("GET", f"{self.settings['container']}/{name}", None, self.headers)
        while block := answer.read(BLOCK):
            into.write(block)
        connection.close()


def begin(
    method: str, url: str, body: Any, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=300)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise Failed(f"{method} {parts.netloc}{parts.path}: {answer.status} {answer.reason}")
    return answer, connection


def ask(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    answer, connection = begin(method, url, body, headers)
    text = answer.read()
    connection.close()
    return answer, text


def pipeline(settings: Settings, before: str, gpg: str, after: str, **pipes: Any) -> "subprocess.Popen[bytes]":
    """`before | gpg | after`, which fails when any part of it does. gpg reads the passphrase from a pipe of its own."""
    secret, into = os.pipe()
    os.write(into, settings["passphrase"].encode())
    os.close(into)
    crypt = f"gpg --batch --quiet --no-symkey-cache --pinentry-mode loopback --passphrase-fd {secret} {gpg}"
    script = " | ".join(part for part in (before, crypt, after) if part)
    process = subprocess.Popen(["bash", "-o", "pipefail", "-c", script], pass_fds=[secret], **pipes)
    os.close(secret)
    return process


def run(settings: Settings) -> None:
    storage = Storage(settings)
    folder = f"{settings['archive']}/{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime())}"
    days = settings["expire_days"]
    expiry = {"X-Delete-After": str(days * DAY)} if days else {}
    made: list[str] = []
    packed = f"{settings['source']} | zstd --quiet"
    source = pipeline(settings, packed, "--symmetric", "", stdout=subprocess.PIPE)
    output = cast(IO[bytes], source.stdout)
    try:
        while ahead := output.read(BLOCK):
            made.append(f"{folder}/{len(made):04}")
            storage.ask("PUT", made[-1], part(ahead, output), {"Transfer-Encoding": "chunked", **expiry})
        if source.wait():
            raise Failed(f"the source ended with status {source.returncode}: {settings['source']}")
        storage.ask("PUT", f"{folder}/complete", b"", expiry)
    except BaseException:
        source.kill()
        for name in made:
            storage.ask("DELETE", name)
        raise
    note_time(settings)


def part(ahead: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """What one object holds: what was read already, and more."""
    yield ahead
    length = len(ahead)
    while length < PART and (block := stream.read(BLOCK)):
        length += len(block)
        yield block


def note_time(settings: Settings) -> None:
    """For Monitoring: when there was a good copy last."""
    file = Path(settings["metric"])
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    metric = "casebook_backup_last_success_timestamp_seconds"
    draft.write_text(f'{metric}{{backup="{settings["archive"]}"}} {int(time.time())}\n')
    draft.replace(file)


def setup(settings: Settings) -> None:
    Storage(settings).copies()
    if not Path(settings["metric"]).exists():
        note_time(settings)


def show(settings: Settings) -> None:
    storage = Storage(settings)
    for copy in storage.copies():
        answer, _ = storage.ask("HEAD", f"{settings['archive']}/{copy}/complete")
        moment = answer.getheader("X-Delete-At")
        print(copy, f"until {formatdate(int(moment), usegmt=True)}" if moment else "kept")


def restore(settings: Settings, target: Path, wanted: str | None) -> None:
    storage = Storage(settings)
    copies = storage.copies()
    copy = wanted or (copies[-1] if copies else None)
    if copy is None or copy not in copies:
        raise Failed(f"no such copy: {wanted or 'there is none yet'}; `list` names those that there are")
    target.mkdir(parents=True, exist_ok=True)
    dump = settings["source"].startswith("mariadb-dump")
    unpack = f"cat > '{target}/{settings['archive']}.sql'" if dump else f"tar --extract --directory '{target}'"
    sink = pipeline(settings, "", "--decrypt", f"zstd --quiet --decompress | {unpack}", stdin=subprocess.PIPE)
    with cast(IO[bytes], sink.stdin) as into:
        for name in storage.names():
            if name.split("/")[1] == copy and not name.endswith("/complete"):
                storage.read(name, into)
    if sink.wait():
        raise Failed(f"{copy} could not be restored; its parts are there; see the error above")


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("settings", type=Path)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("setup")
    actions.add_parser("run")
    actions.add_parser("list")
    restoring = actions.add_parser("restore")
    restoring.add_argument("target", type=Path)
    restoring.add_argument("copy", nargs="?")
    given = parser.parse_args()
    settings: Settings = json.loads(given.settings.read_text())
    try:
        if given.action == "setup":
            setup(settings)
        elif given.action == "run":
            run(settings)
        elif given.action == "list":
            show(settings)
        else:
            restore(settings, given.target, given.copy)
    except (Failed, OSError, http.client.HTTPException) as error:
        print(f"archive-{settings['archive']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
