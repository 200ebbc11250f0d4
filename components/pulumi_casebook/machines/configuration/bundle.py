"""The bundle: a configuration as the readable text that previews show and the apply program reads."""

from collections.abc import Sequence

from pulumi_casebook.machines.configuration.args import Allow, Configuration, File, Unit

RULESET, FIREWALL = "/etc/nftables.conf", "/etc/nftables.d"
UNITS = "/etc/systemd/system"
# The machine's own, which several roles change: the base role alone says how those that it has are started again.
GROUND = ("nftables.service", "ssh.service", "systemd-sysctl.service", "systemd-sysusers.service")


def firewall_file(role: str, allow: Sequence[Allow]) -> File:
    """The role's open ports, for the machine's ruleset to include."""
    rules = [f"add rule inet filter input {rule.match} accept" for rule in allow if rule.sources]
    return File(path=f"{FIREWALL}/{role}.nft", content="\n".join([f"# Who may reach the {role} role.", *rules, ""]))


def firewall_unit(path: str) -> Unit:
    """The machine's firewall, for a role that has a file of it."""
    return Unit(unit="nftables.service", oneshot=True, reload_on=(path,), check=f"nft -c -f {RULESET}")


def restart_file(role: str, unit: Unit) -> File:
    """How systemd starts a service again: always, and without a limit after which it gives up (systemd.service(5))."""
    lines = [
        "[Unit]",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"Restart={'on-failure' if unit.oneshot else 'always'}",
        f"RestartSec={unit.restart_seconds}",
        "RestartPreventExitStatus=",
        "",
    ]
    return File(path=f"{UNITS}/{unit.unit}.d/restart-{role}.conf", content="\n".join(lines))


def complete(configuration: Configuration) -> Configuration:
    """The configuration with what follows from it: how services are started again; a firewall of its open ports."""
    restarts = tuple(
        restart_file(configuration.role, unit)
        for unit in configuration.units
        if unit.unit.endswith(".service") and (configuration.role == "base" or unit.unit not in GROUND)
    )
    configuration = configuration.model_copy(update={"files": (*configuration.files, *restarts)})
    if not configuration.allow:
        return configuration
    rules = firewall_file(configuration.role, configuration.allow)
    return configuration.model_copy(
        update={
            "files": (*configuration.files, rules),
            "units": (firewall_unit(rules.path), *configuration.units),
            "allow": (),
        }
    )


def prefixed_lines(content: str) -> list[str]:
    lines = content.removesuffix("\n").split("\n") if content else []
    return [f"| {line}" if line else "|" for line in lines]


def bundle(configuration: Configuration) -> str:
    """The bundle's text: one word and its values a line, a file's lines behind bars."""
    whole = complete(configuration)
    lines = [f"role {whole.role}"]
    lines += [f"package {name}" for name in whole.packages]
    lines += [
        f"repository {r.name} {r.uri} {r.suite} {r.component} {r.key} {r.fingerprint}" for r in whole.repositories
    ]
    lines += [f"variable {name} {value}" for name, value in whole.variables.items()]
    lines += [f"directory {d.path} {d.owner} {d.mode}" for d in whole.directories]
    for file in whole.files:
        lines.append(f"file {file.path} {file.owner} {file.mode}")
        lines += prefixed_lines(file.content)
    for unit in whole.units:
        lines.append(f"service {unit.unit} {'reload' if unit.reload_on else 'restart'}")
        lines += [f"  follows {path}" for path in (*unit.restart_on, *unit.reload_on)]
        lines += [f"  check {unit.check}"] if unit.check else []
    if whole.ready:
        lines.append(f"ready {whole.ready.seconds} {whole.ready.command}")
    return "\n".join(lines) + "\n"
