#!/usr/bin/python3
"""Make this machine hold what a bundle says. Runs on the machine, as root, on the standard library alone.

    casebook-apply apply ROLE     the bundle on standard input
    casebook-apply secrets ROLE   {"name": "value"} on standard input; prints a number that grows with each change
    casebook-apply remove ROLE    stop and remove what the role brought; packages and data stay

Running it twice does nothing. What a stopped run left undone, the next one does.
"""

import base64
import fcntl
import grp
import hashlib
import io
import json
import os
import pwd
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

STATE = Path(os.environ.get("CASEBOOK_STATE", "/var/lib/casebook"))
ROOT = Path(os.environ.get("CASEBOOK_ROOT", "/"))
UNITS = "/etc/systemd/system/"
# When the lists of packages were fetched last.
LISTED = STATE / "package-lists"
DAY = 24 * 3600

# Units that the machine needs whatever its roles are: a role that leaves does not stop them.
SHARED = ("nftables.service", "systemd-networkd.service", "ssh.service", "cron.service")

# Debian asks this program whether a freshly installed daemon may start (policy-rc.d(8)). Not before its files are
# in place.
NO_START = ROOT / "usr/sbin/policy-rc.d"
NO_START_TEXT = "#!/bin/sh\n# casebook-apply\nexit 101\n"


class Refused(Exception):
    """A sentence for the operator."""


class File(TypedDict):
    owner: str
    mode: int
    lines: list[str]


class Service(TypedDict):
    unit: str
    change: str
    follows: list[str]
    check: str | None


class Repository(TypedDict):
    name: str
    uri: str
    suite: str
    component: str
    key: str
    fingerprint: str


class Role(TypedDict):
    role: str
    packages: list[str]
    repositories: list[Repository]
    variables: dict[str, str]
    directories: list[tuple[str, str, int]]
    files: dict[str, File]
    services: list[Service]
    ready: tuple[int, str] | None


class Held(TypedDict):
    """A file as it is on disk; the bytes as Latin-1, which loses none."""

    data: str
    uid: int
    gid: int
    mode: int


class Memory(TypedDict):
    """What the machine remembers of a role."""

    files: list[str]
    services: dict[str, list[str]]  # unit to the files it follows
    pending: list[str]  # files that changed and that their services have not taken yet
    before: dict[str, Held | None]  # what those held, as long as no validator has accepted the new ones


# The bundle


def parse(text: str) -> Role:
    wanted: Role = {
        "role": "",
        "packages": [],
        "repositories": [],
        "variables": {},
        "directories": [],
        "files": {},
        "services": [],
        "ready": None,
    }
    lines: list[str] | None = None
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        word, _, rest = line.lstrip(" ").partition(" ")
        try:
            if line.startswith("|") and lines is not None:
                lines.append(line[2:])
            elif word == "role":
                wanted["role"] = rest
            elif word == "package":
                wanted["packages"].append(rest)
            elif word == "repository":
                name, uri, suite, component, key, fingerprint = rest.split()
                wanted["repositories"].append(
                    Repository(name=name, uri=uri, suite=suite, component=component, key=key, fingerprint=fingerprint)
                )
            elif word == "variable":
                name, _, value = rest.partition(" ")
                wanted["variables"][name] = value
            elif word == "directory":
                path, owner, mode = rest.split()
                wanted["directories"].append((path, owner, int(mode, 8)))
            elif word == "file":
                path, owner, mode = rest.split()
                lines = []
                wanted["files"][path] = {"owner": owner, "mode": int(mode, 8), "lines": lines}
            elif word == "service":
                unit, change = rest.split()
                wanted["services"].append({"unit": unit, "change": change, "follows": [], "check": None})
            elif word == "follows":
                wanted["services"][-1]["follows"].append(rest)
            elif word == "check":
                wanted["services"][-1]["check"] = rest
            elif word == "ready":
                seconds, _, command = rest.partition(" ")
                wanted["ready"] = (int(seconds), command)
            else:
                raise Refused(f"line {number} of the bundle begins with {word!r}, which is not a word of bundles")
        except (ValueError, IndexError):
            raise Refused(f"line {number} of the bundle, which begins with {word!r}, is not complete") from None
    return wanted


