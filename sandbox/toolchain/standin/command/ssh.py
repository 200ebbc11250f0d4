"""Commands and file transfers on other machines."""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.toolchain.standin.command.output import Output, previous
from sandbox.toolchain.standin.resource import Call, Cancelled
from sandbox.toolchain.standin.values import Values

if TYPE_CHECKING:
    import asyncssh

Result = TypeVar("Result")
# OpenSSH's sshd admits ten sessions on one connection.
SESSIONS = 8
IDLE_SECONDS = 5.0
OPEN_SECONDS = 15
FIRST_DELAY, LONGEST_DELAY, GROWTH = 0.1, 5.0, 1.5
NOT_SET = (
    "Unable to set '{}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. "
    "Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the command itself with "
    "the variables in the form 'VAR=value command'"
)


class Line:
    """One connection, shared by what goes to the same machine at the same time.

    It is closed soon after its last use: a machine may be replaced by another one with the same address.
    """

    def __init__(self) -> None:
        self.connection: asyncssh.SSHClientConnection | None = None
        self.opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self.sessions = asyncio.Semaphore(SESSIONS)
        self.users = 0
        self.closing: asyncio.TimerHandle | None = None

    def take(self) -> None:
        self.users += 1
        if self.closing:
            self.closing.cancel()
            self.closing = None

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.closing = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.close)

    def close(self) -> None:
        if self.connection:
            self.connection.abort()
            self.connection = None


