"""The copy of a stack's file that Pulumi writes into, and what it may hold."""

import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from stacks import autoscaler, environment
from stacks import stack_files as stacks
from stacks.commands import setting
from stacks.environment import Stop
from stacks.state_recovery import events_of


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "FILES", tmp_path)
    monkeypatch.setattr(environment, "HOME", tmp_path / "home")
    monkeypatch.setattr(stacks, "is_account", lambda: False)
    (tmp_path / "Pulumi.some.yaml").write_text("config:\n  casebook:architecture: some\n")


def test_the_committed_files_hold_no_salt() -> None:
    for file in (Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"):
        assert stacks.SALT not in yaml.safe_load(file.read_text()), f"{file.name}: take the line {stacks.SALT} out"


def test_the_sandboxs_salt_is_kept_and_an_accounts_is_not_for_it(tmp_path: Path) -> None:
    copy = stacks.config_file("some")
    assert yaml.safe_load(copy.read_text()) == {"config": {"casebook:architecture": "some"}}
    copy.write_text(f"{copy.read_text()}{stacks.SALT}: own\n")
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(f"{file.read_text()}{stacks.SALT}: of an account\n")
    assert yaml.safe_load(stacks.config_file("some").read_text())[stacks.SALT] == "own"


def test_an_account_keeps_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "is_account", lambda: True)
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(f"{file.read_text()}{SIZES}{stacks.SALT}: of an account\n")
    assert stacks.config_file("some").read_text() == file.read_text()


def test_nobody_else_reads_a_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor what is noted of a run, which is in the same folder; an account's is in none that may be cleaned."""
    for account, folder in ((False, tmp_path / "home/stacks"), (True, tmp_path / "state/casebook")):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        for module in (environment, stacks):
            monkeypatch.setattr(module, "is_account", lambda account=account: account)
        copy = stacks.config_file("some", changed=True)
        assert copy.parent == folder == events_of("some").parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_another_secrets_provider_is_the_accounts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(f"secretsprovider: hashivault://casebook\nencryptedkey: of it\n{file.read_text()}")
    assert stacks.secrets_provider("some") == ""
    assert yaml.safe_load(stacks.config_file("some").read_text()).keys() == {"config"}
    monkeypatch.setattr(stacks, "is_account", lambda: True)
    assert stacks.secrets_provider("some") == "hashivault://casebook"


