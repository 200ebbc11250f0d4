"""A builder in a process of its own, which makes something cheap where the real one takes minutes.

python -m tests.sandbox.builders STATEMENT FOLDER [BYTES]

It notes in FOLDER/begun that it has begun, and goes on once FOLDER/go is there. With BYTES it asks for no space in
advance, and makes so much.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sandbox import building
from tests.waiting import until

real, statement, signals = building.built, sys.argv[1], Path(sys.argv[2])
size = int(sys.argv[3]) if len(sys.argv) > 3 else 0


def built(target: Path, _make: Callable[[Path], object], what: str, gib: float, *_: object) -> NoReturn:
    """The real helper with another body. What a builder does with what was built is not looked at."""

    def body(draft: Path) -> None:
        with (signals / "begun").open("a") as begun:
            begun.write(f"{target}\n")
        draft.mkdir()
        try:
            (draft / "half").write_bytes(bytes(size))
        except OSError:
            raise RuntimeError("some program failed") from None
        until(lambda: (signals / "go").exists())
        (draft / "whole").touch()

    real(target, body, what, 0 if size else gib)
    sys.exit()


def main() -> None:
    building.built = built  # type: ignore[assignment]
    try:
        exec(statement, {"Path": Path})
    except RuntimeError as error:
        sys.exit(str(error))
    sys.exit("what was built was not by sandbox.building")


if __name__ == "__main__":
    main()
