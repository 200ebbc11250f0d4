"""What a command prints: kept whole, and shown line by line while it runs."""

import json

from sandbox.toolchain.standin.resource import Call
from sandbox.toolchain.standin.values import Values

PREVIOUS = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}
SHOWN = {
    None: ("stdout", "stderr"),
    "stdoutAndStderr": ("stdout", "stderr"),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
}


class Output:
    """Collects both streams of one command.

    logging   which of them the user sees: stdout, stderr, stdoutAndStderr (also when unset) or none
    """

    def __init__(self, logging: str | None, call: Call) -> None:
        self.call, self.shown = call, SHOWN.get(logging, ())
        self.streams: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.both = bytearray()
        self.line = bytearray()

    def take(self, stream: str, data: bytes) -> None:
        self.streams[stream] += data
        self.both += data
        if stream in self.shown:
            self.line += data
            *lines, rest = self.line.split(b"\n")
            self.line = bytearray(rest)
            self.show(lines)

    def show(self, lines: list[bytearray]) -> None:
        for line in lines:
            self.call.log("status", line.decode(errors="replace").rstrip("\r"))

    def finish(self) -> Values:
        if self.line:
            self.show([self.line])
        return {name: data.decode(errors="surrogateescape").removesuffix("\n") for name, data in self.streams.items()}

    def failed(self, why: str, command: str) -> RuntimeError:
        self.finish()
        return RuntimeError(
            f"{why}: running {json.dumps(command, ensure_ascii=False)}:\n{self.both.decode(errors='replace')}"
        )


def marshalled(told: Values) -> Values:
    """What a command told, as gRPC takes it: the command has run, and the real plugin's answer does not get through."""
    try:
        for name in PREVIOUS:
            told[name].encode()
    except UnicodeEncodeError:
        raise RuntimeError("grpc: error while marshaling: string field contains invalid UTF-8") from None
    return told


def previous(inputs: Values, old: Values) -> dict[str, str]:
    """The variables that hand a command the outputs of the run before."""
    if inputs.get("addPreviousOutputInEnv") is False:
        return {}
    return {variable: old[name] for name, variable in PREVIOUS.items() if old.get(name)}
