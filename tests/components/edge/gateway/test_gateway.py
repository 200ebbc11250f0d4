"""The gateway as a program declares it: refused mistakes, and files that the real daemons accept."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pulumi_casebook import Forward, InputError, Vpn
from tests.components.edge.gateway.program import PEER, files, gateway, written
from tests.harness import declare, declares_the_same, only

OTHER = "2T5Yq0r0nJj1eV0mXbP8nB8dDqZ0n1pQvX1Jm0aXc3o="


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"machine": "10.8.0.30", "forwards": {"x": Forward(port=80, to="10.8.0.30")}},
            "forwards.x.to=10.8.0.30: not a",
        ),
        ({"forwards": {"x": Forward(port=80, to="10.9.0.1")}}, "forwards.x.to=10.9.0.1: not a machine behind it"),
        ({"forwards": {"x": Forward(port=22, to="10.8.0.9")}}, "forwards.x.port=22: taken by the gateway's own SSH"),
        (
            {"forwards": {"x": Forward(port=51820, to="10.8.0.9", protocol="udp")}},
            "forwards.x.port=51820: taken by the VPN",
        ),
        (
            {"forwards": {n: Forward(port=80, to="10.8.0.9") for n in ("a", "b")}},
            "forwards.b.port=80: taken by forwards.a",
        ),
        (
            {"vpn": Vpn(peers={"ann": PEER}, cidr="10.8.0.0/16")},
            "vpn.cidr=10.8.0.0/16: the VPN's addresses 10.8.0.0/16 overlap the network",
        ),
        (
            {"rules": ["drop ip any any -> any any (sid:1;)"], "intrusion_detection": False},
            "intrusion_detection is off",
        ),
        ({"clients": []}, "clients=[]: "),
        ({"jump_keys": {"ann": "-----BEGIN"}}, "jump_keys.ann='-----BEGIN': "),
        ({"ban_after": 0}, "ban_after=0: "),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        declare(lambda: gateway(**values), preview=True)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"peers": {"ann": "short"}}, "peers.ann"),
        ({"peers": {"ann": PEER, "bob": PEER}}, "two have the same key"),
        ({"peers": {"ann": PEER}, "cidr": "10.9.0.0/28"}, "too small"),
        ({"peers": {}}, "peers"),
    ],
)
def test_a_vpn_that_cannot_work_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Vpn(**values)


def test_another_administrator_moves_no_one_s_address() -> None:
    alone, two = Vpn(peers={"ann": PEER}), Vpn(peers={"aaron": OTHER, "ann": PEER})
    assert alone.addresses["ann"] == two.addresses["ann"]
    assert len(set(two.addresses.values())) == 2


def test_preview_shows_all_that_is_declared_and_the_vpn_s_key_is_read_from_the_machine() -> None:
    made = declares_the_same(gateway)
    shown = only(made, "Command", "way-out-vpn-key")
    assert shown.inputs["create"] == "sudo wg show vpn public-key"
    assert not any("private" in str(r.inputs.get("stdin", "")).replace("private.key", "") for r in [shown])
    text, mode = files(made, "gateway")["/etc/wireguard/vpn.conf"]
    assert "PrivateKey" not in text
    assert mode == 0o600


def test_what_is_off_is_not_there() -> None:
    made = declares_the_same(lambda: gateway(intrusion_detection=False))
    assert not [r.name for r in made if "intrusion" in r.name]


def test_nft_accepts_the_rules(tmp_path: Path) -> None:
    made = declares_the_same(gateway)
    folder = written(written(tmp_path, made, "base"), made, "gateway")
    ruleset = folder / "etc/nftables.conf"
    ruleset.write_text(ruleset.read_text().replace("/etc/nftables.d", f"{folder}/etc/nftables.d"))
    accepted = run("unshare", "--net", "nft", "--check", "--file", str(ruleset))
    assert accepted.returncode == 0, accepted.stderr
    rules = folder / "etc/nftables.d/gateway.nft"
    rules.write_text(rules.read_text().replace("masquerade", "masqerade"))
    assert "gateway.nft" in run("unshare", "--net", "nft", "--check", "--file", str(ruleset)).stderr


@pytest.mark.claim("KEY-1")
def test_suricata_accepts_the_rules(tmp_path: Path) -> None:
    rule = 'drop http any any -> any any (msg:"ours"; http.uri; content:"/forbidden"; sid:9100001;)'
    made = declares_the_same(lambda: gateway(rules=[rule]))
    etc = written(tmp_path, made, "intrusion-detection") / "etc/suricata"
    check: tuple[str, ...] = ("suricata", "-T", "-l", str(tmp_path), "-c", "/etc/suricata/suricata.yaml")
    check += ("--include", str(etc / "gateway.yaml"), "-S", str(etc / "gateway.rules"))
    accepted = run(*check)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    (etc / "gateway.rules").write_text((etc / "gateway.rules").read_text().replace("http.uri;", "http.urx;"))
    assert run(*check).returncode != 0


def test_wg_quick_accepts_the_vpn(tmp_path: Path) -> None:
    vpn = written(tmp_path, declares_the_same(gateway), "gateway") / "etc/wireguard/vpn.conf"
    stripped = run("wg-quick", "strip", str(vpn))
    assert stripped.returncode == 0, stripped.stderr
    assert f"PublicKey = {PEER}" in stripped.stdout
    assert "Address" not in stripped.stdout
