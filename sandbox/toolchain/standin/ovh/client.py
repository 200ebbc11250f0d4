"""Calls to the OVHcloud API through OVHcloud's own Python client, and the waits on its tasks."""

import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import quote

import ovh
import ovh.client
from ovh.exceptions import APIError, BadParametersError, ResourceNotFoundError

from sandbox.toolchain.standin.resource import Call, Function
from sandbox.toolchain.standin.values import Values

__all__ = ["APIError", "Account", "Api", "BadParametersError", "ResourceNotFoundError", "part", "path"]

# The real plugin waits for 10 seconds before it first looks at a task, and looks every 3 to 10: CASEBOOK_OVH_PACE=real.
REAL = os.environ.get("CASEBOOK_OVH_PACE") == "real"
FIRST_SECONDS = 10.0 if REAL else 0.0
POLL_SECONDS = 3.0 if REAL else float(os.environ.get("CASEBOOK_OVH_POLL_SECONDS", "0.3"))
KEYS = {"application_key": "applicationKey", "application_secret": "applicationSecret", "consumer_key": "consumerKey"}
# What the API says of dedicated servers now and then, and the real plugin does not believe at once.
SERVERS_DOUBTED = (404, 500)


class Account:
    """The configured access to an account."""

    def __init__(self) -> None:
        self.client: ovh.Client | None = None
        self.failure = "the provider is not configured"
        # One client signs with one clock: it asks for the server's time once.
        self.starting = threading.Lock()

    def configure(self, config: Values, calm: bool) -> None:
        """Sign in with the provider's configuration, or the environment's. Calm: the first call tells a failure."""
        try:
            self.client = None if calm and not config.get("endpoint") else signed_in(config)
        except Exception as error:  # whatever went wrong is the user's to read
            self.failure = f"OVH client seems to be misconfigured: {error}"
            if not calm:
                raise RuntimeError(self.failure) from error

    def api(self, call: Call) -> "Api":
        if self.client is None:
            raise RuntimeError(self.failure)
        return Api(self.client, call)

    def bound(self, function: Callable[..., Values]) -> Function:
        """A function over the API and keyword inputs, as one over the inputs of a request."""
        return lambda given, call: function(self.api(call), **given)


def signed_in(config: Values) -> ovh.Client:
    endpoint = config.get("endpoint") or os.environ.get("OVH_ENDPOINT")
    if endpoint and "/" in endpoint:
        ovh.client.ENDPOINTS[endpoint] = endpoint  # the client knows only OVHcloud's own by name
    keys = {name: config.get(wire) or os.environ.get(f"OVH_{name.upper()}") for name, wire in KEYS.items()}
    token = config.get("accessToken") or os.environ.get("OVH_ACCESS_TOKEN")
    if token and any(keys.values()):
        raise ValueError("can't use multiple authentication methods: application key and access token")
    client = ovh.Client(endpoint=endpoint, **({"access_token": token} if token else keys))
    client.get("/auth/details")
    return client


class Api:
    """The API during one request of the engine, which may be cancelled."""

    def __init__(self, client: ovh.Client, call: Call) -> None:
        self.client, self.request = client, call

    def get(self, where: str) -> Any:
        return self.call("GET", where)

    def post(self, where: str, body: Values | None = None) -> Any:
        return self.call("POST", where, body)

    def put(self, where: str, body: Values) -> Any:
        return self.call("PUT", where, body)

    def delete(self, where: str) -> Any:
        return self.call("DELETE", where)

    def call(self, method: str, where: str, body: Values | None = None) -> Any:
        """One request. Like the real plugin it is not made again, and its error names the status."""
        try:
            return self.client.call(method, where, body, True)
        except APIError as error:
            if status := status_of(error):
                error.args = (f"OVHcloud API error (status code {status}): {error.args[0]}",)
            raise

    def wait(
        self,
        look: Callable[[], tuple[Any, str]],
        pending: Collection[str],
        target: Collection[str],
        what: str,
        minutes: float = 60,
    ) -> Any:
        """Look again until the state is a target, and answer what was seen then. Any state not expected is an error."""
        end = time.monotonic() + minutes * 60
        if FIRST_SECONDS:
            self.request.pause(FIRST_SECONDS)
        while True:
            found, state = look()
            if state in target:
                return found
            if pending and state not in pending:
                raise RuntimeError(f"unexpected state '{state}', wanted target '{', '.join(target)}' ({what})")
            if time.monotonic() > end:
                raise RuntimeError(f"timeout while waiting for {what}")
            self.request.pause(POLL_SECONDS)

    def settle(
        self,
        where: str,
        pending: Collection[str],
        target: Collection[str],
        what: str,
        minutes: float = 60,
        doubted: Collection[int] = (),
    ) -> Values:
        """Wait on the `status` of an object. Statuses of HTTP that are doubted do not count for five minutes."""

        def look() -> tuple[Values, str]:
            found: Values = self.insist(lambda: self.get(where), APIError, 5, doubted) if doubted else self.get(where)
            return found, found["status"]

        settled: Values = self.wait(look, pending, target, what, minutes)
        return settled

    def vanish(self, where: str, pending: Collection[str], what: str, minutes: float = 10) -> None:
        """Wait until an object cannot be found."""

        def look() -> tuple[None, str]:
            try:
                return None, self.get(where)["status"]
            except ResourceNotFoundError:
                return None, ""

        self.wait(look, pending, ("",), what, minutes)

    def insist(
        self, ask: Callable[[], Any], refusal: type[APIError], minutes: float, statuses: Collection[int] = ()
    ) -> Any:
        """Ask again while the API refuses for now. What it says in the end is the error."""
        end = time.monotonic() + minutes * 60
        while True:
            try:
                return ask()
            except refusal as error:
                if time.monotonic() > end or (statuses and status_of(error) not in statuses):
                    raise
            self.request.pause(POLL_SECONDS)

    def vrack_task(self, task: Values) -> None:
        """A vRack task has ended when it can no longer be found."""
        self.vanish(
            f"/vrack/{part(task['serviceName'])}/task/{task['id']}",
            ("init", "todo", "doing"),
            f"vrack task {task['id']}",
            60,
        )

    def server_task(self, server: str, task: Values) -> Values:
        where = f"/dedicated/server/{part(server)}/task/{task['taskId']}"
        what = f"task {task['taskId']} of {server}"
        return self.settle(where, ("init", "todo", "doing"), ("done",), what, doubted=SERVERS_DOUBTED)


def status_of(error: APIError) -> int:
    """The status of HTTP; 0 without an answer."""
    return error.response.status_code if error.response is not None else 0


def part(value: Any) -> str:
    """One path segment, escaped as the real plugin does it."""
    return quote(str(value), safe=":@&=+$")


def path(template: str, values: Values) -> str:
    return template.format_map(
        {name: part(value) for name, value in values.items() if not isinstance(value, dict | list)}
    )
