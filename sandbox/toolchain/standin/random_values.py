"""A stand-in for the random plugin (terraform-provider-random behind Pulumi's bridge).

https://github.com/hashicorp/terraform-provider-random
"""

# The methods take what a kind of resource may need; class attributes are settings that nobody changes.
# ruff: noqa: ARG002, RUF012

import base64
import ctypes
import random
import secrets
import threading
import time
import uuid
from typing import Any

from sandbox.toolchain.standin.protocol import StandIn
from sandbox.toolchain.standin.resource import Call, Resource
from sandbox.toolchain.standin.shapes import Mistake
from sandbox.toolchain.standin.values import UNKNOWN, Values, without_marks

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
MINIMA = ("minUpper", "minLower", "minNumeric", "minSpecial")
BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ADJECTIVES = (
    "amber brave calm clever daring eager fair fond gentle happy ideal keen kind lively loyal merry neat noble polite "
    "proud quick quiet rapid ready sharp smart steady sunny sure tidy valid vital warm wise witty"
)
ADVERBS = "boldly calmly deeply duly early fairly firmly freely gladly kindly lately mildly neatly openly quietly truly"
ANIMALS = (
    "ant badger bear bee bird bison camel cat crab crane deer dog dove eagle falcon finch fox frog gecko goat goose "
    "hare hawk heron horse ibex jay koala lark lion lynx mole moose moth mouse newt orca otter owl ox panda pig pony "
    "puma quail ram raven robin seal shrew skunk sloth snail stork swan tiger toad trout viper whale wolf wren yak"
)
_crypt = threading.Lock()


def bcrypt(text: str) -> str:
    """A bcrypt hash of cost 10, made by the C library. Like the provider it takes the first 72 bytes."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    # 16 random bytes in bcrypt's own base 64; the last of the 22 signs carries two bits only.
    salt = "".join(secrets.choice(BCRYPT_ALPHABET) for _ in range(21)) + secrets.choice(".Oeu")
    with _crypt:  # its answer stands in a static buffer
        found = library.crypt(text.encode()[:72], f"$2a$10${salt}".encode())
        if not found or not found.startswith(b"$2a$"):
            raise RuntimeError("the C library's crypt() knows no bcrypt; install libcrypt (libxcrypt)")
        return str(found.decode())


class Random(Resource):
    """A value drawn at creation and kept until an input changes; any change draws another one."""

    replace = "*"

    def __init__(self, name: str) -> None:
        self.module, self.name = "pulumi_random", name

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        wanted = {**self.defaults, **inputs}
        number, drawn = self.draw(wanted)
        return number, {**wanted, **drawn}

    def draw(self, wanted: Values) -> tuple[str, Values]:
        """(id, computed outputs)"""
        raise NotImplementedError


def known(value: Any) -> bool:
    return value is not None and value != UNKNOWN


def generator(seed: str | None) -> random.Random:
    """Repeatable for a seed, within this stand-in: Go's generator draws other values from the same seed."""
    return random.Random(seed) if seed else random.SystemRandom()  # noqa: S311 (a seed is no secret)


class String(Random):
    defaults = {
        "lower": True,
        "minLower": 0,
        "minNumeric": 0,
        "minSpecial": 0,
        "minUpper": 0,
        "special": True,
        "upper": True,
    }

    def rules(self, wanted: Values) -> list[Mistake]:
        mistakes = []
        length = wanted["length"]
        if known(length) and length < 1:
            mistakes.append(
                Mistake("length", f"Invalid Attribute Value. Attribute length value must be at least 1, got: {length}")
            )
        minima = [wanted[name] for name in MINIMA]
        if known(length) and all(map(known, minima)) and 1 <= length < sum(minima):
            mistakes.append(
                Mistake(
                    "length",
                    "Invalid Attribute Value. Attribute length value must be at least sum of "
                    f"min_upper + min_lower + min_numeric + min_special, got: {length}",
                )
            )
        kinds = [
            wanted.get("numeric", wanted.get("number")),
            wanted.get("special"),
            wanted.get("upper"),
            wanted.get("lower"),
        ]
        if kinds.count(False) == len(kinds):
            mistakes.append(
                Mistake(
                    "numeric",
                    "Invalid Attribute Combination. At least one of special, upper, lower, numeric must be true",
                )
            )
        return mistakes

    def numeric(self, inputs: Values) -> Values:
        """`number` is the old name of `numeric`: each follows the other."""
        chosen = inputs.get("numeric", inputs.get("number", True))
        return {**inputs, "numeric": chosen, "number": inputs.get("number", chosen)}

    def diff(self, old: Values, new: Values, ignored: list[str]) -> Any:
        return super().diff(old, self.numeric(new), ignored)

    def planned(self, inputs: Values) -> Values:
        return super().planned(self.numeric(without_marks(inputs)))

    def create(self, inputs: Values, call: Call) -> tuple[str, Values]:
        return super().create(self.numeric(inputs), call)

    def draw(self, wanted: Values) -> tuple[str, Values]:
        special = wanted.get("overrideSpecial") or SPECIAL
        sets = {
            "minUpper": ("upper", LOWER.upper()),
            "minLower": ("lower", LOWER),
            "minNumeric": ("numeric", DIGITS),
            "minSpecial": ("special", special),
        }
        everything = "".join(signs for kind, signs in sets.values() if wanted[kind])
        if not everything:
            raise ValueError("the character set specified is empty")
        drawn = [secrets.choice(signs) for minimum, (_, signs) in sets.items() for _ in range(wanted[minimum])]
        drawn += [secrets.choice(everything) for _ in range(wanted["length"] - len(drawn))]
        random.SystemRandom().shuffle(drawn)
        return self.outcome("".join(drawn))

    def outcome(self, result: str) -> tuple[str, Values]:
        return result, {"result": result}


