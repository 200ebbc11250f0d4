"""What the customer owns: the account file, and the project file that is made anew for every sandbox."""

import json
from pathlib import Path

import yaml

from .store import Object


def load_account(file: Path, project: Path, ssh_key: Path | None = None) -> Object:
    """The holdings that a store is seeded with.

    file      what is owned, without ids and secrets made per sandbox (`sandbox/account.yaml`)
    project   JSON: `project_id` (32 hexadecimal digits) and `ovh`: application_key, application_secret, consumer_key
    ssh_key   the public key that every VPS is delivered with
    """
    holdings: Object = yaml.safe_load(file.read_text())
    made = json.loads(project.read_text())
    return {
        **holdings,
        "credentials": made["ovh"],
        "cloud_projects": {made["project_id"]: holdings["cloud_project"]},
        "ssh_key": ssh_key.read_text().strip() if ssh_key else None,
    }
