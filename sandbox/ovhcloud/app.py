"""The ASGI application: authentication, routing, one transaction per request, the request log."""

import asyncio
import contextlib
import json
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from sandbox import faults

from . import (
    auth,
    certificates,
    cloud,
    dedicated,
    domain,
    farms,
    gateway,
    iam,
    ip,
    loadbalancer,
    loadbalancer_network,
    nasha,
    private_network,
    storage,
    subnet,
    users,
    vps,
    vrack,
)
from .backing import Backing, nothing
from .errors import ApiError
from .redaction import redacted
from .routing import SEEDS, Call, find_route
from .store import Object, Store, now
from .tasks import Tasks

# Importing a family registers its routes, and what it writes into a new store.
FAMILIES = (
    *(auth, cloud, private_network, subnet, gateway, users, storage, dedicated, nasha, vps, vrack, ip, domain),
    *(loadbalancer, farms, loadbalancer_network, certificates, iam),
)
VERSIONS = ("1.0", "v1", "v2")
EXPIRY = 3600  # seconds between two looks for objects past their lifecycle
KEPT = 20000  # requests in the log
TICK = 0.1  # seconds between two looks for jobs that have come due while nobody asks
log = logging.getLogger(__name__)


class Api:
    """One account's API over a store, and what stands behind it."""

    def __init__(
        self, database: Path | str, account: Object, task_seconds: float, behind: Callable[[Store], Backing]
    ) -> None:
        self.store = Store(database)
        self.backing = behind(self.store)
        self.tasks = Tasks(self.store, task_seconds, self.backing.estate)
        with self.store.transaction():
            for write in SEEDS:
                write(self.store, account)

    def answer(
        self, method: str, url: str, raw: str, query: dict[str, str], headers: Any, body: bytes
    ) -> tuple[int, Any]:
        """(status, JSON value) for one request. `raw` is the path still escaped, `url` all of it with the query."""
        version, _, rest = raw.lstrip("/").partition("/")
        try:
            if version not in VERSIONS:
                raise ApiError(404, "Got an invalid (or empty) URL")
            bearer = headers.get("authorization", "")
            if raw not in auth.OPEN_PATHS and not bearer.startswith(auth.BEARER):
                auth.authenticate(self.store, method, url, headers, body)
            self.tasks.run_due()
            found, values = find_route(method, "v2/" + rest if version == "v2" else rest)
            if bearer.startswith(auth.BEARER):
                iam.authorize(self.store, bearer.removeprefix(auth.BEARER), found, values)
            with self.store.transaction():
                call = Call(self.store, self.tasks, parsed(body), query, self.backing.openstack, self.backing.monitor)
                return 200, found.handler(call, **values)
        except ApiError as error:
            return error.status, error.body
        except sqlite3.OperationalError as error:
            log.exception("%s %s", method, raw)
            return 500, ApiError(500, f"The sandbox cannot write its database: {error}. Is its disk full?").body
        except Exception:
            log.exception("%s %s", method, raw)
            return 500, ApiError(500, "Internal server error").body

    def record(self, method: str, path: str, body: bytes, status: int, value: Any) -> None:
        """Keep the request without the secrets in it, and only the latest requests."""
        with self.store.transaction():
            done = self.store.db.execute(
                "INSERT INTO requests (at, method, path, body, status, answer) VALUES (?, ?, ?, ?, ?, ?)",
                (now(), method, path, redacted_text(body), status, json.dumps(redacted(value))),
            )
            self.store.db.execute("DELETE FROM requests WHERE id <= ?", ((done.lastrowid or 0) - KEPT,))

    async def api(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        raw = scope["raw_path"].decode(errors="replace").split("?")[0]
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{request.url.scheme}://{request.headers['host']}{raw}{query}"
        body = await request.body()
        fault = None if raw in auth.OPEN_PATHS else faults.drawn(f"{request.method} {raw}")
        await asyncio.sleep(faults.latency(f"{request.method} {raw}"))
        if fault in ("429", "500", "503"):
            status, value = int(fault), ApiError(int(fault), faults.REASONS[fault]).body
        else:
            with faults.slowly(fault):
                status, value = self.answer(request.method, url, raw, dict(request.query_params), request.headers, body)
        with contextlib.suppress(sqlite3.OperationalError):
            self.record(request.method, raw + query, body, status, value)
        if fault == "504":
            await asyncio.sleep(faults.GATEWAY_SECONDS)
            await Response(faults.REASONS[fault], 504, media_type="text/plain")(scope, receive, send)
            return
        query_id = {"X-Ovh-QueryID": f"SBX.ext-1.{uuid.uuid4().hex[:16]}"}
        await Response(
            json.dumps(value),
            status,
            query_id | (faults.headers(fault) if fault else {}),
            "application/json; charset=utf-8",
        )(scope, receive, send)

    async def token(self, request: Request) -> Response:
        """Where service accounts get their tokens."""
        body = (await request.body()).decode(errors="replace")
        status, answer = iam.token(self.store, dict(parse_qsl(body)))
        return Response(json.dumps(answer), status, media_type="application/json")

    async def window(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The sandbox's own view, beside the API's paths and without secrets: requests, objects, the estate."""
        views = {"requests": self.requests, "objects": lambda: redacted(self.store.everything()), "estate": self.estate}
        view = views.get(scope["path"].removeprefix(scope.get("root_path", "")).strip("/"))
        body = json.dumps(view() if view else None)
        await Response(body, 200 if view else 404, media_type="application/json")(scope, receive, send)

    def requests(self) -> list[Object]:
        with self.store.lock:
            rows = self.store.db.execute(
                "SELECT method, path, body, status, answer FROM requests ORDER BY id"
            ).fetchall()
        return [dict(zip(("method", "path", "body", "status", "answer"), row, strict=True)) for row in rows]

    def estate(self) -> Object:
        """What still has to be made to match the store, and what could not be."""
        return {
            "waiting": self.tasks.waiting(),
            "troubles": {" ".join(s): text for s, text in self.tasks.troubles.items()},
        }

    def expire(self) -> None:
        try:
            storage.expire(self.store, self.backing.openstack, datetime.now(UTC))
        except Exception:
            log.exception("objects past their lifecycle were not deleted")

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                try:
                    self.tasks.run_due()
                except sqlite3.OperationalError:
                    log.exception("tasks wait until the database can be written")
                await asyncio.sleep(TICK)

        async def expire() -> None:
            while True:
                self.tasks.pool.submit(self.expire)
                await asyncio.sleep(EXPIRY)

        self.tasks.repair()
        running = [asyncio.create_task(work()) for work in (tick, expire)]
        yield
        for task in running:
            task.cancel()
        self.tasks.pool.shutdown(wait=False, cancel_futures=True)


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        raise ApiError(400, "The request body is not valid JSON") from None


def redacted_text(body: bytes) -> str:
    try:
        return json.dumps(redacted(json.loads(body))) if body else ""
    except (ValueError, RecursionError):
        return "(not JSON)"


def create_app(
    database: Path | str, account: Object, task_seconds: float = 0.2, behind: Callable[[Store], Backing] = nothing
) -> Starlette:
    """The API over a database file and an account (`account.load_account`).

    task_seconds   how long a task takes at least, from its start to its end
    behind         makes what stands behind the API: `backing.nothing`, `estate.real`
    """
    api = Api(database, account, task_seconds, behind)
    tokens = Route("/auth/oauth2/token", api.token, methods=["POST"])
    routes = [Mount("/sandbox", app=api.window), tokens, Mount("/", app=api.api)]
    app = Starlette(routes=routes, lifespan=api.lifespan)
    app.state.store = api.store
    app.state.tasks = api.tasks
    app.state.openstack = api.backing.openstack
    return app
