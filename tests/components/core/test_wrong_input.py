"""Every component refuses wrong arguments before anything is declared, and says what is wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pulumi_casebook.core.args import Args
from pulumi_casebook.core.component import Component
from pulumi_casebook.core.plan import AddressPlanArgs
from pulumi_casebook.data.object_storage import BucketArgs
from pulumi_casebook.edge.haproxy_tier import Frontend
from pulumi_casebook.edge.load_balancer_ip import Probe
from pulumi_casebook.machines.configuration import Configuration
from pulumi_casebook.machines.site import Site
from pulumi_casebook.recovery.drp_replica_site import SharedFiles
from pulumi_casebook.watching.autoscaler import AutoscalerArgs
from tests.docs.test_examples import EXAMPLES, with_application
from tests.harness import declare
from tests.invalid_inputs import HOSTILE, Wrong, as_given, complaints, mistakes, put, swept


def derived(base: type[Any]) -> list[type[Any]]:
    """All of the package that is derived from it."""
    found = [kind for one in base.__subclasses__() for kind in (one, *derived(one))]
    return [kind for kind in found if kind.__module__.startswith("pulumi_casebook.")]


COMPONENTS = [kind for kind in derived(Component) if "Arguments" in vars(kind)]
# Models that are no component's own, or in no example of one.
MODELS: dict[type[Args], dict[str, Any]] = {
    AddressPlanArgs: {"cidr": "10.8.0.0/24", "tiers": {"web": "16/28"}},
    AutoscalerArgs: {"setting": "web", "minimum": 1, "maximum": 3},
    Probe: {"type": "http", "port": 80, "url": "/health"},
    BucketArgs: {
        "versioning": True,
        "object_lock": {"days": 7},
        "replication": {"bucket": "copies-of-mine", "region": "SBG"},
    },
    Configuration: {
        "role": "web",
        "packages": ["nginx"],
        "repositories": [
            {
                "name": "vendor",
                "uri": "https://example.org/debian",
                "suite": "trixie",
                "component": "main",
                "key": "https://example.org/key",
                "fingerprint": "A" * 40,
            }
        ],
        "variables": {"ANSWER": "yes"},
        "directories": [{"path": "/srv/www", "owner": "root:root", "mode": "0755"}],
        "files": [{"path": "/etc/web", "content": "text\n", "owner": "root:root", "mode": "0644"}],
        "units": [{"unit": "nginx.service", "reload_on": ["/etc/web"], "check": "nginx -t"}],
        "allow": [{"port": 80, "sources": ["10.8.0.0/24"], "protocol": "tcp"}],
        "ready": {"command": "true", "seconds": 60},
    },
    Frontend: {
        "port": 80,
        "backend": "web",
        "routes": [{"backend": "api", "host": "www.example.org", "path_prefix": "/api"}],
        "methods": ["GET"],
        "clients": ["10.8.0.0/24"],
        "trusted_proxies": ["10.8.0.0/24"],
        "proxy_protocol_from": ["10.8.0.0/24"],
        "response_headers": {"X-Site": "one"},
        "dropped_response_headers": ["Server"],
    },
    SharedFiles: {"path": "/srv/files", "owner": "www-data"},
}
# A text file's content is any text.
FREE = {(Configuration, ("files", 0, "content"))}
Examples = dict[type[Component[Any]], list[Args]]


@pytest.fixture(name="examples", scope="module")
def _examples(ssh_key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """The arguments of each component in the READMEs, which are valid."""
    found: Examples = {}
    register = Component._register

    def noted(self: Component[Any], name: str, args: Any) -> None:
        register(self, name, args)
        found.setdefault(type(self), []).append(args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASEBOOK_SSH_KEY_FILE", str(ssh_key_file))
        patch.chdir(with_application(tmp_path_factory.mktemp("examples")))
        patch.setattr(Component, "_register", noted)
        for example in EXAMPLES:
            code = compile(str(example.values[0]), "README.md", "exec")
            declare(lambda code=code: exec(code, {}), preview=True)  # type: ignore[misc]
    return found


def models(value: Any) -> Iterator[type[Args]]:
    """The models of a value, and of all that it holds."""
    if isinstance(value, Args):
        yield type(value)
        for name in type(value).model_fields:
            yield from models(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from models(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from models(item)


def test_every_model_has_an_example(examples: Examples) -> None:
    seen = {model for args in examples.values() for one in args for model in models(one)}
    seen |= {model for kind, values in MODELS.items() for model in models(kind(**values))}
    # It holds a component that is declared: tests/components/machines/site has its refusals.
    seen.add(Site)
    # Of these, others are made.
    seen |= {base for model in seen for base in model.__mro__}
    assert not [model.__name__ for model in derived(Args) if model not in seen]


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
@settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_a_component_refuses_one_mistake(component: type[Component[Any]], examples: Examples, data: Any) -> None:
    found: list[str] = []

    def program() -> None:
        for number, args in enumerate(examples[component]):
            valid = as_given(args)
            for mistake in mistakes(component.Arguments, valid):
                value = data.draw(mistake.wrong)
                one = Wrong(mistake.path, value, put(valid, mistake.path, value), mistake.secret)
                found.extend(complaints(one, lambda values: component(f"wrong-{number}", **values)))  # noqa: B023

    registered = declare(program, preview=True)
    assert not found, "\n".join(found)
    assert [one.type for one in registered] == ["pulumi:pulumi:Stack"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(max_examples=10, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(data=st.data())
def test_a_model_refuses_one_mistake(model: type[Args], data: Any) -> None:
    valid = as_given(model(**MODELS[model]))
    for mistake in mistakes(model, valid):
        value = data.draw(mistake.wrong)
        if not (isinstance(value, str) and (model, mistake.path) in FREE):
            one = Wrong(mistake.path, value, put(valid, mistake.path, value), mistake.secret)
            assert not complaints(one, lambda values: model(**values))


@pytest.mark.parametrize("name", ["Web 1", "web\n1", "web;reboot", "-web", "", "w" * 43, "web_1", 7, None])
def test_a_name_that_cannot_be_a_host_name_is_refused(name: Any) -> None:
    one = Wrong(("name",), name, {}, secret=False)
    refused = complaints(one, lambda _: COMPONENTS[0](name))
    assert all("lacks the field" in line for line in refused), "there is no field of this name"


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_hostile_values_anywhere_are_taken_or_refused_in_a_sentence(
    component: type[Component[Any]], examples: Examples
) -> None:
    model = component.Arguments
    # One example has what the next one has, too.
    valid = max((as_given(one) for one in examples[component]), key=lambda one: len(repr(one)))
    found = list(swept(model, valid, lambda values: model(**values), HOSTILE))
    assert not found, "\n".join(found[:30])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_hostile_values_anywhere_in_a_model(model: type[Args]) -> None:
    valid = as_given(model(**MODELS[model]))
    found = list(swept(model, valid, lambda values: model(**values), HOSTILE))
    assert not found, "\n".join(found[:30])


def test_no_models_reason_is_a_regular_expression() -> None:
    """`form()` says in words what is taken."""
    for model in derived(Args):
        for name, field in model.model_fields.items():
            assert "pattern=" not in repr((field.annotation, field.metadata)), f"{model.__name__}.{name}"
