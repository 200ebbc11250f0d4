"""Runs one Pulumi program in this interpreter. The language host starts it and writes the settings to its stdin.

It uses nothing but the SDK: the interpreter may be another one than the host's.
"""

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pulumi
import pulumi.runtime

EXPLAINED = 32


def main() -> int:
    given = json.load(sys.stdin)
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115 (as long as the program runs)
    program = given["program"]
    pulumi.runtime.set_all_config(given["config"], given["secrets"])
    pulumi.runtime.reset_options(
        project=given["project"],
        stack=given["stack"],
        root_directory=given["root"],
        parallel=given["parallel"],
        engine_address=given["engine"],
        monitor_address=given["monitor"],
        preview=given["preview"],
        organization=given["organization"] or "organization",
    )
    folder = Path(program).absolute()
    folder = folder if folder.is_dir() else folder.parent
    sys.path.insert(0, str(folder))
    sys.argv = [program, *given["arguments"]]
    # A failed program leaves futures behind; asyncio would report every one of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max(given["parallel"], 1) * 4))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: run(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return EXPLAINED
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:  # else the engine is gone, and has said why
            pulumi.log.error(f"RPC error: {error.details()}")
            return EXPLAINED
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{told(error, folder)}")
        return EXPLAINED
    finally:
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def told(error: Exception, folder: Path) -> str:
    """The traceback from the program's own first line on: how it came to be called is no news to the reader."""
    found = traceback.TracebackException.from_exception(error)
    ours = [number for number, frame in enumerate(found.stack) if folder in Path(frame.filename).parents]
    if ours:
        del found.stack[: ours[0]]
    return "".join(found.format())


if __name__ == "__main__":
    sys.exit(main())
