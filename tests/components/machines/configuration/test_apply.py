"""The apply program as a machine runs it, in a directory of its own, with Debian's tools replaced by small ones."""

import grp
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import until

PROGRAM = Path(__file__).parents[4] / "components/pulumi_casebook/machines/configuration/programs/apply.py"
ME = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"

TOOLS = {
    "systemctl": """
        echo "$*" >> $FAKE/log
        case "$1" in
            is-active) test -e $FAKE/active-$3 ;;
            is-enabled) test -e $FAKE/enabled-$3 ;;
            enable) touch $FAKE/enabled-$3 ;;
            start) test ! -e $FAKE/broken-$2 && touch $FAKE/active-$2 ;;
            disable) rm -f $FAKE/active-$4 $FAKE/enabled-$4 ;;
        esac""",
    "journalctl": "cat $FAKE/journal",
    "dpkg-query": """
        for name in "$@"; do test -e $FAKE/installed-$name && echo "$name installed"; done; true""",
    "dpkg": "echo dpkg $* >> $FAKE/log",
    "apt-get": """
        echo "apt-get $*" >> $FAKE/log
        cat $CASEBOOK_ROOT/usr/sbin/policy-rc.d >> $FAKE/policy
        case "$*" in
            *update) touch $FAKE/lists ;;
            *) test -e $FAKE/lists || { echo "E: Unable to locate package"; exit 100; }
               for name in "$@"; do touch $FAKE/installed-$name; done ;;
        esac""",
}


@dataclass
class Machine:
    root: Path
    fake: Path
    state: Path

    def start(self, *arguments: str, text: str = "", **more: str) -> "subprocess.Popen[str]":
        environment = {
            "PATH": f"{self.fake}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "CASEBOOK_ROOT": str(self.root),
            "CASEBOOK_STATE": str(self.state),
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, PROGRAM, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(text)
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *arguments: str, text: str = "") -> str:
        process = self.start(*arguments, text=text)
        said, wrong = process.communicate(timeout=30)
        assert process.returncode == 0, wrong
        return said

    def refused(self, *arguments: str, text: str = "") -> str:
        process = self.start(*arguments, text=text)
        said, wrong = process.communicate(timeout=30)
        assert process.returncode == 1
        assert said == ""
        assert "Traceback" not in wrong
        return wrong

    def log(self) -> list[str]:
        """What has been asked of systemd and the package manager since the last look."""
        path = self.fake / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return [line for line in lines if not line.startswith(("is-", "reset-failed"))]

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def has(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root", tmp_path / "fake", tmp_path / "state")
    made.root.mkdir()
    made.fake.mkdir()
    (made.fake / "journal").write_text("the journal says why\n")
    (made.fake / "lists").touch()
    for name, script in TOOLS.items():
        (made.fake / name).write_text(f"#!/bin/sh\n{script}\n")
        (made.fake / name).chmod(0o755)
    return made


def web(content: str = "port 80", check: str = "true", more: str = "") -> str:
    return (
        f"role web\npackage nginx\ndirectory /srv/www {ME} 0750\nfile /etc/web.conf {ME} 0640\n| {content}\n"
        f"service nginx.service reload\n  follows /etc/web.conf\n  check {check}\n{more}"
    )


def test_a_role_is_brought_up_and_the_second_run_does_nothing(machine: Machine) -> None:
    said = machine.run("apply", "web", text=web(more="ready 5 test -e $CASEBOOK_ROOT/etc/web.conf\n"))
    assert "installed nginx; wrote /etc/web.conf; started nginx.service" in said
    assert machine.text("/etc/web.conf") == "port 80\n"
    assert (machine.root / "etc/web.conf").stat().st_mode & 0o7777 == 0o640
    assert (machine.root / "srv/www").stat().st_mode & 0o7777 == 0o750
    assert machine.log()[-2:] == ["enable --quiet nginx.service", "start nginx.service"]
    before = {path: path.stat().st_mtime_ns for path in machine.root.rglob("*")}
    assert "nothing to do" in machine.run("apply", "web", text=web())
    assert machine.log() == []
    assert before == {path: path.stat().st_mtime_ns for path in machine.root.rglob("*")}


def test_only_what_follows_a_changed_file_is_touched(machine: Machine) -> None:
    more = f"file /etc/other.conf {ME} 0644\n| a\nservice other.service restart\n  follows /etc/other.conf\n"
    machine.run("apply", "web", text=web(more=more))
    machine.log()
    machine.run("apply", "web", text=web(more=more.replace("| a", "| b")))
    assert machine.log() == ["restart other.service"]
    machine.run("apply", "web", text=web("port 81", more=more.replace("| a", "| b")))
    assert machine.log() == ["reload nginx.service"]


@pytest.fixture
def service_folder(machine: Machine) -> Path:
    """/etc/web, which a service's account owns."""
    folder = machine.root / "etc/web"
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    return folder


def test_a_link_in_the_place_of_the_draft_is_not_written_through(machine: Machine, service_folder: Path) -> None:
    """CWE-59: who owns the folder would have root write, and give away, a file of its choice."""
    (machine.root / "secret").write_text("root's\n")
    (machine.root / "secret").chmod(0o600)
    (service_folder / ".web.conf.casebook").symlink_to(machine.root / "secret")
    machine.run("apply", "web", text=f"role web\nfile /etc/web/web.conf {ME} 0644\n| port 80\n")
    assert machine.text("/etc/web/web.conf") == "port 80\n"
    assert machine.text("/secret") == "root's\n"
    assert (machine.root / "secret").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    "line",
    [f"file /etc/web/more/web.conf {ME} 0644\n| x", f"directory /etc/web/more {ME} 0777"],
    ids=["file", "directory"],
)
def test_a_link_in_a_folder_of_others_leads_nowhere(machine: Machine, service_folder: Path, line: str) -> None:
    elsewhere = machine.root / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (service_folder / "more").symlink_to(elsewhere)
    assert "/etc/web/more" in machine.refused("apply", "web", text=f"role web\n{line}\n")
    assert list(elsewhere.iterdir()) == []
    assert elsewhere.stat().st_mode & 0o7777 == 0o700