def filled(path: str, lines: list[str], secrets: dict[str, str]) -> bytes:
    """A file's bytes, its secrets put in."""

    def value(found: re.Match[str]) -> str:
        name, _, form = found[1].partition(":")
        if name not in secrets:
            raise Refused(f"{path} wants the secret {name!r}, which this role was not given")
        try:
            return FORMS[form](secrets[name])
        except ValueError as error:
            raise Refused(f"{path}: the secret {name!r} {error}") from None

    text = "".join(line + "\n" for line in lines)
    return re.sub(r"@secret\(([^)]+)\)@", value, text).encode()


# How a secret is written where it stands: what ends a string, a word or a line there is no part of any secret.


def escaped(text: str, replacements: dict[str, str]) -> str:
    return "".join(replacements.get(character, character) for character in text)


def within(pattern: str, what: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"is not {what}, which it has to be there")
    return text


FORMS: dict[str, Callable[[str], str]] = {
    # Alone on its line: all of it, as it is.
    "": str,
    # Between double quotes of JSON or YAML.
    "json": lambda text: json.dumps(text)[1:-1],
    # Between single quotes of a shell.
    "shell": lambda text: escaped(text, {"'": "'\\''"}),
    # Between double quotes of MariaDB's option files.
    "cnf": lambda text: escaped(text, {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}),
    # Between double quotes of XML.
    "xml": lambda text: escaped(
        text, {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
    ),
    # Between double quotes, which it brings: pulumi_casebook.web.environment.
    "quoted": lambda text: within(r'"([^"\\\r\n\0]|\\.)*"', "between quotes", text),
    "word": lambda text: within(r"[!-~]+", "one word of ASCII", text),
    "line": lambda text: within(r"[^\x00-\x1f\x7f]+", "one line", text),
}


# Files


def inside(path: str) -> Path:
    return ROOT / path.lstrip("/")


def load(path: Path, empty: Any) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return empty


def remembered(role: str) -> Memory:
    nothing: Memory = {"files": [], "services": {}, "pending": [], "before": {}}
    memory: Memory = load(STATE / f"{role}.json", nothing)
    return memory


def store(path: Path, value: Any) -> None:
    write(path, json.dumps(value, indent=1).encode(), os.getuid(), os.getgid(), 0o600)


def write(path: Path, data: bytes, uid: int, gid: int, mode: int) -> None:
    """Replace a file at once: it is the old one or the new one, never half."""
    new = f".{path.name}.casebook"
    try:
        with opened(path.parent) as folder:
            remove_file(new, folder)  # of a run that was killed here
            created = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
            try:
                with os.fdopen(created, "wb") as file:
                    os.fchown(file.fileno(), uid, gid)
                    os.fchmod(file.fileno(), mode)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                remove_file(new, folder)
                raise
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A directory, made where there is none. Where others than root may write on the way, no link is followed: theirs
    would lead root to a place of their choice."""
    folder = os.open("/", os.O_DIRECTORY)
    try:
        for name in path.parts[1:]:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            status = os.fstat(folder)
            follow = 0 if status.st_uid == 0 and not status.st_mode & 0o022 else os.O_NOFOLLOW
            inner = os.open(name, os.O_DIRECTORY | follow, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def remove_file(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def ids(owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise Refused(f"owner {owner}: {error.args[0]}; does its package come first?") from None


def held(path: str) -> Held | None:
    try:
        status, data = inside(path).stat(), inside(path).read_bytes()
    except FileNotFoundError:
        return None
    return {
        "data": data.decode("latin-1"),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mode": status.st_mode & 0o7777,
    }


def put(path: str, holds: Held | None) -> None:
    if holds is None:
        with opened(inside(path).parent) as folder:
            remove_file(inside(path).name, folder)
    else:
        write(inside(path), holds["data"].encode("latin-1"), holds["uid"], holds["gid"], holds["mode"])


def differing(wanted: Role, secrets: dict[str, str]) -> dict[str, Held]:
    """The files that are not as they should be, as they should be."""
    new: dict[str, Held] = {}
    for path, file in wanted["files"].items():
        uid, gid = ids(file["owner"])
        data = filled(path, file["lines"], secrets).decode("latin-1")
        should: Held = {"data": data, "uid": uid, "gid": gid, "mode": file["mode"]}
        if held(path) != should:
            new[path] = should
    return new


def make_directories(wanted: Role) -> None:
    for path, owner, mode in wanted["directories"]:
        try:
            with opened(inside(path)) as folder:
                os.fchown(folder, *ids(owner))
                os.fchmod(folder, mode)
        except OSError as error:
            raise Refused(f"{path} cannot be made: {error.strerror}") from None


# Commands


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    if check and done.returncode:
        raise Refused(f"{' '.join(command)} failed:\n{tail(done.stdout)}")
    return done


def tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.splitlines()[-lines:])


def installed(packages: list[str]) -> set[str]:
    listed = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages, check=False).stdout
    return {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}


def install(role: Role) -> list[str]:
    """Install what is missing; what was."""
    packages = role["packages"]
    if NO_START.exists() and NO_START.read_text() == NO_START_TEXT:
        NO_START.unlink()  # of a run that was killed here
    present = installed(packages) if packages else set()
    missing = [name for name in packages if name not in present]
    if not missing:
        return []
    os.environ.update({"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **role["variables"]})
    get = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold")
    wanted = (*get, "install", "--yes", "--no-install-recommends", *missing)
    if not LISTED.exists() or LISTED.stat().st_mtime < time.time() - DAY:
        # What the image knows of packages is as old as the image: security updates are not among it.
        update(get)
    write(NO_START, NO_START_TEXT.encode(), os.getuid(), os.getgid(), 0o755)
    try:
        done = run(*wanted, check=False)
        if done.returncode:
            # A package manager that was interrupted, or lists that are missing or too old.
            run("dpkg", "--configure", "-a", check=False)
            updated, done = update(get), run(*wanted, check=False)
        if "Unable to locate package" in done.stdout:
            for repository in role["repositories"]:
                add_repository(repository, packages)
            updated, done = update(get), run(*wanted, check=False)
        if done.returncode:
            said = tail(f"{updated.stdout}\n{done.stdout}".strip())
            raise Refused(f"apt-get cannot install {', '.join(missing)}:\n{said}")
    finally:
        NO_START.unlink()
    return missing


def update(get: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Fetch the lists of packages; when that was done is kept."""
    done = run(*get, "update", check=False)
    if not done.returncode:
        LISTED.touch()
    return done


def add_repository(repository: Repository, packages: list[str]) -> None:
    """Make a vendor's repository the machine's source of these packages, if the key that signs it is the expected one.

    Of nothing else: whoever holds the vendor's key could send a newer openssh-server.
    """
    try:
        with urllib.request.urlopen(repository["key"], timeout=60) as answer:  # noqa: S310 (the model takes https only)
            key = dearmored(answer.read())
        found = fingerprints(key)
    except (OSError, ValueError, IndexError) as error:
        raise Refused(f"the key of the repository {repository['name']} cannot be read: {error}") from None
    if found != [repository["fingerprint"]]:
        raise Refused(
            f"{repository['key']} holds the key {' and '.join(found) or '(none)'}, "
            f"not {repository['fingerprint']}: nothing of {repository['uri']} is trusted"
        )
    keyring = f"/etc/apt/keyrings/{repository['name']}.gpg"
    write(inside(keyring), key, os.getuid(), os.getgid(), 0o644)
    source = (
        f"Types: deb\nURIs: {repository['uri']}\nSuites: {repository['suite']}\n"
        f"Components: {repository['component']}\nSigned-By: {keyring}\n"
    )
    pin = f'Pin: origin "{urllib.parse.urlsplit(repository["uri"]).hostname}"\nPin-Priority:'
    wanted = f"Package: *\n{pin} -1\n\nPackage: {' '.join(packages)}\n{pin} 500\n"
    for path, text in (
        (f"/etc/apt/preferences.d/{repository['name']}.pref", wanted),
        (f"/etc/apt/sources.list.d/{repository['name']}.sources", source),
    ):
        write(inside(path), text.encode(), os.getuid(), os.getgid(), 0o644)


def dearmored(key: bytes) -> bytes:
    """A key without its armor (RFC 4880, 6.2), if it has one."""
    if not key.startswith(b"-----BEGIN PGP"):
        return key
    body = key.replace(b"\r", b"").split(b"\n\n", 1)[1].split(b"\n-----END", 1)[0]
    return base64.b64decode(b"".join(line for line in body.split(b"\n") if not line.startswith(b"=")))


def fingerprints(key: bytes) -> list[str]:
    """Of the primary keys in it: one that is not expected would be trusted with the others (RFC 4880, 4.2, 12.2)."""
    found = []
    while key:
        first, size = key[0], key[1]
        if not first & 0x80:
            raise ValueError("it is no OpenPGP key")
        if first & 0x40:  # the new format
            tag = first & 0x3F
            if size < 192:
                start, length = 2, size
            elif size < 224:
                start, length = 3, ((size - 192) << 8) + key[2] + 192
            else:
                start, length = 6, int.from_bytes(key[2:6], "big")
        else:
            tag, width = first >> 2 & 0x0F, 1 << (first & 3)
            start, length = 1 + width, int.from_bytes(key[1 : 1 + width], "big")
        body, key = key[start : start + length], key[start + length :]
        if tag == 6:
            sha1 = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
            found.append(sha1.hexdigest().upper())
    return found


# Services


def start_or_change(service: Service, stale: bool) -> str | None:
    """Start a unit, or make a running one take its files where it runs on stale ones; what was done, in a word."""
    unit = service["unit"]
    if run("systemctl", "is-enabled", "--quiet", unit, check=False).returncode:
        run("systemctl", "enable", "--quiet", unit)
    if run("systemctl", "is-active", "--quiet", unit, check=False).returncode:
        run("systemctl", "reset-failed", unit, check=False)
        order(unit, "start")
        return f"started {unit}"
    if stale:
        order(unit, service["change"])
        return f"{service['change']}ed {unit}"
    return None


def order(unit: str, verb: str) -> None:
    if run("systemctl", verb, unit, check=False).returncode:
        raise Refused(f"{unit} did not {verb}:\n{journal(unit)}")


def journal(unit: str) -> str:
    return tail(run("journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={unit}", check=False).stdout)


def check_files(services: list[Service], changed: set[str]) -> None:
    for service in services:
        if service["check"] and changed & set(service["follows"]):
            done = run("sh", "-c", service["check"], check=False)
            if done.returncode:
                raise Refused(f"{service['check']} refuses the new files, the old ones are back:\n{tail(done.stdout)}")


def unneeded(role: str, old: Memory, wanted: Role) -> tuple[list[str], list[str]]:
    """The units that the role had and no longer has: those that nobody else wants, and those that stay."""
    kept = {service["unit"] for service in wanted["services"]}
    others = {unit for path in STATE.glob("*.json") if path.stem != role for unit in remembered(path.stem)["services"]}
    left = [unit for unit in old["services"] if unit not in kept]
    shared = others.union(SHARED)
    return [unit for unit in left if unit not in shared], [unit for unit in left if unit in shared]


def stop(units: list[str]) -> None:
    for unit in units:
        run("systemctl", "disable", "--now", "--quiet", unit, check=False)
        # One that ended with an error when it was told to end would be seen as failed after its file is gone.
        run("systemctl", "reset-failed", unit, check=False)


def refresh(units: list[str]) -> None:
    """Units of others take what is left of their files."""
    for unit in units:
        run("systemctl", "try-reload-or-restart", unit, check=False)


def wait_ready(ready: tuple[int, str], services: list[Service]) -> float:
    seconds, command = ready
    start = time.monotonic()
    while (left := start + seconds - time.monotonic()) > 0:
        done = run("timeout", f"{max(left, 1):.0f}", "sh", "-c", command, check=False)
        if not done.returncode:
            return time.monotonic() - start
        time.sleep(0.2)
    logs = "\n".join(f"{service['unit']}: {journal(service['unit'])}" for service in services)
    raise Refused(f"not ready after {seconds} s: {command}\n{tail(done.stdout, 5)}\n{logs}")


# Actions


def apply(role: str, text: str) -> str:
    """Make the machine hold a role; what was done, in one line."""
    wanted = parse(text)
    if wanted["role"] != role:
        raise Refused(f"the bundle is of the role {wanted['role']!r}, not {role!r}")
    memory, old = STATE / f"{role}.json", remembered(role)
    new = install(wanted)
    make_directories(wanted)
    changed = differing(wanted, secrets_of(role))
    gone = [path for path in old["files"] if path not in wanted["files"]]
    # A unit is stopped while its file is still there.
    first, last = [p for p in gone if not p.startswith(UNITS)], [p for p in gone if p.startswith(UNITS)]
    before = {**{path: held(path) for path in [*changed, *first]}, **old["before"]}
    pending = {*old["pending"], *changed, *gone}
    # Noted before a file is touched: a run that dies from here on is finished, or undone, by the next one.
    attempt: Memory = {
        "files": [*old["files"], *(path for path in wanted["files"] if path not in old["files"])],
        "services": {**old["services"], **{s["unit"]: s["follows"] for s in wanted["services"]}},
        "pending": sorted(pending),
        "before": before,
    }
    if pending:
        store(memory, attempt)
    for path, should in changed.items():
        put(path, should)
    for path in first:
        put(path, None)
    try:
        check_files(wanted["services"], pending)
    except Refused:
        for path, holds in before.items():
            put(path, holds)
        # What an earlier run left undone has been undone as well.
        store(memory, {**old, "pending": sorted(set(old["pending"]) - before.keys()), "before": {}})
        raise
    if before:
        store(memory, {**attempt, "before": {}})
    leaving, staying = unneeded(role, old, wanted)
    stop(leaving)
    for path in last:
        put(path, None)
    if any(path.startswith(UNITS) for path in pending):
        run("systemctl", "daemon-reload")
    refresh(staying)
    done = []
    for service in wanted["services"]:
        follows = {*service["follows"], *old["services"].get(service["unit"], [])}
        if word := start_or_change(service, stale=bool(pending & follows)):
            done.append(word)
    waited = wait_ready(wanted["ready"], wanted["services"]) if wanted["ready"] else 0.0
    now: Memory = {
        "files": list(wanted["files"]),
        "services": {service["unit"]: service["follows"] for service in wanted["services"]},
        "pending": [],
        "before": {},
    }
    if pending or now != old:
        store(memory, now)
    words = [f"installed {', '.join(new)}"] * bool(new)
    words += [f"wrote {path}" for path in changed] + [f"removed {path}" for path in gone] + done
    return f"{role}: {'; '.join(words) or 'nothing to do'}; ready after {waited:.1f} s"


def secrets_of(role: str) -> dict[str, str]:
    values: dict[str, str] = load(STATE / "secrets" / f"{role}.json", {"values": {}})["values"]
    return values


def keep_secrets(role: str, text: str) -> str:
    """Keep a role's secrets; a number that grows with each change."""
    path = STATE / "secrets" / f"{role}.json"
    old = load(path, {"number": 0, "values": {}})
    try:
        values = json.loads(text)
    except ValueError:
        raise Refused("the secrets on standard input are not JSON") from None
    if values != old["values"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        old = {"number": old["number"] + 1, "values": values}
        store(path, old)
    return str(old["number"])


def remove(role: str) -> str:
    old = remembered(role)
    leaving, staying = unneeded(role, old, parse(f"role {role}"))
    stop(leaving)
    for path in old["files"]:
        put(path, None)
    run("systemctl", "daemon-reload")
    refresh(staying)
    (STATE / f"{role}.json").unlink(missing_ok=True)
    (STATE / "secrets" / f"{role}.json").unlink(missing_ok=True)
    return f"{role}: removed"


def without_secrets(text: str, secrets: dict[str, str]) -> str:
    """A message in which no secret, nor a line of one, can be read."""
    lines = {
        line: name
        for name, value in secrets.items()
        for written in [value, *(FORMS[form](value) for form in ("json", "shell", "cnf", "xml"))]
        for line in [written, *written.splitlines()]
        if line.strip()
    }
    for line in sorted(lines, key=len, reverse=True):
        text = text.replace(line, f"(secret {lines[line]})")
    return text


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in ("apply", "secrets", "remove"):
        sys.exit(__doc__)
    action, role = sys.argv[1:]
    # Whatever a daemon or a user has written, and whatever the locale: Pulumi takes UTF-8 alone.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    secrets: dict[str, str] = {}
    try:
        text = "" if action == "remove" else sys.stdin.buffer.read().decode()
        STATE.mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o700)
        with (STATE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # roles of one machine come one after the other
            secrets = secrets_of(role)
            if action == "remove":
                print(remove(role))
            else:
                print({"apply": apply, "secrets": keep_secrets}[action](role, text))
    except (Refused, OSError, UnicodeDecodeError) as error:
        sys.exit(without_secrets(f"{role}: {error}", secrets))


if __name__ == "__main__":
    main()
