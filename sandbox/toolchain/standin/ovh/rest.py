"""A resource made of plain REST calls, with the ways of Pulumi's Terraform bridge.

What differs from plain calls stands in a small class beside its entry in the family's table.
"""

# The methods take what a kind of resource may need.
# ruff: noqa: ARG002

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace as changed
from types import MappingProxyType
from typing import Any

from sandbox.toolchain.standin.ovh.client import Account, Api, ResourceNotFoundError, path
from sandbox.toolchain.standin.ovh.rules import Rule, hashed
from sandbox.toolchain.standin.plan import Diff, diff
from sandbox.toolchain.standin.resource import Call, Cancelled, InitFailed, Resource
from sandbox.toolchain.standin.shapes import ZEROS, FrameworkReader, Mistake, Reader
from sandbox.toolchain.standin.values import UNKNOWN, Values, empty, without_marks

NONE: Mapping[str, Any] = MappingProxyType({})
# Objects whose keys are the user's own.
MAPS = ("configDriveMetadata", "httpHeaders", "properties", "tags")


class Rest(Resource):
    """A resource made by POST on a collection, read, changed and removed by GET, PUT and DELETE on its item.

    base           where POST goes; item: what to add for one object
    body           properties of a request: `name?` is left out when unset, `name` is sent as null
    blank          properties sent empty (False, "" or a list) when unset
    wire           names in REST bodies which differ from the property's
    number         the field of the answer that is the id; ident: how the id is written, import_ident: after an import
    import_id      how an import names it
    replace        properties whose change replaces ("*": all); kept: optional ones the API fills in when absent
    defaults       values of the provider for absent inputs, by path; checks: checks on values, by path
    sets           lists (of strings) whose order means nothing; set_mark: what orders them when sent
    limits         how many items a list may hold; together: what can only be true beside something else
    zero           properties read as "" or 0 when the API says null; others stay null
    environment    inputs that come from the environment when absent
    updates        whether the provider has an update at all; what every change replaces has none
    """

    account: Account
    base: str = ""
    item: str = "/{id}"
    body: str = ""
    blank: Mapping[str, Any] = NONE
    wire: Mapping[str, str] = NONE
    number: str = ""
    ident: str = "{id}"
    import_id: str | None = "{serviceName}/{id}"
    import_ident: str | None = None
    replace: tuple[str, ...] | str = ("serviceName",)
    kept: tuple[str, ...] = ()
    checks: Mapping[str, Rule] = NONE
    sets: tuple[str, ...] = ()
    set_mark: str = ";"
    zero: tuple[str, ...] = ()
    limits: Mapping[str, tuple[int, int]] = NONE
    together: Mapping[str, str] = NONE
    environment: Mapping[str, str] = NONE
    updates: bool = True
    autonamed: bool = False
    delete_missing_ok: bool = False

    def __init__(self, module: str, name: str, **given: Any) -> None:
        self.module = f"pulumi_ovh.{module}" if module else "pulumi_ovh"
        self.name = name
        for key, value in given.items():
            if not hasattr(type(self), key):
                raise TypeError(f"{name}: Rest has no setting {key}")
            setattr(self, key, value)

    # REST

    def wired(self, name: str) -> str:
        return self.wire.get(name, name)

    def request(self, inputs: Values, update: bool = False) -> Values:
        """The body of a POST or PUT."""
        result: Values = {}
        for word in self.body.split():
            name = word.rstrip("?")
            value = hashed(inputs[name], self.set_mark) if name in self.sets and inputs.get(name) else inputs.get(name)
            if (
                value is None
                or value == ""
                or (value == 0 and not isinstance(value, bool) and name not in self.defaults)
            ):
                value = self.blank.get(name)
            if value is not None or not word.endswith("?"):
                result[self.wired(name)] = value
        return result

    def make(self, api: Api, inputs: Values) -> tuple[str, Values]:
        """Create it: (id, answer)"""
        made = api.post(path(self.base, inputs), self.request(inputs))
        values = {**inputs, "id": str(made[self.number]), self.number: made[self.number]}
        number = self.written(values)
        return number, self.kept_safe(number, inputs, lambda: self.look(api, values))

    def kept_safe(self, number: str, inputs: Values, then: Callable[[], Values | None]) -> Values:
        """What comes after a thing was made may fail; the thing must stay known."""
        try:
            return then() or {}
        except Exception as error:
            raise InitFailed(number, {**inputs, "id": number}, str(error)) from error

    def kept_when_cancelled(self, number: str, inputs: Values, then: Callable[[], Values | None]) -> Values:
        """The same where the real plugin loses what fails but cannot be interrupted: here it can."""
        try:
            return then() or {}
        except Cancelled as error:
            raise InitFailed(number, {**inputs, "id": number}, str(error)) from error

    def written(self, values: Values, imported: bool = False) -> str:
        return ((imported and self.import_ident) or self.ident).format_map(values)

    def look(self, api: Api, values: Values) -> Values | None:
        found: Values = api.get(path(self.base + self.item, values))
        return found

    def change(self, api: Api, values: Values, inputs: Values, old: Values) -> Values:
        """Update it: the answer afterwards."""
        api.put(path(self.base + self.item, values), self.request(inputs, update=True))
        return self.look(api, values) or {}

    def remove(self, api: Api, values: Values, inputs: Values) -> None:
        try:
            api.delete(path(self.base + self.item, values))
        except ResourceNotFoundError:
            if not self.delete_missing_ok:
                raise

    def view(self, answer: Values, inputs: Values) -> Values:
        """The outputs, from an answer of the API; what it does not tell comes from the inputs."""
        result = dict(inputs)
        for name, kind in self.outputs.properties.items():
            if self.wired(name) in answer:
                value = answer[self.wired(name)]
                if value is None and name in self.zero:
                    value = ZEROS.get(kind.kind)
                result[name] = sorted(value) if name in self.sets and value and isinstance(value[0], str) else value
            else:
                result.setdefault(name, None)
        return result

    def outcome(self, answer: Values, number: str, inputs: Values, written: bool = False) -> Values:
        """All outputs, id included. Right after a change, a list that was not asked for and is empty is null."""
        result = {**self.view(answer, inputs), "id": number}
        for name, shape in self.inputs.properties.items() if written else ():
            if (
                shape.kind == "list"
                and shape.item
                and shape.item.kind != "object"
                and result.get(name) == []
                and inputs.get(name) is None
            ):
                result[name] = None
        return result

    # The provider's protocol

    def check(self, given: Values, old: Values, call: Call, seed: bytes) -> tuple[Values, list[Mistake]]:
        reader = self.reader()
        for wanted, variable in self.environment.items():
            if given.get(wanted) is None and os.environ.get(variable):
                given[wanted] = os.environ[variable]
        inputs = reader.object(given, self.inputs)
        if "serviceName" in self.environment and inputs.get("serviceName") is None:
            reader.missing("serviceName")
        mistakes = self.checked(inputs, reader.mistakes)
        if mistakes:
            return inputs, mistakes
        add_defaults(inputs, self.defaults)
        if self.autonamed and inputs.get("name") is None:
            inputs["name"] = old.get("name") or f"{call.name}-{seed.hex()[:7]}"
            inputs["__defaults"] = sorted([*inputs["__defaults"], "name"])
        return inputs, []

    def checked(self, inputs: Values, mistakes: list[Mistake]) -> list[Mistake]:
        wrong = {mistake.path for mistake in mistakes}
        for where, other in self.together.items():
            if True in at(inputs, where) and None in at(inputs, other):
                mistakes.append(
                    Mistake(where, f"Missing required argument. {where} can only be set together with {other}.")
                )
        for where, rule in self.checks.items():
            for value in at(inputs, where):
                if value is not None and where not in wrong and value != UNKNOWN and (reason := rule(value)):
                    mistakes.append(Mistake(where, reason))
        for name, (low, high) in self.limits.items():
            if isinstance(value := inputs.get(name), list) and not low <= len(value) <= high:
                mistakes.append(
                    Mistake(
                        name, f"Attribute {name} needs {low} to {high} items, but config has {len(value)} declared."
                    )
                )
        return mistakes

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Diff:
        found = diff(old, new, self.inputs, self.replaces, ignored, self.sets, self.kept)
        named = self.autonamed and "name" not in new.get("__defaults", []) and "name" not in found.changed
        return changed(found, delete_first=bool(found.replaces and named))

    def planned(self, inputs: Values) -> Values:
        result = without_marks(inputs)
        for name in self.outputs.properties:
            if name not in self.inputs.properties or (name in self.kept and result.get(name) is None):
                result[name] = UNKNOWN
        return {**result, "id": UNKNOWN}

    def planned_update(self, old: Values, inputs: Values) -> Values:
        kept = {k: v for k, v in old.items() if k not in self.inputs.properties or k in self.kept}
        return {**kept, **inputs}

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        number, answer = self.make(self.account.api(call), inputs)
        return number, self.outcome(answer, number, inputs, written=True)

    def update(self, number: str, old: Values, inputs: Values, call: Call) -> Values:
        """Without a difference too: what was made, but not seen to work, the engine wants updated."""
        if self.replace == "*" or not self.updates:
            raise RuntimeError("doesn't support update")
        api, values = self.account.api(call), {**old, **inputs, "id": number}
        answer = self.change(api, values, inputs, old)
        kept = {k: v for k, v in old.items() if k not in self.inputs.properties}  # what an answer may not tell again
        number = str(answer.get("newId") or old.get("id") or number)
        return self.outcome(answer, number, {**kept, **inputs}, written=True)

    def read(self, number: str, state: Values, inputs: Values, call: Call) -> tuple[str, Values, Values] | None:
        imported = not state
        if imported:
            state = self.from_import(number)
            number = state.pop("id", None) or self.written(state, imported=True)
        else:
            number = str(state.get("id") or number)
        try:
            answer = self.look(self.account.api(call), {**state, "id": number})
        except ResourceNotFoundError:
            answer = None
        if answer is None:
            return None
        if imported:
            number = self.written({**state, "id": number}, imported=True)
        outputs = self.outcome(answer, number, state)
        return number, outputs, self.read_inputs(outputs, None if imported else inputs)

    def delete(self, number: str, state: Values, call: Call) -> None:
        number = str(state.get("id") or number)
        inputs = {k: v for k, v in state.items() if k in self.inputs.properties}
        self.remove(self.account.api(call), {**state, "id": number}, inputs)

    def from_import(self, given: str) -> Values:
        """The properties that an import id names."""
        if not self.import_id:
            raise ValueError(f"resource ovh:{self.name} does not support import")
        names = re.findall(r"{(\w+)}", self.import_id)
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(self.import_id))
        found = re.fullmatch(pattern, given)
        if not found:
            raise ValueError(f"Import Id {given} is not {self.import_id} formatted")
        numbers = [
            n
            for n in names
            if n in self.outputs.properties and self.outputs.properties[n].kind in ("integer", "number")
        ]
        return {k: int(v) if k in numbers else v for k, v in found.groupdict().items()}

    def read_inputs(self, outputs: Values, old: Values | None) -> Values:
        """The inputs that would give these outputs: all after an import, else the old ones brought up to date."""
        result: Values = {}
        for name in self.inputs.properties:
            value = outputs.get(name)
            told = value is True or not empty(value) or name in self.inputs.needed
            if old is not None and name in old:
                result[name] = brought_up_to_date(old[name], value)
            elif old is None and told and self.defaults.get(name, UNKNOWN) != value:
                result[name] = marked(value, self.defaults, name)
        result["__defaults"] = [n for n in (old or {}).get("__defaults", []) if result.get(n) == (old or {}).get(n)]
        return result


