"""Which cloud a command means, and what it says when the credentials are half there."""

import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.toolchain.standin.ovh import provider
from sandbox.toolchain.standin.ovh.rest import Rest
from stacks import environment
from stacks.clouds import Clouds


@pytest.fixture(autouse=True)
def _no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*environment.ACCOUNT, *environment.PASSPHRASE, "CASEBOOK_TARGET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "FILES", ())


def test_no_credentials_means_the_sandbox() -> None:
    assert not environment.is_account()


@pytest.mark.parametrize("name", environment.ACCOUNT)
def test_any_credential_means_an_account(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert environment.is_account()


def test_the_sandboxs_own_variables_mean_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_ENDPOINT", "http://127.0.0.1:28000/1.0")
    monkeypatch.setenv("CASEBOOK_TARGET", "sandbox")
    assert not environment.is_account()


def test_in_the_sandbox_no_credential_of_an_account_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """CASEBOOK_TARGET stands in the shell of the sandbox, to which somebody has added an account's."""
    own = {"OS_AUTH_URL": "http://127.0.0.1:25000/v3", "OVH_ENDPOINT": "http://127.0.0.1:28000/1.0"}
    for name, value in {"CASEBOOK_TARGET": "sandbox", "OS_CLOUD": "theirs", "OVH_ACCESS_TOKEN": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment, "module", lambda *_: subprocess.Popen(["true"]))
    monkeypatch.setattr(environment, "exports", lambda name, *_: own if name == "sandbox" else {"PATH": "/bin"})
    monkeypatch.setattr(environment, "backend", dict)
    given = environment.prepare(cloud=False)
    assert {name: value for name, value in given.items() if name.startswith(environment.CREDENTIALS)} == own
    with Clouds(own)._applied():
        assert {name for name in os.environ if name.startswith(environment.CREDENTIALS)} == own.keys()
    assert os.environ["OS_CLOUD"] == "theirs"


def test_ovhcloud_without_openstack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_APPLICATION_KEY", "x")
    with pytest.raises(environment.Stop, match=r"OS_AUTH_URL: not set.*openrc"):
        environment.check_account()


def test_openstack_without_ovhcloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "x")
    with pytest.raises(environment.Stop, match=r"OVH_APPLICATION_KEY: not set.*createToken"):
        environment.check_account()


def test_the_key_that_is_asked_for_may_do_what_stacks_need_and_no_more() -> None:
    resources = provider("2.22.0").resources.values()
    for path in {one.base for one in resources if isinstance(one, Rest) and one.base}:
        assert any(fnmatch.fnmatchcase(path, allowed) for allowed in environment.CALLS), path
    for path in ("/me", "/me/bill", "/order/cart", "/me/api/application", "/domain/name"):
        assert not any(fnmatch.fnmatchcase(path, allowed) for allowed in environment.CALLS), path
    assert "&DELETE=/vrack/*" in environment.KEY_PAGE


def test_both_halves_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "x")
    monkeypatch.setenv("OVH_CLIENT_ID", "x")
    environment.check_account()


def test_the_state_lies_where_the_operator_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.chosen_backend() == ""
    (tmp_path / "credentials.json").write_text("no JSON")
    assert environment.chosen_backend() == ""
    (tmp_path / "credentials.json").write_text(json.dumps({"current": "s3://theirs"}))
    assert environment.chosen_backend() == "s3://theirs"
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "x")
    assert environment.chosen_backend() == "https://api.pulumi.com"
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///theirs")
    assert environment.chosen_backend() == "file:///theirs"


def test_a_state_has_no_default_place_and_no_default_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(environment.Stop, match=r"PULUMI_BACKEND_URL: not set.*pulumi login"):
        environment.check_state("")
    with pytest.raises(environment.Stop, match=r"PULUMI_CONFIG_PASSPHRASE_FILE: not set.*s3://theirs"):
        environment.check_state("s3://theirs")
    environment.check_state("https://api.pulumi.com")
    environment.check_state("s3://theirs", "hashivault://casebook")
    with pytest.raises(environment.Stop, match="PULUMI_CONFIG_PASSPHRASE_FILE"):
        environment.check_state("s3://theirs", "passphrase")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    environment.check_state("s3://theirs")


@pytest.mark.parametrize("action", ["up", "preview", "outputs", "destroy"])
def test_no_command_on_an_account_begins_without_a_chosen_state(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_CLOUD", "OVH_CLIENT_ID"):
        monkeypatch.setenv(name, "x")
    command = [sys.executable, "-m", "stacks", action, "sofoot"]
    done = subprocess.run(command, cwd=environment.CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("casebook: PULUMI_BACKEND_URL: not set"), done.stderr
    assert done.stderr.count("\n") == 1
