"""Commands on this machine."""

import contextlib
import hashlib
import os
import re
import selectors
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from sandbox.toolchain.standin.command.output import Output, previous
from sandbox.toolchain.standin.resource import Call, Cancelled
from sandbox.toolchain.standin.values import ARCHIVE, ASSET, SIGNATURE, Values


def run_locally(command: str, inputs: Values, old: Values, call: Call) -> Values:
    """stdout and stderr of a command, with assets and archive where they are asked for. Raises when it fails."""
    folder = inputs.get("dir") or str(Path.cwd())
    environment = {**os.environ, **(inputs.get("environment") or {}), **previous(inputs, old)}
    given = (inputs.get("stdin") or "").encode()
    output = Output(inputs.get("logging"), call)
    try:
        process = subprocess.Popen(
            [*(inputs.get("interpreter") or ("/bin/sh", "-c")), command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise output.failed(f"{error.strerror}: {error.filename}", command) from error
    if given:
        threading.Thread(target=feed, args=(process, given), daemon=True).start()
    collect(process, output, call)
    if process.returncode:
        why = f"exit status {process.returncode}"
        if process.returncode < 0:
            why = f"signal: {signal.strsignal(-process.returncode)}"
        raise output.failed(why, command)
    result = output.finish()
    if (patterns := inputs.get("assetPaths")) is not None:
        result["assets"] = assets(folder, patterns)
    if (patterns := inputs.get("archivePaths")) is not None:
        result["archive"] = archive(assets(folder, patterns))
    return result


def feed(process: "subprocess.Popen[bytes]", given: bytes) -> None:
    if process.stdin:
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # a command need not read what it is given
            stdin.write(given)


def collect(process: "subprocess.Popen[bytes]", output: Output, call: Call) -> None:
    """Take both streams until they end. When cancelled, the command ends with everything it started."""
    with selectors.DefaultSelector() as streams:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream:
                streams.register(stream, selectors.EVENT_READ, name)
        while streams.get_map():
            for key, _ in streams.select(timeout=0.2):
                data = os.read(key.fd, 1 << 16)
                if data:
                    output.take(key.data, data)
                else:
                    streams.unregister(key.fileobj)
            if call.cancelled.is_set():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise Cancelled("the command was ended because the update was cancelled")
    process.wait()


def assets(folder: str, patterns: list[str]) -> dict[str, Any]:
    """The files below a folder that the last matching pattern includes; `!` excludes."""
    rules = [(pattern.startswith("!"), expression(pattern.removeprefix("!"))) for pattern in patterns]
    found = {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        matching = [excluded for excluded, rule in rules if rule.fullmatch(name)]
        if matching and not matching[-1]:
            found[name] = {SIGNATURE: ASSET, "path": str(path), "hash": hashlib.sha256(path.read_bytes()).hexdigest()}
    return found


def archive(found: dict[str, Any]) -> dict[str, Any]:
    names = "".join(f"{name}\0{asset['hash']}\n" for name, asset in found.items())
    return {SIGNATURE: ARCHIVE, "assets": found, "hash": hashlib.sha256(names.encode()).hexdigest()}


def expression(pattern: str) -> re.Pattern[str]:
    """A glob: `*` stays within a folder, `**` does not; `?`, `[a-z]`, `[!a-z]` and `{one,other}` as usual."""
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    depth, result = 0, ""
    for word in re.findall(r"\\.|\*\*|\[[^]]*\]|.", pattern, re.DOTALL):
        depth += (word == "{") - (word == "}")
        if word.startswith("[") and len(word) > 1:
            result += word.replace("[!", "[^", 1)
        elif word in words and (word != "," or depth):
            result += words[word]
        else:
            result += re.escape(word.removeprefix("\\") or word)
    return re.compile(result, re.DOTALL)
