"""Prove that a VPS has OVHcloud's automatic daily backup, an option that is ordered in the manager.

casebook-vps-backup SERVICE
"""

import sys

import ovh

from pulumi_casebook.core.ovh_api import Client, Failed, connect


def check(client: Client, service: str) -> str:
    """When the backup runs and how many are kept. Errors: the option is not rented, or not enabled."""
    try:
        found = client.get(f"/vps/{service}/automatedBackup")
    except ovh.ResourceNotFoundError:
        raise Failed(f"{service}: has no automatic backup; order the option in the manager") from None
    if found["state"] != "enabled":
        raise Failed(f"{service}: its automatic backup is {found['state']}; enable it in the manager")
    return f"{service}: backed up daily at {found['schedule']}, {found['rotation']} kept"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(check(connect(), sys.argv[1]))
    except (Failed, ovh.APIError) as error:
        sys.exit(f"casebook-vps-backup: {error}")


if __name__ == "__main__":
    main()
