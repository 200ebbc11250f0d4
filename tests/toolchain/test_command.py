"""The command stand-in in the real engine, against an SSH server of the test's own."""

# The server's methods take what the library gives them.
# ruff: noqa: ARG002

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from sandbox.ports import free_port
from tests.toolchain.conftest import Plugin, Program, Values
from tests.waiting import until


class Server(asyncssh.SSHServer):
    """Lets one key in, and passes on what is tunnelled through it."""

    key = asyncssh.generate_private_key("ssh-ed25519")
    connections = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        Server.connections += 1

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "debian" and key.public_data == Server.key.public_data

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


async def run_command(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """A shell that, like Debian's sshd, takes only variables of the locale."""
    accepted = {name: value for name, value in process.env.items() if name.startswith("LC_")}
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "true",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **accepted},
        start_new_session=True,
    )
    assert child.stdin
    assert child.stdout
    assert child.stderr

    async def feed(stdin: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await process.stdin.read(1 << 16):
                stdin.write(data)
                await stdin.drain()
        stdin.close()

    async def show(stream: asyncio.StreamReader, there: "asyncssh.SSHWriter[bytes]") -> None:
        while data := await stream.read(1 << 16):
            there.write(data)

    async def end_with_the_connection() -> None:
        await process.wait_closed()
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)

    feeding, ending = asyncio.create_task(feed(child.stdin)), asyncio.create_task(end_with_the_connection())
    await asyncio.gather(show(child.stdout, process.stdout), show(child.stderr, process.stderr))
    process.exit(await child.wait())
    feeding.cancel()
    await ending


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    time.sleep(0.5)  # children of closed connections end
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


def serve(loop: asyncio.AbstractEventLoop, port: int) -> None:
    async def listen() -> None:
        await asyncssh.create_server(
            Server,
            "127.0.0.1",
            port,
            server_host_keys=[HOST_KEY],
            process_factory=run_command,
            encoding=None,
            sftp_factory=True,
        )

    asyncio.run_coroutine_threadsafe(listen(), loop).result(10)


@pytest.fixture(scope="module")
def port(loop: asyncio.AbstractEventLoop) -> int:
    found = free_port()
    serve(loop, found)
    return found


@pytest.fixture
def connection(port: int, tmp_path: Path) -> str:
    """The text of a connection's arguments, which a program's source takes in."""
    key = tmp_path / "key"
    key.write_bytes(Server.key.export_private_key())
    return f"host='127.0.0.1', port={port}, user='debian', private_key=open({str(key)!r}).read(), dial_error_limit=2"


HEAD = "import pulumi, pulumi_command as command\nfrom pathlib import Path\nconfig = pulumi.Config()\n"


def test_a_command_runs_when_the_real_one_does(program: Program, connection: str) -> None:
    log = program.folder / "log"
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "it = command.remote.Command('it', connection=connection, stdin=config.get('stdin') or 'given',\n"
        f"    create='echo create >> {log}; cat; echo error >&2', update=config.get('update'),\n"
        f"    delete='echo delete >> {log}', triggers=[config.get('trigger') or '1'])\n"
        "pulumi.export('stdout', it.stdout)\npulumi.export('stderr', it.stderr)\n"
    )

    def lines() -> list[str]:
        return log.read_text().split()

    program.up()
    assert program.outputs() == {"stdout": "given", "stderr": "error"}
    program.preview("--expect-no-changes")
    assert lines() == ["create"]

    program.configure(stdin="other")
    assert program.planned() == {"it": "update"}
    program.up()
    assert program.outputs()["stdout"] == "other"
    assert lines() == ["create", "create"], "without `update`, `create` runs again"

    program.configure(update=f"echo update >> {log}; echo updated")
    program.up()
    assert program.outputs()["stdout"] == "updated"
    assert lines()[-1] == "update"

    program.configure(trigger="2")
    assert program.planned() == {"it": "replace"}
    program.up()
    assert lines()[-2:] == ["create", "delete"]
    program.destroy()
    assert lines()[-1] == "delete"


def test_outputs_are_unknown_while_a_change_is_planned(program: Program, connection: str) -> None:
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "word = config.get('word') or 'one'\n"
        "first = command.remote.Command('first', connection=connection, create=f'echo {word}')\n"
        "then = first.stdout.apply(lambda out: f'echo {out}')\n"
        "command.remote.Command('second', connection=connection, create=then)\n"
    )
    program.up()
    program.configure(word="two")
    assert program.planned() == {"first": "update", "second": "update"}


def test_a_failure_shows_what_the_command_said_and_keeps_nothing(program: Program, connection: str) -> None:
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "command.remote.Command('it', connection=connection, create='echo nearly; echo broken >&2; exit 3')\n"
    )
    shown = program.up(fails=True)
    assert "Process exited with status 3" in shown
    assert "broken" in shown
    assert "it" not in program.resources()