class Framework(Rest):
    """A resource written with Terraform's newer framework: while an update is planned, what is computed is unknown; the
    output `id` is that of an import."""

    def reader(self) -> Reader:
        return FrameworkReader()

    def planned_update(self, old: Values, inputs: Values) -> Values:
        return self.planned(inputs)

    def outcome(self, answer: Values, number: str, inputs: Values, written: bool = False) -> Values:
        result = super().outcome(answer, number, inputs, written)
        return {**result, "id": (self.import_id or "").format_map(result)}

    def read(self, number: str, state: Values, inputs: Values, call: Call) -> tuple[str, Values, Values] | None:
        return super().read(number, {name: value for name, value in state.items() if name != "id"}, inputs, call)


def at(value: Any, where: str) -> list[Any]:
    """The values at a dotted path; `[]` goes through a list."""
    head, _, rest = where.partition(".")
    if not isinstance(value, dict):
        return []
    found = value.get(head.removesuffix("[]"))
    items = (found or []) if head.endswith("[]") else [found]
    return [v for item in items for v in (at(item, rest) if rest else [item])]


def add_defaults(value: Values, defaults: Mapping[str, Any]) -> None:
    """Fill in defaults, noting at every level which were filled in."""
    below: dict[str, Values] = {}
    added = []
    for where, default in defaults.items():
        head, _, rest = where.partition(".")
        if rest:
            below.setdefault(head.removesuffix("[]"), {})[rest] = default
        elif value.get(head) is None:
            value[head] = default
            added.append(head)
    for name, item in value.items():
        for one in item if isinstance(item, list) else [item]:
            if isinstance(one, dict) and name not in MAPS:
                add_defaults(one, below.get(name, {}))
    value["__defaults"] = sorted(added)


def brought_up_to_date(old: Any, value: Any) -> Any:
    if isinstance(old, dict) and isinstance(value, dict):
        return {k: v if k == "__defaults" else brought_up_to_date(v, value.get(k)) for k, v in old.items()}
    if isinstance(old, list) and isinstance(value, list) and len(old) == len(value):
        return [brought_up_to_date(*pair) for pair in zip(old, value, strict=True)]
    return old if empty(old) and empty(value) else marked(value, {}, "")


def marked(value: Any, defaults: Mapping[str, Any], where: str) -> Any:
    """Objects carry a (now empty) list of the defaults in them; values equal to a default are left out."""
    if isinstance(value, dict):
        return {
            "__defaults": [],
            **{
                k: marked(v, defaults, f"{where}.{k}")
                for k, v in value.items()
                if not empty(v) and defaults.get(f"{where}.{k}") != v
            },
        }
    return [marked(v, defaults, where + "[]") for v in value] if isinstance(value, list) else value
