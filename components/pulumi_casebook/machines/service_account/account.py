"""The account, its policy, and what lets a program on a machine use it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_ovh as ovh

from pulumi_casebook.core.component import Component
from pulumi_casebook.machines.configuration import File

URN = "urn:v1:eu:resource"
# Where programs on machines import `pulumi_casebook.machines.service_account.programs.api` from.
LIBRARY = "/usr/local/lib/casebook"
SECRETS = ("client_id", "client_secret")


def service_account(
    component: Component[Any], description: str, resources: Iterable[str], actions: Iterable[str]
) -> dict[str, pulumi.Input[str]]:
    """Declare a service account (`Me.APIOAuth2Client`) and the `Iam.Policy` that allows it these actions on these
    resources. Returns its secrets, for the role whose file holds `api_settings()`."""
    name = f"{pulumi.get_project()}-{pulumi.get_stack()}-{component.name}"
    account = ovh.me.APIOAuth2Client(
        component.name, name=name, description=description, flow="CLIENT_CREDENTIALS", opts=component.child()
    )
    ovh.iam.Policy(
        component.name,
        name=name,
        identities=[account.identity],
        resources=sorted(set(resources)),
        allows=list(actions),
        opts=component.child(),
    )
    return {"client_id": account.client_id, "client_secret": account.client_secret}


def api_settings() -> dict[str, str]:
    """What `Api` takes, for a file that root alone reads."""
    return {
        "url": "https://eu.api.ovh.com/1.0",
        "token": "https://www.ovh.com/auth/oauth2/token",
        **{name: f"@secret({name}:json)@" for name in SECRETS},
    }


def library() -> File:
    """The module that a program on a machine imports."""
    path = f"{LIBRARY}/pulumi_casebook/machines/service_account/programs/api.py"
    return File(path=path, content=(Path(__file__).with_name("programs") / "api.py").read_text())
