"""An application's files on machines: as text that previews show, or, where that cannot be, as one archive."""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pulumi_casebook.core.args import InputError
from pulumi_casebook.core.templates import render
from pulumi_casebook.machines.configuration import Directory, File, Unit
from pulumi_casebook.machines.units import UNITS

SHOWN = 256 * 1024  # bytes of text that a preview can show
LARGEST = 8 * 1024 * 1024  # bytes of an archive that goes through Pulumi's state


class Application:
    """What a folder, or a Java archive (.war), holds, to be laid down below /srv/NAME on a machine.

    `root` on the machine is where the files are; it is a link that changes at once. `files`, `directories` and
    `services` belong to a configuration whose daemon follows `follows` and comes after the services.

    The source is one that a model has checked (`Source`). Error: an archive that is larger than Pulumi's state should
    hold.
    """

    def __init__(self, name: str, source: str | Path) -> None:
        self.name, self.source = name, Path(source)
        self.root = f"/srv/{name}/current"
        self.unit = f"{name}-application.service"
        self.held = _held(self.source)

    @property
    def directories(self) -> tuple[Directory, ...]:
        return (Directory(path=f"/srv/{self.name}"),)

    @cached_property
    def files(self) -> tuple[File, ...]:
        content = self._shown or (File(path=f"/srv/{self.name}/archive", content=self._archive),)
        # The digest makes the unit run again when a file changes or leaves.
        digest = hashlib.sha256(repr(sorted(self.held.items())).encode()).hexdigest()[:12]
        values = {"application": self.name, "digest": digest, "archive": not self._shown}
        return (
            *content,
            File(path=f"/usr/local/sbin/{self.name}-application", content=_rendered("place", values), mode="0755"),
            File(path=f"{UNITS}/{self.unit}", content=_rendered("service", values)),
        )

    @property
    def follows(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)

    @property
    def units(self) -> tuple[Unit, ...]:
        return (Unit(unit=self.unit, oneshot=True, restart_on=self.follows),)

    @cached_property
    def _shown(self) -> tuple[File, ...]:
        """The files as text of the configuration; none where one of them would not survive that."""
        texts = {path: data.decode(errors="replace") for path, data in self.held.items()}
        whole = all(text.encode() == self.held[path] and text.endswith("\n") for path, text in texts.items())
        plain = not any("@secret(" in text or "\r" in text or " " in path for path, text in texts.items())
        if not (whole and plain and sum(map(len, self.held.values())) <= SHOWN):
            return ()
        return tuple(File(path=f"/srv/{self.name}/files/{path}", content=text) for path, text in texts.items())

    @cached_property
    def _archive(self) -> str:
        """The same bytes for the same files, whenever and wherever they are packed."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, data in self.held.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))
        text = base64.encodebytes(gzip.compress(packed.getvalue(), mtime=0)).decode()
        if len(text) > LARGEST:
            raise InputError(
                f"application={self.source}: {len(text) >> 20} MiB as an archive; Pulumi keeps it in the stack's "
                f"state, {LARGEST >> 20} MiB at most. Leave out what is not the application's own (images, videos)"
            )
        return text


def _rendered(kind: str, values: dict[str, object]) -> str:
    return render(__file__, f"{kind}.j2", **values)


def _held(source: Path) -> dict[str, bytes]:
    """Path to content; hidden files (.git, .env) stay where they are."""
    if source.is_file() and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as war:
            return {name: war.read(name) for name in sorted(war.namelist()) if not name.endswith("/")}
    if not source.is_dir():
        raise ValueError("neither a folder nor a Java archive (.war)")
    held = {
        str(path.relative_to(source)): path.read_bytes()
        for path in sorted(source.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(source).parts)
    }
    if not held:
        raise ValueError("an empty folder")
    return held


def _readable(source: str | Path) -> str | Path:
    if not str(source) or (isinstance(source, str) and not source.isprintable()):
        raise ValueError("the folder of the application, or its archive (.war)")
    try:
        held = _held(Path(source))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if "Pulumi.yaml" in held:
        raise ValueError("the folder of a Pulumi program, whose files are no application")
    return source


# Where an application's files are on the computer that Pulumi runs on.
Source = Annotated[str | Path, AfterValidator(_readable)]
