"""python -m sandbox.toolchain prepare | env"""

import argparse
import json
import os
import secrets
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from sandbox import building
from sandbox.building import write
from sandbox.toolchain import engine, plugins
from sandbox.toolchain.home import ToolchainError, casebook_home, pulumi_home, say, toolchain_home

# The engine downloads no plugin by itself, which nobody would have checked.
UNASKED = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"


def prepare(account: bool = False) -> None:
    """Make all of it ready. `account`: for a real one, so nothing of ours stands in for anything."""
    started = time.monotonic()
    with building.alone(toolchain_home(), "the toolchain"):
        pulumi, found = published() if account else made()
        write(chosen_file(), json.dumps(asdict(pulumi), default=str))
    rows = [("pulumi", pulumi.version, pulumi.source, pulumi.reason)]
    rows += [(plugin.name, plugin.version, plugin.source, plugin.reason) for plugin in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + f"  ({row[3]})")
    say(f"ready in {time.monotonic() - started:.1f} s")


def made() -> tuple[engine.Engine, list[plugins.Plugin]]:
    """What is installed, else ours. Two Go programs are built side by side."""
    with ThreadPoolExecutor(1) as beside:
        choosing = beside.submit(engine.choose)
        found = plugins.choose()
        return choosing.result(), found


def published() -> tuple[engine.Engine, list[plugins.Plugin]]:
    """What Pulumi and the vendors publish, as the operator has installed it: he alone can tell that it is theirs."""
    pulumi, reason = engine.on_path()
    wanted = [plugins.wanted(name) for name in plugins.NAMES]
    found = [plugins.installed(one) for one in wanted]
    missing = [] if pulumi else [f"pulumi ({reason}): pulumi.com/docs/install"]
    missing += [f"{one.label}: `{one.command}`" for one, there in zip(wanted, found, strict=True) if not there]
    if missing or not pulumi:
        raise ToolchainError(
            "a real account is driven by what Pulumi and the vendors publish alone, and nothing is downloaded "
            f"unasked; install {', '.join(missing)}; or unset the credentials to build in the sandbox"
        )
    return pulumi, [there for there in found if there]


def chosen_file() -> Path:
    return toolchain_home() / "engine.json"


def exports(account: bool = False) -> dict[str, str]:
    """What a shell needs to run `pulumi` as the project's commands do.

    Without an account that has a state and a passphrase, both beside the sandbox: what they are of is gone with it.
    """
    try:
        folder = json.loads(chosen_file().read_text())["folder"]
    except (OSError, ValueError, KeyError) as error:
        raise ToolchainError("the toolchain is not prepared; run `python -m sandbox.toolchain prepare`") from error
    result = {"PULUMI_HOME": str(pulumi_home()), "PULUMI_SKIP_UPDATE_CHECK": "true", UNASKED: "true"}
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if folder not in path:
        result["PATH"] = os.pathsep.join([folder, *path])
    if not os.environ.get("PULUMI_PYTHON_CMD"):
        result["PULUMI_PYTHON_CMD"] = sys.executable
    if account:
        return result
    if not (os.environ.get("PULUMI_BACKEND_URL") or os.environ.get("PULUMI_ACCESS_TOKEN")):
        state = casebook_home() / "pulumi-state"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        result["PULUMI_BACKEND_URL"] = f"file://{state}"
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
        result["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase_file())
    return result


def passphrase_file() -> Path:
    """Made once: without it the secrets of every stack's state are lost."""
    path = casebook_home() / "passphrase"
    return building.built(path, lambda draft: write(draft, secrets.token_hex(32), 0o600), "the passphrase", 0.01)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.toolchain", description="Pulumi's CLI and plugins for this project."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("prepare", "make them ready: found, or built"),
        ("env", "print the exports of a prepared shell"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("--account", action="store_true", help="for a real account: nothing that is of the sandbox")
    given = parser.parse_args()
    if given.account:
        # Where `pulumi login` and `pulumi plugin install` put what is theirs.
        os.environ.setdefault("PULUMI_HOME", str(Path("~/.pulumi").expanduser()))
    try:
        if given.command == "prepare":
            prepare(given.account)
        else:
            for name, value in exports(given.account).items():
                print(f"export {name}={shlex.quote(value)}")
    except RuntimeError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error.filename or 'the toolchain'}: {error.strerror or error}; fix that and run this again")
        return 1
    except KeyboardInterrupt:
        say("interrupted; run it again and it goes on where it was")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
