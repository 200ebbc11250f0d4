"""Records of a DNS zone. Every change is followed by a refresh of the zone."""

# The methods take what a kind of resource may need.
# ruff: noqa: ARG002

import contextlib

from sandbox.toolchain.standin.ovh.client import Api, APIError, ResourceNotFoundError, path
from sandbox.toolchain.standin.ovh.rest import Rest
from sandbox.toolchain.standin.plan import Diff
from sandbox.toolchain.standin.values import Values


def ttl(value: int) -> str | None:
    if value == 0 or value >= 60:
        return None
    return f'"ttl" must be either equal to 0 or, greater than or equal to 60, got: {value}'


class Record(Rest):
    base, number, import_id = "/domain/zone/{zone}/record", "id", "{id}.{zone}"
    body, wire = "target ttl fieldtype subdomain?", {"fieldtype": "fieldType", "subdomain": "subDomain"}
    replace, defaults, checks, zero = ("fieldtype", "zone"), {"ttl": 0}, {"ttl": ttl}, ("subdomain",)

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        """The API puts a text into quotes."""
        quoted = new.get("fieldtype") == "TXT" and old.get("target") == f'"{new.get("target")}"'
        return super().diff(old, new, [*ignored, "target"] if quoted else ignored)

    def refresh(self, api: Api, values: Values) -> None:
        with contextlib.suppress(APIError):  # the real plugin only logs it
            api.post(path("/domain/zone/{zone}/refresh", values))

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        made = api.post(path(self.base, inputs), self.request(inputs))
        number = str(made["id"])
        self.refresh(api, inputs)
        values = {**inputs, "id": number}
        return number, self.kept_safe(
            number, inputs, lambda: api.insist(lambda: self.look(api, values), ResourceNotFoundError, 1)
        )

    def request(self, inputs: Values, update: bool = False) -> Values:
        result = super().request(inputs)
        if update:
            del result["fieldType"]
        return result

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        api.put(path(self.base + self.item, values), self.request(inputs, update=True))
        self.refresh(api, values)
        return self.look(api, values) or {}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        with contextlib.suppress(ResourceNotFoundError):
            super().remove(api, values, inputs)
            self.refresh(api, values)


RESOURCES: dict[str, Rest] = {"Domain/zoneRecord:ZoneRecord": Record("domain", "ZoneRecord")}