class Password(String):
    secret = ("bcryptHash", "result")

    def outcome(self, result: str) -> tuple[str, Values]:
        return "none", {"result": result, "bcryptHash": bcrypt(result)}


class Id(Random):
    def draw(self, wanted: Values) -> tuple[str, Values]:
        drawn, prefix = secrets.token_bytes(wanted["byteLength"]), wanted.get("prefix") or ""
        number = base64.urlsafe_b64encode(drawn).rstrip(b"=").decode()
        texts = {
            "b64Url": number,
            "b64Std": base64.b64encode(drawn).decode(),
            "hex": drawn.hex(),
            "dec": str(int.from_bytes(drawn, "big")),
        }
        return number, {name: prefix + text for name, text in texts.items()}


class Bytes(Random):
    secret = ("base64", "hex")

    def rules(self, wanted: Values) -> list[Mistake]:
        if known(wanted["length"]) and wanted["length"] < 1:
            return [
                Mistake(
                    "length",
                    f"Invalid Attribute Value. Attribute length value must be at least 1, got: {wanted['length']}",
                )
            ]
        return []

    def draw(self, wanted: Values) -> tuple[str, Values]:
        drawn = secrets.token_bytes(wanted["length"])
        text = base64.b64encode(drawn).decode()
        return text, {"base64": text, "hex": drawn.hex()}


class Integer(Random):
    def draw(self, wanted: Values) -> tuple[str, Values]:
        low, high = wanted["min"], wanted["max"]
        if high < low:
            raise ValueError(
                "Create Random Integer Error: The minimum (minVal) value needs to be smaller than or equal to "
                "maximum (maxVal) value."
            )
        result = generator(wanted.get("seed")).randint(low, high)
        return str(result), {"result": result}


class Pet(Random):
    defaults = {"length": 2, "separator": "-"}

    def draw(self, wanted: Values) -> tuple[str, Values]:
        length, separator = wanted["length"], wanted["separator"]
        words = [secrets.choice(ADVERBS.split()) for _ in range(length - 2)]
        words += [secrets.choice(ADJECTIVES.split())] if length > 1 else []
        words += [secrets.choice(ANIMALS.split())]
        return separator.join([wanted["prefix"], *words] if wanted.get("prefix") else words), {}


class Shuffle(Random):
    def draw(self, wanted: Values) -> tuple[str, Values]:
        given, count = wanted["inputs"], wanted.get("resultCount") or len(wanted["inputs"])
        draw = generator(wanted.get("seed"))
        results: list[str] = []
        while given and len(results) < count:  # more than there are: another round
            results += draw.sample(given, len(given))
        return "-", {"results": results[:count]}


class Uuid(Random):
    def draw(self, wanted: Values) -> tuple[str, Values]:
        result = str(uuid7() if self.name == "RandomUuid7" else uuid.uuid4())
        return result, {"result": result}


def uuid7() -> uuid.UUID:
    """RFC 9562 5.7: milliseconds since 1970, then random bits."""
    value = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 2 << 62)


def provider(version: str) -> StandIn:
    kinds = {
        "Bytes": Bytes,
        "Id": Id,
        "Integer": Integer,
        "Password": Password,
        "Pet": Pet,
        "Shuffle": Shuffle,
        "String": String,
        "Uuid": Uuid,
        "Uuid4": Uuid,
        "Uuid7": Uuid,
    }
    resources: dict[str, Resource] = {
        f"index/random{name}:Random{name}": kind(f"Random{name}") for name, kind in kinds.items()
    }
    return StandIn("random", version, resources, {})
