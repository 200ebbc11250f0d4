"""The file of each stack, and the copy of it that Pulumi is given."""

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
    file = stack_file(stack)
    return str(yaml.safe_load(file.read_text()).get(PROVIDER) or "") if is_account() else ""


def config_file(stack: str, changed: bool = False) -> Path:
    """The file that Pulumi is given, and writes its encryption salt into.

    With an account it is the stack's own, to be committed with its salt; a copy if it is `changed` for one run. In the
    sandbox, which has a passphrase of its own, it is a copy with the counts that the sandbox can hold.
    """
    if is_account() and not changed:
        return stack_file(stack)
    copy = notes() / f"Pulumi.{stack}.yaml"
    text = stack_file(stack).read_text()
    if not is_account():
        content = yaml.safe_load(text)
        for name in (SALT, PROVIDER, "encryptedkey"):
            content.pop(name, None)
        own = yaml.safe_load(copy.read_text()) if copy.exists() else {}
        content |= {SALT: own[SALT]} if SALT in own else {}
        config = content["config"]
        if counts := config.pop(COUNTS, None):
            resize(config["casebook:settings"], counts, f"{stack_file(stack).name}: {COUNTS}")
        text = yaml.safe_dump(content, sort_keys=False)
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
