"""Where a stack is built: on the account that the environment names, else in the sandbox of this machine."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("CASEBOOK_HOME") or "~/.cache/casebook").expanduser().absolute()

# One variable of each set is enough to know that a real account is meant.
ACCOUNT = ("OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_CLIENT_ID", "OVH_ACCESS_TOKEN", "OS_AUTH_URL", "OS_CLOUD")
OPENSTACK = ("OS_AUTH_URL", "OS_CLOUD")
OVHCLOUD = ("OVH_APPLICATION_KEY", "OVH_CLIENT_ID", "OVH_ACCESS_TOKEN")
CREDENTIALS = ("OS_", "OVH_")
PASSPHRASE = ("PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE")
# What a key must be allowed for any stack to be built, and no more: no order, no bill, nobody's contact.
CALLS = (
    "/auth/*",
    "/cloud/project/*",
    "/dedicated/nasha/*",
    "/dedicated/server/*",
    "/domain/zone/*",
    "/ip/*",
    "/ipLoadbalancing/*",
    "/me/api/oauth2/client*",
    "/v2/iam/policy*",
    "/vps/*",
    "/vrack/*",
)
KEY_PAGE = "https://api.ovh.com/createToken/?" + "&".join(
    f"{method}={path}" for path in CALLS for method in ("GET", "POST", "PUT", "DELETE")
)
FILES = (Path("/etc/ovh.conf"), Path("~/.ovh.conf").expanduser(), CHECKOUT / "ovh.conf")


class Stop(Exception):
    """A sentence for the operator: what is wrong and what to do next."""


def is_account() -> bool:
    """Whether the environment names a real account. The sandbox's own variables do not."""
    return os.environ.get("CASEBOOK_TARGET") != "sandbox" and any(os.environ.get(name) for name in ACCOUNT)


def without_credentials(given: Mapping[str, str]) -> dict[str, str]:
    """Whoever works in the sandbox may have an account's beside its own: OS_CLOUD alone would go before them."""
    return {name: value for name, value in given.items() if not name.startswith(CREDENTIALS)}


def check_account() -> None:
    """Both halves of the credentials must be there: OpenStack's for instances, OVHcloud's for the rest."""
    if not any(os.environ.get(name) for name in OPENSTACK):
        raise Stop(
            "OS_AUTH_URL: not set, though OVHcloud credentials are; source the project's openrc.sh "
            "(Public Cloud > Users & Roles), or unset them all to build in the sandbox"
        )
    if not any(os.environ.get(name) for name in OVHCLOUD) and not any(file.is_file() for file in FILES):
        raise Stop(
            "OVH_APPLICATION_KEY: not set, and there is no ovh.conf; make a key that may do what stacks need and no "
            "more, and export OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and OVH_CONSUMER_KEY, "
            f"or unset OS_* to build in the sandbox: {KEY_PAGE}"
        )


def chosen_backend() -> str:
    """Where the operator has Pulumi keep its state: PULUMI_BACKEND_URL, a token of Pulumi Cloud, or `pulumi login`."""
    if url := os.environ.get("PULUMI_BACKEND_URL"):
        return url
    if os.environ.get("PULUMI_ACCESS_TOKEN"):
        return "https://api.pulumi.com"
    login = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser() / "credentials.json"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return str(json.loads(login.read_text()).get("current") or "")
    return ""


def check_state(backend: str, secrets_provider: str = "") -> None:
    """The state holds the keys and passwords of all machines: where it lies, and what locks it, has no default."""
    if not backend:
        raise Stop(
            "PULUMI_BACKEND_URL: not set, and nobody has logged in; choose where the state of this account's stacks "
            "lies, for it holds their keys and passwords: `pulumi login s3://...`, `pulumi login` or PULUMI_BACKEND_URL"
        )
    locked = backend.startswith("https://") or secrets_provider not in ("", "passphrase")
    if not locked and not any(os.environ.get(name) is not None for name in PASSPHRASE):
        raise Stop(
            f"PULUMI_CONFIG_PASSPHRASE_FILE: not set, and {backend} has no secrets provider of its own; name a file "
            "whose passphrase is to lock the secrets in the state, and keep a copy elsewhere, for without it they are "
            "lost; or name another provider (secretsprovider: ...) in the stack's file"
        )


def notes() -> Path:
    """The folder of what is noted of a run, and of the copies of stacks' files: nobody else's to read.

    The sandbox's are beside what it holds. Those of an account tell what its next run must look for: no cache.
    """
    kept = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "casebook"
    folder = kept if is_account() else HOME / "stacks"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


@contextlib.contextmanager
def empty_project() -> Iterator[str]:
    """A folder from which pulumi works on the project's state: it writes its encryption salt beside Pulumi.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Pulumi.yaml").write_text("name: casebook\nruntime: python\n")
        yield folder


def module(name: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", name, *arguments], cwd=CHECKOUT, text=True)


def exports(name: str, *options: str) -> dict[str, str]:
    """The variables that `python -m NAME env` prints."""
    printed = subprocess.run(
        [sys.executable, "-m", name, "env", *options], cwd=CHECKOUT, text=True, capture_output=True
    )
    if printed.returncode:
        raise Stop(printed.stderr.strip() or f"python -m {name} env failed")
    words = shlex.split(printed.stdout)
    return dict(word.split("=", 1) for word in words if "=" in word)


def backend() -> dict[str, str]:
    """Stacks of the sandbox are remembered in the sandbox, which forgets them together with what they built."""
    if any(os.environ.get(name) for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")):
        return {}
    folder = HOME / "sandbox/data/pulumi"
    if not folder.parent.exists():
        raise Stop("the sandbox holds no stack yet; `make up` builds one")
    folder.mkdir(exist_ok=True, mode=0o700)
    return {"PULUMI_BACKEND_URL": f"file://{folder}"}


def prepare(*, cloud: bool, secrets_provider: str = "") -> dict[str, str]:
    """The environment for `pulumi`. Both halves are made ready at the same time; they say what they do.

    cloud              whether the command talks to a cloud, so that the sandbox must run
    secrets_provider   what locks the state, where the stack's file names it
    """
    sandbox = not is_account()
    if not sandbox:
        check_account()
        check_state(chosen_backend(), secrets_provider)
    options = () if sandbox else ("--account",)
    running = [module("sandbox.toolchain", "prepare", *options)]
    if sandbox and cloud:
        running.append(module("sandbox", "start"))
    # An interrupt reaches them too; both are waited for, so that no half-made thing is left behind unseen.
    statuses = [process.wait() for process in running]
    if any(statuses):
        raise Stop("the stack was not touched; fix the error above, then rerun")
    environment = {**os.environ, **exports("sandbox.toolchain", *options)}
    if sandbox:
        environment = without_credentials(environment)
        environment |= {"CASEBOOK_TARGET": "sandbox", **exports("sandbox"), **backend()}
    # Programs of the package (casebook-...) are called by resources.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return environment
