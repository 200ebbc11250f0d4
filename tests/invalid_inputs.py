"""Wrong input, made of valid arguments by one mistake at a time.

What is wrong is read from the models: the types, bounds and validators of each field, down to the last nested one. So a
new model, and a new field, is covered by itself.
"""

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from hypothesis import strategies as st
from pydantic import AfterValidator, PlainValidator

from pulumi_casebook import InputError
from pulumi_casebook.core import args
from pulumi_casebook.core.args import Args, shown

MISSING = object()
Where = tuple[str | int, ...]
OTHER_TYPES: tuple[Any, ...] = (None, True, 7, 2.5, "word", [], {})
NO_JSON = (b"bytes", object())
# What ends a line, a string or a word somewhere in what is written on machines, or begins a command of a shell.
CONTROLS = ("\n", "\r", "\0", "\t", "\x1b", "\x7f", "\u2028", "@secret(password)@")
SYNTAX = ('"', "'", "`", ";", "|", "$(reboot)", "${HOME}", "<", ">", "{{", "\\", "#", "(", "é", "٣")
ADDRESSES = ("", "10.8.0", "10.8.0.256", "10.8.0.010", "10.8.0.1/24", "::1", "web-1")
NETWORKS = ("", "10.8.0.1/24", "10.8.0.0/33", "10.8.0.0/-1", "10.8.0.256/32", "::/0", "lan")
OUTSIDE = "203.0.113.77"
# What checks secrets.
SECRETS = ("check_secret", "_secret_line", "_secret_url", "_secret_value")
# Addresses of others, which are in no network of the component.
ELSEWHERE = ("resolvers", "followers")


class Kind(NamedTuple):
    """One of the things that a field may be: a type, and what is said of it."""

    of: Any
    said: tuple[Any, ...]

    def derives(self, base: type[Any]) -> bool:
        found = typing.get_origin(self.of) or self.of
        return isinstance(found, type) and issubclass(found, base)

    def by(self, *names: str) -> bool:
        """Whether a function of one of these names checks it."""
        checks = [one.func for one in self.said if isinstance(one, AfterValidator | PlainValidator)]
        return any(getattr(check, "__name__", "") in names for check in checks)

    def bound(self, *names: str) -> Any:
        """The closest of its bounds, `ge` for instance."""
        found = [getattr(one, name) for one in self.said for name in names if getattr(one, name, None) is not None]
        return found[-1] if found else None


class Mistake(NamedTuple):
    """Where it is (a path of field names, keys and numbers), what can be wrong there."""

    path: Where
    wrong: st.SearchStrategy[Any]
    secret: bool = False


class Wrong(NamedTuple):
    """Arguments with one mistake."""

    path: Where
    value: Any
    arguments: dict[str, Any]
    secret: bool


def kinds(annotation: Any, said: tuple[Any, ...] = ()) -> list[Kind]:
    if typing.get_origin(annotation) is Annotated:
        inner, *more = typing.get_args(annotation)
        return kinds(inner, (*more, *said))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for one in typing.get_args(annotation) for kind in kinds(one, said)]
    if any(isinstance(one, PlainValidator) for one in said):
        return [Kind(str, said)]
    flat = tuple(part for one in said for part in getattr(one, "metadata", None) or (one,))
    return [Kind(annotation, flat)]


def mistakes(model: type[Args], given: Mapping[str, Any], json: bool = False) -> list[Mistake]:
    """All places of the arguments, with what is wrong there."""
    return list(_in_model(model, given, (), json))


def _in_model(model: type[Args], given: Mapping[str, Any], path: Where, json: bool) -> Iterator[Mistake]:
    yield Mistake((*path, "colour"), st.just("red"))
    for name, field in model.model_fields.items():
        where, possible = (*path, name), kinds(field.annotation, tuple(field.metadata))
        if field.is_required():
            yield Mistake(where, st.just(MISSING))
        if given.get("network") is not None and name not in ELSEWHERE:
            possible = [Kind(one.of, (*one.said, "inside")) for one in possible]
        for mistake in _at(possible, given.get(name), where, json):
            # What is in no repr is in no message, with all that is in it.
            yield mistake._replace(secret=mistake.secret or (not field.repr and name != "opts"))


def _at(possible: list[Kind], value: Any, path: Where, json: bool) -> Iterator[Mistake]:
    others = [
        one for one in (*OTHER_TYPES, *(() if json else NO_JSON)) if not any(_fits(one, kind) for kind in possible)
    ]
    wrong = [st.sampled_from(others)] if others else []
    secret = any(kind.by(*SECRETS) for kind in possible)
    for kind in possible:
        wrong += _values(kind, value)
    if wrong:
        yield Mistake(path, st.one_of(wrong), secret)
    for kind in possible:
        yield from _inside(kind, value, path, json)


