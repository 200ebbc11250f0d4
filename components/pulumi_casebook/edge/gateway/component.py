"""A private network's gateway: nftables, a bastion, WireGuard, Suricata and Fail2ban on one Debian machine."""

import pulumi
import pulumi_command as command

from pulumi_casebook.core.component import Component, takes
from pulumi_casebook.core.templates import render
from pulumi_casebook.edge.gateway.args import GatewayArgs
from pulumi_casebook.machines.configuration import Configuration, Directory, File, Ready, Unit
from pulumi_casebook.machines.configuration.bundle import FIREWALL, firewall_unit
from pulumi_casebook.machines.site import WayOut
from pulumi_casebook.machines.units import ACCOUNTS, ASKED, UNITS

RULES = f"{FIREWALL}/gateway.nft"
SYSCTL = "/etc/sysctl.d/80-gateway.conf"
JUMP_UID = 980


class Gateway(Component[GatewayArgs]):
    """The way out of a private network and the way in for its administrators.

    Declares on the machine the role `gateway` (nftables: NAT, forwards; SSH jump host; Fail2ban; with `vpn`
    WireGuard, whose private key is born on the machine and stays there) and, with `intrusion_detection`, the role
    `intrusion-detection`.

    Attributes: `address`, what other machines name as their `gateway`; `vpn_addresses`, each peer's in the tunnel.
    Output: `vpn_key`, the VPN's public key ("" without one).

    The documents have pfSense here; this is a plain Debian machine. Sources: NRT-8, NRT-10, NRT-15, KEY-1;
    wireguard.com/quickstart; docs.suricata.io "Setting up IPS with Netfilter".
    """

    @takes(GatewayArgs)
    def __init__(self, args: GatewayArgs) -> None:
        self.way_out = WayOut(self, args.machine, str(args.machine.address))
        self.vpn_addresses = args.vpn.addresses if args.vpn else {}
        passing = args.machine.configure(configuration(args), role="gateway", opts=self.child())
        self.vpn_key = pulumi.Output.from_input("")
        if args.vpn:
            shown = command.remote.Command(
                f"{self.name}-vpn-key",
                connection=args.machine.connection,
                create="sudo wg show vpn public-key",
                triggers=[args.machine.incarnation],
                add_previous_output_in_env=False,
                opts=self.child(depends_on=[passing.applied]),
            )
            self.vpn_key = pulumi.Output.unsecret(shown.stdout).apply(str.strip)
        if args.intrusion_detection:
            args.machine.configure(
                intrusion_detection(args), role="intrusion-detection", opts=self.child(depends_on=[passing.applied])
            )


def configuration(args: GatewayArgs) -> Configuration:
    """Everything but the intrusion detection."""
    values = {"args": args, "jump_uid": JUMP_UID}
    rules = File(path=RULES, content=render(__file__, "gateway.nft.j2", **values))
    sysctl = File(path=SYSCTL, content="net.ipv4.ip_forward = 1\n")
    jail = File(path="/etc/fail2ban/jail.d/gateway.conf", content=render(__file__, "jail.conf.j2", **values))
    user = File(
        path="/etc/sysusers.d/jump.conf", content=f'u jump {JUMP_UID} "SSH jump" /nonexistent /usr/sbin/nologin\n'
    )
    keys = File(path="/etc/ssh/jump_keys", content=render(__file__, "jump_keys.j2", **values))
    sshd = File(path="/etc/ssh/sshd_config.d/20-jump.conf", content=render(__file__, "jump.conf.j2"))
    vpn = vpn_files(args)
    return Configuration(
        role="gateway",
        # wireguard-go: wg-quick's own way out where the kernel has no WireGuard.
        packages=("fail2ban", *(("wireguard-tools", "wireguard-go") if vpn else ())),
        files=(rules, sysctl, jail, user, ASKED, keys, sshd, *vpn),
        units=(
            Unit(unit="systemd-sysctl.service", oneshot=True, restart_on=(SYSCTL,)),
            firewall_unit(RULES),
            Unit(unit=ACCOUNTS, oneshot=True, restart_on=(user.path, ASKED.path)),
            Unit(unit="ssh.service", reload_on=(sshd.path,), check="sshd -t"),
            Unit(unit="fail2ban.service", restart_on=(jail.path,), check="fail2ban-client --test"),
            *(
                (Unit(unit="wg-quick@vpn.service", oneshot=True, restart_on=tuple(file.path for file in vpn)),)
                if vpn
                else ()
            ),
        ),
        ready=Ready(command="fail2ban-client ping" + (" && wg show vpn public-key" if vpn else "")),
    )


def vpn_files(args: GatewayArgs) -> tuple[File, ...]:
    if not args.vpn:
        return ()
    return (
        File(path="/etc/wireguard/vpn.conf", content=render(__file__, "vpn.conf.j2", vpn=args.vpn), mode="0600"),
        File(path=f"{UNITS}/wg-quick@vpn.service.d/key.conf", content=render(__file__, "vpn-key.conf.j2")),
    )


def intrusion_detection(args: GatewayArgs) -> Configuration:
    """Suricata on a queue of the kernel: it sees every packet that is passed on, and says whether it goes on."""
    settings = File(path="/etc/suricata/gateway.yaml", content=render(__file__, "suricata.yaml.j2"))
    rules = File(path="/etc/suricata/gateway.rules", content=render(__file__, "gateway.rules.j2", args=args))
    drop = File(path="/etc/suricata/drop.conf", content=render(__file__, "drop.conf.j2"))
    queue = File(path="/usr/local/sbin/suricata-queue", content=render(__file__, "suricata-queue.j2"), mode="0755")
    inline = File(path=f"{UNITS}/suricata.service.d/gateway.conf", content=render(__file__, "suricata.conf.j2"))
    update = File(path=f"{UNITS}/suricata-rules.service", content=render(__file__, "suricata-rules.service.j2"))
    daily = File(path=f"{UNITS}/suricata-rules.timer", content=render(__file__, "suricata-rules.timer.j2"))
    # Our own rules alone: the published ones are not there before the first update.
    check = f"suricata -T -l /tmp -c /etc/suricata/suricata.yaml --include {settings.path} -S {rules.path}"
    return Configuration(
        role="intrusion-detection",
        packages=("iptables", "suricata", "suricata-update"),
        directories=(Directory(path="/var/lib/suricata/rules"),),
        files=(settings, rules, drop, queue, inline, update, daily),
        units=(
            Unit(
                unit="suricata.service",
                restart_on=(settings.path, rules.path, queue.path, inline.path),
                check=check,
            ),
            Unit(unit="suricata-rules.timer", restart_on=(update.path, daily.path, drop.path)),
        ),
        ready=Ready(command=f"suricatasc -c uptime && {queue.path} check", seconds=120),
    )
