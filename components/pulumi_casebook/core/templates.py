"""Jinja2 templates that stand beside the component which renders them."""

from pathlib import Path
from typing import Any

import jinja2

PACKAGE = Path(__file__).parent.parent


def render(beside: str, name: str, /, **values: Any) -> str:
    """The template `templates/NAME` in the folder of the module file `beside` (pass `__file__`).

    A value that the template names and is not given is an error, not an empty string. A template of another component
    is included by its path in the package.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(beside).parent / "templates", PACKAGE]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (configuration files, not pages)
    )
    return environment.get_template(name).render(values)
