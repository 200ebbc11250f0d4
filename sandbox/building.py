"""What is made once and kept: by one builder at a time, and whole or not at all.

A builder works in a draft of its own; what it made takes the target's name in one step, so that whatever has the name
is whole. The lock beside the target ends with the process that holds it, and the next builder removes the drafts of
those that were killed.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox import HOME

FULL = ("no space left", "quota exceeded")  # as the system says it, and with it the program that failed
SPARE = 64 << 20  # bytes; with fewer, a failure is that of a full disk, whatever a program says of it


class NoSpace(RuntimeError):
    """Which folder needs how much space, and what to do."""


def built(
    target: Path,
    make: Callable[[Path], object],
    what: str,
    gib: float,
    is_whole: Callable[[Path], bool] = Path.exists,
) -> Path:
    """The target, made if it is not there.

    make      makes the file or folder of the name that it is given; what it leaves beside that is removed
    what      what is made, for the reader
    gib       GiB of disk that this takes
    is_whole  tells a target that may stay from one that is replaced

    Raises NoSpace, and what `make` raises.
    """
    if is_whole(target):
        return target
    enough = functools.partial(room, target.parent, what, gib)
    with enough(), alone(target, what):
        if not is_whole(target):
            for left in target.parent.glob(f"{_hidden(target)}.draft-*"):
                shutil.rmtree(left, ignore_errors=True)
            check_space(target.parent, what, gib)
            with _draft(target) as draft, enough():
                make(draft)
                if os.path.lexists(target):
                    target.rename(draft.with_name("replaced"))
                draft.rename(target)
    return target


@contextlib.contextmanager
def alone(target: Path, what: str) -> Iterator[None]:
    """Hold the lock beside a target; whoever comes second waits, and says for what."""
    file = target.with_name(f"{_hidden(target)}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("w")
    except OSError as error:
        raise RuntimeError(
            f"{file.parent} cannot be written ({error.strerror}); fix that{_elsewhere(file.parent)}, and run the same "
            "command again"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"casebook: waits for another builder of {what}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_space(folder: Path, what: str, gib: float) -> None:
    if _free(folder) < gib * 2**30:
        raise _no_space(folder, what, gib)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file at once, so that no reader ever sees half of it. Does nothing when it is right already."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _draft(path) as draft:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, mode), "w") as file:
            file.write(text)
        draft.chmod(mode)
        draft.replace(path)


def link(path: Path, to: str | Path) -> None:
    """Point a symbolic link somewhere else, at once."""
    with _draft(path) as draft:
        draft.symlink_to(to)
        draft.replace(path)


@contextlib.contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """The target's name in a new folder beside it.

    Its folder has a name that no other had: a killed builder's children may still write where it began.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_hidden(target)}.draft-", dir=target.parent))
    try:
        yield folder / target.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hidden(path: Path) -> str:
    return f".{path.name.lstrip('.')}"


@contextlib.contextmanager
def room(folder: Path, what: str, gib: float) -> Iterator[None]:
    """Failures on a full disk have its reason."""
    try:
        yield
    except NoSpace:
        raise
    except Exception as error:
        if _free(folder) > SPARE and not any(word in str(error).lower() for word in FULL):
            raise
        # Programs fill the user's caches and the temporary folder, too.
        full = min((folder, Path.home(), Path(tempfile.gettempdir())), key=_free)
        cause = (str(error).splitlines() or [type(error).__name__])[-1]
        raise _no_space(full, what, gib, f" ({cause})") from error


def _no_space(folder: Path, what: str, gib: float, cause: str = "") -> NoSpace:
    return NoSpace(
        f"{what} needs {gib:g} GiB of disk{cause}, and below {folder} {_free(folder) / 2**30:.1f} GiB are free; "
        f"make space there{_elsewhere(folder)}, and run the same command again"
    )


def _elsewhere(folder: Path) -> str:
    return ", or set CASEBOOK_HOME to a folder on another disk" if HOME in (folder, *folder.parents) else ""


def _free(folder: Path) -> int:
    """Bytes; the folder need not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
