"""What mysql-pair.service runs."""

import os
import socket
import threading
import time
from typing import NoReturn

from pulumi_casebook.data.mysql_pair.programs.accounts import make_accounts
from pulumi_casebook.data.mysql_pair.programs.pair import Pair
from pulumi_casebook.machines.configuration.programs.runtime import Refused, Unanswered, show

SILENCE = 10.0  # seconds after which a writer without its server gives the service address back


def keep(pair: Pair) -> NoReturn:
    """Decide again and again; says what changes."""
    threading.Thread(target=pulse, daemon=True).start()
    said, accounts, known, answered = "", 0.0, False, time.monotonic()
    while True:
        try:
            with pair.alone():
                if time.monotonic() >= accounts or known is not pair.peer.known:
                    known = pair.peer.known
                    make_accounts(pair.settings, pair.here, known)
                    accounts = time.monotonic() + pair.settings["grace_seconds"]
                now = pair.decide()
            answered = time.monotonic()
        except (Refused, OSError) as error:
            now, answered = f"in doubt: {error}", time.monotonic()
        except Unanswered as error:
            now = str(error)
            if time.monotonic() - answered > SILENCE:
                pair.address.drop()
        try:
            measure(pair)
        except OSError as error:  # a full disk
            now += f"; no figures: {error}"
        if now != said:
            print(now, flush=True)
            said = now
        (pair.run_folder / "said").write_text(now)
        time.sleep(pair.settings["pause"])


def measure(pair: Pair) -> None:
    """Figures for node_exporter's textfile collector."""
    try:
        status = pair.status()
    except (Refused, Unanswered):
        status = {"role": "", "lag": None}
    lag = 0 if status["role"] == "writer" and not pair.two_way else status["lag"]
    text = (
        f"casebook_mysql_writer {int(status['role'] == 'writer')}\n"
        f"casebook_mysql_replication_lag_seconds {'+Inf' if lag is None else lag}\n"
    )
    show(pair.settings["metrics"], "mysql-pair", text)


def pulse() -> None:
    """Tell systemd, while it wants to know, that this machine does not hang."""
    place, limit = os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC")
    if not place or not limit:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect(place.replace("@", "\0", 1))
        while True:
            systemd.send(b"WATCHDOG=1")
            time.sleep(int(limit) / 4e6)
