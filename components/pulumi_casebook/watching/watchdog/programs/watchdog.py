#!/usr/bin/python3
"""Guards a pair: notices that the machine which writes is lost, fences it, and lets the other take over.

    watchdog keep               what watchdog.service runs: look, decide, act, every few seconds
    watchdog status             what was last seen, and what is being done about it; JSON
    watchdog ready              succeed once both machines have been seen at work
    watchdog rejoin MACHINE     make a repaired machine the replica of the one that writes

An incident is several looks in a row in which the writer does not answer here, and its peer does not see it either
over the private network; or in which it does answer here, but neither its peer nor the balancer sees it. Then, in this
order:

 1. The lost machine is fenced. If it can still be reached its server is ended, to come back read-only. If not, its
    lease is waited for: it has stopped writing by itself, for it has seen neither its peer nor this program.
 2. It is taken out of the load balancer, which no longer sends it anybody.
 3. Its peer is promoted, which refuses if anybody still answers for the writer's address.
 4. Additional IPs and the weights follow the writer. They stay so until the next incident: nothing moves them back.

In doubt it does nothing but tell. It holds no state that matters: who writes is a row of the pair's own data.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

sys.path.append("/usr/local/lib/casebook")  # where it is on a machine
from pulumi_casebook.machines.service_account.programs.api import Api, Failed, ask

SETTINGS = Path(os.environ.get("WATCHDOG", "/etc/watchdog.json"))
KINDS = ("http", "tcp")
PATIENCE = 15  # seconds that a machine has for an answer
MOVE = 300  # seconds until an address has moved
REFRESH = 120  # seconds until a balancer's refresh is in force
LOOK_AGAIN = 60  # seconds between two looks at a balancer with which nothing seemed wrong
UNREACHABLE = 255  # of ssh: it could not connect

View = dict[str, Any]


class Balancer:
    """The farm servers of an IP Load Balancing that stand for the machines, in every farm."""

    def __init__(self, api: Api, service: str) -> None:
        self.api, self.base = api, f"/ipLoadbalancing/{service}"

    def servers(self) -> list[tuple[str, View]]:
        found = []
        for kind in KINDS:
            farms = f"{self.base}/{kind}/farm"
            for farm in self.api.call("GET", farms):
                where = f"{farms}/{farm}/server"
                for number in self.api.call("GET", where):
                    found.append((f"{where}/{number}", self.api.call("GET", f"{where}/{number}")))
        return found

    def want(self, wanted: dict[str, View]) -> bool:
        """Give the servers of these addresses weight and status, in force; whether anything had to change."""
        changed = False
        for where, server in self.servers():
            new = {**server, **wanted.get(server["address"], {})}
            if new != server:
                self.api.call("PUT", where, {"weight": new["weight"], "status": new["status"]})
                changed = True
        if any(zone["number"] for zone in self.api.call("GET", f"{self.base}/pendingChanges")):
            self.refresh()
        return changed

    def sees(self) -> dict[str, bool]:
        """Server's address -> whether the balancer's probes find it in any farm; without those not probed yet."""
        found: dict[str, bool] = {}
        for _, server in self.servers():
            for state in server["serverState"]:
                if state["status"] in ("up", "down"):
                    found[server["address"]] = found.get(server["address"], False) or state["status"] == "up"
        return found

    def refresh(self) -> None:
        task, deadline = self.api.call("POST", f"{self.base}/refresh", {})["id"], time.monotonic() + REFRESH
        while (status := self.api.call("GET", f"{self.base}/task/{task}")["status"]) != "done":
            if status not in ("todo", "doing") or time.monotonic() > deadline:
                raise Failed(f"{self.base}: refresh (task {task}) is {status}; the weights are declared, not in force")
            time.sleep(0.5)


class Addresses:
    """Additional IPs, each with the services that may hold it."""

    def __init__(self, api: Api, holders: dict[str, dict[str, str]]) -> None:
        self.api, self.holders = api, holders

    def want(self, machine: str) -> list[str]:
        """Route every address to a machine; those that had to move."""
        moved = []
        for ip, services in self.holders.items():
            path, service = f"/ip/{urllib.parse.quote(ip + '/32', safe='')}", services[machine]
            if (self.api.call("GET", path)["routedTo"] or {}).get("serviceName") == service:
                continue
            task, deadline = self.api.call("POST", f"{path}/move", {"to": service}), time.monotonic() + MOVE
            while (status := self.api.call("GET", f"{path}/task/{task['taskId']}")["status"]) != "done":
                if status not in ("init", "todo", "doing") or time.monotonic() > deadline:
                    raise Failed(f"{ip}: its move to {service} (task {task['taskId']}) is {status}")
                time.sleep(0.5)
            moved.append(ip)
        return moved


class Machine:
    """One machine of the pair, and the orders that it takes."""

    def __init__(self, name: str, front: str, order: list[str]) -> None:
        self.name, self.front, self.command = name, front, order
        self.answered = time.monotonic()  # when it last did, or this program began
        self.silent = 0  # looks in a row in which it did not write
        self.view: View = {"reached": False, "role": None, "trouble": f"{name} has not been looked at yet"}

    def order(self, words: str, seconds: float = PATIENCE) -> str:
        try:
            done = subprocess.run([*self.command, words], capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not answer to {words!r}") from None
        if done.returncode == UNREACHABLE:
            raise Failed(f"{self.name} cannot be reached: {done.stderr.strip()}")
        if done.returncode:
            raise Sick(f"{self.name}: {done.stderr.strip()}")
        return done.stdout.strip()

    def watch(self, interval: float) -> NoReturn:
        """Look again and again, whatever else is going on: a writer's lease depends on it."""
        while True:
            began = time.monotonic()
            self.look()
            time.sleep(max(0.0, interval - (time.monotonic() - began)))

    def look(self) -> None:
        """See what it says of itself. `reached`: it answers; `role`: None where its server does not."""
        try:
            self.view = {"reached": True, "trouble": None, **json.loads(self.order("renew-lease"))}
        except Sick as error:
            self.view = {"reached": True, "role": None, "trouble": str(error)}
        except (Failed, ValueError) as error:
            self.view = {"reached": False, "role": None, "trouble": str(error)}
        if self.view["reached"]:
            self.answered = time.monotonic()  # its lease began at the latest now
        self.silent = 0 if self.view["role"] == "writer" else self.silent + 1

    @property
    def works(self) -> bool:
        """Whether it can serve: it writes, or it has what the writer writes."""
        if self.view.get("role") == "writer":
            return bool(self.view["holds_address"])
        return self.view.get("role") == "replica" and self.view["lag"] is not None