def _inside(kind: Kind, value: Any, path: Where, json: bool) -> Iterator[Mistake]:
    parts = typing.get_args(kind.of)
    if kind.derives(Args) and isinstance(value, kind.of | Mapping):
        yield from _in_model(kind.of, as_given(value), path, json)
    elif kind.derives(tuple) and parts and isinstance(value, tuple | list) and value:
        yield from _at(kinds(parts[0], inherited(kind)), value[0], (*path, 0), json)
    elif kind.derives(Mapping) and isinstance(value, Mapping) and value:
        key = next(iter(value))
        [named] = kinds(parts[0])
        yield from (Mistake((*path, key), st.builds(Renamed, text)) for text in _values(named, key))
        yield from _at(kinds(parts[1], inherited(kind)), value[key], (*path, key), json)


def inherited(kind: Kind) -> tuple[Any, ...]:
    return ("inside",) if "inside" in kind.said else ()


class Renamed(str):
    """In the place of a value: its key is to be this."""


def _fits(value: Any, kind: Kind) -> bool:
    """Whether the type is right, whatever the value."""
    origin, parts = typing.get_origin(kind.of), typing.get_args(kind.of)
    if kind.of is type(None) or value is None:
        return value is None and kind.of in (None, type(None))
    if origin is Literal:
        return value in parts
    if kind.derives(tuple) and not parts:
        return isinstance(value, tuple | list | dict)
    if kind.derives(tuple):
        return isinstance(value, tuple | list)
    if kind.derives(Mapping) or kind.derives(Args):
        return isinstance(value, Mapping)
    if kind.of in (int, bool):
        return type(value) is kind.of
    if kind.of is float:
        return type(value) in (int, float)
    return isinstance(value, str if kind.of is Path else origin or kind.of)


def _values(kind: Kind, value: Any) -> list[st.SearchStrategy[Any]]:
    """Of the right type, and wrong."""
    origin = typing.get_origin(kind.of)
    if kind.of in (int, float):
        return _numbers(kind)
    if origin is Literal:
        return [st.sampled_from(["", "word", "0"])]
    if kind.of is str and not kind.by(*SECRETS):
        return _texts(kind, value if isinstance(value, str) else "")
    found: list[st.SearchStrategy[Any]] = []
    if origin is not None and kind.bound("min_length"):
        found.append(st.just({} if kind.derives(Mapping) else []))
    if origin is tuple and kind.by("_each_once") and isinstance(value, tuple | list) and value:
        found.append(st.just([*value, value[0]]))
    return found


def _numbers(kind: Kind) -> list[st.SearchStrategy[Any]]:
    at_least, above, at_most = kind.bound("ge"), kind.bound("gt"), kind.bound("le")
    found = [st.integers(min_value=min(args.LARGEST if at_most is None else int(at_most), args.LARGEST) + 1)]
    if at_least is not None:
        found.append(st.integers(max_value=int(at_least) - 1))
    if above is not None:
        found.append(st.integers(max_value=int(above)))
    return [*found, st.just(float("nan")), st.just(float("inf"))]


def _texts(kind: Kind, value: str) -> list[st.SearchStrategy[Any]]:
    if kind.by("_cidr"):
        return [st.sampled_from(NETWORKS), _spoilt(value, (*CONTROLS, *SYNTAX))]
    if kind.by("_address"):
        outside = [st.just(OUTSIDE)] if "inside" in kind.said else []
        return [st.sampled_from(ADDRESSES), _spoilt(value, (*CONTROLS, *SYNTAX)), *outside]
    if kind.by("_ssh_public_key"):
        # Its comment is anything.
        return [_spoilt(value or "word", CONTROLS[:-1])]
    if kind.by("_line"):
        return [_spoilt(value or "word", CONTROLS)]
    return [
        _spoilt(value or "word", (*CONTROLS, *SYNTAX)),
        st.text(min_size=1, max_size=9).map(lambda more: f"\n{more}"),
    ]


