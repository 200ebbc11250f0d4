"""The Python language host: what a program prints and how it ends, as with Pulumi's own."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.toolchain.conftest import Program


@pytest.fixture(autouse=True)
def _our_host(program: Program) -> None:
    """These hold for our host; Pulumi's own need not be tested."""
    host = shutil.which("pulumi-language-python", path=program.environment["PATH"])
    if host is None or "sandbox.toolchain" not in Path(host).read_text(errors="replace"):
        pytest.skip("this machine's pulumi brings its own language host")


def test_a_program_prints_reads_its_configuration_and_keeps_secrets(program: Program) -> None:
    program.write(
        "import pulumi\n"
        "config = pulumi.Config()\n"
        "print('said by the program', pulumi.get_stack(), pulumi.get_project(), pulumi.runtime.is_dry_run())\n"
        "pulumi.export('plain', config.require('plain'))\n"
        "pulumi.export('kept', config.require_secret('kept'))\n"
        "pulumi.export('marked', pulumi.runtime.is_config_secret('tested:kept'))\n"
    )
    program.configure(plain="seen")
    program.run("config", "set", "--secret", "kept", "hush")
    shown = program.preview()
    assert "said by the program dev tested True" in shown
    assert "hush" not in shown
    program.up()
    assert program.outputs() == {"plain": "seen", "kept": "hush", "marked": True}


def test_a_traceback_starts_in_the_program(program: Program) -> None:
    program.write("import helper\nhelper.fall()\n")
    (program.folder / "helper.py").write_text("def fall():\n    raise ValueError('over the edge')\n")
    shown = program.preview(fails=True)
    assert "Program failed with an unhandled exception" in shown
    assert "ValueError: over the edge" in shown
    assert "helper.fall()" in shown
    assert "runpy" not in shown
    assert "execute.py" not in shown


def test_an_exit_code_is_told(program: Program) -> None:
    program.write("import sys\nsys.exit(3)\n")
    assert "Program exited with non-zero exit code: 3" in program.preview(fails=True)


def test_a_run_error_is_one_sentence(program: Program) -> None:
    program.write("import pulumi\nraise pulumi.RunError('mend your ways')\n")
    shown = program.preview(fails=True)
    assert "error: mend your ways" in shown
    assert "Traceback" not in shown


def test_a_program_that_does_not_end_is_interrupted(program: Program) -> None:
    mark = program.folder / "running"
    program.write(f"import time, pathlib\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)\n")
    process = program.start("preview", "--non-interactive")
    end = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    asked = time.monotonic()
    for _ in range(2):  # the second one does not wait for the program
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert time.monotonic() - asked < 15


def test_a_virtual_environment_that_is_not_there_is_named(program: Program) -> None:
    program.write("")
    (program.folder / "Pulumi.yaml").write_text(
        "name: tested\nruntime: {name: python, options: {virtualenv: nowhere}}\n"
    )
    shown = program.preview(fails=True)
    assert "nowhere" in shown
    assert "python3 -m venv" in shown


def test_a_module_beside_the_program_may_have_any_name(program: Program) -> None:
    """Neither the host nor the plugins find the program's modules in place of their own."""
    program.write(
        "import pulumi, pulumi_random\npulumi.export('it', pulumi_random.RandomId('it', byte_length=2).hex)\n"
    )
    for name in ("sandbox.py", "language.py", "grpc.py"):
        (program.folder / name).write_text("raise RuntimeError('the wrong module')\n" if name != "grpc.py" else "")
    (program.folder / "grpc.py").unlink()
    program.up()
    assert len(program.outputs()["it"]) == 4
