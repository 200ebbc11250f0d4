"""python -m sandbox: OVHcloud on this machine.

start    start everything that is missing; repairs what a crash or a reboot left
stop     stop everything; machines and data stay
reset    stop, and forget all machines and data
status   every part with its process, memory and age; the machines
env      the environment of a stack's program, as shell exports
world    run a command on somebody else's computer on the sandbox's Internet: world -- COMMAND...
faults   errors of the APIs: KIND=SHARE[@REQUESTS]..., latency=SECONDS, or off; without a word: what is in force
"""

import argparse
import signal
import subprocess
import sys
import threading

from sandbox import faults, lifecycle, world


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["start", "stop", "reset", "status", "env", "world", "faults"])
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if arguments.action == "world" and not command:
        parser.error("`world` takes a command")
    if command and arguments.action not in ("world", "faults"):
        parser.error(f"`{arguments.action}` takes nothing more")
    interrupted = threading.Event()

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        match arguments.action:
            case "start":
                lifecycle.start()
            case "stop":
                lifecycle.stop()
            case "reset":
                lifecycle.reset()
            case "status":
                return 0 if lifecycle.status() else 3
            case "env":
                print(lifecycle.exports(), end="")
            case "world":
                return world.run(command)
            case "faults":
                if command:
                    faults.set_to([] if command == ["off"] else map(faults.Fault.parsed, command))
                print(faults.told(), end="")
    except (ValueError, RuntimeError, OSError, subprocess.CalledProcessError, KeyboardInterrupt) as error:
        # The terminal interrupts the children, too, and one of them may have failed first.
        if interrupted.is_set():
            print("sandbox: interrupted; the next start goes on from here", file=sys.stderr)
            return 130
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