class Sick(Failed):
    """A machine that answers, but whose server does not do its part."""


class Watchdog:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.machines = {name: Machine(name, **given) for name, given in settings["machines"].items()}
        service, holders = settings["load_balancer"], settings["addresses"]
        api = Api(**settings["api"]) if service or holders else None
        self.balancer = Balancer(api, service) if api and service else None
        self.addresses = Addresses(api, holders) if api else None
        self.said: dict[str, str] = {}
        self.balanced: tuple[object, float] = (None, 0.0)
        self.severed = 0  # looks in a row in which a writer was seen from here alone

    def keep(self) -> NoReturn:
        for machine in self.machines.values():
            machine.look()
            threading.Thread(target=machine.watch, args=[self.settings["interval"]], daemon=True).start()
        while True:
            troubles = self.decide()
            self.tell(troubles)
            self.note(troubles)
            time.sleep(self.settings["interval"])

    def decide(self) -> dict[str, str]:
        """Act on what was seen; the troubles that are left, by machine."""
        troubles = {
            name: one.view["trouble"] or one.view["keeper"] for name, one in self.machines.items() if not one.works
        }
        writers = [one for one in self.machines.values() if one.view["role"] == "writer"]
        try:
            if len(writers) > 1:
                raise Failed(f"{' and '.join(one.name for one in writers)} both write; their keepers end that")
            self.severed = self.severed + 1 if len(writers) == 1 and self.seen_here_alone(writers[0]) else 0
            if self.severed >= self.settings["failure_threshold"]:
                self.incident()
            elif writers and not self.severed:
                self.balance(writers[0])
            elif not writers and all(
                one.silent >= self.settings["failure_threshold"] for one in self.machines.values()
            ):
                self.incident()
        except Failed as error:
            troubles["watchdog"] = str(error)
        return troubles

    def seen_here_alone(self, writer: Machine) -> bool:
        """Whether the private network is cut on the writer's side, so that nobody who wants to write can reach it."""
        [peer] = [one for one in self.machines.values() if one is not writer]
        if self.balancer is None or peer.view.get("sees_peer", True):
            return False
        seen = self.balancer.sees()
        return seen.get(peer.front, False) and not seen.get(writer.front, True)

    def incident(self) -> None:
        """Nobody writes, or nobody can reach who does. Errors: what stands in the way of a promotion."""
        heirs = [one for one in self.machines.values() if one.view["role"] == "replica"]
        if len(heirs) != 1:
            raise Failed("nobody writes, and there is not one replica that could")
        [heir] = heirs
        [gone] = [one for one in self.machines.values() if one is not heir]
        if heir.view["sees_peer"]:
            raise Failed(f"{gone.name} is not seen from here, but {heir.name} sees it; nothing is done")
        if gone.view["reached"]:
            self.say(f"{gone.name} is reached, but its server does not answer, or only here: ending it")
            gone.order("stop")
        else:
            left = self.settings["lease"] + self.settings["settled"] - (time.monotonic() - gone.answered)
            if left > 0:
                raise Failed(f"{gone.name} is lost; its lease is over in {left:.0f} s")
        self.say(f"{gone.name} is lost: {heir.name} takes over")
        try:
            self.serve(heir, {gone.name: False, heir.name: True})
        except Failed as error:
            self.say(f"the balancer still has {gone.name}: {error}")  # it is read-only, or off: no reason to wait
        self.say(heir.order("promote --peer-is-off", 120))
        heir.look()

    def balance(self, writer: Machine) -> None:
        """Weights and servers as the writer, and what works, ask for; asked for again now and then."""
        works = {name: one.works for name, one in self.machines.items()}
        wanted = (writer.name, tuple(works.values()))
        if self.balanced[0] == wanted and time.monotonic() - self.balanced[1] < LOOK_AGAIN:
            return
        if self.addresses and (moved := self.addresses.want(writer.name)):
            self.say(f"{', '.join(moved)} moved to {writer.name}")
        if any(works.values()) and self.serve(writer, works):
            self.say(f"{writer.name} writes; the balancer sends {self.shares(writer, works)}")
        self.balanced = (wanted, time.monotonic())

    def serve(self, writer: Machine, works: dict[str, bool]) -> bool:
        if self.balancer is None:
            return False
        first, second = self.settings["weights"]
        return self.balancer.want(
            {
                one.front: {
                    "weight": first if one is writer else second,
                    "status": "active" if works[name] else "inactive",
                }
                for name, one in self.machines.items()
            }
        )

    def shares(self, writer: Machine, works: dict[str, bool]) -> str:
        first, second = self.settings["weights"]
        weights = {name: first if one is writer else second for name, one in self.machines.items()}
        return ", ".join(f"{weights[name]} to {name}" for name, good in works.items() if good)

    # Telling

    def say(self, words: str) -> None:
        print(words, flush=True)

    def tell(self, troubles: dict[str, str]) -> None:
        """To the journal what is new; to Alertmanager all of it, which forgets what is not told again."""
        for name in troubles.keys() | self.said.keys():
            if name not in troubles:
                self.say(f"{name}: well again")
            elif name not in self.said:
                self.say(f"{name}: {troubles[name]}")
        self.said = troubles
        if not self.settings["alertmanager"] or not troubles:
            return
        # Without a beginning Alertmanager takes the end for it.
        now = datetime.now(UTC)
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=2)).isoformat()}
        alerts = [
            {
                "labels": {"alertname": "Watchdog", "machine": name, "severity": "critical"},
                "annotations": {"summary": words},
                **times,
            }
            for name, words in troubles.items()
        ]
        url = self.settings["alertmanager"].rstrip("/") + "/api/v2/alerts"
        try:
            ask(urllib.request.Request(url, json.dumps(alerts).encode(), {"Content-Type": "application/json"}))
        except Failed as error:
            self.say(f"the alert did not go out: {error}")

    def note(self, troubles: dict[str, str]) -> None:
        file = Path(self.settings["state"])
        new = file.with_suffix(".new")
        views = {name: one.view for name, one in self.machines.items()}
        new.write_text(json.dumps({"at": time.time(), "troubles": troubles, "machines": views}))
        new.replace(file)

    # Commands

    def noted(self) -> dict[str, Any]:
        file = Path(self.settings["state"])
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"at": 0.0, "troubles": {}}
        age = time.time() - found["at"]
        if age > 60 + 3 * self.settings["interval"]:
            raise Failed("it has not looked lately; is watchdog.service running? journalctl -u watchdog")
        return found

    def ready(self) -> str:
        if troubles := self.noted()["troubles"]:
            raise Failed("; ".join(f"{name}: {words}" for name, words in troubles.items()))
        return "both machines do their part"


def main() -> None:
    words = sys.argv[1:]
    try:
        watchdog = Watchdog(json.loads(SETTINGS.read_text()))
        if words == ["keep"]:
            watchdog.keep()
        elif words == ["status"]:
            print(json.dumps(watchdog.noted(), indent=1))
        elif words == ["ready"]:
            print(watchdog.ready())
        elif len(words) == 2 and words[0] == "rejoin" and words[1] in watchdog.machines:
            print(watchdog.machines[words[1]].order("rejoin", 600))
        else:
            sys.exit(__doc__)
    except (Failed, OSError) as error:
        sys.exit(f"watchdog: {error}")


if __name__ == "__main__":
    main()
