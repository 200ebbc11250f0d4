"""The calls on a collection of a load balancer's objects: farms, their servers, frontends, routes and their rules."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import ApiError
from .fields import Fields
from .loadbalancer import BASE, changed
from .routing import Call, route
from .store import Object

Check = Callable[[Call, str, str, Object], None]
Delete = Callable[[Call, str, str, int], None]
View = Callable[[Call, str, Object], Object]


def allow(_call: Call, _service: str, _kind: str, _body: Object) -> None:
    """No check beyond the fields' own."""


def removable(_call: Call, _service: str, _kind: str, _number: int) -> None:
    """Nothing stands in the way of a deletion."""


@dataclass(frozen=True)
class Collection:
    """The five calls on one collection of a load balancer, farms for instance.

    name, number  the last part of the path, and the field that holds an object's id
    parent        the collection this one is below: (name, field of the id)
    check         refuses a body; before an update it sees the whole object as it would become
    deletable     refuses a deletion
    born          the fields that only the API sets, from the object's body and its parent's id
    view          the object as it is shown
    frozen        fields that never change
    filters       fields that a list can be narrowed by
    """

    kind: str
    name: str
    number: str
    fields: Fields
    parent: tuple[str, str] | None = None
    check: Check = allow
    deletable: Delete = removable
    born: Callable[[Object, int], Object] = field(default=lambda _body, _above: {})
    view: View = field(default=lambda _call, _service, found: found)
    frozen: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    answers_update: bool = False

    def path(self, service: str, above: int) -> list[object]:
        return [BASE, service, self.kind, *((self.parent[0], above) if self.parent else ()), self.name]

    def owner(self, call: Call, service: str, above: int) -> Object:
        """What the collection belongs to, a farm or the balancer itself; the API's 404 if that is not there."""
        found = call.store.service(BASE, service)
        if self.parent:
            found = call.store.need(self.parent[1], BASE, service, self.kind, self.parent[0], above)
        return found

    def need(self, call: Call, service: str, above: int, number: int) -> Object:
        self.owner(call, service, above)
        return call.store.need(self.number, *self.path(service, above), number)

    def note_change(self, call: Call, service: str, above: int, found: Object) -> None:
        """A server changes its farm's zone, a farm its own; a route's zone is not known."""
        zone = (self.owner(call, service, above) if self.parent else found).get("zone")
        changed(call.store, service, zone)

    def index(self, call: Call, service: str, above: int = 0) -> list[int]:
        self.owner(call, service, above)
        return [
            found[self.number]
            for found in call.store.children(*self.path(service, above)).values()
            if all(str(found[name]) == call.query.get(name, str(found[name])) for name in self.filters)
        ]

    def create(self, call: Call, service: str, above: int = 0) -> Object:
        self.owner(call, service, above)
        body = self.fields.read(call.body)
        check_zone(call, service, body)
        self.check(call, service, self.kind, body)
        number = call.store.next_id()
        made = call.store.put(
            {self.number: number, **body, **self.born(body, above)}, *self.path(service, above), number
        )
        self.note_change(call, service, above, made)
        return self.view(call, service, made)

    def show(self, call: Call, service: str, number: int, above: int = 0) -> Object:
        return self.view(call, service, self.need(call, service, above, number))

    def update(self, call: Call, service: str, number: int, above: int = 0) -> Object | None:
        old = self.need(call, service, above, number)
        body = self.fields.read(call.body, update=True)
        for name in self.frozen:
            if body.get(name, old[name]) != old[name]:
                raise ApiError(400, f"Invalid value for parameter {name}: the {name} of a {self.name} cannot change")
        check_zone(call, service, body)
        self.check(call, service, self.kind, {**old, **body})
        made = call.store.merge(body, *self.path(service, above), number)
        self.note_change(call, service, above, made)
        return made if self.answers_update else None

    def remove(self, call: Call, service: str, number: int, above: int = 0) -> None:
        old = self.need(call, service, above, number)
        self.deletable(call, service, self.kind, number)
        self.note_change(call, service, above, old)
        call.store.delete(*self.path(service, above), number)

    def register(self) -> None:
        below = f"{self.parent[0]}/{{above:int}}/" if self.parent else ""
        base = f"/ipLoadbalancing/{{service}}/{self.kind}/{below}{self.name}"
        route("GET", base)(self.index)
        route("POST", base)(self.create)
        route("GET", base + "/{number:int}")(self.show)
        route("PUT", base + "/{number:int}")(self.update)
        route("DELETE", base + "/{number:int}")(self.remove)


def check_zone(call: Call, service: str, body: Object) -> None:
    zones = call.store.service(BASE, service)["zone"]
    if "zone" in body and body["zone"] not in ("all", *zones):
        raise ApiError(400, f"Zone {body['zone']} is not available on this load balancer")
