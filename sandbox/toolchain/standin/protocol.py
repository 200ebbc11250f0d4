"""The Pulumi resource provider protocol over a table of resources and functions.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

# Names and parameters are those of the protocol.
# ruff: noqa: ARG002, N802

import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.toolchain import parent
from sandbox.toolchain.standin.resource import Call, Cancelled, InitFailed, Invokable, Resource
from sandbox.toolchain.standin.values import Path, Values, plain, struct, without_marks

LARGEST_MESSAGE = 400 << 20
LAST_SECONDS = 3  # for what is under way to see that it is over: a local command ends with what it has started
SEVERITIES = {"status": engine_pb2.INFO, "warning": engine_pb2.WARNING}
Context: TypeAlias = grpc.ServicerContext
Answer = TypeVar("Answer")


def guarded(method: Callable[..., Answer]) -> Callable[..., Answer]:
    """Errors become what the engine prints, not a stack trace in its log."""

    @functools.wraps(method)
    def call(self: "StandIn", request: Any, context: Context) -> Answer:
        try:
            return method(self, request, context)
        except InitFailed as error:
            fail_with_state(context, error, request)
        except Cancelled as error:
            context.abort(grpc.StatusCode.CANCELLED, str(error))
        except Exception as error:
            if os.environ.get("CASEBOOK_STAND_IN_TRACE"):
                traceback.print_exc()
            context.abort(grpc.StatusCode.UNKNOWN, str(error) or type(error).__name__)
        raise AssertionError("abort always raises")

    return call


def fail_with_state(context: Context, error: InitFailed, request: Any) -> None:
    """Tell the engine that something exists although the request failed, so that it is kept in the state."""
    given = request.properties if isinstance(request, pb.CreateRequest) else request.news
    inputs, secrets = plain(given)
    detail = any_pb2.Any()
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=error.number,
            properties=struct(error.outputs, secrets),
            reasons=[error.reason],
            inputs=struct(inputs, secrets),
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, error.reason)


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """One provider: its package name, the version of its SDK, and what it serves."""

    def __init__(
        self, package: str, version: str, resources: Mapping[str, Resource], functions: Mapping[str, Invokable]
    ) -> None:
        self.package, self.version = package, version
        self.resources, self.functions = resources, functions
        self.cancelled = threading.Event()
        self.engine: engine_pb2_grpc.EngineStub | None = None

    def connect(self, engine: str) -> None:
        self.engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine))

    def configure(self, config: Values) -> None:
        """Take the provider's configuration. Raises what is wrong with it."""

    # Configuration

    def Handshake(self, request: pb.ProviderHandshakeRequest, context: Context) -> pb.ProviderHandshakeResponse:
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.version)

    def GetSchema(self, request: pb.GetSchemaRequest, context: Context) -> pb.GetSchemaResponse:
        """Only a name and a version: programs need no schema; YAML and `pulumi import` need the real plugin."""
        return pb.GetSchemaResponse(schema=f'{{"name": "{self.package}", "version": "{self.version}"}}')

    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        return pb.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    @guarded
    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        config: Values = {name.rpartition(":")[2]: value for name, value in request.variables.items()}
        config.update(plain(request.args)[0] if request.HasField("args") else {})
        self.configure(config)
        return pb.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    # Resources

    def resource(self, urn: str) -> Resource:
        token = urn.split("::")[2].split("$")[-1].partition(":")[2]
        if token not in self.resources:
            raise KeyError(
                f"the stand-in for the {self.package} plugin has no resource {self.package}:{token}; "
                "it needs Pulumi's own plugin"
            )
        return self.resources[token]

    def call(self, urn: str) -> Call:
        return Call(urn, functools.partial(self.log, urn), self.cancelled)

    def log(self, urn: str, severity: str, text: str) -> None:
        """Show the user a line; one of severity "status" only while the work goes on."""
        if self.engine:
            self.engine.Log(
                engine_pb2.LogRequest(
                    severity=SEVERITIES[severity], message=text, urn=urn, ephemeral=severity == "status"
                )
            )

    @guarded
    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        resource, call = self.resource(request.urn), self.call(request.urn)
        given, secrets = plain(request.news)
        inputs, mistakes = resource.check(given, plain(request.olds)[0], call, request.randomSeed)
        if mistakes:
            told = [resource.failure(call.name, mistake) for mistake in mistakes]
            return pb.CheckResponse(
                inputs=request.news, failures=[pb.CheckFailure(property=where, reason=why) for where, why in told]
            )
        return pb.CheckResponse(inputs=struct({k: v for k, v in inputs.items() if v is not None}, secrets))

    @guarded
    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        old, new = plain(request.olds)[0], plain(request.news)[0]
        found = self.resource(request.urn).diff(old, new, list(request.ignoreChanges))
        kinds = {path: pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(kind)) for path, kind in found.detailed.items()}
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if found.changed else pb.DiffResponse.DIFF_NONE,
            diffs=found.changed,
            replaces=found.replaces,
            detailedDiff=kinds,
            hasDetailedDiff=True,
            deleteBeforeReplace=found.delete_first,
        )

    @guarded
    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        resource = self.resource(request.urn)
        inputs, secrets = plain(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=self.outputs(resource, resource.planned(inputs), secrets))
        number, outputs = resource.create(without_marks(inputs), self.call(request.urn))
        return pb.CreateResponse(id=number, properties=self.outputs(resource, outputs, secrets))

    @guarded
    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        resource = self.resource(request.urn)
        inputs, secrets = plain(request.news)
        old, inputs = plain(request.olds)[0], without_marks(inputs)
        if request.preview:
            outputs = resource.planned_update(old, inputs)
        else:
            outputs = resource.update(request.id, old, inputs, self.call(request.urn))
        return pb.UpdateResponse(properties=self.outputs(resource, outputs, secrets))

    @guarded
    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        resource = self.resource(request.urn)
        state, secrets = plain(request.properties)
        inputs, input_secrets = plain(request.inputs)
        found = resource.read(request.id, state, inputs, self.call(request.urn))
        if found is None:
            return pb.ReadResponse()
        number, outputs, inputs = found
        return pb.ReadResponse(
            id=number, properties=self.outputs(resource, outputs, secrets), inputs=struct(inputs, input_secrets)
        )

    @guarded
    def Delete(self, request: pb.DeleteRequest, context: Context) -> empty_pb2.Empty:
        self.resource(request.urn).delete(request.id, plain(request.properties)[0], self.call(request.urn))
        return empty_pb2.Empty()

    def outputs(self, resource: Resource, values: Values, secrets: Iterable[Path]) -> Any:
        return struct(values, {*secrets, *((name,) for name in resource.secret)})

    # Functions

    @guarded
    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        token = request.tok.partition(":")[2]
        if token not in self.functions:
            raise KeyError(
                f"the stand-in for the {self.package} plugin has no function {self.package}:{token}; "
                "it needs Pulumi's own plugin"
            )
        function = self.functions[token]
        given = {k: v for k, v in plain(request.args)[0].items() if v is not None}
        failures = [f"Missing required property {name!r}" for name in function.needed if name not in given]
        failures += [f"Unknown property {name!r}" for name in given if name not in (*function.needed, *function.others)]
        if failures:
            return pb.InvokeResponse(failures=[pb.CheckFailure(reason=reason) for reason in failures])
        answer: dict[str, Any] = {"return": struct(function.compute(given, self.call("")))}
        return pb.InvokeResponse(**answer)

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()


def serve(provider: StandIn, engine: str | None) -> None:
    """Answer the engine until it says goodbye with SIGINT, or is no more."""
    if engine:
        provider.connect(engine)
    over = threading.Event()
    workers = ThreadPoolExecutor(64)
    server = grpc.server(workers, options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent.watch(over.set)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    over.wait()
    provider.cancelled.set()
    server.stop(None)
    ending = threading.Thread(target=workers.shutdown, daemon=True)
    ending.start()
    ending.join(LAST_SECONDS)
    sys.stdout.flush()
    # A worker may still be in a call that nothing interrupts.
    os._exit(0)
