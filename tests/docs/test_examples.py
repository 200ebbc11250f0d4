"""The example in a component's README runs, and a preview of it shows all that it declares."""

import re
from pathlib import Path

import pytest

from tests.harness import declares_the_same

READMES = sorted((Path(__file__).parents[2] / "components/pulumi_casebook").glob("*/*/README.md"))
EXAMPLES = [
    pytest.param(example, id=f"{readme.parent.name}-{number}")
    for readme in READMES
    for number, example in enumerate(
        re.findall(r"^```python\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_runs_and_previews_whole(example: str) -> None:
    code = compile(example, "README.md", "exec")
    declares_the_same(lambda: exec(code, {}))
