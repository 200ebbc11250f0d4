"""Routes: a method and a path template to a handler, which gets one call and the values of the path."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from .errors import ApiError
from .store import Object, Store
from .tasks import Tasks

if TYPE_CHECKING:
    from .balancer import Monitor
    from .openstack import OpenStack

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)
Seed = Callable[[Store, Object], None]


@dataclass
class Call:
    """What a handler gets: the store, the tasks, the request's JSON body and query, and what stands behind."""

    store: Store
    tasks: Tasks
    body: Any
    query: dict[str, str]
    openstack: "OpenStack"
    monitor: "Monitor"


@dataclass(frozen=True)
class Route:
    method: str
    template: tuple[str, ...]
    handler: Handler


ROUTES: list[Route] = []
SEEDS: list[Seed] = []


def route(method: str, template: str) -> Callable[[H], H]:
    """Register a handler; `{name}` is one path segment, `{name:int}` one whole number."""

    def add(handler: H) -> H:
        ROUTES.append(Route(method, tuple(template.strip("/").split("/")), handler))
        return handler

    return add


def seed(function: Seed) -> Seed:
    """Register what writes one family of the account file into the store; called at every start."""
    SEEDS.append(function)
    return function


def match(template: tuple[str, ...], parts: list[str]) -> dict[str, str | int] | None:
    """The values of a path that fits the template. A `:int` segment that is no number is the API's 400."""
    if len(template) != len(parts):
        return None
    pairs = list(zip(template, parts, strict=True))
    if any(want != part for want, part in pairs if not want.startswith("{")):
        return None
    values: dict[str, str | int] = {}
    for want, part in pairs:
        if want.startswith("{"):
            name, _, kind = want[1:-1].partition(":")
            value = unquote(part)
            if kind == "int" and not value.isdecimal():
                raise ApiError(400, f"Invalid value for parameter {name}: {value} is not a number")
            values[name] = int(value) if kind == "int" else value
    return values


def find_route(method: str, raw_path: str) -> tuple[Route, dict[str, str | int]]:
    """The route of a raw (still escaped) path. No two templates fit the same one."""
    parts = raw_path.strip("/").split("/")
    fits = [(found, values) for found in ROUTES if (values := match(found.template, parts)) is not None]
    if not fits:
        raise ApiError(404, "Got an invalid (or empty) URL")
    for found, values in fits:
        if found.method == method:
            return found, values
    raise ApiError(405, "Method not allowed")
