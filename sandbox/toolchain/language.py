"""Pulumi's Python language host, for a CLI that was built from its Go module (which brings none).

The engine starts `pulumi-language-python` from the folder of the CLI, reads a port from its output, and asks it to
run the program. The program runs in a process of its own (`execute.py`); what it prints goes to the engine.

Not here: component packages written in Python (RunPlugin), code generation, packing, debugging.
"""

# Names and parameters are those of the protocol.
# ruff: noqa: ARG002, N802

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

sys.path.insert(0, str(Path(__file__).parents[2]))  # started by path, in the folder of somebody's program

from sandbox.toolchain import parent

EXECUTOR = Path(__file__).with_name("execute.py")
# The program has told the user what is wrong: nothing is left to say.
EXPLAINED = 32
LARGEST_MESSAGE = 400 << 20


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.programs: set[subprocess.Popen[bytes]] = set()

    def Handshake(
        self, request: pb.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> pb.LanguageHandshakeResponse:
        self.engine = request.engine_address or self.engine
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo()

    def About(self, request: pb.AboutRequest, context: grpc.ServicerContext) -> pb.AboutResponse:
        return pb.AboutResponse(executable=sys.executable, version=".".join(map(str, sys.version_info[:3])))

    def GetRequiredPackages(
        self, request: pb.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> pb.GetRequiredPackagesResponse:
        """Nothing in advance: the engine finds a plugin when a resource first asks for it."""
        return pb.GetRequiredPackagesResponse()

    def GetProgramDependencies(
        self, request: pb.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> pb.GetProgramDependenciesResponse:
        found = [pb.DependencyInfo(name=d.name, version=d.version) for d in distributions()]
        return pb.GetProgramDependenciesResponse(dependencies=sorted(found, key=lambda d: d.name))

    def InstallDependencies(
        self, request: pb.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.InstallDependenciesResponse]:
        yield pb.InstallDependenciesResponse(stdout=b"Dependencies are those of the Python that runs the program.\n")

    def Run(self, request: pb.RunRequest, context: grpc.ServicerContext) -> pb.RunResponse:
        options = json_format.MessageToDict(request.info.options)
        try:
            python = interpreter(options, request.info.root_directory)
        except FileNotFoundError as error:
            return pb.RunResponse(error=str(error))
        program = str(Path(request.info.program_directory, request.info.entry_point))
        settings = {
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "monitor": request.monitor_address,
            "engine": self.engine,
            "parallel": request.parallel,
            "preview": request.dryRun,
            "root": request.info.root_directory,
            "config": dict(request.config),
            "secrets": list(request.configSecretKeys),
            "program": program,
            "arguments": list(request.args),
        }
        process = subprocess.Popen(
            [python, "-P", "-u", str(EXECUTOR)],
            stdin=subprocess.PIPE,
            cwd=request.pwd or request.info.program_directory,
        )
        self.programs.add(process)
        context.add_callback(process.kill)
        try:
            process.communicate(json.dumps(settings).encode())  # by stdin: configuration may be secret
        except BrokenPipeError:
            process.wait()
        self.programs.discard(process)
        if process.returncode in (0, EXPLAINED):
            return pb.RunResponse(bail=process.returncode == EXPLAINED)
        if process.returncode < 0:
            return pb.RunResponse(error=f"Program was ended by signal {signal.Signals(-process.returncode).name}")
        return pb.RunResponse(error=f"Program exited with non-zero exit code: {process.returncode}")

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.stop()
        return empty_pb2.Empty()

    def stop(self) -> None:
        for process in list(self.programs):
            process.terminate()


def interpreter(options: dict[str, object], root: str) -> str:
    """The Python of the project's `virtualenv` option, of PULUMI_PYTHON_CMD, or this one."""
    folder = options.get("virtualenv")
    if not folder:
        return os.environ.get("PULUMI_PYTHON_CMD") or sys.executable
    python = Path(root, str(folder), "bin", "python")
    if not python.exists():
        raise FileNotFoundError(
            f"The 'virtualenv' option in Pulumi.yaml is set to {str(folder)!r}, but {python} doesn't exist; "
            f"create it with `python3 -m venv {Path(root, str(folder))}` and install the project's requirements in it"
        )
    return str(python)


def main() -> None:
    host = LanguageHost(sys.argv[-1])
    over = threading.Event()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    # The engine gives its hosts process groups of their own, so a terminal's Ctrl-C stays away; SIGINT is its farewell.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent.watch(over.set)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    over.wait()
    host.stop()
    server.stop(None)


if __name__ == "__main__":
    main()
