#!/usr/bin/python3
"""Whole copies in object storage. Runs on the machine, as root, on the standard library alone.

    archive-NAME setup                   does the storage answer? A copy's age counts from here until there is one
    archive-NAME run                     make a copy now
    archive-NAME list                    the copies, and when the platform deletes them
    archive-NAME restore TARGET [COPY]   put the newest copy, or one by its name, below the directory TARGET

A copy is a folder of objects, archives/NAME/TIME/0000 and so on, and one that says it is whole, .../complete, made
last. The key of this machine adds, and deletes nothing: what a copy that broke off has left goes when its time comes.

ARCHIVE_SETTINGS names another machine's settings, such as /dev/stdin, to restore what that one has saved.
"""

import argparse
import datetime
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypedDict, cast
from xml.etree import ElementTree

ARCHIVE = Path(__file__).name
sys.path.append(f"/usr/local/lib/casebook/{ARCHIVE}")  # where its parts are on a machine
from pulumi_casebook.data.swift_storage.programs.signed_url import S3  # noqa: E402
from pulumi_casebook.machines.configuration.programs.runtime import CommandLine, Refused, show  # noqa: E402

# A part waits in a file until its length is known, which S3 asks for.
PART, BLOCK = 256 << 20, 1 << 20
# For how long a signature is good; a request that has begun goes on.
SIGNED = 900
NAMED = "%Y-%m-%dT%H%M%SZ"


class Settings(TypedDict):
    archive: str
    bucket: str
    prefix: str
    region: str
    endpoint: str
    access_key: str
    secret_key: str
    passphrase: str
    source: str
    expire_days: int | None
    figures: str


class Storage:
    """The archive's part of the bucket."""

    def __init__(self, settings: Settings) -> None:
        self.prefix = settings["prefix"]
        where = {name: str(cast(dict[str, Any], settings)[name]) for name in S3.__annotations__}
        self.signer = S3(**where)

    def ask(self, method: str, name: str, body: Any = None, length: int = 0, **query: str) -> bytes:
        answer, connection = self.begin(method, name, body, length, **query)
        text = answer.read()
        connection.close()
        return text

    def begin(
        self, method: str, name: str, body: Any, length: int, **query: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        parts = urllib.parse.urlsplit(self.signer.signed(method, name, SIGNED, **query))
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=300)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, {"Content-Length": str(length)})
            answer = connection.getresponse()
        except http.client.HTTPException as error:
            raise Refused(f"{method} {parts.netloc}{parts.path}: {error!r}") from None
        if answer.status >= 300:
            raise Refused(f"{method} {parts.netloc}{parts.path}: {answer.status} {answer.reason}")
        return answer, connection

    def names(self) -> list[str]:
        """All objects of this archive, in their order."""
        found: list[str] = []
        while True:
            text = self.ask("GET", "", prefix=f"{self.prefix}/", marker=found[-1] if found else "")
            page = ElementTree.fromstring(text)  # noqa: S314 (of the storage that holds all copies)
            found += [str(key.text) for key in page.iterfind("{*}Contents/{*}Key")]
            if page.findtext("{*}IsTruncated") != "true":
                return found

    def copies(self) -> list[str]:
        """The whole ones, oldest first."""
        return [name.split("/")[-2] for name in self.names() if name.endswith("/complete")]

    def read(self, name: str, into: IO[bytes]) -> None:
        answer, connection = self.begin("GET", name, None, 0)
        while block := answer.read(BLOCK):
            into.write(block)
        connection.close()


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
    folder = f"{settings['prefix']}/{time.strftime(NAMED, time.gmtime())}"
    packed = f"{settings['source']} | zstd --quiet"
    source = pipeline(settings, packed, "--symmetric", "", stdout=subprocess.PIPE)
    try:
        for number, (part, length) in enumerate(parts(cast(IO[bytes], source.stdout))):
            storage.ask("PUT", f"{folder}/{number:04}", part, length)
        if source.wait():
            raise Refused(f"the source ended with status {source.returncode}: {settings['source']}")
        storage.ask("PUT", f"{folder}/complete")
    except BaseException:
        source.kill()
        raise
    note(settings)


def parts(stream: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """What one object holds, each with its length."""
    while block := stream.read(BLOCK):
        with tempfile.TemporaryFile(dir="/var/tmp") as file:
            file.write(block)
            while file.tell() < PART and (block := stream.read(BLOCK)):
                file.write(block)
            length = file.tell()
            file.seek(0)
            yield file, length


def note(settings: Settings) -> None:
    """For Monitoring: when there was a good copy last."""
    figure = f'casebook_backup_last_success_timestamp_seconds{{backup="{settings["archive"]}"}} {int(time.time())}\n'
    show(settings["figures"], f"archive-{settings['archive']}", figure)


def setup(settings: Settings) -> None:
    Storage(settings).copies()
    if not Path(settings["figures"], f"archive-{settings['archive']}.prom").exists():
        note(settings)


def listed(settings: Settings) -> str:
    days, lines = settings["expire_days"], []
    for copy in Storage(settings).copies():
        made = datetime.datetime.strptime(copy, NAMED).replace(tzinfo=datetime.UTC)
        lines.append(f"{copy} until {made + datetime.timedelta(days=days):%F}" if days else f"{copy} kept")
    return "\n".join(lines)


def restore(settings: Settings, target: Path, wanted: str | None) -> None:
    storage = Storage(settings)
    copies = storage.copies()
    copy = wanted or (copies[-1] if copies else None)
    if copy is None or copy not in copies:
        raise Refused(f"no such copy: {wanted or 'there is none yet'}; `list` names those that there are")
    target.mkdir(parents=True, exist_ok=True)
    dump = settings["source"].startswith("mariadb-dump")
    unpack = f"cat > '{target}/{settings['archive']}.sql'" if dump else f"tar --extract --directory '{target}'"
    sink = pipeline(settings, "", "--decrypt", f"zstd --quiet --decompress | {unpack}", stdin=subprocess.PIPE)
    with cast(IO[bytes], sink.stdin) as into:
        for name in storage.names():
            if name.split("/")[-2] == copy and not name.endswith("/complete"):
                storage.read(name, into)
    if sink.wait():
        raise Refused(f"{copy} could not be restored; its parts are there; see the error above")


def main() -> None:
    file = Path(os.environ.get("ARCHIVE_SETTINGS", f"/etc/casebook/{ARCHIVE}.json"))

    def settings() -> Settings:
        return cast(Settings, json.loads(file.read_text()))

    def restored(given: argparse.Namespace) -> None:
        restore(settings(), given.target, given.copy)

    line = CommandLine(ARCHIVE, __doc__)
    line.command("setup", lambda _: setup(settings()))
    line.command("run", lambda _: run(settings()))
    line.command("list", lambda _: listed(settings()))
    restoring = line.command("restore", restored)
    restoring.add_argument("target", type=Path)
    restoring.add_argument("copy", nargs="?")
    line.obey()


if __name__ == "__main__":
    main()
