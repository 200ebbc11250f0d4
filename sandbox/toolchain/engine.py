"""Which `pulumi` to use: the one on PATH, or one built from its Go module.

Nothing is downloaded that this project could not check: Go compares each module with the checksum in go.sum.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.building import write
from sandbox.toolchain import golang
from sandbox.toolchain.home import SOURCE, ToolchainError, toolchain_home

# Older engines lack stackConfigDir or calls that the installed SDK makes.
OLDEST = (3, 200)
BUILT_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

LANGUAGE_HOST = """\
#!/bin/sh
# Pulumi's Python language host. Generated; `python -m sandbox.toolchain prepare` writes it again.
exec '{python}' -P '{program}' "$@"
"""


@dataclass(frozen=True)
class Engine:
    """A `pulumi` command: the folder it is in, its version, and why it was chosen."""

    folder: Path
    version: str
    source: str
    reason: str

    @property
    def command(self) -> str:
        return str(self.folder / "pulumi")


def choose() -> Engine:
    found, reason = on_path()
    return found or build(reason)


def on_path() -> tuple[Engine | None, str]:
    """The user's own pulumi, or the reason why there is none that will do."""
    folders = [f for f in os.get_exec_path() if toolchain_home() not in (Path(f), *Path(f).parents)]
    command = shutil.which("pulumi", path=os.pathsep.join(folders))
    if not command:
        return None, "none on PATH"
    done = subprocess.run(
        [command, "version"], capture_output=True, text=True, env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    )
    found = re.match(r"v?(\d+)\.(\d+)\.\S+", done.stdout)
    if not found:
        return None, f"{command} does not tell its version"
    version = found[0].lstrip("v").strip()
    if (int(found[1]), int(found[2])) < OLDEST:
        return None, f"{command} is {version}, older than {OLDEST[0]}.{OLDEST[1]}"
    beside = Path(command).resolve().parent / "pulumi-language-python"
    if not beside.exists() and not shutil.which("pulumi-language-python"):
        return None, f"{command} has no Python language host beside it"
    return Engine(Path(command).parent, version, "PATH", command), ""


def build(reason: str) -> Engine:
    found = re.search(
        r"^require github.com/pulumi/pulumi/pkg/v3 v(\S+)", (SOURCE / "cli" / "go.mod").read_text(), re.MULTILINE
    )
    if not found:
        raise ToolchainError("cli/go.mod does not require github.com/pulumi/pulumi/pkg/v3; restore the file from git")
    folder = golang.built(
        SOURCE / "cli",
        "pulumi",
        BUILT_PACKAGE,
        f"-X {VERSION_VARIABLE}=v{found[1]}",
        f"pulumi {found[1]} (3 minutes on two cores)",
        4,
    ).parent
    write(
        folder / "pulumi-language-python",
        LANGUAGE_HOST.format(python=sys.executable, program=SOURCE / "language.py"),
        0o755,
    )
    return Engine(folder, found[1], "built from Go modules", reason)
