"""How machines are reached: one user, one key, from the operator's environment."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
import pulumi_command as command

from pulumi_casebook.core.args import InputError, shown
from pulumi_casebook.core.keys import SshPublicKey, check_ssh_pair

USER = "debian"  # of Debian's cloud images, and of OVHcloud's servers and VPS


class SshKey(NamedTuple):
    """The operator's key pair. The private half only ever travels as a Pulumi secret."""

    public: SshPublicKey
    private: pulumi.Output[str]


def ssh_key() -> SshKey:
    """The key in `CASEBOOK_SSH_KEY_FILE`, else `~/.ssh/id_ed25519`; the public half is beside it (`.pub`)."""
    path = Path(os.environ.get("CASEBOOK_SSH_KEY_FILE") or "~/.ssh/id_ed25519").expanduser()
    private, public = (_text(half) for half in (path, path.with_name(f"{path.name}.pub")))
    try:
        check_ssh_pair(public.strip(), private)
    except ValueError as error:
        raise InputError(f"CASEBOOK_SSH_KEY_FILE: {shown(str(path))} {error}") from None
    return SshKey(public.strip(), pulumi.Output.secret(private))


def _text(half: Path) -> str:
    try:
        return half.read_text()
    except FileNotFoundError:
        raise InputError(
            f"CASEBOOK_SSH_KEY_FILE: {half} does not exist; machines are configured over SSH: name an "
            "ed25519 key there (ssh-keygen -t ed25519), or use `make shell`, which has the sandbox's key"
        ) from None
    except OSError as error:
        raise InputError(f"CASEBOOK_SSH_KEY_FILE: {shown(str(half))} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"CASEBOOK_SSH_KEY_FILE: {shown(str(half))} is no key of OpenSSH, which is text") from None


def connection(
    host: pulumi.Input[str], key: SshKey, bastion: pulumi.Input[str] | None = None
) -> command.remote.ConnectionArgs:
    """A connection that waits for a machine which still boots: 20 tries, 15 s each at most."""
    patient: dict[str, Any] = {
        "user": USER,
        "private_key": key.private,
        "dial_error_limit": 20,
        "per_dial_timeout": 15,
    }
    proxy = command.remote.ProxyConnectionArgs(host=bastion, **patient) if bastion is not None else None
    return command.remote.ConnectionArgs(host=host, proxy=proxy, **patient)
