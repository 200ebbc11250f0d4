"""Variables of an application's environment, plain and secret."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import pulumi
from pydantic import AfterValidator, PlainValidator
from pydantic_core import PydanticCustomError

from pulumi_casebook.core.args import Line, Secret, check_secret
from pulumi_casebook.machines.configuration import File


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("a variable's name is upper-case letters, digits and underscores")
    if value.startswith("HTTP_"):
        raise ValueError("HTTP_… are the headers that a client sent")
    return value


Variable = Annotated[str, AfterValidator(_variable)]


def check_environment(environment: Mapping[str, str], **further: Iterable[str]) -> None:
    """Every name once."""
    known = set(environment)
    for field, names in further.items():
        if twice := known & set(names):
            raise ValueError(f"{field}.{min(twice)}: also in environment")
        known |= set(names)


# Variable to the certificate (PEM) of an authority: in a file, whose path the variable holds.
Authorities = Mapping[Variable, Secret]


def authority_files(role: str, group: str, authorities: Iterable[str]) -> dict[str, File]:
    """By variable: what a client trusts, for an application that runs in this group. The secret has its name."""
    return {
        name: File(
            path=f"/etc/ssl/casebook/{role}/{name}.crt", content=f"@secret({name})@", owner=f"root:{group}", mode="0640"
        )
        for name in authorities
    }


def _writable(value: str) -> str:
    quoted(value)
    return value


Value = Annotated[Line, AfterValidator(_writable)]


def quoted(value: str) -> str:
    """A value as php-fpm, Apache and systemd all read it between double quotes."""
    if re.search(r"[\r\n\0]|\$\{|^\$", value):
        raise ValueError(
            "a variable of the environment is one line without ${ in it or $ before it, which php-fpm replaces"
        )
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _secret_value(value: object) -> str | pulumi.Output[str]:
    found = check_secret(value)
    if isinstance(found, str):
        try:
            quoted(found)
        except ValueError as error:
            end = "; take off the newline at its end" if found.endswith("\n") else ""
            raise PydanticCustomError("secret", "{reason}", {"reason": f"{error}{end}"}) from None
    return found


SecretValue = Annotated[str | pulumi.Output[str], PlainValidator(_secret_value)]


def written(
    environment: Mapping[str, str], secrets: Iterable[str], authorities: Mapping[str, File]
) -> list[tuple[str, str]]:
    """(name, value between quotes) for a file of a role that has `role_secrets`."""
    values = {name: quoted(value) for name, value in environment.items()}
    values |= {name: quoted(file.path) for name, file in authorities.items()}
    return sorted((values | {name: f"@secret({name}:quoted)@" for name in secrets}).items())


def role_secrets(secrets: Mapping[str, Any], authorities: Mapping[str, Any]) -> dict[str, pulumi.Input[str]]:
    """Of a role whose files are `written` ones and `authority_files`."""
    return {**{name: pulumi.Output.from_input(value).apply(quoted) for name, value in secrets.items()}, **authorities}
