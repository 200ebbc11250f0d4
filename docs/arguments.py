"""The table of arguments in a component's README, from the component's models."""

import ast
import importlib
import inspect
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pydantic.fields import FieldInfo

from pulumi_casebook.core.args import Args
from pulumi_casebook.core.component import Component, ComponentArgs

BEGIN, END = "<!-- arguments -->\n", "<!-- /arguments -->\n"


def pages(components: Path) -> Iterator[tuple[Path, str]]:
    """Each README that has a place for the table, with the table in it."""
    for readme in sorted(components.glob("pulumi_casebook/*/*/README.md")):
        text = readme.read_text()
        if BEGIN in text:
            before, _, rest = text.partition(BEGIN)
            _, end, after = rest.partition(END)
            if not end:
                raise SystemExit(f"{readme}: {BEGIN.strip()} without {END.strip()}")
            package = ".".join(readme.parent.relative_to(components).parts)
            yield readme, before + f"{BEGIN}\n{tables(importlib.import_module(package))}\n{END}" + after


def tables(package: ModuleType) -> str:
    """A table for every component whose arguments the package exports, then for the models inside them."""
    public = [getattr(package, name) for name in package.__all__]
    models: list[type[Args]] = [
        model.Arguments
        for model in public
        if inspect.isclass(model) and issubclass(model, Component) and getattr(model, "Arguments", None) in public
    ]
    # A program of a package takes arguments as well, and is no component.
    models = models or [model for model in public if inspect.isclass(model) and issubclass(model, Args)]
    if not models:
        raise SystemExit(f"{package.__name__}: has a table of arguments in its README and exports none in __all__")
    for model in models:
        models += [
            inner for inner in _inside(model) if inner.__module__.startswith(package.__name__) and inner not in models
        ]
    return "\n".join(table(model) for model in models)


def table(model: type[Args]) -> str:
    """One model: a line a field."""
    lines = [f"**{model.__name__}**: {_sentence(model)}\n" if model.__doc__ else f"**{model.__name__}**\n"]
    lines += ["| argument | type | default | is |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if name in ComponentArgs.model_fields:
            continue
        annotation, meaning = _written(model, name)
        default = "required" if field.is_required() else f"`{_default(field)}`"
        cells = (f"`{name}`", f"`{annotation}`", default, meaning)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _sentence(model: type[Args]) -> str:
    return " ".join((model.__doc__ or "").partition("\n\n")[0].split())


def _default(field: FieldInfo) -> str:
    # What a function looks up on this computer is not everybody's default.
    if inspect.isfunction(field.default_factory):
        return f"{field.default_factory.__name__}()"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Args):
        return f"{type(value).__name__}()"
    return "[]" if value == () else repr(value)


def _inside(model: type[Args]) -> Iterator[type[Args]]:
    """The models that a model's fields hold."""
    waiting: list[object] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        kind = waiting.pop(0)
        if inspect.isclass(kind) and issubclass(kind, Args):
            yield kind
        waiting += typing.get_args(kind)


def _written(model: type[Args], name: str) -> tuple[str, str]:
    """A field's type as its class writes it, and the comment or docstring that goes with it."""
    owner = next(base for base in model.__mro__ if name in inspect.get_annotations(base))
    source = textwrap.dedent(inspect.getsource(owner))
    lines, body = source.splitlines(), typing.cast(ast.ClassDef, ast.parse(source).body[0]).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return _type(node.annotation), _comment_above(lines, node.lineno) or _docstring(after)
    raise AssertionError(f"{owner.__name__}.{name} is not in its own source")


def _type(annotation: ast.expr) -> str:
    """The annotation without what pydantic alone reads."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        return _type(typing.cast(ast.Tuple, annotation.slice).elts[0])
    return ast.unparse(annotation)


def _comment_above(lines: list[str], number: int) -> str:
    comment: list[str] = []
    while (line := lines[number - len(comment) - 2].strip()).startswith("#"):
        comment.insert(0, line.removeprefix("#").strip())
    return " ".join(comment)


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""
