#!/usr/bin/python3
"""Two sites, of which one serves and the other is in step: sees both, and lets the other one serve.

    drp status       both sites as they are; JSON
    drp failover     the second site serves, from now on; --first-site-is-off: somebody has made sure of that
    drp failback     the first site serves again
    drp keep         what drp.timer runs: whoever writes serves, the other rests, the name leads to the one that serves

Who serves is who writes, a row of the databases' own that both clusters hold; this program keeps nothing that matters.

Where both sites answer, a switch loses nothing: the old site is put to rest, the last files are copied, the decision
goes through the old site's database and arrives behind its last transaction, then the new site is woken and the name
moved. Where the first site's database does not answer, all of it that does is put to rest, and the second site takes
over if no visitor is answered at the first one's public addresses. If one is, both would write: that is refused, unless
whoever asks says that the first site is off.
"""

import fcntl
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.append("/usr/local/lib/casebook")  # where it is on a machine
from pulumi_casebook.machines.service_account.programs.api import Api, Failed

SETTINGS = Path(os.environ.get("DRP", "/etc/drp.json"))
UNREACHABLE = 255  # of ssh: it could not connect
PATIENCE, PROMOTION, COPY, NOTICED = 30, 150, 3600, 120  # seconds
IS_OFF = "--first-site-is-off"

View = dict[str, Any]


class Lost(Failed):
    """A machine that does not answer."""


