"""Monitoring of machines: Prometheus, Alertmanager and an exporter on each."""

from pulumi_casebook.watching.monitoring.args import (
    ExporterArgs,
    MailArgs,
    MonitoringArgs,
    NightArgs,
    SmsArgs,
    ThresholdsArgs,
)
from pulumi_casebook.watching.monitoring.component import Monitoring, exporter_access

__all__ = [
    "ExporterArgs",
    "MailArgs",
    "Monitoring",
    "MonitoringArgs",
    "NightArgs",
    "SmsArgs",
    "ThresholdsArgs",
    "exporter_access",
]
