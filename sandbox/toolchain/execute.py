"""Runs one Pulumi program in this interpreter; the language host starts it and writes the settings to its standard input.

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

import grpc
import pulumi
import pulumi.runtime

EXPLAINED = 32


def main() -> int:
    given = json.load(sys.stdin)
    sys.stdin = open(os.devnull)
    program = given["program"]
    pulumi.runtime.set_all_config(given["config"], given["secrets"])
    pulumi.runtime.reset_options(project=given["project"], stack=given["stack"], root_directory=given["root"], parallel=given["parallel"],
                                 engine_address=given["engine"], monitor_address=given["monitor"], preview=given["preview"],
                                 organization=given["organization"] or "organization")
    folder = program if os.path.isdir(program) else os.path.dirname(program)
    # A script's own folder leads the path; here this file's folder stands in its place.
    sys.path[0] = folder
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


def told(error: Exception, folder: str) -> str:
    """The traceback from the program's own first line on: how it came to be called is no news to the reader."""
    found = traceback.TracebackException.from_exception(error)
    root = os.path.abspath(folder) + os.sep
    ours = [n for n, frame in enumerate(found.stack) if os.path.isabs(frame.filename) and os.path.abspath(frame.filename).startswith(root)]
    if ours:
        del found.stack[: ours[0]]
    return "".join(found.format())


if __name__ == "__main__":
    sys.exit(main())
