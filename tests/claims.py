"""Refuses a marker that names a claim which no document makes."""

import pytest

from docs.claims import identifiers, of_item


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = identifiers()
    wrong = sorted(
        {f"{c.file}::{c.function}: {c.claim!r}" for item in items for c in of_item(item) if c.claim not in known}
    )
    if wrong:
        raise pytest.UsageError("not a claim of docs/claims.yaml:\n" + "\n".join(wrong))