def test_output_that_is_not_utf_8_is_an_error_after_the_command_has_run(program: Program, connection: str) -> None:
    """Each time: what runs on machines prints nothing else."""
    log = program.folder / "log"
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        f"command.remote.Command('it', connection=connection, create=r'echo run >> {log}; printf \"caf\\351\"')\n"
    )
    for _ in range(2):
        assert "error while marshaling: string field contains invalid UTF-8" in program.up(fails=True)
    assert log.read_text().split() == ["run", "run"]
    assert "it" not in program.resources()


def test_what_a_killed_engine_has_started_ends_soon(program: Program) -> None:
    """The language host with its program, the plugin with its command."""
    program.write(f"{HEAD}command.local.Command('it', create='sleep 612345')\n")
    process = program.start("up", "--yes", "--skip-preview", "--non-interactive")
    try:
        until(lambda: any("sleep 612345" in words for words in running(program)), lambda: running(program))
        assert len(running(program)) >= 4, "language host, program, plugin, command"
    finally:
        process.kill()
        process.wait()
    until(lambda: not running(program), lambda: running(program), seconds=20)


def running(program: Program) -> list[str]:
    """The command lines of what the engine has started for this program: they have its environment."""
    mark, found = f"PULUMI_BACKEND_URL={program.environment['PULUMI_BACKEND_URL']}".encode(), []
    for one in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mark in (one / "environ").read_bytes().split(b"\0") and not words.startswith("pulumi up"):
                found.append(words)
    return found


def test_keys_stay_secret(program: Program, connection: str) -> None:
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "command.remote.Command('it', connection=connection, create='true')\n"
    )
    shown = program.up()
    assert "PRIVATE KEY" not in shown
    found = program.resources()["it"]
    assert "PRIVATE KEY" not in json.dumps(found)
    assert "ciphertext" in found["inputs"]["connection"]
    assert "ciphertext" in found["outputs"]["connection"]


def test_machines_share_a_connection_and_a_gateway(program: Program, connection: str) -> None:
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "for n in range(12):\n"
        "    command.remote.Command(f'direct-{n}', connection=connection, create='sleep 0.1; echo done')\n"
        f"gateway = command.remote.ProxyConnectionArgs({connection})\n"
        f"through = command.remote.ConnectionArgs({connection}, proxy=gateway)\n"
        # Longer than the gateway stays open after the last of the twelve.
        "behind = command.remote.Command('behind', connection=through, create='sleep 7; echo reached')\n"
        "pulumi.export('behind', behind.stdout)\n"
    )
    before = Server.connections
    program.up()
    assert program.outputs()["behind"] == "reached"
    assert Server.connections - before == 2  # the gateway, which runs the twelve as well, and the machine behind it


def test_a_machine_that_boots_is_waited_for(
    program: Program, loop: asyncio.AbstractEventLoop, connection: str, port: int
) -> None:
    late = free_port()
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs("
        f"{connection.replace(str(port), str(late)).replace('dial_error_limit=2', 'dial_error_limit=-1')})\n"
        "it = command.remote.Command('it', connection=connection, create='echo up')\npulumi.export('it', it.stdout)\n"
    )
    timer = threading.Timer(4, serve, (loop, late))
    timer.start()
    program.up()
    timer.join()
    assert program.outputs()["it"] == "up"


def test_a_machine_that_never_answers_fails_with_its_name(program: Program) -> None:
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs(host='127.0.0.1', port={free_port()}, dial_error_limit=1)\n"
        "command.remote.Command('it', connection=connection, create='true')\n"
    )
    shown = program.up(fails=True)
    assert "after 1 failed attempts" in shown
    assert "root@127.0.0.1" in shown


