"""The file of each stack, how it is read, and the copy of it that Pulumi is given."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sandbox.building import write
from stacks.environment import CHECKOUT, Stop, is_account, notes

OF_THE_SANDBOX = re.compile(r"\b(198\.1[89]\.\d+\.\d+|2001:2:)")  # RFC 2544, RFC 5180: of no network of the Internet
FILES = CHECKOUT / "stacks"
SALT = "encryptionsalt"  # of Pulumi's passphrase, which it writes into the file of its stack
PROVIDER = "secretsprovider"  # the same for its other ways to lock secrets
OF_PULUMI = ("config", SALT, PROVIDER, "encryptedkey", "environment")
# What YAML 1.1 or Go's reader takes for a truth value, a number in other digits, or a moment.
AMBIGUOUS = re.compile(
    r"y|n|yes|no|on|off|[-+]?0[0-9_]+|[-+]?0[xob][0-9a-f_]+|[-+]?[0-9][0-9_]*_[0-9_.]*|[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?|[-+]?[0-9.]+e[-+]?[0-9]+|[-+]?\.[0-9]+|\+[0-9.]+|[-+]?\.(inf|nan)|=|<<",
    re.IGNORECASE,
)
COUNTS = "casebook:sandbox"  # in a stack's file: the counts for which the sandbox is too small


def names() -> list[str]:
    return sorted(file.name.split(".")[1] for file in FILES.glob("Pulumi.*.yaml"))


def stack_file(stack: str) -> Path:
    if stack not in names():
        raise Stop(f"STACK={stack}: no such stack; there are: {', '.join(names())}")
    return FILES / f"Pulumi.{stack}.yaml"


def secrets_provider(stack: str) -> str:
    """What locks the secrets of an account's state, where the stack's file names something; a passphrase locks the
    sandbox's."""
    return str(content(stack).get(PROVIDER) or "") if is_account() else ""


def content(stack: str) -> dict[str, Any]:
    """What a stack's file says: the same here as to Pulumi, whose reader knows another YAML. Errors: Stop."""
    file = stack_file(stack)
    try:
        found = yaml.load(file.read_text(encoding="utf-8-sig"), _OneMeaning)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise Stop(f"{file.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Stop(f"{file.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise Stop(f"{file.name}: {_told(error)}") from None
    if not isinstance(found, dict) or not found:
        raise Stop(f"{file.name}: says nothing; it begins with config:, and casebook:architecture below it")
    for key in found:
        if key not in OF_PULUMI:
            near = difflib.get_close_matches(str(key), OF_PULUMI, 1)
            raise Stop(f"{file.name}: {key!s:.40}: no such key{f'; did you mean {near[0]}?' if near else ''}")
    if not isinstance(config := found.get("config"), dict) or not config.get("casebook:architecture"):
        raise Stop(f"{file.name}: config has no casebook:architecture, which says what is built")
    return found


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{getattr(error, 'problem', None) or 'characters that YAML does not have'}"


class _OneMeaning(yaml.SafeLoader):
    """YAML of which every reader makes the same: words that are numbers or truth values to some only are refused."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if (
            isinstance(node, yaml.ScalarNode)
            and node.style is None
            and node.tag.startswith("tag:yaml.org,2002:")
            and AMBIGUOUS.fullmatch(node.value)
        ):
            raise yaml.constructor.ConstructorError(
                problem=f"{node.value:.40} is one thing to one reader of YAML, and another to the next; put a text "
                "between quotes, write a number in decimal digits, and true or false",
                problem_mark=node.start_mark,
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value!s:.40} is there twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def config_file(stack: str, changed: bool = False) -> Path:
    """The file that Pulumi is given, and writes its encryption salt into.

    With an account it is the stack's own, to be committed with its salt; a copy if it is `changed` for one run. In the
    sandbox, which has a passphrase of its own, it is a copy with the counts that the sandbox can hold.
    """
    whole = content(stack)
    if is_account() and not changed:
        return stack_file(stack)
    copy = notes() / f"Pulumi.{stack}.yaml"
    text = stack_file(stack).read_text()
    if not is_account():
        for name in (SALT, PROVIDER, "encryptedkey"):
            whole.pop(name, None)
        own = yaml.safe_load(copy.read_text()) if copy.exists() else {}
        whole |= {SALT: own[SALT]} if SALT in own else {}
        config = whole["config"]
        if counts := config.pop(COUNTS, None):
            resize(config.get("casebook:settings") or {}, counts, f"{stack_file(stack).name}: {COUNTS}")
        text = yaml.safe_dump(whole, sort_keys=False)
    write(copy, text, 0o600)  # with the passphrase, the salt opens every secret of the stack's state
    return copy


def check_addresses(file: Path) -> None:
    """With an account, refuse the sandbox's addresses, which stacks' files come with: nobody on the Internet has one,
    and who opens a machine to them alone has shut himself out."""
    for where, value in leaves(yaml.safe_load(file.read_text())["config"].get("casebook:settings") or {}):
        if OF_THE_SANDBOX.search(value):
            raise Stop(f"{file.name}: {where}={value}: an address of the sandbox; give your own")


def leaves(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Each text, and where it stands."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, f"{where}[{number}]")
    elif isinstance(value, str):
        yield where, value


def resize(settings: dict[str, Any], counts: dict[str, Any], where: str) -> None:
    """Put the counts that the sandbox can hold over those of the document. Only counts: all else is the same."""
    for name, count in counts.items():
        full = settings.get(name)
        if isinstance(count, dict) and isinstance(full, dict):
            resize(full, count, f"{where}.{name}")
        elif type(count) is int and type(full) is int:
            settings[name] = count
        else:
            raise Stop(f"{where}.{name}={count}: a number in the place of a number of casebook:settings; it has {full}")