def test_an_edit_by_hand_is_taken_back(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    (machine.root / "etc/web.conf").write_text("edited\n")
    assert "wrote /etc/web.conf; reloaded nginx.service" in machine.run("apply", "web", text=web())


def test_daemons_do_not_start_during_installation(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    assert "exit 101" in (machine.fake / "policy").read_text()
    assert not machine.has("/usr/sbin/policy-rc.d")


def test_package_lists_are_fetched_when_the_image_s_or_a_day_old(machine: Machine) -> None:
    def asked(*packages: str) -> list[str]:
        (machine.fake / "log").unlink(missing_ok=True)
        machine.run("apply", "web", text=web().replace("package nginx", "\n".join(f"package {p}" for p in packages)))
        return [line.split()[-1] for line in machine.log() if line.startswith(("apt-get", "dpkg"))]

    assert asked("nginx") == ["update", "nginx"]
    assert asked("nginx", "curl") == ["curl"]
    old = time.time() - 25 * 3600
    os.utime(machine.state / "package-lists", (old, old))
    assert asked("nginx", "jq") == ["update", "jq"]
    (machine.fake / "lists").unlink()  # of another tool's doing
    assert asked("nginx", "yq") == ["yq", "-a", "update", "yq"]


def test_a_package_that_cannot_be_had_is_named(machine: Machine) -> None:
    (machine.fake / "apt-get").write_text("#!/bin/sh\necho 'E: Could not resolve the mirror'\nexit 100\n")
    said = machine.refused("apply", "web", text=web())
    assert "web: apt-get cannot install nginx:" in said
    assert "Could not resolve the mirror" in said
    assert not machine.has("/usr/sbin/policy-rc.d")
    assert not machine.has("/etc/web.conf")


@dataclass
class Vendor:
    """A vendor with a signing key of its own, and a package manager to which only its repository gives nginx."""

    machine: Machine
    key: Path
    fingerprint: str

    def role(self, fingerprint: str | None = None) -> str:
        source = f"https://vendor.example/apt stable main file://{self.key} {fingerprint or self.fingerprint}"
        return web().replace("package nginx", f"package nginx\nrepository vendor {source}\nvariable QUIET yes please")

    def source(self) -> str:
        return "/etc/apt/sources.list.d/vendor.sources"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """GnuPG's home with two keys, and their fingerprints as GnuPG prints them."""
    home = tmp_path_factory.mktemp("gnupg", numbered=False)
    home.chmod(0o700)
    gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet")
    for address, kind in (("a@vendor.example", "rsa2048"), ("b@vendor.example", "ed25519")):
        subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", address, kind], check=True)
    listed = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True).stdout
    yield home, [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")]
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@pytest.fixture(params=["armored", "binary"])
def vendor(machine: Machine, keys: tuple[Path, list[str]], tmp_path: Path, request: pytest.FixtureRequest) -> Vendor:
    key = tmp_path / "key"
    armor = ["--armor"] if request.param == "armored" else []
    export = ["gpg", "--homedir", str(keys[0]), "--batch", *armor, "--output", str(key), "--export", "a@vendor.example"]
    subprocess.run(export, check=True)
    (machine.fake / "apt-get").write_text(
        """#!/bin/sh
        echo "apt-get $*" >> $FAKE/log
        case "$*" in *update) exit 0 ;; esac
        test -e $CASEBOOK_ROOT/etc/apt/sources.list.d/vendor.sources ||
            { echo "E: Unable to locate package nginx"; exit 100; }
        echo "$QUIET" > $FAKE/quiet
        touch $FAKE/installed-nginx\n"""
    )
    return Vendor(machine, key, keys[1][0])


def test_a_vendors_repository_gives_what_the_machines_own_sources_lack(vendor: Vendor) -> None:
    machine = vendor.machine
    machine.run("apply", "web", text=vendor.role())
    asked = [line.split()[-1] for line in machine.log() if line.startswith("apt-get")]
    assert asked == ["update", "nginx", "update", "nginx", "update", "nginx"]
    assert (machine.fake / "quiet").read_text() == "yes please\n"
    assert machine.text(vendor.source()) == (
        "Types: deb\nURIs: https://vendor.example/apt\nSuites: stable\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/vendor.gpg\n"
    )
    assert machine.text("/etc/apt/preferences.d/vendor.pref") == (
        'Package: *\nPin: origin "vendor.example"\nPin-Priority: -1\n\n'
        'Package: nginx\nPin: origin "vendor.example"\nPin-Priority: 500\n'
    )
    key = machine.root / "etc/apt/keyrings/vendor.gpg"
    shown = subprocess.run(
        ["gpg", "--no-autostart", "--show-keys", "--with-colons", key], check=True, capture_output=True, text=True
    )
    assert f":{vendor.fingerprint}:" in shown.stdout


def test_a_machine_whose_own_sources_have_the_package_trusts_no_vendor(vendor: Vendor) -> None:
    (vendor.machine.fake / "apt-get").write_text("#!/bin/sh\ntouch $FAKE/installed-nginx\n")
    vendor.machine.run("apply", "web", text=vendor.role())
    assert not vendor.machine.has(vendor.source())


def test_a_key_that_is_not_the_expected_one_is_not_trusted(vendor: Vendor, keys: tuple[Path, list[str]]) -> None:
    said = vendor.machine.refused("apply", "web", text=vendor.role(fingerprint="0" * 40))
    assert f"holds the key {vendor.fingerprint}, not {'0' * 40}: nothing of https://vendor.example/apt" in said
    # One more key in the file would be trusted with the expected one.
    both = subprocess.run(["gpg", "--homedir", keys[0], "--batch", "--export"], check=True, capture_output=True).stdout
    vendor.key.write_bytes(both)
    assert f"holds the key {' and '.join(keys[1])}, not" in vendor.machine.refused("apply", "web", text=vendor.role())
    assert not vendor.machine.has(vendor.source())


def test_a_key_that_cannot_be_had_is_named(vendor: Vendor) -> None:
    vendor.key.write_text("<html>gone</html>")
    said = vendor.machine.refused("apply", "web", text=vendor.role())
    assert "the key of the repository vendor cannot be read" in said
    vendor.key.unlink()
    assert "the key of the repository vendor cannot be read" in vendor.machine.refused(
        "apply", "web", text=vendor.role()
    )


def test_a_run_killed_while_it_installs_leaves_no_ban_on_starting(machine: Machine) -> None:
    (machine.fake / "apt-get").write_text(
        '#!/bin/sh\ncase "$*" in *update) exit 0 ;; esac\n'
        "touch $FAKE/installed-nginx\ntouch $FAKE/installing\nexec sleep 30\n"
    )
    process = machine.start("apply", "web", text=web())
    wait_for(machine.fake / "installing")
    kill(process)
    assert machine.has("/usr/sbin/policy-rc.d")
    machine.run("apply", "web", text=web())
    assert not machine.has("/usr/sbin/policy-rc.d")


def test_files_that_a_check_refuses_are_taken_back(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    machine.log()
    check = "! grep -q wrong $CASEBOOK_ROOT/etc/web.conf || { echo line 1 is wrong; false; }"
    more = f"file /etc/new.conf {ME} 0644\n| new\n"
    said = machine.refused("apply", "web", text=web("wrong", check, more))
    assert "line 1 is wrong" in said
    assert "the old ones are back" in said
    assert machine.text("/etc/web.conf") == "port 80\n"
    assert not machine.has("/etc/new.conf")
    assert machine.log() == []
    assert "nothing to do" in machine.run("apply", "web", text=web())


def test_a_run_killed_before_its_check_is_taken_back_by_the_next(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    process = machine.start("apply", "web", text=web("wrong", "touch $FAKE/checking; sleep 30"))
    wait_for(machine.fake / "checking")
    kill(process)
    assert machine.text("/etc/web.conf") == "wrong\n"
    machine.refused("apply", "web", text=web("wrong", "false"))
    assert machine.text("/etc/web.conf") == "port 80\n"


def test_a_run_killed_before_the_reload_is_finished_by_the_next(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    slow = (machine.fake / "systemctl").read_text().replace("case", "test $1 != reload || sleep 30\ncase")
    quick = (machine.fake / "systemctl").read_text()
    (machine.fake / "systemctl").write_text(slow)
    machine.log()
    process = machine.start("apply", "web", text=web("port 81"))
    wait_for_log(machine, "reload nginx.service")
    kill(process)
    (machine.fake / "systemctl").write_text(quick)
    assert "reloaded nginx.service" in machine.run("apply", "web", text=web("port 81"))
    assert "nothing to do" in machine.run("apply", "web", text=web("port 81"))


def test_what_a_role_no_longer_has_is_removed(machine: Machine) -> None:
    unit = "/etc/systemd/system/job.service"
    more = f"file {unit} {ME} 0644\n| [Service]\nfile /etc/job.conf {ME} 0644\n| a\n"
    machine.run("apply", "web", text=web(more=f"{more}service job.service restart\n  follows {unit}\n"))
    assert "daemon-reload" in machine.log()
    said = machine.run("apply", "web", text=web())
    assert f"removed {unit}; removed /etc/job.conf" in said
    assert machine.log() == ["disable --now --quiet job.service", "daemon-reload"]
    assert not machine.has(unit)
    assert machine.text("/etc/web.conf") == "port 80\n"


def test_a_service_restarts_when_a_file_it_followed_is_gone(machine: Machine) -> None:
    more = f"  follows /etc/part.conf\nfile /etc/part.conf {ME} 0644\n| a\n"
    machine.run("apply", "web", text=web(more=more))
    machine.log()
    machine.run("apply", "web", text=web())
    assert machine.log() == ["reload nginx.service"]


def test_a_role_leaves_with_its_files_and_units_but_not_with_those_of_others(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    shared = "service nftables.service reload\nservice nginx.service restart\n"
    machine.run("apply", "front", text=f"role front\nfile /etc/front.conf {ME} 0644\n| a\n{shared}")
    machine.run("secrets", "front", text='{"a": "b"}')
    machine.log()
    machine.run("remove", "front")
    assert sorted(machine.log()) == [
        "daemon-reload",
        "try-reload-or-restart nftables.service",
        "try-reload-or-restart nginx.service",
    ]
    assert not machine.has("/etc/front.conf")
    assert [path.name for path in machine.state.rglob("*front*")] == []
    machine.run("remove", "web")
    assert "disable --now --quiet nginx.service" in machine.log()
    assert not machine.has("/etc/web.conf")
    assert machine.has("/srv/www")


def test_a_unit_is_stopped_while_its_files_are_there(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    quick = (machine.fake / "systemctl").read_text()
    (machine.fake / "systemctl").write_text(
        quick.replace("rm -f", "cat $CASEBOOK_ROOT/etc/web.conf >> $FAKE/log; rm -f")
    )
    machine.log()
    machine.run("remove", "web")
    assert machine.log() == ["disable --now --quiet nginx.service", "port 80", "daemon-reload"]


def test_removing_a_role_twice_is_removing_it_once(machine: Machine) -> None:
    assert machine.run("remove", "web") == machine.run("remove", "web") == "web: removed\n"


def test_secrets_are_put_into_files_and_numbered(machine: Machine) -> None:
    first = '{"db/password": "correct horse"}'
    assert machine.run("secrets", "web", text=first) == "1\n"
    assert machine.run("secrets", "web", text=first) == "1\n"
    machine.run("apply", "web", text=web("password=@secret(db/password)@;"))
    assert machine.text("/etc/web.conf") == "password=correct horse;\n"
    assert machine.run("secrets", "web", text='{"db/password": "other"}') == "2\n"
    assert "reloaded nginx.service" in machine.run("apply", "web", text=web("password=@secret(db/password)@;"))
    kept = machine.state / "secrets/web.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_missing_secret_is_named(machine: Machine) -> None:
    said = machine.refused("apply", "web", text=web("@secret(tls/key)@"))
    assert "/etc/web.conf wants the secret 'tls/key', which this role was not given" in said


def test_no_message_shows_a_secret(machine: Machine) -> None:
    machine.run("secrets", "web", text=json.dumps({"key": "first line\nsecond line", "password": "hunter2"}))
    check = "cat $CASEBOOK_ROOT/etc/web.conf; echo hunter2; false"
    said = machine.refused("apply", "web", text=web("@secret(key)@", check))
    assert "line" not in said.replace("hunter2", "").partition("are back:")[2]
    assert said.count("(secret key)") == 1
    assert "(secret password)" in said
    assert "hunter2" not in said
    said = machine.refused("secrets", "web", text='{"password": "hunter3"')
    assert "not JSON" in said
    assert "hunter3" not in said


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C.UTF-8"}])
def test_nothing_but_utf_8_is_said_whatever_a_daemon_writes(machine: Machine, locale: dict[str, str]) -> None:
    """Pulumi's plugin cannot pass on anything else, and would fail at each further `up`."""
    (machine.fake / "journal").write_bytes("the café is ".encode() + "fermé\n".encode("latin-1"))
    (machine.fake / "broken-nginx.service").touch()
    process = machine.start("apply", "caf\udce9", text="role web\n", **locale)
    assert "'caf\\udce9'" in process.communicate(timeout=30)[1]
    process = machine.start("apply", "web", text=web(), **locale)
    assert "the café is ferm\\xe9" in process.communicate(timeout=30)[1]


def test_a_service_that_does_not_start_shows_its_journal(machine: Machine) -> None:
    (machine.fake / "broken-nginx.service").touch()
    assert "nginx.service did not start:\nthe journal says why" in machine.refused("apply", "web", text=web())
    (machine.fake / "broken-nginx.service").unlink()
    assert "started nginx.service" in machine.run("apply", "web", text=web())


def test_a_role_that_is_not_ready_says_so_even_when_the_check_hangs(machine: Machine) -> None:
    said = machine.refused("apply", "web", text=web(more="ready 1 sleep 30\n"))
    assert "not ready after 1 s: sleep 30" in said
    assert "nginx.service: the journal says why" in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("role web\nfrobnicate yes\n", "line 2 of the bundle begins with 'frobnicate', which is not a word of bundles"),
        ("role web\n| stray\n", "line 2 of the bundle begins with '|'"),
        ("role web\nfile /etc/x\n", "line 2 of the bundle, which begins with 'file', is not complete"),
        ("role web\n  follows /etc/x\n", "line 2 of the bundle, which begins with 'follows', is not complete"),
        ("role other\n", "the bundle is of the role 'other', not 'web'"),
        ("role web\nfile /etc/x nobody-here:root 0644\n", "owner nobody-here:root: "),
    ],
)
def test_a_bundle_that_cannot_be_read_is_refused_before_anything_happens(
    machine: Machine, text: str, reason: str
) -> None:
    assert f"web: {reason}" in machine.refused("apply", "web", text=text)
    assert list(machine.root.iterdir()) == []


def test_a_disk_without_room_leaves_the_old_file(machine: Machine) -> None:
    machine.run("apply", "web", text=web())
    limited = ["sh", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "sh", sys.executable, str(PROGRAM), "apply", "web"]
    done = subprocess.run(
        limited,
        input=web("x" * 5000),
        env={"PATH": f"{machine.fake}:{os.environ['PATH']}", "FAKE": str(machine.fake)}
        | {"CASEBOOK_ROOT": str(machine.root), "CASEBOOK_STATE": str(machine.state)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "web.conf cannot be written: File too large" in done.stderr
    assert machine.text("/etc/web.conf") == "port 80\n"
    assert list(machine.root.rglob(".*.casebook")) == []
    machine.run("apply", "web", text=web("x" * 5000))


def test_roles_of_one_machine_wait_for_each_other(machine: Machine) -> None:
    slow = web(check="touch $FAKE/checking; sleep 1; touch $FAKE/checked")
    first = machine.start("apply", "web", text=slow)
    wait_for(machine.fake / "checking")
    machine.run("apply", "other", text=f"role other\nready 1 test -e {machine.fake}/checked\n")
    assert (machine.fake / "checked").exists()
    assert first.wait(timeout=30) == 0


def wait_for(path: Path) -> None:
    until(path.exists, f"{path} did not appear")


def wait_for_log(machine: Machine, line: str) -> None:
    until(lambda: line in (machine.fake / "log").read_text(), f"{line} was not asked")


def kill(process: "subprocess.Popen[str]") -> None:
    """The power fails: the program is gone, and what it was running."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# What else speaks to Pulumi from a machine, and why it says nothing but UTF-8.
OTHERS = {
    "machines/configuration/component.py": "the apply program, and the shell that installs it and is silent",
    "edge/gateway/component.py": "`wg show` tells a key in base64",
    "machines/forced_commands/access.py": "a host key's public half is a word, and base64",
}


def test_nothing_else_on_machines_speaks_to_pulumi() -> None:
    components = PROGRAM.parents[3]
    speaking = {str(p.relative_to(components)) for p in components.rglob("*.py") if "remote.Command(" in p.read_text()}
    assert speaking == OTHERS.keys()
