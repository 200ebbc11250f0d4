"""Which cloud a command means, and what it says when the credentials are half there."""

import pytest

from stacks import environment


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*environment.ACCOUNT, "CASEBOOK_TARGET"):
        monkeypatch.delenv(name, raising=False)
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


def test_ovhcloud_without_openstack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVH_APPLICATION_KEY", "x")
    with pytest.raises(environment.Stop, match=r"OS_AUTH_URL: not set.*openrc"):
        environment.check_account()


def test_openstack_without_ovhcloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "x")
    with pytest.raises(environment.Stop, match=r"OVH_APPLICATION_KEY: not set.*createToken"):
        environment.check_account()


def test_both_halves_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "x")
    monkeypatch.setenv("OVH_CLIENT_ID", "x")
    environment.check_account()
