"""The program behind $PULUMI_HOME/plugins/resource-NAME-vVERSION/pulumi-resource-NAME.

usage: __main__.py NAME VERSION [flags of the engine] ENGINE-ADDRESS
"""

import importlib
import sys
from pathlib import Path

if __package__ in (
    None,
    "",
):  # started by path: the program it serves has a working directory and a PYTHONPATH of its own
    sys.path.insert(0, str(Path(__file__).parents[3]))

from sandbox.toolchain.standin.protocol import serve

MODULES = {"command": "command", "ovh": "ovh", "random": "random_values", "tls": "tls"}


def main() -> None:
    name, version, *rest = sys.argv[1:]
    module = importlib.import_module(f"sandbox.toolchain.standin.{MODULES[name]}")
    address = rest[-1] if rest and not rest[-1].startswith("-") else None
    serve(module.provider(version), address)


if __name__ == "__main__":
    main()