class Machines:
    """Runs commands on machines and copies files to them. Calls block their thread; one thread speaks SSH for all."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.starting = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None

    def run(self, connection: Values, command: str, inputs: Values, old: Values, call: Call) -> Values:
        """stdout and stderr. Raises when the machine cannot be reached or the command fails."""
        return self.wait(self.run_on(connection, command, inputs, old, call), call)

    def transfer(
        self, connection: Values, work: Callable[["asyncssh.SFTPClient"], Awaitable[None]], call: Call
    ) -> None:
        self.wait(self.transfer_on(connection, work, call), call)

    def wait(self, work: Coroutine[Any, Any, Result], call: Call) -> Result:
        with self.starting:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                threading.Thread(target=self.loop.run_forever, daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        while True:
            try:
                return future.result(timeout=0.2)
            except NotYet:
                if future.done():
                    raise  # the work's own
                if call.cancelled.is_set():
                    future.cancel()
            except CancelledError:
                raise Cancelled("the command was ended because the update was cancelled") from None

    # In the loop's thread

    async def run_on(self, connection: Values, command: str, inputs: Values, old: Values, call: Call) -> Values:
        environment: dict[str, str] = inputs.get("environment") or {}
        before = previous(inputs, old)

        async def work(machine: "asyncssh.SSHClientConnection") -> Values:
            await self.probe_environment(machine, environment, before, call)
            output = Output(inputs.get("logging"), call)
            process = await asyncio.wait_for(
                machine.create_process(command, env={**environment, **before}, encoding=None), OPEN_SECONDS
            )
            try:
                await asyncio.gather(
                    self.feed(process, inputs.get("stdin") or ""),
                    self.drain(process.stdout, "stdout", output),
                    self.drain(process.stderr, "stderr", output),
                )
                await process.wait_closed()
            except asyncio.CancelledError:
                process.kill()
                raise
            finally:
                process.close()
            if process.exit_signal:
                raise output.failed(f"Process exited with signal {process.exit_signal[0]}", command)
            if process.returncode is None:
                raise output.failed("the connection was lost before the command ended", command)
            if process.returncode:
                raise output.failed(f"Process exited with status {process.returncode}", command)
            return output.finish()

        return await self.with_line(connection, work, call)

    async def probe_environment(
        self, machine: "asyncssh.SSHClientConnection", asked: dict[str, str], before: dict[str, str], call: Call
    ) -> None:
        """SSH servers pass on few variables and need not say which they drop: look."""
        if not asked and not before:
            return
        found = await machine.run("env", env={**asked, **before}, encoding="utf-8", errors="replace")
        taken = {row.partition("=")[0] for row in str(found.stdout).splitlines()}
        for name in asked:
            if name not in taken:
                raise RuntimeError(f"could not set environment variable {json.dumps(name)}: {NOT_SET.format(name)}")
        for name in before:
            if name not in taken:
                call.log("warning", NOT_SET.format(name))

    async def feed(self, process: "asyncssh.SSHClientProcess[bytes]", given: str) -> None:
        try:
            if given:
                process.stdin.write(given.encode())
                await process.stdin.drain()
            process.stdin.write_eof()
        except (BrokenPipeError, ConnectionResetError):
            pass  # a command need not read what it is given

    async def drain(self, stream: "asyncssh.SSHReader[bytes]", name: str, output: Output) -> None:
        while data := await stream.read(1 << 16):
            output.take(name, data)

    async def transfer_on(
        self, connection: Values, work: Callable[["asyncssh.SFTPClient"], Awaitable[None]], call: Call
    ) -> None:
        async def copy(machine: "asyncssh.SSHClientConnection") -> None:
            async with await asyncio.wait_for(machine.start_sftp_client(), OPEN_SECONDS) as sftp:
                await work(sftp)

        await self.with_line(connection, copy, call)

    async def with_line(
        self, connection: Values, work: Callable[["asyncssh.SSHClientConnection"], Awaitable[Result]], call: Call
    ) -> Result:
        line = self.line(connection)
        # The one that it goes through must live as long: nobody else may be using that.
        used = [line, *([self.line(connection["proxy"])] if connection.get("proxy") else [])]
        for one in used:
            one.take()
        try:
            async with line.sessions:
                return await work(await self.open(line, connection, "Dial", call))
        finally:
            for one in used:
                one.leave()

    def line(self, connection: Values) -> Line:
        return self.lines.setdefault(json.dumps(connection, sort_keys=True), Line())

    async def open(self, line: Line, given: Values, what: str, call: Call) -> "asyncssh.SSHClientConnection":
        """Make sure of a connection that answers. Who comes while another dials shares the outcome."""
        if line.opening is None or line.opening.done():
            line.opening = asyncio.create_task(self.reopen(line, given, what, call))
        return await asyncio.shield(line.opening)

    async def reopen(self, line: Line, given: Values, what: str, call: Call) -> "asyncssh.SSHClientConnection":
        if not line.connection or line.connection.is_closed() or not await answers(line.connection):
            line.close()
            line.connection = await self.dial(given, what, call)
        return line.connection

    async def dial(self, given: Values, what: str, call: Call) -> "asyncssh.SSHClientConnection":
        proxy = given.get("proxy")
        if not proxy:
            return await retried(what, given, lambda: connect(given, None), call)
        through = self.line(proxy)
        try:
            tunnel = await self.open(through, proxy, "Dial proxy", call)
            return await retried("Dial from proxy", given, lambda: connect(given, tunnel), call)
        except Exception as error:
            raise RuntimeError(f"proxy: {error}") from error


async def answers(connection: "asyncssh.SSHClientConnection") -> bool:
    """Whether the other end of an open connection is still there: its machine may have been replaced."""
    try:
        await asyncio.wait_for(connection.run("true"), 5)
    except Exception:
        return False
    return True


async def connect(given: Values, tunnel: "asyncssh.SSHClientConnection | None") -> "asyncssh.SSHClientConnection":
    import asyncssh  # takes half a second, which a preview need not wait for

    keys = []
    if given.get("privateKey"):
        keys = [asyncssh.import_private_key(given["privateKey"], given.get("privateKeyPassword"))]
    known: Any = None
    if given.get("hostKey"):
        known = ([asyncssh.import_public_key(given["hostKey"])], [], [])
    patience = given["perDialTimeout"] or None
    return await asyncssh.connect(
        given["host"],
        int(given["port"]),
        username=given["user"],
        password=given.get("password"),
        client_keys=keys or None,
        agent_path=given.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK") or None,
        known_hosts=known,
        config=None,
        tunnel=tunnel or (),
        connect_timeout=patience,
        login_timeout=patience or 0,
        keepalive_interval=15,
    )


async def retried(what: str, given: Values, attempt: Callable[[], Awaitable[Result]], call: Call) -> Result:
    import asyncssh

    limit, failures, delay = given["dialErrorLimit"], 0, FIRST_DELAY
    while True:
        try:
            return await attempt()
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise
        except (TimeoutError, OSError, asyncssh.Error) as error:
            failures += 1
            why = str(error) or "timed out"
            if -1 < limit < failures:
                raise RuntimeError(
                    f"after {failures - 1} failed attempts: {given['user']}@{given['host']}:{given['port']}: {why}"
                ) from error
        call.log("status", f"{what} {failures}/{'inf' if limit == -1 else limit} failed: retrying")
        await asyncio.sleep(delay)
        delay = min(delay * GROWTH, LONGEST_DELAY)
