"""What the account holds: objects by their REST path, a counter and the jobs to come, in one SQLite file.

Every change is made inside a transaction, so that a process killed at any moment leaves either all of a request's
effect or none of it.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from .errors import no_service, not_found

Object = dict[str, Any]

TABLES = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS objects (path TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS counter (last INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, due REAL NOT NULL, effect TEXT NOT NULL,
                                     args TEXT NOT NULL, subjects TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, at TEXT NOT NULL, method TEXT NOT NULL,
                                         path TEXT NOT NULL, body TEXT NOT NULL, status INTEGER NOT NULL,
                                         answer TEXT NOT NULL);
    INSERT INTO counter SELECT 100000 WHERE NOT EXISTS (SELECT 1 FROM counter);
"""


def key(*parts: object) -> str:
    """The storage key of an object: its REST path, each part escaped."""
    return "".join("/" + quote(str(part), safe="") for part in parts)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def iam(kind: str, name: str, display: str | None = None) -> Object:
    """The access-management part that most services carry."""
    return {"id": name, "displayName": display or name, "tags": {}, "urn": f"urn:v1:eu:resource:{kind}:{name}"}


class Store:
    """Objects by REST path. A path is given in parts: `store.get("vrack", "pn-1001")`.

    Keys that start with "sandbox" are the sandbox's own and no part of the API. The file holds private keys and
    passwords: only its owner may read it.
    """

    def __init__(self, path: Path | str) -> None:
        Path(path).touch(mode=0o600)
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes of the block or, when it raises, none. Blocks do not nest."""
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself when the disk is full.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def get(self, *parts: object) -> Object | None:
        with self.lock:
            row = self.db.execute("SELECT body FROM objects WHERE path = ?", (key(*parts),)).fetchone()
        found: Object | None = json.loads(row[0]) if row else None
        return found

    def need(self, kind: str, *parts: object) -> Object:
        """The object, or the API's 404 that names it as `kind`."""
        found = self.get(*parts)
        if found is None:
            raise not_found(kind, parts[-1])
        return found

    def service(self, *parts: object) -> Object:
        """A service of the account, or the API's 404 for a service that is not the customer's."""
        found = self.get(*parts)
        if found is None:
            raise no_service()
        return found

    def put(self, body: Object, *parts: object) -> Object:
        self.db.execute(
            "INSERT INTO objects VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET body = excluded.body",
            (key(*parts), json.dumps(body)),
        )
        return body

    def merge(self, changes: Object, *parts: object) -> Object:
        return self.put({**(self.get(*parts) or {}), **changes}, *parts)

    def delete(self, *parts: object) -> None:
        """Remove an object and everything below it."""
        path = key(*parts)
        self.db.execute(
            "DELETE FROM objects WHERE path = ? OR substr(path, 1, ?) = ?", (path, len(path) + 1, path + "/")
        )

    def children(self, *parts: object) -> dict[str, Object]:
        """The objects directly below a path, by their name, in order of creation."""
        prefix = key(*parts) + "/"
        with self.lock:
            rows = self.db.execute(
                "SELECT path, body FROM objects WHERE substr(path, 1, ?) = ? ORDER BY rowid", (len(prefix), prefix)
            ).fetchall()
        return {unquote(path[len(prefix) :]): json.loads(body) for path, body in rows if "/" not in path[len(prefix) :]}

    def everything(self) -> dict[str, Object]:
        """Every object of the API by its path; the sandbox's own are left out."""
        with self.lock:
            rows = self.db.execute("SELECT path, body FROM objects ORDER BY path").fetchall()
        return {path: json.loads(body) for path, body in rows if not path.startswith("/sandbox/")}

    def next_id(self) -> int:
        self.db.execute("UPDATE counter SET last = last + 1")
        last: int = self.db.execute("SELECT last FROM counter").fetchone()[0]
        return last
