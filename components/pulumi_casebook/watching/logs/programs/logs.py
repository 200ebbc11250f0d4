#!/usr/bin/python3
"""The store of logs, seen from its machine.

logs status            the tags, how many lines of each, from when to when
logs seen MACHINE...   end well if lines of all these machines are there
logs expire            delete the days that have been kept long enough (a timer does it every night)
logs prepare           tell the store what a line is made of (done at boot)
"""

import datetime
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = json.loads(Path(os.environ.get("LOGS", "/etc/logs.json")).read_text())
WAIT = 240  # seconds until the store answers after a boot
WORD = {"type": "keyword", "ignore_above": 256}
TEMPLATE = {
    "index_patterns": ["logs-*"],
    "template": {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0, "codec": "best_compression"},
        "mappings": {
            # A line is text, whatever it looks like; a field that nobody knows is no reason to lose it.
            "date_detection": False,
            "properties": {
                "@timestamp": {"type": "date"},
                "message": {"type": "text"},
                **dict.fromkeys(("host", "tag", "program", "severity"), WORD),
            },
        },
    },
}


class Refused(Exception):
    """A sentence for the operator."""


def ask(path: str, method: str = "GET", body: object = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 (the store on this machine)
        f"{SETTINGS['store']}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(f"the store answers {error.code}: {error.read().decode(errors='replace')[:300]}") from None
    except OSError as error:
        raise Refused(f"the store does not answer: {error}") from None


def indices() -> dict[str, tuple[str, datetime.date]]:
    """Each index, with its tag and its day."""
    found = {}
    for entry in ask("_cat/indices/logs-*?format=json&h=index"):
        if parts := re.fullmatch(r"logs-(.+)-(\d{4})\.(\d\d)\.(\d\d)", entry["index"]):
            found[entry["index"]] = parts[1], datetime.date(*map(int, parts.groups()[1:]))
    return found


def prepare() -> str:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            ask("_index_template/logs", "PUT", TEMPLATE)
            return "the store knows what a line is made of"
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def expire() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    days = SETTINGS["days"]
    old = [name for name, (tag, day) in indices().items() if (today - day).days > days.get(tag, days["default"])]
    for name in old:
        ask(name, "DELETE")
    return f"deleted {', '.join(sorted(old)) or 'nothing'}"


def status() -> str:
    tags: dict[str, list[str]] = {}
    for name, (tag, _) in sorted(indices().items()):
        tags.setdefault(tag, []).append(name)
    lines = []
    for tag, names in tags.items():
        count = ask(f"logs-{tag}-*/_count")["count"]
        kept = SETTINGS["days"].get(tag, SETTINGS["days"]["default"])
        lines.append(f"{tag}: {count} lines, {names[0][-10:]} to {names[-1][-10:]}, kept {kept} days")
    return "\n".join(lines) or "no lines yet"


def seen(machines: list[str]) -> str:
    by_host = {"size": 0, "aggs": {"hosts": {"terms": {"field": "host", "size": 10000}}}}
    answer = ask("logs-*/_search", "POST", by_host)
    hosts = {bucket["key"] for bucket in answer.get("aggregations", {}).get("hosts", {}).get("buckets", [])}
    if missing := [name for name in machines if name not in hosts]:
        raise Refused(f"no line of {', '.join(missing)} yet")
    return f"lines of {', '.join(machines)} are there"


def main() -> None:
    actions = {"status": status, "expire": expire, "prepare": prepare}
    try:
        if sys.argv[1:2] == ["seen"] and sys.argv[2:]:
            print(seen(sys.argv[2:]))
        elif len(sys.argv) == 2 and sys.argv[1] in actions:
            print(actions[sys.argv[1]]())
        else:
            sys.exit(__doc__)
    except Refused as error:
        sys.exit(f"logs: {error}")


if __name__ == "__main__":
    main()
