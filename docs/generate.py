"""Write the generated pages anew: `python -m docs.generate`; with `--check`, only say which are stale."""

import sys
from collections.abc import Iterator
from pathlib import Path

from docs import arguments, claims, guarantees, limits, probes

ROOT = Path(__file__).parent.parent


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated file and its text as it should be."""
    yield from arguments.pages(ROOT / "components")
    made = claims.load()
    yield ROOT / "docs/claims.md", claims.page(made, claims.checks(ROOT) | guarantees.checks())
    yield from guarantees.pages(ROOT, made["systems"])
    served = limits.served()
    yield ROOT / "docs/limits.md", limits.page(served)
    yield ROOT / "docs/probes.md", probes.page(served)


def main(arguments: list[str]) -> str | None:
    """None, or the sentence that the program ends with."""
    if arguments not in ([], ["--check"]):
        return __doc__
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text() != text]
    if arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path, _ in stale)
        return f"stale: {names}; run `python -m docs.generate` and commit what it writes" if stale else None
    for path, text in stale:
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