def test_another_host_key_is_not_trusted(program: Program, connection: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    right = HOST_KEY.export_public_key().decode().strip()
    source = (
        HEAD
        + "command.remote.Command('it', create='true', connection=command.remote.ConnectionArgs({}, host_key={!r}))\n"
    )
    program.write(source.format(connection, other))
    assert "Host key is not trusted" in program.up(fails=True)
    program.write(source.format(connection, right))
    program.up()


def test_variables_that_the_server_drops_are_an_error(program: Program, connection: str) -> None:
    source = (
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        "it = command.remote.Command('it', connection=connection, create='echo $LC_WORD',\n"
        "    environment={{'{}': 'said'}})\n"
        "pulumi.export('it', it.stdout)\n"
    )
    program.write(source.format("WORD"))
    assert "AcceptEnv" in program.up(fails=True)
    program.write(source.format("LC_WORD"))
    program.up()
    assert program.outputs()["it"] == "said"


def test_files_and_folders_are_copied_as_the_real_plugin_does(
    program: Program, connection: str, tmp_path: Path
) -> None:
    there, source = tmp_path / "there", program.folder / "source"
    (source / "inner").mkdir(parents=True)
    (source / "a").write_text("first")
    (source / "inner/b").write_text("second")
    (there / "existing").mkdir(parents=True)
    copies = {
        "file": ("FileAsset('source/a')", "deep/down/a"),
        "into": ("FileAsset('source/a')", "existing"),
        "text": ("StringAsset('words')", "text"),
        "folder": ("FileArchive('source')", "folder"),
        "content": ("FileArchive('source/')", "content"),
    }
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        + "".join(
            f"command.remote.CopyToRemote('{name}', connection=connection, source=pulumi.{asset},\n"
            f"    remote_path='{there / path}')\n"
            for name, (asset, path) in copies.items()
        )
    )
    program.up()
    found = {str(path.relative_to(there)): path.read_text() for path in there.rglob("*") if path.is_file()}
    assert found == {
        "deep/down/a": "first",
        "existing/a": "first",
        "text": "words",
        "folder/source/a": "first",
        "folder/source/inner/b": "second",
        "content/a": "first",
        "content/inner/b": "second",
    }
    program.preview("--expect-no-changes")
    (source / "a").write_text("changed")
    assert program.planned() == dict.fromkeys(("file", "into", "folder", "content"), "update")
    program.up()
    assert (there / "content/a").read_text() == "changed"


def test_local_commands_have_their_folder_variables_and_assets(program: Program) -> None:
    program.write(
        f"{HEAD}it = command.local.Command('it', \n"
        "    create='echo $WORD; cat; mkdir out; echo a > out/a.txt; echo b > out/b.log',\n"
        "    environment={'WORD': 'said'}, stdin='given', asset_paths=['out/**', '!**.log'],\n"
        "    interpreter=['/bin/sh', '-c'])\n"
        "pulumi.export('stdout', it.stdout)\n"
        "pulumi.export('assets', it.assets.apply(sorted))\n"
        "pulumi.export('ran', command.local.run_output(command='echo always').stdout)\n"
    )
    program.up()
    assert program.outputs() == {"stdout": "said\ngiven", "assets": ["out/a.txt"], "ran": "always"}
    program.write(f"{HEAD}command.local.Command('it', create='exit 4', dir='/nowhere')\n")
    assert "No such file or directory" in program.up(fails=True)


def test_an_interrupted_command_ends(program: Program, connection: str) -> None:
    pid = program.folder / "pid"
    program.write(
        f"{HEAD}connection = command.remote.ConnectionArgs({connection})\n"
        f"command.local.Command('here', create='echo $$ > {pid}; sleep 600')\n"
        "command.remote.Command('there', connection=connection, create='sleep 30')\n"
        f"waiting = command.remote.ConnectionArgs(host='127.0.0.1', port={free_port()}, dial_error_limit=-1)\n"
        "command.remote.Command('waiting', connection=waiting, create='true')\n"
    )
    process = program.start("up", "--yes", "--skip-preview", "--non-interactive")
    end = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert time.monotonic() - asked < 10
    assert "cancelled" in output
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    program.write(HEAD)
    program.up()


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        ("remote:Command", {"create": "true"}, "Missing required field 'connection' on 'remote.CommandInputs'"),
        ("remote:Command", {"connection": {}}, "Missing required field 'host' on 'remote.Connection'"),
        (
            "remote:Command",
            {"connection": {"hots": "h", "host": "h"}},
            "Unrecognized field 'hots' on 'remote.Connection'",
        ),
        (
            "remote:Command",
            {"connection": {"host": "h", "port": "22"}},
            "'port' on 'remote.Connection' must be a 'float64'; got 'string'",
        ),
        ("remote:Command", {"connection": {"host": "h"}, "create": 3}, "must be a 'string'; got 'float64'"),
        ("remote:Command", {"connection": {"host": "h"}, "logging": "loud"}, "must be one of stdout, stderr"),
        (
            "remote:CopyToRemote",
            {"connection": {"host": "h"}, "remotePath": "/", "source": "/etc"},
            "either asset or archive must be set",
        ),
        ("local:Command", {"created": "true"}, "Unrecognized field 'created'"),
    ],
)
def test_what_the_provider_refuses_is_refused(
    plugin: Callable[[str], Plugin], token: str, inputs: Values, reason: str
) -> None:
    _, reasons = plugin("command").check(token, inputs)
    assert any(reason in found for found in reasons), reasons


def test_a_connection_gets_the_defaults_of_the_provider(plugin: Callable[[str], Plugin]) -> None:
    inputs, reasons = plugin("command").check("remote:Command", {"connection": {"host": "h", "proxy": {"host": "p"}}})
    assert not reasons
    defaults = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
    assert inputs["connection"] == {"host": "h", **defaults, "proxy": {"host": "p", **defaults}}