def _spoilt(value: str, by: tuple[str, ...]) -> st.SearchStrategy[str]:
    """The value with something in it that does not belong there."""
    position = st.sampled_from(sorted({0, len(value) // 2, len(value)}))
    return st.builds(lambda at, what: value[:at] + what + value[at:], position, st.sampled_from(by))


def as_given(value: Any) -> dict[str, Any]:
    """The arguments of a model as they were given."""
    if isinstance(value, Mapping):
        return dict(value)
    return {name: getattr(value, name) for name in type(value).model_fields}


def put(given: Any, path: Where, value: Any) -> Any:
    """The same with another value at a place."""
    first, *rest = path
    if isinstance(given, tuple | list):
        changed = put(dict(enumerate(given)), path, value)
        return [changed[number] for number in sorted(changed)]
    held: dict[Any, Any] = as_given(given) if given is not None else {}
    if rest:
        return held | {first: put(held.get(first), tuple(rest), value)}
    if isinstance(value, Renamed):
        return {str(value) if key == first else key: item for key, item in held.items()}
    return {key: item for key, item in held.items() if key != first} | ({} if value is MISSING else {first: value})


def complaints(one: Wrong, attempt: Callable[[dict[str, Any]], object]) -> list[str]:
    """What is wrong with the refusal: accepted, another error, or a message that lacks the field, value or reason."""
    where = f"{'.'.join(map(str, one.path))}={'nothing' if one.value is MISSING else repr(one.value)}"
    try:
        attempt(one.arguments)
    except InputError as error:
        return [f"{where}: the message lacks {what}: {error}" for what in _lacking(one, str(error))]
    except Exception as error:
        return [f"{where}: {type(error).__name__}: {error}"]
    return [f"{where}: accepted"]


def _lacking(one: Wrong, message: str) -> Iterator[str]:
    fields = [part for part in one.path if isinstance(part, str)]
    if not any(part in message for part in fields):
        yield "the field"
    # What stands under a name may be secret, the name never is.
    if one.secret and not isinstance(one.value, Renamed):
        if repr(one.value) in message:
            yield "discretion"
    elif one.value is not MISSING and one.path[-1] != "colour":
        given = list(one.value.values()) if isinstance(one.value, dict) else one.value
        forms = {shown(one.value), str(one.value), shown(given)}
        if isinstance(one.value, list):
            forms |= {shown(tuple(one.value)), *(getattr(item, "name", str(item)) for item in one.value)}
        if not any(form in message for form in forms):
            yield "the value"
    if not all(line.rpartition(": ")[2].strip() for line in message.splitlines()):
        yield "the reason"


# Of every kind, so that what a field does with any of them is seen: no traceback, no flood, no secret.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, -(2**63), 10**5000, 0.5, 1e308, float("nan"), float("inf"), 1e-9),
    *("", " ", "word", "\n", "a\n", "a\0b", "\ud800", "é", "٣", "x" * 50_000, "..", "/", "//"),
    *("../../etc", "/etc/passwd", "null", "10.8.0.1/24"),
    *("-1", "--help", "$(reboot)", "`id`", "{{ 7 * 7 }}", "%s%n", "'; DROP TABLE a; --", "a..b", ".", "@", "*", "~"),
    *("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.8.0.0", "::1", "0.0.0.0/0", "127.0.0.0/8"),
    *("http://user:hunter2@example.org/", "https://example.org:99999/", "tcp://", "http://[::1", "file:///etc/shadow"),
    *("9" * 5000, "a" * 64 + ".example.org", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"),
    *([], [None], [[]], ["hunter2", "hunter2"], {}, {"": ""}, {"hunter2": "hunter2"}, {"a": {"b": []}}, [10**5000]),
)


def places(model: type[Args], given: Mapping[str, Any], secret: bool = False, path: Where = ()) -> Iterator[Mistake]:
    """Every field of arguments, at any depth, and the first of each sequence and mapping."""
    for name, field in model.model_fields.items():
        hidden = secret or (not field.repr and name != "opts")
        possible = kinds(field.annotation, tuple(field.metadata))
        yield from _places(
            possible, given.get(name), hidden or any(one.by(*SECRETS) for one in possible), (*path, name)
        )


def _places(possible: list[Kind], value: Any, secret: bool, path: Where) -> Iterator[Mistake]:
    yield Mistake(path, st.nothing(), secret)
    for kind in possible:
        parts = typing.get_args(kind.of)
        if kind.derives(Args) and isinstance(value, kind.of | Mapping):
            yield from places(kind.of, as_given(value), secret, path)
        elif kind.derives(tuple) and parts and isinstance(value, tuple | list) and value:
            yield from _places(kinds(parts[0]), value[0], secret, (*path, 0))
        elif kind.derives(Mapping) and isinstance(value, Mapping) and value:
            key = next(iter(value))
            yield from _places(kinds(parts[1]), value[key], secret, (*path, key))


def swept(
    model: type[Args], given: Mapping[str, Any], attempt: Callable[[dict[str, Any]], object], values: tuple[Any, ...]
) -> Iterator[str]:
    """What is wrong with how any of the values is taken or refused anywhere in the arguments."""
    for place in places(model, given):
        for value in values:
            where = f"{'.'.join(map(str, place.path))}={shown(value)[:60]}"
            try:
                attempt(put(given, place.path, value))
            except InputError as error:
                yield from (
                    f"{where}: {what}: {str(error)[:300]}" for what in _unlike_a_sentence(place, value, str(error))
                )
            except Exception as error:
                yield f"{where}: {type(error).__name__}: {str(error)[:200]}"


def _unlike_a_sentence(place: Mistake, value: Any, message: str) -> Iterator[str]:
    lines = message.splitlines()
    if not any(part in message for part in place.path if isinstance(part, str)):
        yield "names no field"
    if place.secret and isinstance(value, str) and len(value) > 8 and value in message:
        yield "tells the secret"
    if "user:hunter2" in message:
        yield "tells a password"
    if any(len(line) > 600 for line in lines):
        yield "is long"
    if not isinstance(value, dict) and len({line.partition("=")[0] for line in lines}) < len(lines):
        yield "tells one mistake in several lines"
    if "should match pattern" in message:
        yield "has a regular expression for a reason"
