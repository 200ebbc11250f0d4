"""The example in a component's README runs, and a preview of it shows all that it declares."""

import re
from pathlib import Path

import pytest

from tests.harness import declares_the_same

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("components/pulumi_casebook/*/*/README.md"))]
EXAMPLES = [
    pytest.param(example, id=f"{readme.parent.name}-{number}")
    for readme in READMES
    for number, example in enumerate(
        re.findall(r"^```python\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    )
]


def with_application(folder: Path) -> Path:
    """A folder in which examples find the application that they name."""
    (folder / "www").mkdir()
    (folder / "www/index.php").write_text("<?php echo gethostname();\n")
    return folder


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_runs_and_previews_whole(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(with_application(tmp_path))
    code = compile(example, "README.md", "exec")
    declares_the_same(lambda: exec(code, {}))
