#!/usr/bin/python3
"""Make this machine hold what a bundle says. Runs on the machine, as root, on the standard library alone.

    casebook-apply apply ROLE     the bundle on standard input
    casebook-apply secrets ROLE   {"name": "value"} on standard input; prints a number that grows with each change
    casebook-apply remove ROLE    stop and remove what the role brought; packages and data stay

Running it twice does nothing. What a stopped run left undone, the next one does.
"""

import fcntl
import grp
import json
import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ.get("CASEBOOK_STATE", "/var/lib/casebook"))
ROOT = Path(os.environ.get("CASEBOOK_ROOT", "/"))
NO_START = ROOT / "usr/sbin/policy-rc.d"


class Refused(Exception):
    """A sentence for the operator."""


# The bundle


def parse(text):
    """The bundle as {"role", "packages", "directories", "files", "services", "ready"}."""
    wanted = {"role": "", "packages": [], "directories": [], "files": {}, "services": [], "ready": None}
    content = None
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        if line.startswith("|"):
            content.append(line[2:])
        elif word == "role":
            wanted["role"] = rest
        elif word == "package":
            wanted["packages"].append(rest)
        elif word == "directory":
            wanted["directories"].append(rest.split())
        elif word == "file":
            path, owner, mode = rest.split()
            content = []
            wanted["files"][path] = {"owner": owner, "mode": int(mode, 8), "lines": content}
        elif word == "service":
            unit, change = rest.split()
            wanted["services"].append({"unit": unit, "change": change, "follows": [], "check": None})
        elif word == "follows":
            wanted["services"][-1]["follows"].append(rest)
        elif word == "check":
            wanted["services"][-1]["check"] = rest
        elif word == "ready":
            seconds, command = rest.split(" ", 1)
            wanted["ready"] = (int(seconds), command)
        elif word:
            raise Refused(f"line {number} of the bundle begins with {word!r}, which is not a word of bundles")
    return wanted


def filled(lines, secrets, path):
    """A file's bytes, its secrets put in."""

    def value(found):
        if found[1] not in secrets:
            raise Refused(f"{path} wants the secret {found[1]!r}, which this role was not given")
        return secrets[found[1]]

    text = "".join(line + "\n" for line in lines)
    return re.sub(r"@secret\(([^)]+)\)@", value, text).encode()


# What the machine remembers of a role


def load(path, empty):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return empty


def store(path, value):
    write(path, json.dumps(value, indent=1).encode(), 0, 0, 0o600)


