"""What roles of several components share on a machine: systemd units, accounts, figures."""

from pulumi_casebook.machines.configuration import Directory, File
from pulumi_casebook.machines.configuration.bundle import UNITS as UNITS

# systemd makes the accounts of /etc/sysusers.d when /etc is of another release; with this, whenever it is asked to.
ACCOUNTS = "systemd-sysusers.service"
ASKED = File(path=f"{UNITS}/{ACCOUNTS}.d/casebook.conf", content="[Unit]\nConditionNeedsUpdate=\n")
# Root's alone: node_exporter's own folder lies in one of the account prometheus, which could lead a writer elsewhere.
METRICS = "/var/lib/casebook-metrics"
FIGURES = Directory(path=METRICS)
