"""A NAS-HA's partition: who may mount it, what each machine holds, and what is refused."""

import re
import subprocess
from pathlib import Path

import pytest

from pulumi_casebook import InputError, Nas
from tests.components.tier_fixtures import Values, files_of, machines, role_of
from tests.components.web.web_tier.namespaces import Box
from tests.harness import comes_after, declare, declares_the_same, only
from tests.waiting import until

ACCESS = "ovh:Dedicated/nasHAPartitionAccess:NasHAPartitionAccess"


def nas(**values: object) -> None:
    given: Values = {"service_name": "zpool-000001", "partition": "files", "size_gb": 100, "mount": "/srv/files"}
    if "via" in values:
        given["via"] = machines("gateway", 2)[0]
        values = {name: value for name, value in values.items() if name != "via"}
    Nas("files", **{**given, "machines": machines("web", 11, 12), **values})


@pytest.mark.claim("KEY-5")
def test_every_machine_may_mount_it_and_nobody_else() -> None:
    declared = declares_the_same(nas)
    web = {name: only(declared, ACCESS, f"files-{name}").inputs for name in ("web-11", "web-12")}
    assert {access["type"] for access in web.values()} == {"readwrite"}
    assert len({access["ip"] for access in web.values()}) == 2
    assert all(access["ip"].endswith("/32") for access in web.values())
    assert len([resource for resource in declared if resource.type == ACCESS]) == 2


def test_a_machine_mounts_once_it_may() -> None:
    declared = declare(nas, preview=False)
    mounted = only(declared, "command:remote:Command", "web-11-nas-files")
    assert comes_after(declared, mounted, only(declared, ACCESS, "files-web-11"))
    assert comes_after(declared, only(declared, ACCESS, "files-web-11"), only(declared, "NasHAPartition", "files"))


@pytest.mark.claim("KEY-5")
def test_both_mount_the_same_at_the_same_place() -> None:
    one, two = (files_of(role_of(nas, f"web-{number}-nas-files")) for number in (11, 12))
    assert one == two
    mount = one["/etc/systemd/system/srv-files.mount"]
    assert ":/zpool-000001/files\nWhere=/srv/files\nType=nfs\n" in mount
    for option in ("hard", "_netdev", "nosuid", "nodev", "vers=3"):
        assert option in mount.partition("Options=")[2].partition("\n")[0].split(",")


def test_a_machine_that_reads_only_mounts_so_and_has_no_other_right() -> None:
    def program() -> None:
        nas(read_only=["web-12"], snapshots=["hour-6", "day-1"])

    declared = declares_the_same(program)
    assert only(declared, ACCESS, "files-web-12").inputs["type"] == "readonly"
    assert ",ro\n" in files_of(role_of(program, "web-12-nas-files"))["/etc/systemd/system/srv-files.mount"]
    assert ",rw\n" in files_of(role_of(program, "web-11-nas-files"))["/etc/systemd/system/srv-files.mount"]
    assert only(declared, "NasHAPartitionSnapshot", "files-day-1").inputs["type"] == "day-1"


def test_behind_a_gateway_its_address_alone_may_mount() -> None:
    declared = declares_the_same(lambda: nas(via=True))
    assert [resource.name for resource in declared if resource.type == ACCESS] == ["files-gateway-2"]
    mounted = only(declared, "command:remote:Command", "web-12-nas-files")
    assert comes_after(declared, mounted, only(declared, ACCESS, "files-gateway-2"))


def test_the_gateway_lets_nobody_else_to_what_takes_it_for_everybody() -> None:
    rules = files_of(role_of(lambda: nas(via=True), "gateway-2-nas-files-door"))["/etc/nftables.d/nas-files.nft"]
    [address] = re.findall(r"ip daddr (\S+)", rules)
    [mounts, *_] = re.findall(r"10\.[0-9.]+", rules)
    stranger = re.sub(r"\d+$", "99", mounts)
    reach = f"curl -s -o /dev/null --max-time 2 --interface {{}} http://{address}:2049 && echo yes"
    with Box("inside") as inside, Box("door") as door, Box("store") as store:
        door.plug(inside, mounts)
        inside.run(f"ip addr add {stranger}/24 dev eth0")
        store.plug(door, "198.18.0.2")
        store.run(f"ip addr add 198.18.0.9/24 dev bridge; ip addr add {address}/32 dev lo")
        outer, inner = "198.18.0.2", re.sub(r"\d+$", "1", mounts)
        door.run(f"ip addr add {inner}/24 dev bridge; ip route add {address} via 198.18.0.9")
        door.run("sysctl -qw net.ipv4.ip_forward=1")
        inside.run(f"ip route add {address} via {inner}")
        store.run(f"ip route add {mounts.rpartition('.')[0]}.0/24 via {outer}")
        store.start("python3 -m http.server 2049")
        until(lambda: inside.run(reach.format(stranger), check=False) == "yes\n", "no way, so its end proves nothing")
        door.run("cat > /run/door.nft && nft -f /run/door.nft", rules)
        assert inside.run(reach.format(mounts), check=False) == "yes\n"
        assert inside.run(reach.format(stranger), check=False) == ""


def test_the_program_and_the_units_are_whole(tmp_path: Path) -> None:
    files = files_of(role_of(nas, "web-11-nas-files"))
    (tmp_path / "nas").write_text(files["/usr/local/sbin/nas-files"])
    subprocess.run(["dash", "-n", tmp_path / "nas"], check=True)
    for path, text in files.items():
        if re.fullmatch("/etc/systemd/system/[^/]+", path):
            (tmp_path / Path(path).name).write_text(text.replace("/usr/local/sbin/nas-files", "/bin/true"))
    units = [str(unit) for unit in tmp_path.glob("*.*")]
    done = subprocess.run(["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line], done.stderr


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"service_name": "nas-1"}, "service_name='nas-1'"),
        ({"size_gb": 9}, "size_gb=9: Input should be greater than or equal to 10"),
        ({"mount": "srv/files"}, "mount='srv/files'"),
        ({"read_only": ["web-13"]}, "read_only=web-13: not one of the machines web-11, web-12"),
        ({"read_only": ["web-11", "web-12"]}, "read_only: somebody must write what the others read"),
        ({"read_only": ["web-11"], "via": True}, "read_only: behind a gateway machines are one to the NAS"),
        ({"machines": []}, "machines=[]"),
    ],
)
def test_refusals(values: Values, message: str) -> None:
    with pytest.raises(InputError) as refused:
        declare(lambda: nas(**values), preview=True)
    assert message in str(refused.value)


def test_a_nas_that_the_account_does_not_rent() -> None:
    def unknown(_: Values) -> Values:
        raise LookupError("This service does not exist")

    with pytest.raises(InputError, match=r"NAS-HA 'zpool-000001': the account does not show it \(.*does not exist"):
        declare(nas, preview=True, answers={"ovh:Dedicated/getNasHA:getNasHA": unknown})
