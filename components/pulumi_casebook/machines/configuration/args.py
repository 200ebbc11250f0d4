"""What one machine must hold, as data: nothing here knows a cloud, and all of it is known at preview."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pulumi_casebook.core.args import WORLD, Args, Cidr, Label, Line, Owner, Port, Unique, check_path, form

# A path or a word of a machine's configuration: printable, and in one piece.
ONE_WORD = r"[!-~]+"
# A secret's place in a file, and how it is written there; casebook-apply knows how.
SECRET = re.compile(r"@secret\([^):]+(?::([^)]*))?\)@")
FORMS = ("json", "shell", "cnf", "xml", "quoted", "word", "line")
Path = Annotated[Line, form(rf"/{ONE_WORD}", "an absolute path without spaces"), AfterValidator(check_path)]
Variable = Annotated[str, form(r"[A-Z][A-Z0-9_]*", "a variable's name is upper-case letters, digits and underscores")]
Package = Annotated[
    str, form(r"[a-z0-9][a-z0-9+.-]+", "a package of Debian has lower-case letters, digits and +.- in its name")
]
Mode = Annotated[str, form(r"0[0-7]{3}", "permissions in octal, such as 0644")]
Word = Annotated[Line, form(ONE_WORD, "one word, without spaces")]
Https = Annotated[Line, form(rf"https://{ONE_WORD}", "a URL that begins with https://")]
Fingerprint = Annotated[
    str, form(r"[0-9A-F]{40}", "the key's fingerprint: 40 digits and letters from A to F, without spaces")
]
UnitName = Annotated[str, form(r"[A-Za-z0-9@._-]+", "a unit of systemd, such as nginx.service")]
# Others' names are part of it.
RoleName = Annotated[
    str,
    form(
        r"[a-z]([a-z0-9-]{0,126}[a-z0-9])?",
        "roles become names of files: lower-case letters, digits and dashes, starting with a letter, 128 at most",
    ),
]


class File(Args):
    """A text file, in which the machine puts the role's secrets.

    `@secret(name)@`, alone on its line, is the secret as it is. Within a line it is written as it has to be there, so
    that nothing in it ends the string or the word: between double quotes of JSON or YAML `@secret(name:json)@`, of
    MariaDB's option files `:cnf`, of XML `:xml`; between single quotes of a shell `:shell`. `:word` and `:line` are
    refused by the machine where they are none; `:quoted` brings its quotes (pulumi_casebook.web.environment).
    """

    path: Path
    content: str
    owner: Owner = "root:root"
    mode: Mode = "0644"

    @model_validator(mode="after")
    def _can_be_written(self) -> "File":
        if "@secret(" in self.content and self.mode[-1] != "0":
            raise ValueError(f"mode={self.mode}: {self.path} holds a secret; give it a mode that ends in 0")
        for line in self.content.split("\n"):
            for secret in SECRET.finditer(line):
                if secret[1] not in FORMS and (secret[1] or line != secret[0]):
                    raise ValueError(
                        f"{self.path}: {secret[0]} in a line: say how it is to be written there, by one of "
                        f"{', '.join(f':{form}' for form in FORMS)}"
                    )
        if "Calling __str__ on an Output" in self.content:
            raise ValueError(f"{self.path} was rendered from a value that is not known yet; pass it through apply")
        return self


class Repository(Args):
    """A vendor's apt repository, for what Debian lacks. A machine whose own package sources have it needs none."""

    # Names the files below /etc/apt.
    name: Label
    # Where it is, as the vendor's documentation says.
    uri: Https
    suite: Word
    component: Word
    # Where the vendor keeps the key that signs it.
    key: Https
    # The key's, which is trusted where it came from notwithstanding.
    fingerprint: Fingerprint


class Directory(Args):
    path: Path
    owner: Owner = "root:root"
    mode: Mode = "0755"


class Unit(Args):
    """A systemd unit that runs and starts at boot.

    When a file of `restart_on` or `reload_on` changes, that is done, but only after `check` (the daemon's own
    validator) has accepted the new files.

    A service is started again however it has ended, and for as long as it takes, whatever its own unit says: it was
    killed, it found no memory, it gave up waiting for another machine. Nobody has to log in.
    """

    unit: UnitName
    # systemd's Type=oneshot: what does its work once, and is tried again until that is done.
    oneshot: bool = False
    # How long it rests before it is started again.
    restart_seconds: int = Field(default=1, ge=1, le=300)
    restart_on: Unique[Path] = ()
    reload_on: Unique[Path] = ()
    check: Line | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Unit":
        if self.restart_on and self.reload_on:
            raise ValueError(f"{self.unit}: restart_on and reload_on: one of them, for a restart reloads as well")
        return self


class Ready(Args):
    """A shell command that succeeds once the role does its work, and how long it may take."""

    command: Line
    seconds: int = Field(default=60, ge=1, le=3600)


class Allow(Args):
    """Let `sources` reach a port of the machine, or speak VRRP to it. Everything that is not allowed is dropped."""

    port: Port | None = None
    # One that is given twice is let in once.
    sources: Annotated[Sequence[Cidr], AfterValidator(tuple)]
    protocol: Literal["tcp", "udp", "vrrp"] = "tcp"

    @model_validator(mode="after")
    def _port_fits(self) -> "Allow":
        if (self.port is None) != (self.protocol == "vrrp"):
            raise ValueError(f"port={self.port}: tcp and udp have one, vrrp has none")
        return self

    @property
    def match(self) -> str:
        """Who is let in to what, in nftables' words; VRRP by its number, for not every machine has a list of names.

        The world is everybody, by IPv6 too.
        """
        source = "" if WORLD in self.sources else f"ip saddr {{ {', '.join(self.sources)} }} "
        return source + (f"{self.protocol} dport {self.port}" if self.port else "ip protocol 112")


class Configuration(Args):
    """One role of a machine: packages, files, services, open ports and a readiness check."""

    role: RoleName
    packages: Unique[Package] = ()
    # Where packages are looked for if the machine's own sources lack one.
    repositories: Unique[Repository] = ()
    # What packages ask for in the environment of their installation.
    variables: Mapping[Variable, Line] = {}
    directories: Unique[Directory] = ()
    files: Unique[File] = ()
    units: Unique[Unit] = ()
    allow: Unique[Allow] = ()
    ready: Ready | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        paths, names = [file.path for file in self.files], [unit.unit for unit in self.units]
        for what, given in (("files", paths), ("units", names)):
            for one in given:
                if given.count(one) > 1:
                    raise ValueError(f"{what}: {one} is given twice")
        for unit in self.units:
            for path in (*unit.restart_on, *unit.reload_on):
                if path not in paths:
                    raise ValueError(f"units.{unit.unit}: {path} is none of the files")
        return self