def write(path, data, uid, gid, mode):
    """Replace a file at once: it is the old one or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.casebook")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def ids(owner):
    user, group = owner.split(":")
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise Refused(f"owner {owner}: {error.args[0]}; does its package come first?") from None


def inside(path):
    return ROOT / path.lstrip("/")


# Steps


def run(*command, check=True):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        raise Refused(f"{' '.join(command)} failed:\n{tail(done.stdout)}")
    return done


def tail(text, lines=20):
    return "\n".join(text.splitlines()[-lines:])


def installed(packages):
    listed = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages, check=False).stdout
    return {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}


def install(packages):
    """Install what is missing; daemons start later, with their files in place."""
    missing = [name for name in packages if name not in installed(packages)] if packages else []
    if not missing:
        return []
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    get = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold")
    NO_START.write_text("#!/bin/sh\nexit 101\n")
    NO_START.chmod(0o755)
    try:
        run("dpkg", "--configure", "-a")
        wanted = (*get, "install", "--yes", "--no-install-recommends", *missing)
        if run(*wanted, check=False).returncode:
            run(*get, "update")
            run(*wanted)
    finally:
        NO_START.unlink()
    return missing


def write_files(wanted, secrets):
    """(paths that changed, what they held before)."""
    changed, before = [], {}
    for path, owner, mode in wanted["directories"]:
        target, (uid, gid) = inside(path), ids(owner)
        target.mkdir(parents=True, exist_ok=True)
        os.chown(target, uid, gid)
        os.chmod(target, int(mode, 8))
    for path, file in wanted["files"].items():
        target, (uid, gid) = inside(path), ids(file["owner"])
        data = filled(file["lines"], secrets, path)
        try:
            status, old = target.stat(), target.read_bytes()
            same = old == data and (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (
                uid,
                gid,
                file["mode"],
            )
        except FileNotFoundError:
            same, old = False, None
        if not same:
            before[path] = old
            write(target, data, uid, gid, file["mode"])
            changed.append(path)
    return changed, before


def restore(before, files):
    for path, old in before.items():
        if old is None:
            inside(path).unlink(missing_ok=True)
        else:
            write(inside(path), old, *ids(files[path]["owner"]), files[path]["mode"])


def active(unit):
    return run("systemctl", "is-active", "--quiet", unit, check=False).returncode == 0


def enforce(service, changed):
    """Start a unit, or make a running one take its changed files; what was done, in a word."""
    unit = service["unit"]
    run("systemctl", "enable", "--quiet", unit)
    if not active(unit):
        run("systemctl", "reset-failed", unit, check=False)
        begin(unit, "start")
        return f"started {unit}"
    if changed & set(service["follows"]):
        begin(unit, service["change"])
        return f"{service['change']}ed {unit}"
    return None


def begin(unit, verb):
    if run("systemctl", verb, unit, check=False).returncode:
        raise Refused(f"{unit} did not {verb}:\n{journal(unit)}")


def journal(unit):
    return tail(run("journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={unit}", check=False).stdout)


def wait_ready(ready, services):
    seconds, command = ready
    start = time.monotonic()
    while (done := run("sh", "-c", command, check=False)).returncode:
        if time.monotonic() - start > seconds:
            logs = "\n".join(f"{s['unit']}: {journal(s['unit'])}" for s in services)
            raise Refused(f"not ready after {seconds} s: {command}\n{tail(done.stdout, 5)}\n{logs}")
        time.sleep(0.2)
    return time.monotonic() - start


def forget(old, wanted):
    """Take away what the role brought earlier and no longer has."""
    kept = {service["unit"] for service in wanted["services"]}
    for unit in old["services"]:
        if unit not in kept and unit not in SHARED:
            run("systemctl", "disable", "--now", "--quiet", unit, check=False)
    gone = [path for path in old["files"] if path not in wanted["files"]]
    for path in gone:
        inside(path).unlink(missing_ok=True)
    if any(path.startswith("/etc/nftables.d/") for path in gone):
        run("systemctl", "reload", "nftables.service", check=False)
    return gone


# Units that several roles use: a role that leaves does not stop them.
SHARED = ("nftables.service", "systemd-networkd.service", "ssh.service", "cron.service")


def apply(role, text):
    wanted = parse(text)
    if wanted["role"] != role:
        raise Refused(f"the bundle is of the role {wanted['role']!r}, not {role!r}")
    memory = STATE / f"{role}.json"
    old = load(memory, {"files": [], "services": [], "pending": []})
    secrets = load(STATE / "secrets" / f"{role}.json", {"values": {}})["values"]
    new = install(wanted["packages"])
    gone = forget(old, wanted)
    names = {"files": list(wanted["files"]), "services": [s["unit"] for s in wanted["services"]]}
    changed, before = write_files(wanted, secrets)
    pending = sorted({*old["pending"], *changed})
    # Noted before any service is touched: a run that dies here is finished by the next one.
    store(memory, {**names, "pending": pending})
    for service in wanted["services"]:
        if service["check"] and set(pending) & set(service["follows"]):
            done = run("sh", "-c", service["check"], check=False)
            if done.returncode:
                restore(before, wanted["files"])
                store(memory, old)
                raise Refused(f"{service['check']} refuses the new files, the old ones are back:\n{tail(done.stdout)}")
    if any(path.startswith("/etc/systemd/system/") for path in [*pending, *gone]):
        run("systemctl", "daemon-reload")
    done = [word for s in wanted["services"] if (word := enforce(s, set(pending)))]
    waited = wait_ready(wanted["ready"], wanted["services"]) if wanted["ready"] else 0
    store(memory, {**names, "pending": []})
    words = [f"installed {', '.join(new)}"] * bool(new) + [f"wrote {path}" for path in changed]
    words += [f"removed {path}" for path in gone] + done
    print(f"{role}: {'; '.join(words) or 'nothing to do'}; ready after {waited:.1f} s")


def keep_secrets(role, text):
    path = STATE / "secrets" / f"{role}.json"
    old = load(path, {"number": 0, "values": {}})
    values = json.loads(text)
    number = old["number"] + (values != old["values"])
    if number != old["number"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        store(path, {"number": number, "values": values})
    print(number)


def remove(role):
    memory = STATE / f"{role}.json"
    forget(load(memory, {"files": [], "services": []}), {"files": {}, "services": []})
    run("systemctl", "daemon-reload")
    memory.unlink(missing_ok=True)
    (STATE / "secrets" / f"{role}.json").unlink(missing_ok=True)
    print(f"{role}: removed")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("apply", "secrets", "remove"):
        sys.exit(__doc__)
    action, role = sys.argv[1:]
    STATE.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    with open(STATE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # roles of one machine come one after the other
        try:
            if action == "remove":
                remove(role)
            else:
                {"apply": apply, "secrets": keep_secrets}[action](role, sys.stdin.read())
        except Refused as error:
            sys.exit(f"{role}: {error}")


if __name__ == "__main__":
    main()