class Site:
    def __init__(self, name: str, given: View, ssh: list[str]) -> None:
        self.name, self.cluster, self.ssh = name, str(given["cluster"]), ssh
        self.members: dict[str, str] = given["members"]
        self.parts: dict[str, str] = given["parts"]
        self.files: str | None = given["files"]
        self.addresses: dict[str, str] = given["addresses"]

    def order(self, machine: str, words: str, seconds: float = PATIENCE) -> str:
        address = {**self.members, **self.parts}[machine]
        try:
            done = subprocess.run(
                [*self.ssh, f"drp@{address}", words], capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise Lost(f"{machine} does not answer to {words!r}") from None
        if done.returncode == UNREACHABLE:
            raise Lost(f"{machine} cannot be reached: {done.stderr.strip()}")
        if done.returncode:
            raise Failed(f"{machine}: {done.stderr.strip()}")
        return done.stdout.strip()

    def all(self, machines: dict[str, str], words: str) -> dict[str, str | Failed]:
        """What each says, or why it does not."""

        def one(machine: str) -> str | Failed:
            try:
                return self.order(machine, words)
            except Failed as error:
                return error

        with ThreadPoolExecutor(max_workers=16) as pool:
            return dict(zip(machines, pool.map(one, machines), strict=True))

    def look(self) -> View:
        """`database`: the members in the cluster, by name, with what they say of themselves."""
        there: dict[str, View] = {}
        for said in self.all(self.members, "status").values():
            told = {} if isinstance(said, Failed) else json.loads(said)["members"]
            there |= {name: one for name, one in told.items() if isinstance(one, dict) and one["state"] == "primary"}
        decided = max(((one["epoch"], one["writer"]) for one in there.values()), default=(0, ""))
        parts = self.all(self.parts, "status")
        return {
            "database": there,
            "decided": decided,
            "writes": any(one["writable"] for one in there.values()),
            "follows": any(one["channel"] for one in there.values()),
            "parts": {
                name: {"trouble": str(said)} if isinstance(said, Failed) else json.loads(said)
                for name, said in parts.items()
            },
        }

    def become(self, part: str) -> list[str]:
        """Serve, or rest; what stands in the way of it."""
        return [str(said) for said in self.all(self.parts, part).values() if isinstance(said, Failed)]

    def answering(self, port: int, host: str) -> list[str]:
        """Public addresses at which a visitor is answered."""
        return [address for address in self.addresses.values() if answered(address, port, host)]


def answered(address: str, port: int, host: str) -> bool:
    """Whether a visitor of the host is answered there.

    A connection is no answer: a balancer takes it with nobody behind; nor is its word that nobody is (502 to 504).
    """
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    for secure in (True, False):
        try:
            with socket.create_connection((address, port), timeout=5) as plain:
                asked = anybody.wrap_socket(plain, server_hostname=host) if secure else plain
                with asked:
                    asked.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                    said = asked.recv(64)
        except OSError:
            continue
        if said:
            return not re.match(rb"HTTP/1\.[01] 50[234]", said)
    return False


class Names:
    """The records that lead to one of the sites."""

    def __init__(self, api: Api, zone: str, subdomain: str, unserved: Path) -> None:
        self.api, self.base, self.subdomain = api, f"/domain/zone/{zone}", subdomain
        self.unserved = unserved  # there from before a record is changed until the zone is served again

    def records(self) -> dict[int, str]:
        numbers = self.api.call("GET", f"{self.base}/record?fieldType=A&subDomain={self.subdomain}")
        return {number: self.api.call("GET", f"{self.base}/record/{number}")["target"] for number in numbers}

    def lead(self, new: Site, old: Site) -> bool:
        """Have every record lead to the new site; whether any did not."""
        counterparts = {address: new.addresses[label] for label, address in old.addresses.items()}
        moving = {number: counterparts[at] for number, at in self.records().items() if at in counterparts}
        if moving:
            self.unserved.touch()
        for number, address in moving.items():
            self.api.call("PUT", f"{self.base}/record/{number}", {"target": address})
        if self.unserved.exists():
            self.api.call("POST", f"{self.base}/refresh", {})
            self.unserved.unlink()
        return bool(moving)


class Drp:
    def __init__(self, settings: View) -> None:
        sites = (Site(name, given, settings["ssh"]) for name, given in settings["sites"].items())
        self.primary, self.replica = sites
        self.port: int = settings["port"]
        self.host = f"{settings['subdomain']}.{settings['zone']}".lstrip(".")
        state = Path(settings["state"])
        self.lock = state / "lock"
        self.names = Names(Api(**settings["api"]), settings["zone"], settings["subdomain"], state / "unserved")

    def look(self) -> tuple[dict[str, View], Site | None]:
        """Both sites, and the one that serves; None where no database answers."""
        with ThreadPoolExecutor() as pool:
            first, second = pool.map(Site.look, (self.primary, self.replica))
        _, writer = max(tuple(first["decided"]), tuple(second["decided"]))
        serving = {self.primary.cluster: self.primary, self.replica.cluster: self.replica}.get(writer)
        return {"primary": first, "replica": second}, serving

    def other(self, site: Site) -> Site:
        return self.replica if site is self.primary else self.primary

    def status(self) -> View:
        views, serving = self.look()
        return {"serves": serving.name if serving else None, "records": sorted(self.names.records().values()), **views}

    def keep(self) -> None:
        """Whoever writes serves."""
        views, serving = self.look()
        if not serving:
            raise Failed("no database answers; nobody knows who serves")
        other = self.other(serving)
        for site, part in ((other, "rest"), (serving, "serve")):
            if any(one.get("part", part) != part for one in views[site.name]["parts"].values()):
                say(f"{site.name}: {part}; {'; '.join(site.become(part)) or 'done'}")
        if self.names.lead(serving, other):
            say(f"the name leads to {serving.name}")

    def switch(self, new: Site, alone: bool, off: bool = False) -> None:
        """`alone`: also where the old site is gone; `off`: it is, somebody says."""
        old, began = self.other(new), time.monotonic()
        self.names.records()  # whoever cannot reach OVHcloud's API may itself be what is cut off
        views, serving = self.look()
        if serving is new and views[new.name]["writes"]:
            say(f"{new.name} serves already")
            self.keep()
            return
        if silent := [name for name, one in views[new.name]["parts"].items() if "trouble" in one]:
            raise Failed(f"{', '.join(silent)} of {new.name} do not answer; a site must be whole to serve")
        if not views[new.name]["database"]:
            raise Failed(f"no database of {new.name} answers")
        orderly = bool(views[old.name]["database"])
        if orderly and not views[new.name]["follows"]:
            raise Failed(f"{new.cluster} does not follow {old.cluster}; galera status there tells why")
        if not (orderly or alone):
            raise Failed(f"no database of {old.name} answers, so what it has would be lost")
        for trouble in old.become("rest"):
            say(f"not put to rest: {trouble}")
        try:
            self.copy_files(new, views[new.name], must=not alone)
            if not orderly and not off and (answering := old.answering(self.port, self.host)):
                raise Failed(
                    f"the databases of {old.name} cannot be asked, but {', '.join(answering)} answers visitors: both "
                    f"sites would write; switch it off, then: drp failover {IS_OFF}"
                )
            member = next(iter(views[new.name]["database"]))
            say(new.order(member, "promote" if orderly else "promote --other-is-off", PROMOTION))
        except Failed:
            if self.look()[1] is old:
                old.become("serve")
            raise
        if troubles := new.become("serve"):
            raise Failed(f"{new.name} writes, but: {'; '.join(troubles)}. The same command continues")
        self.names.lead(new, old)
        # A balancer before it may have to notice first: who gives the order wants visitors served.
        noticed = time.monotonic() + NOTICED
        while not new.answering(self.port, self.host):
            if time.monotonic() > noticed:
                addresses = ", ".join(new.addresses.values())
                raise Failed(f"{new.name} writes and serves, but no visitor is answered at {addresses}")
            time.sleep(1)
        say(f"{new.name} serves, after {time.monotonic() - began:.0f} s")

    def copy_files(self, new: Site, view: View, must: bool) -> None:
        """The old site's last files. Where they are lost, a site that must serve goes on with those that it has."""
        if not new.files:
            return
        try:
            new.order(new.files, "copy", COPY)
        except Failed as error:
            if must:
                raise
            say(f"files are as they were {view['parts'][new.files]['files_copied']} s ago: {error}")


def say(words: str) -> None:
    print(words, flush=True)


def main() -> None:
    words = sys.argv[1:]
    if words not in (["status"], ["failover"], ["failover", IS_OFF], ["failback"], ["keep"]):
        sys.exit(__doc__)
    word = words[0]
    try:
        drp = Drp(json.loads(SETTINGS.read_text()))
        if word == "status":
            print(json.dumps(drp.status(), indent=1))
            return
        with drp.lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
            if word == "keep":
                drp.keep()
            elif word == "failover":
                drp.switch(drp.replica, alone=True, off=IS_OFF in words)
            else:
                drp.switch(drp.primary, alone=False)
    except (Failed, OSError, ValueError) as error:
        sys.exit(f"drp: {error}")


if __name__ == "__main__":
    main()