def test_an_address_of_the_sandbox_is_no_ones_on_an_account(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.some.yaml"
    for settings, told in (
        (
            "{admin_cidrs: [192.0.2.1/32, 198.18.0.1/32]}",
            r"Pulumi\.some\.yaml: admin_cidrs\[1\]=198\.18\.0\.1/32: .*your own",
        ),
        ("{office: {door: 198.19.255.254}}", r"office\.door=198\.19\.255\.254"),
        ("{door: '2001:2::1/128'}", "door=2001:2::1/128: an address of the sandbox"),
    ):
        file.write_text(f"config:\n  casebook:architecture: some\n  casebook:settings: {settings}\n")
        with pytest.raises(Stop, match=told):
            stacks.check_addresses(file)
    file.write_text(
        "config: {'casebook:settings': {region: GRA11, admin_cidrs: [192.0.2.1/32], servers: [s-198-18-1-1.eu]}}"
    )
    stacks.check_addresses(file)


def test_the_files_as_they_come_are_refused_on_an_account() -> None:
    for file in sorted((Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml")):
        with pytest.raises(Stop, match="an address of the sandbox"):
            stacks.check_addresses(file)


SIZES = """\
  casebook:settings: {region: GRA11, web: 8, office: {web: 4}}
  casebook:sandbox: {web: 2, office: {web: 1}}
"""


def test_the_sandbox_gets_fewer_of_the_same(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(file.read_text() + SIZES)
    config = yaml.safe_load(stacks.config_file("some").read_text())["config"]
    assert config == {
        "casebook:architecture": "some",
        "casebook:settings": {"region": "GRA11", "web": 2, "office": {"web": 1}},
    }


@pytest.mark.parametrize("line", ["{region: 3}", "{web: large}", "{cache: 3}", "{office: 1}", "{web: true}"])
def test_only_counts_differ_in_the_sandbox(line: str, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(file.read_text() + SIZES.split("\n")[0] + f"\n  casebook:sandbox: {line}\n")
    with pytest.raises(Stop, match="a number in the place of a number"):
        stacks.config_file("some")


def test_an_unknown_stack_names_the_known_ones() -> None:
    with pytest.raises(Stop, match=r"STACK=sme: no such stack; there are: some"):
        stacks.stack_file("sme")


def test_the_autoscaler_leaves_an_accounts_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encrypted in the stack's file could not be read with another one."""
    salted = f"{stacks.SALT}: of an account\n"
    file = tmp_path / "Pulumi.some.yaml"
    file.write_text(salted + file.read_text())
    used: list[str] = []
    one = object.__new__(autoscaler.CheckoutStack)
    one.name = "some"
    up = SimpleNamespace(up=lambda config_file, **_: used.append(Path(config_file).read_text()))
    monkeypatch.setattr(one, "stack", up, raising=False)
    for account in (True, False):
        for module in (autoscaler, stacks):
            monkeypatch.setattr(module, "is_account", lambda account=account: account)
        one.up()
        assert (salted in file.read_text(), salted in used[-1]) == (account, account)


HEAD = b"config:\n  casebook:architecture: some\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "says nothing; it begins with config:"),
        (b"# only a comment\n", "says nothing"),
        (b"- config\n", "says nothing"),
        (b"confg:\n  casebook:architecture: some\n", "confg: no such key; did you mean config?"),
        (b"config:\n", "config has no casebook:architecture"),
        (b"config: [1]\n", "config has no casebook:architecture"),
        (b"config: {\n", "line 2, column 1: "),
        (HEAD + b"  casebook:settings: {a: 1\n  b: 2}\n", "line 4, column 4: "),
        (b"config:\n\tcasebook:architecture: some\n", "line 2, column 1: "),
        (HEAD + b"# caf\xe9\n", "not UTF-8 at byte 43"),
        (HEAD + b"  casebook:settings: {a: \x01}\n", "characters that YAML does not have"),
        (HEAD + HEAD[8:], "line 3, column 3: casebook:architecture is there twice"),
        (HEAD + b"  casebook:settings: {a: 1, a: 2}\n", "a is there twice"),
        (HEAD + b"  casebook:settings: !!python/object:os.system {}\n", "could not determine a constructor"),
    ],
)
def test_a_file_that_cannot_be_read_says_so_in_a_sentence(text: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.some.yaml").write_bytes(text)
    with pytest.raises(Stop) as refused:
        stacks.config_file("some")
    assert str(refused.value).startswith("Pulumi.some.yaml: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("account", [True, False])
@pytest.mark.parametrize(
    "value",
    ["yes", "No", "on", "y", "010", "0o7", "0x1F", "1_000", "12:30:00", "2026-01-02", "1e3", ".5", "+7", ".inf"],
)
def test_what_readers_of_yaml_differ_in_is_refused_in_the_sandbox_and_on_an_account(
    value: str, account: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "is_account", lambda: account)
    file = tmp_path / "Pulumi.some.yaml"
    file.write_bytes(HEAD + f"  casebook:settings: {{a: {value}}}\n".encode())
    with pytest.raises(Stop, match="is one thing to one reader of YAML, and another to the next"):
        stacks.config_file("some")
    file.write_bytes(HEAD + f"  casebook:settings: {{a: '{value}'}}\n".encode())
    assert yaml.safe_load(stacks.config_file("some").read_text())["config"]["casebook:settings"] == {"a": value}


@pytest.mark.parametrize(
    "value", [b"true", b"-1", b"0", b"2.5", b"~", b"db-1", b"10.8.0.0/24", b"\xc3\xa9", b"22:00 Mon"]
)
def test_what_they_agree_on_is_taken(value: bytes, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.some.yaml").write_bytes(HEAD + b"  casebook:settings: {a: " + value + b"}\n")
    assert stacks.content("some")["config"]["casebook:settings"] == {"a": yaml.safe_load(value)}


@pytest.mark.parametrize("text", [HEAD.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + HEAD])
def test_line_ends_and_a_byte_order_mark_mean_nothing(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.some.yaml").write_bytes(text)
    assert stacks.content("some") == {"config": {"casebook:architecture": "some"}}


@pytest.mark.parametrize(
    ("given", "name", "text"),
    [
        ("web_instances=6", "web_instances", "6"),
        ("page_seconds=-1", "page_seconds", "-1"),
        ("zone=--help", "zone", "--help"),
        ("sms.to[0]=+33612345678", "sms.to[0]", "+33612345678"),
        ("domain=", "domain", ""),
        ("title=a=b", "title", "a=b"),
    ],
)
def test_a_setting_for_one_run(given: str, name: str, text: str) -> None:
    assert setting(given) == (name, text)


@pytest.mark.parametrize("given", ["", "zone", "=6", "--help", "--help=1x y", "a b=1", "a..b=1", "a\nb=1", "x" * 5000])
def test_what_is_no_setting_is_refused_in_a_sentence(given: str) -> None:
    with pytest.raises(Stop, match=r"^SET=.*: a setting, = and its value") as refused:
        setting(given)
    assert len(str(refused.value)) < 200
